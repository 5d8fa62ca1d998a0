//! The log-mel spectrogram that MusiCNN listens to.

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::framing::PadMode;
use crate::mel::{MelConfig, MelScratch, MelSpectrogram};
use crate::plan::FeaturePlan;
use crate::shape::fill_frames_in_place;
use crate::simd::ten_log10;

/// Parameters of [`LogMelSpectrogram`]: the defaults are those that the published weights were trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMelConfig {
    /// The power mel spectrogram. Default: 16 000 Hz, 512 samples every 256, 96 Slaney bands, padded by zeros. The
    /// original program of 2019 padded by reflection.
    pub mel: MelConfig,
    /// `c` of `log10(c S + 1)`. Default: 10 000.
    pub compression: f32,
}

impl Default for LogMelConfig {
    fn default() -> Self {
        let mel = MelConfig {
            sample_rate: 16_000,
            n_fft: 512,
            hop_length: 256,
            n_mels: 96,
            pad_mode: PadMode::Constant,
            ..MelConfig::default()
        };
        Self { mel, compression: 10_000.0 }
    }
}

/// The front end of MusiCNN: `log10(10000 S + 1)` of a power mel spectrogram, of shape `(96, n_frames)`. The network
/// takes frames first, 187 of them a patch: the transpose, which is in standard layout.
///
/// Pons, Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR 2019.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::compat::musicnn::{LogMelConfig, LogMelSpectrogram};
/// let plan = LogMelSpectrogram::new(LogMelConfig::default())?;
/// assert_eq!(plan.compute(&[0.1; 48_000])?.dim(), (96, 188));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogMelSpectrogram {
    config: LogMelConfig,
    mel: MelSpectrogram,
}

impl LogMelSpectrogram {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// As [`MelSpectrogram::new`], and [`FeatureError::Config`] for a compression that is not above 0.
    pub fn new(config: LogMelConfig) -> Result<Self, FeatureError> {
        let compression = config.compression;
        if !(compression.is_finite() && compression > 0.0) {
            return Err(FeatureError::config("compression", compression, "above 0"));
        }
        let mel = MelSpectrogram::new(config.mel.clone())?;
        Ok(Self { config, mel })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &LogMelConfig {
        &self.config
    }
}

impl FeaturePlan for LogMelSpectrogram {
    type Value = f32;
    type Scratch = MelScratch;

    fn n_rows(&self) -> usize {
        self.mel.n_mels()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.mel.n_frames(samples)
    }

    fn scratch(&self) -> MelScratch {
        self.mel.scratch()
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut MelScratch,
    ) -> Result<(), FeatureError> {
        self.mel.compute_into(samples, out, scratch)?;
        let compression = self.config.compression;
        fill_frames_in_place(out, |frame| {
            frame.iter_mut().for_each(|x| *x = 0.1 * ten_log10(compression * *x + 1.0));
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn compresses_the_mel_spectrogram() {
        let samples: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.2).sin() * 0.3).collect();
        let plan = LogMelSpectrogram::new(LogMelConfig::default()).unwrap();
        let plain = MelSpectrogram::new(plan.config().mel.clone()).unwrap().compute(&samples).unwrap();
        let fast = plan.compute(&samples).unwrap();
        for (fast, x) in fast.iter().zip(&plain) {
            assert!((f64::from(*fast) - (10_000.0 * f64::from(*x)).ln_1p() / 10f64.ln()).abs() < 3e-6);
        }
        let mut standard = Array2::zeros(fast.dim());
        plan.compute_into(&samples, &mut standard, &mut plan.scratch()).unwrap();
        assert_eq!(fast, standard);
        assert!(plan.compute(&[0.0; 3000]).unwrap().iter().all(|&x| x == 0.0));
        assert!(LogMelSpectrogram::new(LogMelConfig { compression: 0.0, ..Default::default() }).is_err());
    }
}
