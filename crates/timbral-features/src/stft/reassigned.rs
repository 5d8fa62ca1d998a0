//! The reassigned spectrogram.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use ndarray::Array2;
use realfft::num_complex::Complex64;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::StftConfig;
use crate::error::{FeatureError, check_finite};
use crate::framing::Framing;
use crate::shape::frame_major;

/// How a spectrogram is reassigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReassignedConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Whether bins move in frequency. Default: true.
    pub reassign_frequencies: bool,
    /// Whether bins move in time. Default: true.
    pub reassign_times: bool,
    /// Bins whose power is below this are not reassigned; at least 0. Default: 1e-6.
    pub ref_power: f32,
    /// Whether bins that are not reassigned keep their own frequency and time. Else they become NaN. Default: false.
    pub fill_nan: bool,
    /// Whether frequencies are kept within 0 and Nyquist, times within the signal. Default: true.
    pub clip: bool,
}

impl Default for ReassignedConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            reassign_frequencies: true,
            reassign_times: true,
            ref_power: 1e-6,
            fill_nan: false,
            clip: true,
        }
    }
}

/// Where the energy of each bin of a spectrogram really lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Reassigned {
    /// Instantaneous frequency of each bin in Hz, `(n_bins, n_frames)`.
    pub frequencies: Array2<f32>,
    /// Group delay of each bin as a time in seconds, `(n_bins, n_frames)`.
    pub times: Array2<f32>,
    /// The magnitudes, not moved, `(n_bins, n_frames)`.
    pub magnitudes: Array2<f32>,
}

/// The time-frequency reassigned spectrogram: each bin moves to the centre of gravity of its energy.
///
/// Auger and Flandrin, "Improving the readability of time-frequency and time-scale representations by the reassignment
/// method", IEEE Trans. Signal Processing 43(5), 1995. Runs in double precision, for the quotients of small spectra.
#[derive(Clone)]
pub struct ReassignedSpectrogram {
    config: ReassignedConfig,
    framing: Framing,
    windows: [Vec<f64>; 3],
    fft: Arc<dyn RealToComplex<f64>>,
}

impl fmt::Debug for ReassignedSpectrogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReassignedSpectrogram").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ReassignedSpectrogram {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid STFT configuration, a sample rate of 0, a negative or non-finite
    /// `ref_power`, or if nothing is to be reassigned.
    pub fn new(config: ReassignedConfig) -> Result<Self, FeatureError> {
        if config.sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
        }
        if !(config.ref_power.is_finite() && config.ref_power >= 0.0) {
            return Err(FeatureError::config("ref_power", config.ref_power, "at least 0"));
        }
        if !config.reassign_frequencies && !config.reassign_times {
            return Err(FeatureError::config(
                "reassign_times",
                false,
                "true where reassign_frequencies is false",
            ));
        }
        let framing = config.stft.framing()?;
        let window = config.stft.padded_window()?;
        let n = window.len();
        let derivative = (0..n).map(|i| 0.5 * (window[(i + 1) % n] - window[(i + n - 1) % n])).collect();
        // Time is counted from the middle of the window, between two samples for an even length.
        let middle = if n.is_multiple_of(2) { n as f64 / 2.0 - 0.5 } else { (n / 2) as f64 };
        let weighted = window.iter().enumerate().map(|(i, w)| w * (i as f64 - middle)).collect();
        let fft = RealFftPlanner::new().plan_fft_forward(n);
        Ok(Self { config, framing, windows: [window, derivative, weighted], fft })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ReassignedConfig {
        &self.config
    }

    /// The reassigned spectrogram of a signal.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite
    /// samples, [`FeatureError::Limit`] if the answer does not fit in memory.
    pub fn compute(&self, samples: &[f32]) -> Result<Reassigned, FeatureError> {
        let n_frames = self.framing.n_frames(samples.len())?;
        check_finite("samples", samples)?;
        let n_fft = self.config.stft.n_fft;
        let n_bins = n_fft / 2 + 1;
        let mut answer = Reassigned {
            frequencies: frame_major(n_bins, n_frames)?,
            times: frame_major(n_bins, n_frames)?,
            magnitudes: frame_major(n_bins, n_frames)?,
        };
        let mut frame = vec![0.0f32; n_fft];
        let mut buffer = self.fft.make_input_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut spectra = [const { Vec::new() }; 3].map(|_: Vec<Complex64>| self.fft.make_output_vec());
        for t in 0..n_frames {
            self.framing.fill(samples, t, &mut frame);
            for (window, spectrum) in self.windows.iter().zip(&mut spectra) {
                for ((to, x), w) in buffer.iter_mut().zip(&frame).zip(window) {
                    *to = f64::from(*x) * w;
                }
                let done = self.fft.process_with_scratch(&mut buffer, spectrum, &mut scratch);
                debug_assert!(done.is_ok(), "buffers have the planned lengths");
            }
            for bin in 0..n_bins {
                let [plain, derivative, weighted] = &spectra;
                let (frequency, time) =
                    self.reassign(t, bin, samples.len(), plain[bin], derivative[bin], weighted[bin]);
                answer.frequencies[[bin, t]] = frequency as f32;
                answer.times[[bin, t]] = time as f32;
                answer.magnitudes[[bin, t]] = plain[bin].norm() as f32;
            }
        }
        Ok(answer)
    }

    fn reassign(
        &self,
        t: usize,
        bin: usize,
        samples: usize,
        plain: Complex64,
        derivative: Complex64,
        weighted: Complex64,
    ) -> (f64, f64) {
        let config = &self.config;
        let rate = f64::from(config.sample_rate);
        let own_frequency = bin as f64 * rate / config.stft.n_fft as f64;
        let offset = if config.stft.center { 0 } else { config.stft.n_fft / 2 };
        let own_time = (t as f64 * config.stft.hop_length as f64 + offset as f64) / rate;
        let low = plain.norm_sqr() < f64::from(config.ref_power) || plain.norm_sqr() == 0.0;
        let settle = |moves: bool, own: f64, moved: f64, top: f64| {
            let value = match (moves, low) {
                (false, _) => return own,
                (true, true) if config.fill_nan => own,
                (true, true) => f64::NAN,
                (true, false) => moved,
            };
            if config.clip && !value.is_nan() { value.clamp(0.0, top) } else { value }
        };
        let frequency = own_frequency - (derivative / plain).im * 0.5 * rate / PI;
        let time = own_time + (weighted / plain).re / rate;
        (
            settle(config.reassign_frequencies, own_frequency, frequency, rate / 2.0),
            settle(config.reassign_times, own_time, time, samples as f64 / rate),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_between_bins_is_found() {
        let stft = StftConfig { n_fft: 1024, hop_length: 256, ..StftConfig::default() };
        let plan = ReassignedSpectrogram::new(ReassignedConfig { stft, ..Default::default() }).unwrap();
        let tone: Vec<f32> =
            (0..8192).map(|i| (std::f32::consts::TAU * 1000.3 * i as f32 / 22_050.0).sin()).collect();
        let answer = plan.compute(&tone).unwrap();
        let bin = (1000.3f32 * 1024.0 / 22_050.0).round() as usize;
        assert!((answer.frequencies[[bin, 16]] - 1000.3).abs() < 0.5);
        assert!((answer.times[[bin, 16]] - 16.0 * 256.0 / 22_050.0).abs() < 1e-3);
    }

    #[test]
    fn silence_is_nan_or_its_own_place() {
        let config = ReassignedConfig { ref_power: 0.0, ..Default::default() };
        let answer = ReassignedSpectrogram::new(config.clone()).unwrap().compute(&[0.0; 600]).unwrap();
        assert!(answer.frequencies.iter().all(|f| f.is_nan()));
        let config = ReassignedConfig { fill_nan: true, ..config };
        let answer = ReassignedSpectrogram::new(config).unwrap().compute(&[0.0; 600]).unwrap();
        assert_eq!(answer.frequencies[[1024, 0]], 11_025.0);
    }

    #[test]
    fn refuses_a_plan_that_does_nothing() {
        let config =
            ReassignedConfig { reassign_frequencies: false, reassign_times: false, ..Default::default() };
        assert!(ReassignedSpectrogram::new(config).is_err());
        assert!(
            ReassignedSpectrogram::new(ReassignedConfig { ref_power: -1.0, ..Default::default() }).is_err()
        );
    }
}
