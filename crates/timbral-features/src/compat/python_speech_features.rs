//! The features of `python_speech_features`, which follow HTK's book but floor filter edges to whole bins.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use realfft::num_complex::Complex64;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use crate::convert::{hz_to_mel, mel_to_hz};
use crate::error::{FeatureError, check_finite};
use crate::shape::{fill_frames, frame_major};
use crate::window::{Window, get_window};

/// Parameters of [`Fbank`], under the names of `python_speech_features`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FbankConfig {
    /// Samples per second. Default: 16 000.
    pub sample_rate: u32,
    /// Length of a frame in seconds. Default: 0.025.
    pub winlen: f64,
    /// Distance between frames in seconds. Default: 0.01.
    pub winstep: f64,
    /// Number of mel filters. Default: 26.
    pub nfilt: usize,
    /// Length of the Fourier transform in samples; longer frames are cut. Default: 512.
    pub nfft: usize,
    /// Lowest edge of the filters in Hz. Default: 0.
    pub lowfreq: f64,
    /// Highest edge of the filters in Hz. Default: half the sample rate.
    pub highfreq: Option<f64>,
    /// `c` of the pre-emphasis `x[i] - c x[i - 1]` of the whole signal, which keeps its first sample; 0 for none.
    /// Default: 0.97.
    pub preemph: f64,
    /// The window, in its symmetric form. Default: ones.
    pub window: Window,
    /// What every sample is multiplied by. Speech programs work on 16-bit integers, so the default is 32 768.
    pub waveform_scale: f64,
}

impl Default for FbankConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            winlen: 0.025,
            winstep: 0.01,
            nfilt: 26,
            nfft: 512,
            lowfreq: 0.0,
            highfreq: None,
            preemph: 0.97,
            window: Window::Boxcar,
            waveform_scale: 32_768.0,
        }
    }
}

/// What [`Fbank::mfcc`] does beyond filter energies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccConfig {
    /// Number of cepstra; more than there are filters give as many as there are filters. Default: 13.
    pub numcep: usize,
    /// `L` of the lifter `1 + L / 2 sin(pi n / L)`; 0 for none. Default: 22.
    pub ceplifter: f64,
    /// Replaces C0 by the logarithm of the frame's energy. Default: true.
    pub append_energy: bool,
}

impl Default for MfccConfig {
    fn default() -> Self {
        Self { numcep: 13, ceplifter: 22.0, append_energy: true }
    }
}

/// Features of `python_speech_features`; all answers have the shape `(rows, n_frames)`, the transpose of that package's.
///
/// Frames are not centred; the last one is filled up with zeros. Powers are divided by `nfft`, and zero energies become
/// 2.2e-16.
///
/// ```
/// use timbral_features::compat::python_speech_features::{Fbank, FbankConfig, MfccConfig};
/// let plan = Fbank::new(FbankConfig::default())?;
/// assert_eq!(plan.mfcc(&[0.01; 16_000], &MfccConfig::default())?.dim(), (13, 99));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone)]
pub struct Fbank {
    config: FbankConfig,
    frame_length: usize,
    frame_step: usize,
    window: Vec<f64>,
    /// The first bin and the weights of each filter.
    filters: Vec<(usize, Vec<f64>)>,
    fft: Arc<dyn RealToComplex<f64>>,
}

impl fmt::Debug for Fbank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fbank").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Fbank {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a length is 0 or beyond 2^24 samples, there are no filters, edges lie outside of 0 to
    /// Nyquist or in the wrong order, or a number is not finite.
    pub fn new(config: FbankConfig) -> Result<Self, FeatureError> {
        const LONGEST: f64 = 16_777_216.0;
        let rate = f64::from(config.sample_rate);
        if config.sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
        }
        let samples = |name: &'static str, seconds: f64| {
            let length = (seconds * rate).round();
            if (1.0..=LONGEST).contains(&length) {
                Ok(length as usize)
            } else {
                let rule = format!("a duration of 1 to {LONGEST} samples at {rate} Hz");
                Err(FeatureError::config(name, format!("{seconds} s"), rule))
            }
        };
        let frame_length = samples("winlen", config.winlen)?;
        let frame_step = samples("winstep", config.winstep)?;
        if config.nfft == 0 || config.nfft as f64 > LONGEST {
            return Err(FeatureError::config("nfft", config.nfft, format!("between 1 and {LONGEST}")));
        }
        if config.nfilt == 0 || config.nfilt > 1 << 16 {
            return Err(FeatureError::config("nfilt", config.nfilt, "between 1 and 65536"));
        }
        let highfreq = config.highfreq.unwrap_or(rate / 2.0);
        if !(config.lowfreq >= 0.0 && config.lowfreq < highfreq && highfreq <= rate / 2.0) {
            return Err(FeatureError::config(
                "highfreq",
                format!("{} to {highfreq} Hz", config.lowfreq),
                format!("above lowfreq, with both between 0 and the Nyquist frequency, {} Hz", rate / 2.0),
            ));
        }
        for (name, value) in [("preemph", config.preemph), ("waveform_scale", config.waveform_scale)] {
            if !value.is_finite() {
                return Err(FeatureError::config(name, value, "finite"));
            }
        }
        let window = get_window(&config.window, frame_length, false)?;
        let (low, high) = (hz_to_mel(config.lowfreq, true), hz_to_mel(highfreq, true));
        let edge = |i: usize| {
            let mel = low + (high - low) * i as f64 / (config.nfilt + 1) as f64;
            // Rounding in the mel scale must not move an edge on a bin to the bin below.
            let bin = (config.nfft + 1) as f64 * mel_to_hz(mel, true) / rate;
            let near = bin.round();
            if (bin - near).abs() < 1e-9 { near as usize } else { bin.floor() as usize }
        };
        let filters = (0..config.nfilt)
            .map(|i| {
                let [left, centre, right] = [edge(i), edge(i + 1), edge(i + 2)];
                let rise = (left..centre).map(|k| (k - left) as f64 / (centre - left) as f64);
                let fall = (centre..right).map(|k| (right - k) as f64 / (right - centre) as f64);
                let bins = config.nfft / 2 + 1;
                (left, rise.chain(fall).take(bins.saturating_sub(left)).collect())
            })
            .collect();
        let fft = RealFftPlanner::new().plan_fft_forward(config.nfft);
        Ok(Self { config, frame_length, frame_step, window, filters, fft })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &FbankConfig {
        &self.config
    }

    /// Number of frames of a signal of `samples` samples: at least one, unless there are no samples.
    pub fn n_frames(&self, samples: usize) -> usize {
        match samples {
            0 => 0,
            n if n <= self.frame_length => 1,
            n => 1 + (n - self.frame_length).div_ceil(self.frame_step),
        }
    }

    /// The natural logarithms of filter energies, of shape `(nfilt, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn logfbank(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        let mut energies = vec![0.0; self.filters.len()];
        self.frames(samples, self.filters.len(), |power, out| {
            self.energies(power, &mut energies);
            out.iter_mut().zip(&energies).for_each(|(to, energy)| *to = energy.ln() as f32);
        })
    }

    /// Mel-frequency cepstral coefficients, of shape `(min(numcep, nfilt), n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] for NaN or infinite samples, [`FeatureError::Config`] for no cepstra or a lifter that is
    /// not finite.
    pub fn mfcc(&self, samples: &[f32], config: &MfccConfig) -> Result<Array2<f32>, FeatureError> {
        let lifter = config.ceplifter;
        if config.numcep == 0 {
            return Err(FeatureError::config("numcep", "0", "at least 1"));
        }
        if !lifter.is_finite() {
            return Err(FeatureError::config("ceplifter", lifter, "finite"));
        }
        let n = self.filters.len();
        let rows = config.numcep.min(n);
        let dct = crate::filters::dct_matrix(
            rows,
            n,
            crate::filters::DctType::Two,
            crate::filters::DctNorm::Ortho,
        )?;
        let lift = |k: usize| {
            if lifter > 0.0 { 1.0 + lifter / 2.0 * (PI * k as f64 / lifter).sin() } else { 1.0 }
        };
        let mut energies = vec![0.0; n];
        self.frames(samples, rows, |power, out| {
            self.energies(power, &mut energies);
            energies.iter_mut().for_each(|energy| *energy = energy.ln());
            for (k, (to, row)) in out.iter_mut().zip(dct.rows()).enumerate() {
                let sum: f64 = row.iter().zip(&energies).map(|(a, b)| a * b).sum();
                *to = (sum * lift(k)) as f32;
            }
            if config.append_energy {
                out[0] = or_epsilon(power.iter().sum()).ln() as f32;
            }
        })
    }

    /// Spectral subband centroids in Hz, of shape `(nfilt, n_frames)`. A filter without any bin has none: NaN, as in the
    /// reference.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn ssc(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        let n_bins = self.config.nfft / 2 + 1;
        let top = f64::from(self.config.sample_rate) / 2.0;
        // The reference spaces its frequencies from 1 Hz to Nyquist.
        let frequency = |bin: usize| 1.0 + (top - 1.0) * bin as f64 / (n_bins - 1).max(1) as f64;
        self.frames(samples, self.filters.len(), |power, out| {
            for (to, (start, weights)) in out.iter_mut().zip(&self.filters) {
                let (mut total, mut moment) = (0.0, 0.0);
                for (i, (p, w)) in power[*start..].iter().zip(weights).enumerate() {
                    let share = or_epsilon(*p) * w;
                    total += share;
                    moment += share * frequency(start + i);
                }
                *to = (moment / total) as f32;
            }
        })
    }

    /// Gives the power spectrum of each frame to `answer`, which fills a frame of the output.
    fn frames(
        &self,
        samples: &[f32],
        rows: usize,
        mut answer: impl FnMut(&[f64], &mut [f32]),
    ) -> Result<Array2<f32>, FeatureError> {
        check_finite("samples", samples)?;
        let mut out = frame_major(rows, self.n_frames(samples.len()))?;
        let FbankConfig { preemph, waveform_scale, nfft, .. } = self.config;
        let mut input = vec![0.0; nfft];
        let mut spectrum = vec![Complex64::default(); nfft / 2 + 1];
        let mut work = vec![Complex64::default(); self.fft.get_scratch_len()];
        let mut power = vec![0.0; nfft / 2 + 1];
        fill_frames(&mut out, &mut Vec::new(), |t, frame: &mut [f32]| {
            input.fill(0.0);
            let start = t * self.frame_step;
            for (i, (to, w)) in input.iter_mut().zip(&self.window).enumerate() {
                let Some(&x) = samples.get(start + i) else { break };
                let before = (start + i).checked_sub(1).map_or(0.0, |at| f64::from(samples[at]));
                *to = (f64::from(x) - preemph * before) * waveform_scale * w;
            }
            let done = self.fft.process_with_scratch(&mut input, &mut spectrum, &mut work);
            debug_assert!(done.is_ok(), "buffers have the planned lengths");
            power.iter_mut().zip(&spectrum).for_each(|(p, c)| *p = c.norm_sqr() / nfft as f64);
            answer(&power, frame);
        });
        Ok(out)
    }

    fn energies(&self, power: &[f64], energies: &mut [f64]) {
        for (energy, (start, weights)) in energies.iter_mut().zip(&self.filters) {
            let bins = power.get(*start..).unwrap_or_default();
            *energy = or_epsilon(bins.iter().zip(weights).map(|(p, w)| p * w).sum());
        }
    }
}

/// Zero becomes the distance between 1 and the next `f64`.
fn or_epsilon(x: f64) -> f64 {
    if x == 0.0 { f64::EPSILON } else { x }
}

/// The slope of features of shape `(rows, n_frames)` over `n` frames to both sides, edges repeated.
///
/// # Errors
///
/// [`FeatureError::Config`] for `n` of 0 or above 2^24.
pub fn delta(features: ArrayView2<'_, f32>, n: usize) -> Result<Array2<f32>, FeatureError> {
    if n == 0 || n > 1 << 24 {
        return Err(FeatureError::config("n", format!("{n} frames"), "between 1 and 2^24"));
    }
    let (rows, n_frames) = features.dim();
    let divisor = 2.0 * (1..=n).map(|i| (i as f64).powi(2)).sum::<f64>();
    let mut out = frame_major(rows, n_frames)?;
    let last = n_frames.saturating_sub(1);
    fill_frames(&mut out, &mut Vec::new(), |t, frame: &mut [f32]| {
        for (row, to) in frame.iter_mut().enumerate() {
            let at = |t: usize| f64::from(features[[row, t]]);
            let slope: f64 =
                (1..=n).map(|i| i as f64 * (at((t + i).min(last)) - at(t.saturating_sub(i)))).sum();
            *to = (slope / divisor) as f32;
        }
    });
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_cover_the_signal() {
        let plan = Fbank::new(FbankConfig::default()).unwrap();
        let counts = [0, 1, 400, 401, 560, 561].map(|n| plan.n_frames(n));
        assert_eq!(counts, [0, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_tone_lies_in_its_filter() {
        let plan = Fbank::new(FbankConfig { window: Window::Hamming, ..Default::default() }).unwrap();
        let samples: Vec<f32> = (0..8000).map(|i| (i as f32 * std::f32::consts::TAU / 16.0).sin()).collect();
        let log = plan.logfbank(&samples).unwrap();
        let centroids = plan.ssc(&samples).unwrap();
        let frame = log.column(10);
        let loudest = (0..26).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).unwrap();
        assert!((centroids[[loudest, 10]] - 1000.0).abs() < 40.0);
    }

    #[test]
    fn slopes_of_lines_are_their_own() {
        let line = Array2::from_shape_fn((2, 20), |(row, t)| (row + 1) as f32 * t as f32);
        let slopes = delta(line.view(), 3).unwrap();
        for t in 3..17 {
            assert!((slopes[[0, t]] - 1.0).abs() < 1e-6 && (slopes[[1, t]] - 2.0).abs() < 1e-6);
        }
        assert!(delta(line.view(), 0).is_err());
        assert_eq!(delta(Array2::zeros((2, 0)).view(), 2).unwrap().dim(), (2, 0));
    }

    #[test]
    fn odd_inputs() {
        let plan = Fbank::new(FbankConfig::default()).unwrap();
        let config = MfccConfig::default();
        for samples in [&[][..], &[0.5], &[0.0; 900], &[0.3; 900]] {
            assert!(plan.mfcc(samples, &config).unwrap().iter().all(|x| x.is_finite()));
            assert!(plan.logfbank(samples).unwrap().iter().all(|x| x.is_finite()));
        }
        assert!(plan.logfbank(&[f32::NAN]).is_err());
        assert_eq!(plan.mfcc(&[0.1; 900], &MfccConfig { numcep: 99, ..config }).unwrap().nrows(), 26);
        for bad in [
            FbankConfig { nfft: 0, ..Default::default() },
            FbankConfig { highfreq: Some(9000.0), ..Default::default() },
            FbankConfig { winlen: 0.0, ..Default::default() },
        ] {
            assert!(Fbank::new(bad).is_err());
        }
    }
}
