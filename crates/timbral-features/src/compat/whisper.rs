//! The log-mel spectrogram that Whisper listens to.

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::framing::PadMode;
use crate::mel::{MelConfig, MelScratch, MelSpectrogram};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames_in_place};
use crate::simd::ten_log10;

/// Parameters of [`LogMelSpectrogram`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMelConfig {
    /// The power mel spectrogram. Default: 16 000 Hz, 400 samples every 160, 80 Slaney bands (128 for large-v3), padded
    /// by reflection.
    pub mel: MelConfig,
    /// Smaller powers count as this, above 0. Default: 1e-10.
    pub floor: f32,
    /// Values more than this many factors of ten below the largest of the whole signal are lifted to there. Default: 8.
    pub range: f32,
    /// Leaves out the last frame. Default: true.
    pub drop_last_frame: bool,
}

impl Default for LogMelConfig {
    fn default() -> Self {
        let mel = MelConfig {
            sample_rate: 16_000,
            n_fft: 400,
            hop_length: 160,
            n_mels: 80,
            pad_mode: PadMode::Reflect,
            ..MelConfig::default()
        };
        Self { mel, floor: 1e-10, range: 8.0, drop_last_frame: true }
    }
}

/// The front end of Whisper: `(max(log10 S, max - 8) + 4) / 4` of a power mel spectrogram, of shape
/// `(n_mels, n_frames)`. Padding the signal to 30 s is left to the caller.
///
/// Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::compat::whisper::{LogMelConfig, LogMelSpectrogram};
/// let plan = LogMelSpectrogram::new(LogMelConfig::default())?;
/// assert_eq!(plan.compute(&[0.1; 16_000])?.dim(), (80, 100));
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
    /// As [`MelSpectrogram::new`], and [`FeatureError::Config`] for a floor that is not a normal number above 0 or a range
    /// below 0.
    pub fn new(config: LogMelConfig) -> Result<Self, FeatureError> {
        if !(config.floor.is_finite() && config.floor >= f32::MIN_POSITIVE) {
            let rule = format!("at least {:e}", f32::MIN_POSITIVE);
            return Err(FeatureError::config("floor", config.floor, rule));
        }
        if !(config.range.is_finite() && config.range >= 0.0) {
            return Err(FeatureError::config("range", config.range, "at least 0"));
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
        Ok(self.mel.n_frames(samples)? - usize::from(self.config.drop_last_frame))
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
        check_output(out, self.mel.n_mels(), self.n_frames(samples.len())?)?;
        crate::error::check_finite("samples", samples)?;
        // The last frame is left out before it is computed, so the range is measured without it, as Whisper does.
        self.mel.fill(samples, out, scratch);
        let floor = self.config.floor;
        fill_frames_in_place(out, |frame| {
            frame.iter_mut().for_each(|x| *x = 0.1 * ten_log10(x.max(floor)));
        });
        let least = out.iter().copied().fold(f32::NEG_INFINITY, f32::max) - self.config.range;
        fill_frames_in_place(out, |frame| {
            frame.iter_mut().for_each(|x| *x = (x.max(least) + 4.0) / 4.0);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_formula() {
        let samples: Vec<f32> = (0..6000).map(|i| (i as f32 * 0.2).sin() * 0.3).collect();
        let plan = LogMelSpectrogram::new(LogMelConfig::default()).unwrap();
        let plain = MelSpectrogram::new(plan.config().mel.clone()).unwrap().compute(&samples).unwrap();
        let fast = plan.compute(&samples).unwrap();
        assert_eq!(fast.ncols() + 1, plain.ncols());
        let logs = plain.mapv(|x| f64::from(x).max(1e-10).log10());
        let kept = || logs.indexed_iter().filter(|((_, t), _)| *t < fast.ncols());
        let least = kept().map(|(_, x)| *x).fold(f64::NEG_INFINITY, f64::max) - 8.0;
        for (at, log) in kept() {
            assert!((f64::from(fast[at]) - (log.max(least) + 4.0) / 4.0).abs() < 1e-5);
        }
    }

    #[test]
    fn odd_inputs() {
        let plan = LogMelSpectrogram::new(LogMelConfig::default()).unwrap();
        assert!(plan.compute(&[0.0; 4000]).unwrap().iter().all(|&x| (x + 1.5).abs() < 1e-6));
        assert_eq!(plan.compute(&[0.5]).unwrap().dim(), (80, 0));
        assert!(plan.compute(&[]).is_err());
        assert!(plan.compute(&[f32::NAN; 500]).is_err());
        assert!(LogMelSpectrogram::new(LogMelConfig { floor: 0.0, ..Default::default() }).is_err());
    }
}
