//! The centroid of a spectrum.

use serde::{Deserialize, Serialize};

use super::spectrogram::{Frames, SpectrogramConfig};
use crate::error::FeatureError;

/// Parameters of [`SpectralCentroid`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralCentroidConfig {
    /// Samples per second, above 0.
    pub sample_rate: u32,
    /// The transform; `power` and `normalized` have no effect.
    pub spectrogram: SpectrogramConfig,
}

/// `torchaudio.transforms.SpectralCentroid`: the mean frequency of each frame in Hz, weighed by magnitude.
///
/// As in the reference nothing guards against silence: a frame of zeros gives NaN. The plan of librosa's centroid answers
/// 0 there.
#[derive(Debug, Clone)]
pub struct SpectralCentroid {
    config: SpectralCentroidConfig,
    frames: Frames,
}

impl SpectralCentroid {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid transform or a sample rate of 0.
    pub fn new(config: SpectralCentroidConfig) -> Result<Self, FeatureError> {
        if config.sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
        }
        let frames =
            Frames::new(&SpectrogramConfig { power: 1.0, normalized: false, ..config.spectrogram.clone() })?;
        Ok(Self { config, frames })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &SpectralCentroidConfig {
        &self.config
    }

    /// The centroid of each frame in Hz; NaN for silence.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        let step = f64::from(self.config.sample_rate / 2) / (self.frames.n_bins() - 1).max(1) as f64;
        let centroids = self.frames.map(samples, 1, |bins, centroid| {
            let (mut total, mut moment) = (0.0f64, 0.0f64);
            for (bin, &magnitude) in bins.iter().enumerate() {
                total += f64::from(magnitude);
                moment += f64::from(magnitude) * bin as f64;
            }
            centroid[0] = (step * moment / total) as f32;
        })?;
        Ok(centroids.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_tone_and_has_none_for_silence() {
        let plan =
            SpectralCentroid::new(SpectralCentroidConfig { sample_rate: 16_000, ..Default::default() });
        let plan = plan.unwrap();
        let tone: Vec<f32> = (0..4000).map(|i| (i as f32 * std::f32::consts::TAU / 8.0).sin()).collect();
        let centroids = plan.compute(&tone).unwrap();
        assert!((centroids[10] - 2000.0).abs() < 5.0);
        assert!(plan.compute(&[0.0; 1000]).unwrap().iter().all(|x| x.is_nan()));
        assert!(SpectralCentroid::new(SpectralCentroidConfig::default()).is_err());
    }
}
