//! Mel-frequency cepstral coefficients and their approximate inverse.
//!
//! [`Mfcc`] has librosa's numbers; those of Kaldi, torchaudio and `python_speech_features` are in
//! [`compat`](crate::compat).
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::mfcc::{Mfcc, MfccConfig};
//! let plan = Mfcc::new(MfccConfig { n_mfcc: 13, ..MfccConfig::default() })?;
//! assert_eq!(plan.compute(&[0.1; 22_050])?.dim(), (13, 44));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

use std::f64::consts::PI;

use ndarray::{Array2, ArrayRef2, ArrayView2, ShapeBuilder};
use serde::{Deserialize, Serialize};

use crate::db::db_to_power;
use crate::error::{FeatureError, check_finite};
use crate::filters::{DctNorm, DctType, dct_matrix};
use crate::mel::{LogMelConfig, LogMelSpectrogram, MelScratch};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames, frame_major, visit_frames};
use crate::simd::{dispatch, product};

/// Mel-frequency cepstral coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccConfig {
    /// The mel spectrogram in decibels. Default: 128 Slaney bands, reference 1, 80 dB.
    pub log_mel: LogMelConfig,
    /// Number of coefficients; more than there are bands give as many as there are bands. Default: 20.
    pub n_mfcc: usize,
    /// Type of the cosine transform. Default: 2; HTK's is 3.
    pub dct_type: DctType,
    /// Scaling of the cosine transform. Default: orthonormal.
    pub norm: DctNorm,
    /// Liftering: coefficient `n`, counted from 1, is multiplied by `1 + lifter / 2 * sin(pi n / lifter)`. 0 for none.
    /// Default: 0.
    pub lifter: f32,
}

impl Default for MfccConfig {
    fn default() -> Self {
        Self {
            log_mel: LogMelConfig::default(),
            n_mfcc: 20,
            dct_type: DctType::Two,
            norm: DctNorm::Ortho,
            lifter: 0.0,
        }
    }
}

/// The factor of coefficient `index`, counted from 0.
fn lifter_factor(lifter: f32, index: usize) -> f64 {
    if lifter == 0.0 {
        return 1.0;
    }
    let lifter = f64::from(lifter);
    1.0 + lifter / 2.0 * (PI * (index + 1) as f64 / lifter).sin()
}

fn check_lifter(lifter: f32) -> Result<(), FeatureError> {
    if lifter.is_finite() && lifter >= 0.0 {
        return Ok(());
    }
    Err(FeatureError::config("lifter", lifter, "at least 0"))
}

fn check_count(n_mfcc: usize) -> Result<(), FeatureError> {
    if n_mfcc > 0 {
        return Ok(());
    }
    Err(FeatureError::config("n_mfcc", "0", "at least 1"))
}

/// The MFCC of a signal: the cosine transform of its mel spectrogram in decibels.
///
/// Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
/// spoken sentences", IEEE Trans. ASSP 28(4), 1980. With `top_db` every coefficient depends on the loudest band of the
/// whole signal.
///
/// ```
/// use timbral_features::{FeaturePlan, Mfcc, MfccConfig};
/// let mfcc = Mfcc::new(MfccConfig { n_mfcc: 13, ..MfccConfig::default() })?;
/// assert_eq!(mfcc.compute(&vec![0.1; 22_050])?.dim(), (13, 44));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mfcc {
    config: MfccConfig,
    log_mel: LogMelSpectrogram,
    /// Rows of the transform with the lifter multiplied in.
    matrix: Array2<f32>,
}

/// Working memory of a [`Mfcc`]. One for each thread.
#[derive(Clone, Debug, Default)]
pub struct MfccScratch {
    mel: MelScratch,
    bands: Vec<f32>,
}

impl Mfcc {
    /// Checks the configuration and plans all steps.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid mel configuration, no coefficients, a negative lifter, or one band with
    /// [`DctType::One`].
    pub fn new(config: MfccConfig) -> Result<Self, FeatureError> {
        check_count(config.n_mfcc)?;
        check_lifter(config.lifter)?;
        let log_mel = LogMelSpectrogram::new(config.log_mel.clone())?;
        let matrix = dct_matrix(config.n_mfcc, log_mel.n_mels(), config.dct_type, config.norm)?;
        let mut matrix = matrix;
        for (k, mut row) in matrix.rows_mut().into_iter().enumerate() {
            row *= lifter_factor(config.lifter, k);
        }
        Ok(Self { config, log_mel, matrix: matrix.mapv(|v| v as f32) })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &MfccConfig {
        &self.config
    }

    /// The mel spectrogram underneath.
    pub fn log_mel(&self) -> &LogMelSpectrogram {
        &self.log_mel
    }

    /// Number of coefficients, the smaller of `n_mfcc` and the number of bands.
    pub fn n_mfcc(&self) -> usize {
        self.matrix.nrows()
    }

    /// The coefficients of a mel spectrogram in decibels with the bands of the configuration.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] for another number of bands.
    pub fn from_log_mel(&self, log_mel: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        let n_mels = self.log_mel.n_mels();
        if log_mel.nrows() != n_mels {
            return Err(FeatureError::shape(
                "log-mel",
                log_mel.shape(),
                format!("({n_mels}, any number of frames)"),
            ));
        }
        let mut out = frame_major(self.n_mfcc(), log_mel.ncols())?;
        self.transform(log_mel, &mut out);
        Ok(out)
    }

    fn transform(&self, log_mel: ArrayView2<'_, f32>, out: &mut ArrayRef2<f32>) {
        let (mut in_row, mut out_row) = (Vec::new(), Vec::new());
        let mut columns = log_mel.columns().into_iter();
        fill_frames(out, &mut out_row, |_, coefficients| {
            let Some(column) = columns.next() else { return };
            let column = column.insert_axis(ndarray::Axis(1));
            visit_frames(&column, &mut in_row, |_, bands| self.frame(bands, coefficients));
        });
    }

    /// The coefficients of the bands of one frame, in decibels.
    pub(crate) fn frame(&self, bands: &[f32], coefficients: &mut [f32]) {
        if let Some(matrix) = self.matrix.as_slice() {
            dispatch!(product(matrix, bands, coefficients));
        }
    }
}

impl FeaturePlan for Mfcc {
    type Value = f32;
    type Scratch = MfccScratch;

    fn n_rows(&self) -> usize {
        self.n_mfcc()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.log_mel.n_frames(samples)
    }

    fn scratch(&self) -> MfccScratch {
        MfccScratch { mel: self.log_mel.scratch(), bands: Vec::new() }
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut MfccScratch,
    ) -> Result<(), FeatureError> {
        let (n_mels, n_frames) = (self.log_mel.n_mels(), self.n_frames(samples.len())?);
        check_output(out, self.n_mfcc(), n_frames)?;
        check_finite("samples", samples)?;
        let mut bands = std::mem::take(&mut scratch.bands);
        bands.resize(n_mels.saturating_mul(n_frames), 0.0);
        let mut log_mel = Array2::from_shape_vec((n_mels, n_frames).f(), bands)
            .map_err(|e| FeatureError::Input(e.to_string()))?;
        let done = self.log_mel.compute_into(samples, &mut log_mel, &mut scratch.mel);
        if done.is_ok() {
            self.transform(log_mel.view(), out);
        }
        scratch.bands = log_mel.into_raw_vec_and_offset().0;
        done
    }
}

/// How coefficients are turned back into mel bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccToMelConfig {
    /// Number of bands. Default: 128.
    pub n_mels: usize,
    /// Type of the cosine transform that made the coefficients. Default: 2.
    pub dct_type: DctType,
    /// Scaling of that transform. Default: orthonormal.
    pub norm: DctNorm,
    /// The reference of the decibels. Default: 1.
    pub reference: f32,
    /// The lifter of the coefficients. Default: 0.
    pub lifter: f32,
}

impl Default for MfccToMelConfig {
    fn default() -> Self {
        Self { n_mels: 128, dct_type: DctType::Two, norm: DctNorm::Ortho, reference: 1.0, lifter: 0.0 }
    }
}

/// A mel power spectrogram with these coefficients, those that are not given being 0: the fine structure is lost.
///
/// # Errors
///
/// [`FeatureError::Config`] for no bands or a negative lifter; [`FeatureError::Shape`] for more coefficients than
/// bands.
pub fn mfcc_to_mel(mfcc: ArrayView2<'_, f32>, config: &MfccToMelConfig) -> Result<Array2<f32>, FeatureError> {
    check_lifter(config.lifter)?;
    let (n_mfcc, n_mels) = (mfcc.nrows(), config.n_mels);
    if n_mfcc > n_mels || n_mels > 1 << 14 {
        return Err(FeatureError::shape(
            "MFCC",
            mfcc.shape(),
            format!("(at most n_mels = {n_mels}, any) and n_mels at most 16384"),
        ));
    }
    let (inverse, scale) = match config.dct_type {
        DctType::One => (DctType::One, 2.0 * (n_mels as f64 - 1.0)),
        DctType::Two => (DctType::Three, 2.0 * n_mels as f64),
        DctType::Three => (DctType::Two, 2.0 * n_mels as f64),
    };
    let scale = if config.norm == DctNorm::Ortho { 1.0 } else { scale };
    let matrix = dct_matrix(n_mels, n_mels, inverse, config.norm)?;
    let mut log_mel = frame_major(n_mels, mfcc.ncols())?;
    for (frame, mut bands) in mfcc.columns().into_iter().zip(log_mel.columns_mut()) {
        for (row, band) in matrix.rows().into_iter().zip(bands.iter_mut()) {
            let terms = frame.iter().zip(row).enumerate().map(|(k, (c, m))| {
                let factor = lifter_factor(config.lifter, k) + f64::from(f32::MIN_POSITIVE);
                f64::from(*c) / factor * m
            });
            *band = (terms.sum::<f64>() / scale) as f32;
        }
    }
    Ok(db_to_power(log_mel.view(), config.reference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::power_to_db;
    use crate::mel::{MelConfig, MelSpectrogram};

    fn samples() -> Vec<f32> {
        (0..6000).map(|i| (i as f32 * 0.11).sin() * (i as f32 * 0.0007).cos()).collect()
    }

    fn config() -> MfccConfig {
        let mel = MelConfig { n_fft: 512, hop_length: 256, n_mels: 40, ..MelConfig::default() };
        MfccConfig {
            log_mel: LogMelConfig { mel, ..LogMelConfig::default() },
            n_mfcc: 13,
            ..MfccConfig::default()
        }
    }

    #[test]
    fn equals_a_matrix_product_in_double_precision() {
        let config = MfccConfig { lifter: 22.0, ..config() };
        let plan = Mfcc::new(config.clone()).unwrap();
        let fast = plan.compute(&samples()).unwrap();
        let mel = MelSpectrogram::new(config.log_mel.mel.clone()).unwrap().compute(&samples()).unwrap();
        let db = power_to_db(mel.view(), &config.log_mel.db()).unwrap();
        let slow = dct_matrix(13, 40, DctType::Two, DctNorm::Ortho).unwrap().dot(&db.mapv(f64::from));
        for ((k, t), c) in fast.indexed_iter() {
            let expected = slow[[k, t]] * (1.0 + 11.0 * (PI * (k + 1) as f64 / 22.0).sin());
            assert!((f64::from(*c) - expected).abs() < 1e-3, "{k} {t} {c} {expected}");
        }
        assert_eq!(plan.from_log_mel(db.view()).unwrap(), fast);
        assert!(plan.from_log_mel(fast.view()).is_err());
    }

    #[test]
    fn all_coefficients_give_the_bands_back() {
        for dct_type in [DctType::Two, DctType::Three] {
            for norm in [DctNorm::Ortho, DctNorm::None] {
                let plan = Mfcc::new(MfccConfig { n_mfcc: 99, dct_type, norm, ..config() }).unwrap();
                assert_eq!(plan.n_mfcc(), 40);
                let mel = Array2::from_shape_fn((40, 3), |(m, t)| ((m + t) as f32 * 0.7).sin() + 1.1);
                let db = power_to_db(mel.view(), &config().log_mel.db()).unwrap();
                let mfcc = plan.from_log_mel(db.view()).unwrap();
                let inverse = MfccToMelConfig { n_mels: 40, dct_type, norm, ..Default::default() };
                for (a, b) in mfcc_to_mel(mfcc.view(), &inverse).unwrap().iter().zip(&mel) {
                    assert!((a / b - 1.0).abs() < 1e-4, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn refuses_bad_parameters() {
        assert!(Mfcc::new(MfccConfig { n_mfcc: 0, ..config() }).is_err());
        assert!(Mfcc::new(MfccConfig { lifter: -1.0, ..config() }).is_err());
        assert!(
            mfcc_to_mel(Array2::zeros((13, 1)).view(), &MfccToMelConfig { n_mels: 12, ..Default::default() })
                .is_err()
        );
    }
}
