//! Spectrograms and mel spectrograms.

use std::borrow::Cow;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use crate::filters::{MelFilterBank, MelFilterConfig, MelNorm};
use crate::framing::PadMode;
use crate::plan::FeaturePlan;
use crate::shape::{fill_frames, frame_major};
use crate::simd::{dispatch, dot};
use crate::stft::{self, Spectrogram, StftConfig, StftScratch};
use crate::window::{Window, get_window};

/// Parameters that all transforms of torchaudio share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectrogramConfig {
    /// Length of the Fourier transform in samples. Default: 400.
    pub n_fft: usize,
    /// Length of the window in samples, at most `n_fft`. Default: `n_fft`.
    pub win_length: Option<usize>,
    /// Samples from one frame to the next. Default: half the window.
    pub hop_length: Option<usize>,
    /// Zeros added at both ends of the signal, before the padding of centred frames. Default: 0.
    pub pad: usize,
    /// The window, in its periodic form. Default: Hann.
    pub window: Window,
    /// Exponent of the magnitude, above 0. Default: 2.
    pub power: f32,
    /// Divides the transform by the window's Euclidean norm. Default: false.
    pub normalized: bool,
    /// Whether frames are centred. Default: true.
    pub center: bool,
    /// What lies outside the signal when frames are centred. Default: reflection.
    pub pad_mode: PadMode,
}

impl Default for SpectrogramConfig {
    fn default() -> Self {
        Self {
            n_fft: 400,
            win_length: None,
            hop_length: None,
            pad: 0,
            window: Window::Hann,
            power: 2.0,
            normalized: false,
            center: true,
            pad_mode: PadMode::Reflect,
        }
    }
}

/// The plan of a spectrogram, frame by frame.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    plan: Spectrogram,
    pad: usize,
    /// What the spectrogram is multiplied by.
    scale: f32,
}

impl Frames {
    pub(super) fn new(config: &SpectrogramConfig) -> Result<Self, FeatureError> {
        const MOST_PAD: usize = 1 << 30;
        if config.pad > MOST_PAD {
            return Err(FeatureError::config("pad", config.pad, format!("at most {MOST_PAD}")));
        }
        let win_length = config.win_length.unwrap_or(config.n_fft);
        let stft = StftConfig {
            n_fft: config.n_fft,
            hop_length: config.hop_length.unwrap_or(win_length / 2),
            win_length: Some(win_length),
            window: config.window.clone(),
            center: config.center,
            pad_mode: config.pad_mode,
        };
        let plan = Spectrogram::new(stft::SpectrogramConfig { stft, power: config.power })?;
        let mut scale = 1.0;
        if config.normalized {
            let window = get_window(&config.window, win_length, true)?;
            let energy: f64 = window.iter().map(|w| w * w).sum();
            scale = energy.max(f64::MIN_POSITIVE).powf(-0.5 * f64::from(config.power)) as f32;
        }
        Ok(Self { plan, pad: config.pad, scale })
    }

    pub(super) fn n_bins(&self) -> usize {
        self.plan.n_bins()
    }

    pub(super) fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.plan.n_frames(samples.saturating_add(2 * self.pad))
    }

    /// An output of `rows` rows, each frame filled by `answer` from a frame of the spectrogram.
    pub(super) fn map(
        &self,
        samples: &[f32],
        rows: usize,
        mut answer: impl FnMut(&[f32], &mut [f32]),
    ) -> Result<Array2<f32>, FeatureError> {
        check_finite("samples", samples)?;
        let mut out = frame_major(rows, self.n_frames(samples.len())?)?;
        let padded = match self.pad {
            0 => Cow::Borrowed(samples),
            pad => {
                let mut padded = vec![0.0; samples.len() + 2 * pad];
                padded[pad..pad + samples.len()].copy_from_slice(samples);
                Cow::Owned(padded)
            }
        };
        let mut scratch: StftScratch = self.plan.scratch();
        let mut bins = vec![0.0; self.n_bins()];
        fill_frames(&mut out, &mut Vec::new(), |t, frame| {
            self.plan.frame(&padded, t, &mut bins, &mut scratch);
            if self.scale != 1.0 {
                bins.iter_mut().for_each(|x| *x *= self.scale);
            }
            answer(&bins, frame);
        });
        Ok(out)
    }
}

/// Filters that weigh few bins each.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    rows: Vec<(usize, Vec<f32>)>,
}

impl Bank {
    /// From dense rows, of which the zeros at both ends are left out.
    pub(super) fn new(dense: &Array2<f32>) -> Self {
        let rows = dense.rows().into_iter().map(|row| {
            let start = row.iter().position(|&w| w != 0.0).unwrap_or(0);
            let end = row.iter().rposition(|&w| w != 0.0).map_or(start, |last| last + 1);
            (start, (start..end).map(|bin| row[bin]).collect())
        });
        Self { rows: rows.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn apply(&self, bins: &[f32], out: &mut [f32]) {
        dispatch!({
            for (value, (start, weights)) in out.iter_mut().zip(&self.rows) {
                *value = dot(&bins[*start..*start + weights.len()], weights);
            }
        });
    }
}

/// Parameters of [`MelSpectrogram`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MelConfig {
    /// Samples per second. Default: 16 000.
    pub sample_rate: u32,
    /// The spectrogram.
    pub spectrogram: SpectrogramConfig,
    /// Number of bands. Default: 128.
    pub n_mels: usize,
    /// Lower end of the first band in Hz. Default: 0.
    pub f_min: f64,
    /// Upper end of the last band in Hz. Default: half the sample rate, rounded down.
    pub f_max: Option<f64>,
    /// Scaling of the filters: none or Slaney's. Default: none.
    pub norm: MelNorm,
    /// The mel scale of HTK, else Slaney's. Default: true.
    pub htk: bool,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            spectrogram: SpectrogramConfig::default(),
            n_mels: 128,
            f_min: 0.0,
            f_max: None,
            norm: MelNorm::None,
            htk: true,
        }
    }
}

/// `torchaudio.transforms.MelSpectrogram`: of shape `(n_mels, n_frames)`.
///
/// ```
/// use timbral_features::compat::torchaudio::{MelConfig, MelSpectrogram};
/// let plan = MelSpectrogram::new(MelConfig::default())?;
/// assert_eq!(plan.compute(&[0.1; 16_000])?.dim(), (128, 81));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MelSpectrogram {
    config: MelConfig,
    frames: Frames,
    bank: Bank,
}

impl MelSpectrogram {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid transform or filters; see [`MelFilterBank::new`].
    pub fn new(config: MelConfig) -> Result<Self, FeatureError> {
        let frames = Frames::new(&config.spectrogram)?;
        let bank = MelFilterBank::new(MelFilterConfig {
            sample_rate: config.sample_rate,
            n_fft: config.spectrogram.n_fft,
            n_mels: config.n_mels,
            fmin: config.f_min,
            fmax: Some(config.f_max.unwrap_or(f64::from(config.sample_rate / 2))),
            htk: config.htk,
            norm: config.norm,
        })?;
        Ok(Self { bank: Bank::new(&bank.to_dense()), config, frames })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// Number of frames of a signal of `samples` samples.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits.
    pub fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.frames.n_frames(samples)
    }

    /// The mel spectrogram of a signal, of shape `(n_mels, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        self.frames.map(samples, self.bank.len(), |bins, bands| self.bank.apply(bins, bands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mel;

    #[test]
    fn is_a_mel_spectrogram_of_other_defaults() {
        let samples: Vec<f32> = (0..4000).map(|i| (i as f32 * 0.1).sin()).collect();
        let plain = mel::MelSpectrogram::new(mel::MelConfig {
            sample_rate: 16_000,
            n_fft: 400,
            hop_length: 200,
            pad_mode: PadMode::Reflect,
            htk: true,
            norm: MelNorm::None,
            ..mel::MelConfig::default()
        });
        let plain = plain.unwrap().compute(&samples).unwrap();
        let same = MelSpectrogram::new(MelConfig::default()).unwrap().compute(&samples).unwrap();
        let peak = plain.iter().copied().fold(0.0, f32::max);
        assert!(plain.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-6 * peak));
        let spectrogram = SpectrogramConfig { normalized: true, pad: 100, ..Default::default() };
        let other = MelSpectrogram::new(MelConfig { spectrogram, ..Default::default() }).unwrap();
        let other = other.compute(&samples).unwrap();
        assert_eq!(other.ncols(), plain.ncols() + 1);
        // A periodic Hann window of 400 samples has the energy 150; frame 10 moved by half a hop is no frame of the
        // other, but a steady tone's energy is the same.
        let energy = |s: &Array2<f32>| s.column(10).sum();
        assert!((energy(&other) * 150.0 / energy(&plain) - 1.0).abs() < 1e-2);
    }
}
