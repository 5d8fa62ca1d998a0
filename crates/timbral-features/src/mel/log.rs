//! Samples to mel bands in decibels.

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use super::{MelConfig, MelScratch, MelSpectrogram};
use crate::db::{DbConfig, Reference, log_frame, settle_frame};
use crate::error::FeatureError;
use crate::plan::FeaturePlan;
use crate::shape::fill_frames;
use crate::simd::dispatch;

/// A mel spectrogram in decibels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMelConfig {
    /// The mel spectrogram. With a `power` other than 2 the answer is still `10 log10` of the bands.
    pub mel: MelConfig,
    /// Smaller values, the reference included, count as this. Default: 1e-10.
    pub amin: f32,
    /// What 0 dB stands for. Default: 1.
    pub reference: Reference,
    /// Values more than this many dB below the largest of the whole signal are clipped to that floor. `None`, or infinity in
    /// a configuration file, clips nothing. Default: 80 dB.
    pub top_db: Option<f32>,
}

impl Default for LogMelConfig {
    fn default() -> Self {
        let DbConfig { amin, reference, top_db } = DbConfig::default();
        Self { mel: MelConfig::default(), amin, reference, top_db }
    }
}

impl LogMelConfig {
    /// The part that describes the decibels.
    pub fn db(&self) -> DbConfig {
        DbConfig { reference: self.reference, amin: self.amin, top_db: self.top_db }
    }
}

/// The mel spectrogram of a signal in decibels: [`power_to_db`](crate::db::power_to_db) of [`MelSpectrogram`].
///
/// `top_db` and [`Reference::Max`] look at the whole signal, so that one loud moment changes every frame. For answers
/// that do not depend on the rest of the signal give a [`Reference::Value`] and no `top_db`.
///
/// ```
/// use timbral_features::{FeaturePlan, LogMelConfig, LogMelSpectrogram, MelConfig};
/// let mel = MelConfig { n_mels: 64, center: false, hop_length: 1708, ..MelConfig::default() };
/// let plan = LogMelSpectrogram::new(LogMelConfig { mel, ..LogMelConfig::default() })?;
/// assert_eq!(plan.compute(&vec![0.0; 66_150])?.dim(), (64, 38));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogMelSpectrogram {
    config: LogMelConfig,
    mel: MelSpectrogram,
    db: DbConfig,
}

impl LogMelSpectrogram {
    /// Checks the configuration and plans transform and filters.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid mel configuration, `amin` not above 0 or a negative `top_db`.
    pub fn new(config: LogMelConfig) -> Result<Self, FeatureError> {
        let db = config.db();
        db.validate()?;
        let mel = MelSpectrogram::new(config.mel.clone())?;
        Ok(Self { config, mel, db })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &LogMelConfig {
        &self.config
    }

    /// The mel spectrogram underneath.
    pub fn mel(&self) -> &MelSpectrogram {
        &self.mel
    }

    /// Number of bands.
    pub fn n_mels(&self) -> usize {
        self.mel.n_mels()
    }
}

impl FeaturePlan for LogMelSpectrogram {
    type Value = f32;
    type Scratch = MelScratch;

    fn n_rows(&self) -> usize {
        self.n_mels()
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
        self.mel.check(samples, out)?;
        let mut row = std::mem::take(&mut scratch.row);
        let local = self.db.is_local();
        let offset = if local { self.db.offset_and_floor(0.0).0 } else { 0.0 };
        let mut largest = f32::NEG_INFINITY;
        fill_frames(out, &mut row, |index, bands| {
            self.mel.frame(samples, index, bands, scratch);
            largest = largest.max(dispatch!(log_frame(bands, self.db.amin, offset)));
        });
        if !local {
            let (offset, floor) = self.db.offset_and_floor(largest);
            fill_frames(out, &mut row, |_, bands| dispatch!(settle_frame(bands, offset, floor)));
        }
        scratch.row = row;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::power_to_db;

    #[test]
    fn equals_decibels_of_the_mel_spectrogram() {
        let mel = MelConfig { n_fft: 512, hop_length: 200, n_mels: 33, ..MelConfig::default() };
        let samples: Vec<f32> =
            (0..3000).map(|i| (i as f32 * 0.2).sin() * (i as f32 / 3000.0).powi(4)).collect();
        let plain = MelSpectrogram::new(mel.clone()).unwrap().compute(&samples).unwrap();
        for reference in [Reference::Value(1.0), Reference::Value(0.02), Reference::Max] {
            for top_db in [None, Some(30.0), Some(f32::INFINITY)] {
                let config = LogMelConfig { mel: mel.clone(), amin: 1e-8, reference, top_db };
                let fused = LogMelSpectrogram::new(config.clone()).unwrap().compute(&samples).unwrap();
                assert_eq!(fused, power_to_db(plain.view(), &config.db()).unwrap());
            }
        }
    }

    #[test]
    fn configurations_survive_files() {
        let config = LogMelConfig { reference: Reference::Max, ..LogMelConfig::default() };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<LogMelConfig>(&json).unwrap(), config);
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<LogMelConfig>(&text).unwrap(), config);
        let partial: LogMelConfig = toml::from_str("top_db = inf\n[mel]\nn_mels = 64").unwrap();
        assert_eq!((partial.mel.n_mels, partial.top_db), (64, Some(f32::INFINITY)));
        assert!(toml::from_str::<LogMelConfig>("n_mel = 3").is_err());
    }
}
