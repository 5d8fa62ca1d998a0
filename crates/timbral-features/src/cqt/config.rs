//! Parameters of the transforms.

use serde::{Deserialize, Serialize};

use super::intervals::{Intervals, interval_frequencies};
use crate::convert::midi_to_hz;
use crate::error::FeatureError;
use crate::filters::{WaveletConfig, relative_bandwidth};
use crate::framing::PadMode;
use crate::pitch::{PiptrackConfig, TuningConfig, estimate_tuning};
use crate::resample::ResampleType;
use crate::util::Norm;
use crate::window::Window;

/// Parameters of a constant-Q transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CqtConfig {
    /// Samples per second. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one frame to the next. It should be a multiple of 2 to the power of octaves - 1: lower octaves are
    /// computed at lower rates only as long as their hop stays whole. Default: 512.
    pub hop_length: usize,
    /// Frequency of the first bin in Hz. Default: C1, 32.703.
    pub fmin: f64,
    /// Number of bins. Default: 84, seven octaves.
    pub n_bins: usize,
    /// Bins in an octave. Default: 12.
    pub bins_per_octave: usize,
    /// Deviation from A440 in fractions of a bin, which moves `fmin`; none estimates it from each signal. Default: 0.
    pub tuning: Option<f64>,
    /// Scales the lengths of the filters; below 1 for better resolution in time. Default: 1.
    pub filter_scale: f64,
    /// Norm of each filter in time; none leaves them. Default: L1.
    pub norm: Option<Norm>,
    /// Fraction of each filter's spectrum (by magnitude) that is dropped, from 0 up to 1. Default: 0.01.
    pub sparsity: f64,
    /// Window of each filter. Default: Hann.
    pub window: Window,
    /// Whether the answer is divided by the square root of each filter's length. Default: true.
    pub scale: bool,
    /// What lies outside the signal. Default: zeros.
    pub pad_mode: PadMode,
    /// How the signal is decimated from octave to octave. Default: [`ResampleType::SoxrHq`].
    pub res_type: ResampleType,
}

impl Default for CqtConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            fmin: midi_to_hz(24.0),
            n_bins: 84,
            bins_per_octave: 12,
            tuning: Some(0.0),
            filter_scale: 1.0,
            norm: Some(Norm::L1),
            sparsity: 0.01,
            window: Window::Hann,
            scale: true,
            pad_mode: PadMode::Constant,
            res_type: ResampleType::SoxrHq,
        }
    }
}

/// Parameters of a variable-Q transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VqtConfig {
    /// All that a constant-Q transform has too.
    pub cqt: CqtConfig,
    /// How an octave is divided. [`Intervals::Ratios`] replaces `bins_per_octave`. Default: evenly.
    pub intervals: Intervals,
    /// Bandwidth in Hz that every filter has beyond constant Q; none gives the bandwidths of the ERB scale. Default:
    /// none.
    pub gamma: Option<f64>,
}

impl Default for VqtConfig {
    fn default() -> Self {
        Self { cqt: CqtConfig::default(), intervals: Intervals::Equal, gamma: None }
    }
}

/// The most bins of a transform.
const MOST_BINS: usize = 1 << 16;

impl CqtConfig {
    /// Rejects what no transform can be built from.
    pub(super) fn validate(&self) -> Result<(), FeatureError> {
        for (name, value) in [
            ("hop_length", self.hop_length),
            ("n_bins", self.n_bins),
            ("bins_per_octave", self.bins_per_octave),
            ("sample_rate", self.sample_rate as usize),
        ] {
            if value == 0 {
                return Err(FeatureError::config(name, "0", "at least 1"));
            }
        }
        if self.n_bins > MOST_BINS || self.bins_per_octave > MOST_BINS {
            let most = self.n_bins.max(self.bins_per_octave);
            return Err(FeatureError::config("n_bins", most, format!("at most {MOST_BINS}")));
        }
        if !(self.sparsity >= 0.0 && self.sparsity < 1.0) {
            return Err(FeatureError::config("sparsity", self.sparsity, "at least 0 and below 1"));
        }
        if !(self.fmin.is_finite() && self.fmin > 0.0) {
            return Err(FeatureError::config("fmin", format!("{} Hz", self.fmin), "above 0"));
        }
        if let Some(tuning) = self.tuning.filter(|tuning| !tuning.is_finite()) {
            return Err(FeatureError::config("tuning", tuning, "finite"));
        }
        if let Some(norm) = self.norm {
            norm.validate("norm")?;
        }
        Ok(())
    }

    /// The frequency of every bin at the tuning given, rising.
    pub(super) fn frequencies(&self, intervals: &Intervals, tuning: f64) -> Result<Vec<f64>, FeatureError> {
        let fmin = self.fmin * (tuning / self.bins_per_octave as f64).exp2();
        interval_frequencies(self.n_bins, fmin, intervals, self.bins_per_octave)
    }

    /// The relative bandwidth of each of some frequencies.
    pub(super) fn bandwidths(&self, frequencies: &[f64]) -> Result<Vec<f64>, FeatureError> {
        if frequencies.len() == 1 {
            let ratio = (2.0 / self.bins_per_octave as f64).exp2();
            return Ok(vec![(ratio - 1.0) / (ratio + 1.0)]);
        }
        relative_bandwidth(frequencies)
    }

    /// Filters with the bandwidths given, at another sample rate.
    pub(super) fn wavelets(&self, sample_rate: f64, gamma: Option<f64>, alpha: Vec<f64>) -> WaveletConfig {
        WaveletConfig {
            sample_rate,
            window: self.window.clone(),
            filter_scale: self.filter_scale,
            pad_fft: true,
            norm: self.norm,
            gamma: gamma.unwrap_or(f64::NAN),
            alpha: Some(alpha),
        }
    }

    /// The tuning of a signal in fractions of a bin.
    pub(super) fn tuning_of(&self, samples: &[f32]) -> Result<f64, FeatureError> {
        let peaks = PiptrackConfig { sample_rate: self.sample_rate, ..PiptrackConfig::default() };
        let config = TuningConfig { peaks, bins_per_octave: self.bins_per_octave, ..TuningConfig::default() };
        estimate_tuning(samples, &config)
    }
}

/// Rejects filters that pass more than the sample rate holds.
pub(super) fn check_cutoff(cutoff: f64, sample_rate: u32) -> Result<(), FeatureError> {
    let nyquist = f64::from(sample_rate) / 2.0;
    if cutoff > nyquist {
        return Err(FeatureError::config(
            "n_bins",
            "too large",
            format!(
                "small enough for the highest filter, which passes up to {cutoff:.1} Hz, to end at the Nyquist frequency, {nyquist} Hz"
            ),
        ));
    }
    Ok(())
}
