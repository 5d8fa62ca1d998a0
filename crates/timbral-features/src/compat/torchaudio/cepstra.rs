//! Cepstra of mel and of linear filters.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::spectrogram::{Bank, Frames, MelConfig, MelSpectrogram, SpectrogramConfig};
use crate::db::{DbConfig, to_db_in_place};
use crate::error::FeatureError;
use crate::filters::{DctNorm, DctType, dct_matrix};
use crate::shape::{frame_major, visit_frames};
use crate::simd::{dispatch, dot, ln};

/// Parameters of [`Mfcc`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccConfig {
    /// The mel spectrogram.
    pub mel: MelConfig,
    /// Number of coefficients, at most the number of bands. Default: 40.
    pub n_mfcc: usize,
    /// Scaling of the cosine transform. Default: orthonormal.
    pub norm: DctNorm,
    /// `ln(x + 1e-6)` of the bands, else decibels with a range of 80 dB. Default: false.
    pub log_mels: bool,
}

impl Default for MfccConfig {
    fn default() -> Self {
        Self { mel: MelConfig::default(), n_mfcc: 40, norm: DctNorm::Ortho, log_mels: false }
    }
}

/// Parameters of [`Lfcc`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LfccConfig {
    /// Samples per second. Default: 16 000.
    pub sample_rate: u32,
    /// The spectrogram.
    pub spectrogram: SpectrogramConfig,
    /// Number of linear filters. Default: 128.
    pub n_filter: usize,
    /// Lower end of the first filter in Hz. Default: 0.
    pub f_min: f64,
    /// Upper end of the last filter in Hz. Default: half the sample rate, rounded down.
    pub f_max: Option<f64>,
    /// Number of coefficients, at most the number of filters. Default: 40.
    pub n_lfcc: usize,
    /// Scaling of the cosine transform. Default: orthonormal.
    pub norm: DctNorm,
    /// `ln(x + 1e-6)` of the bands, else decibels with a range of 80 dB. Default: false.
    pub log_lf: bool,
}

impl Default for LfccConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            spectrogram: SpectrogramConfig::default(),
            n_filter: 128,
            f_min: 0.0,
            f_max: None,
            n_lfcc: 40,
            norm: DctNorm::Ortho,
            log_lf: false,
        }
    }
}

/// The logarithm of bands and its cosine transform.
#[derive(Debug, Clone)]
struct Cepstrum {
    matrix: Array2<f32>,
    natural: bool,
}

impl Cepstrum {
    fn new(
        name: &'static str,
        count: usize,
        n_bands: usize,
        norm: DctNorm,
        natural: bool,
    ) -> Result<Self, FeatureError> {
        if count == 0 || count > n_bands {
            return Err(FeatureError::config(name, count, format!("between 1 and {n_bands}")));
        }
        let matrix = dct_matrix(count, n_bands, DctType::Two, norm)?.mapv(|w| w as f32);
        Ok(Self { matrix: matrix.as_standard_layout().into_owned(), natural })
    }

    fn apply(&self, mut bands: Array2<f32>) -> Result<Array2<f32>, FeatureError> {
        const OFFSET: f32 = 1e-6;
        if self.natural {
            bands.mapv_inplace(|x| ln(x + OFFSET));
        } else {
            to_db_in_place(&mut bands, &DbConfig::default());
        }
        let mut out = frame_major(self.matrix.nrows(), bands.ncols())?;
        let mut frames = out.columns_mut().into_iter();
        visit_frames(&bands.view(), &mut Vec::new(), |_, bands| {
            let Some(mut cepstra) = frames.next() else { return };
            dispatch!({
                for (to, row) in cepstra.iter_mut().zip(self.matrix.rows()) {
                    *to = row.to_slice().map_or(0.0, |row| dot(bands, row));
                }
            });
        });
        Ok(out)
    }
}

/// `torchaudio.transforms.MFCC`: of shape `(n_mfcc, n_frames)`.
#[derive(Debug, Clone)]
pub struct Mfcc {
    config: MfccConfig,
    mel: MelSpectrogram,
    cepstrum: Cepstrum,
}

impl Mfcc {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// As [`MelSpectrogram::new`], and [`FeatureError::Config`] for no coefficients or more than there are bands.
    pub fn new(config: MfccConfig) -> Result<Self, FeatureError> {
        let mel = MelSpectrogram::new(config.mel.clone())?;
        let cepstrum =
            Cepstrum::new("n_mfcc", config.n_mfcc, config.mel.n_mels, config.norm, config.log_mels)?;
        Ok(Self { config, mel, cepstrum })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &MfccConfig {
        &self.config
    }

    /// The coefficients of a signal, of shape `(n_mfcc, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`MelSpectrogram::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        self.cepstrum.apply(self.mel.compute(samples)?)
    }
}

/// `torchaudio.transforms.LFCC`: cepstra of triangles that are evenly spaced in Hz, of shape `(n_lfcc, n_frames)`.
#[derive(Debug, Clone)]
pub struct Lfcc {
    config: LfccConfig,
    frames: Frames,
    bank: Bank,
    cepstrum: Cepstrum,
}

impl Lfcc {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid transform, a sample rate of 0, edges out of order, or no filters or
    /// coefficients.
    pub fn new(config: LfccConfig) -> Result<Self, FeatureError> {
        const MOST_FILTERS: usize = 1 << 16;
        if config.sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
        }
        if config.n_filter == 0 || config.n_filter > MOST_FILTERS {
            return Err(FeatureError::config(
                "n_filter",
                config.n_filter,
                format!("between 1 and {MOST_FILTERS}"),
            ));
        }
        let top = f64::from(config.sample_rate / 2);
        let f_max = config.f_max.unwrap_or(top);
        if !(config.f_min >= 0.0 && config.f_min < f_max && f_max.is_finite()) {
            return Err(FeatureError::config(
                "f_max",
                format!("{} to {f_max} Hz", config.f_min),
                "above f_min, with both at least 0",
            ));
        }
        let frames = Frames::new(&config.spectrogram)?;
        let n_bins = frames.n_bins();
        let edge = |i: usize| config.f_min + (f_max - config.f_min) * i as f64 / (config.n_filter + 1) as f64;
        let dense = Array2::from_shape_fn((config.n_filter, n_bins), |(i, bin)| {
            let frequency = top * bin as f64 / (n_bins - 1).max(1) as f64;
            let rise = (frequency - edge(i)) / (edge(i + 1) - edge(i));
            let fall = (edge(i + 2) - frequency) / (edge(i + 2) - edge(i + 1));
            rise.min(fall).max(0.0) as f32
        });
        let cepstrum = Cepstrum::new("n_lfcc", config.n_lfcc, config.n_filter, config.norm, config.log_lf)?;
        Ok(Self { config, frames, bank: Bank::new(&dense), cepstrum })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &LfccConfig {
        &self.config
    }

    /// The coefficients of a signal, of shape `(n_lfcc, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        let bands = self.frames.map(samples, self.bank.len(), |bins, bands| self.bank.apply(bins, bands))?;
        self.cepstrum.apply(bands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_flat_bands() {
        for log in [false, true] {
            let mfcc = Mfcc::new(MfccConfig { log_mels: log, ..Default::default() }).unwrap();
            let lfcc = Lfcc::new(LfccConfig { log_lf: log, ..Default::default() }).unwrap();
            let level = if log { 1e-6f64.ln() } else { -100.0 } * 128f64.sqrt();
            for cepstra in [mfcc.compute(&[0.0; 2000]).unwrap(), lfcc.compute(&[0.0; 2000]).unwrap()] {
                assert_eq!(cepstra.dim(), (40, 11));
                assert!((f64::from(cepstra[[0, 3]]) / level - 1.0).abs() < 1e-6);
                assert!(cepstra.column(3).iter().skip(1).all(|x| x.abs() < 1e-3));
            }
        }
    }

    #[test]
    fn refuses_nonsense() {
        assert!(Mfcc::new(MfccConfig { n_mfcc: 129, ..Default::default() }).is_err());
        assert!(Lfcc::new(LfccConfig { n_filter: 0, ..Default::default() }).is_err());
        assert!(Lfcc::new(LfccConfig { f_min: 9000.0, ..Default::default() }).is_err());
        let plan = Lfcc::new(LfccConfig::default()).unwrap();
        assert!(plan.compute(&[f32::NAN; 500]).is_err());
        assert!(plan.compute(&[]).is_err());
        assert_eq!(plan.compute(&[0.3]).unwrap().dim(), (40, 1));
    }
}
