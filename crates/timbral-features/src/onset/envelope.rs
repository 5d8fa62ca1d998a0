//! Onset envelopes of samples.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::strength::{OnsetAggregate, OnsetStrengthConfig, onset_strength, onset_strength_multi};
use crate::error::FeatureError;
use crate::mel::{LogMelConfig, LogMelSpectrogram, MelConfig};
use crate::plan::FeaturePlan;
use crate::stream::{FeatureStream, OnsetStream};

/// Parameters of [`OnsetEnvelope`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnsetEnvelopeConfig {
    /// The mel spectrogram, of which decibels are taken with the reference 1. Default: 128 bands of 2048 samples every
    /// 512, centred.
    pub mel: MelConfig,
    /// Decibels further than this below the largest of the whole signal are clipped to that floor. `None`, or infinity in a
    /// configuration file, clips nothing, which streams need. Default: 80 dB.
    pub top_db: Option<f32>,
    /// Frames between the two that are compared, at least 1. Default: 1.
    pub lag: usize,
    /// The earlier frame is replaced by its maximum over this many bands; 1 leaves it as it is. Default: 1.
    pub max_size: usize,
    /// Removes the slow part of the envelope by the filter `(1 - z^-1) / (1 - 0.99 z^-1)`. Default: false.
    pub detrend: bool,
    /// Moves the envelope to the right by `n_fft / (2 hop_length)` frames. Whether the spectrogram is centred is up to
    /// `mel.center`. Default: true.
    pub center: bool,
    /// How bands are summarised. Default: the mean; beat tracking takes the median.
    pub aggregate: OnsetAggregate,
}

impl Default for OnsetEnvelopeConfig {
    fn default() -> Self {
        let OnsetStrengthConfig { lag, max_size, detrend, center, aggregate, .. } =
            OnsetStrengthConfig::default();
        Self {
            mel: MelConfig::default(),
            top_db: LogMelConfig::default().top_db,
            lag,
            max_size,
            detrend,
            center,
            aggregate,
        }
    }
}

impl OnsetEnvelopeConfig {
    /// The part that describes the spectrogram.
    pub fn log_mel(&self) -> LogMelConfig {
        LogMelConfig { mel: self.mel.clone(), top_db: self.top_db, ..LogMelConfig::default() }
    }

    /// The part that does not depend on the signal's spectrogram.
    pub fn strength(&self) -> OnsetStrengthConfig {
        OnsetStrengthConfig {
            lag: self.lag,
            max_size: self.max_size,
            detrend: self.detrend,
            center: self.center,
            n_fft: self.mel.n_fft,
            hop_length: self.mel.hop_length,
            aggregate: self.aggregate,
        }
    }
}

/// The onset envelope of a signal: [`onset_strength`] of its mel spectrogram in decibels.
///
/// ```
/// use timbral_features::onset::{OnsetEnvelope, OnsetEnvelopeConfig};
/// let mut click = vec![0.0; 22_050];
/// click[11_025] = 1.0;
/// let envelope = OnsetEnvelope::new(OnsetEnvelopeConfig::default())?.compute(&click)?;
/// let peak = (0..envelope.len()).max_by(|&a, &b| envelope[a].total_cmp(&envelope[b]));
/// assert!(peak.is_some_and(|frame| frame.abs_diff(11_025 / 512) <= 2));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OnsetEnvelope {
    config: OnsetEnvelopeConfig,
    log_mel: LogMelSpectrogram,
}

impl OnsetEnvelope {
    /// Checks the configuration and plans the spectrogram.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid mel spectrogram, a negative `top_db`, or a `lag` or `max_size` of 0.
    pub fn new(config: OnsetEnvelopeConfig) -> Result<Self, FeatureError> {
        config.strength().validate()?;
        let log_mel = LogMelSpectrogram::new(config.log_mel())?;
        Ok(Self { config, log_mel })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &OnsetEnvelopeConfig {
        &self.config
    }

    /// Starts a stream of frames of one value, equal to [`compute`](Self::compute) bit for bit.
    ///
    /// ```
    /// use timbral_features::onset::{OnsetEnvelope, OnsetEnvelopeConfig};
    /// let plan = OnsetEnvelope::new(OnsetEnvelopeConfig { top_db: None, ..Default::default() })?;
    /// let signal: Vec<f32> = (0..22_050).map(|i| (i as f32 * i as f32 * 1e-5).sin()).collect();
    /// let mut stream = plan.stream()?;
    /// stream.push(&signal)?;
    /// stream.finish()?;
    /// assert!(stream.take()?.iter().eq(&plan.compute(&signal)?));
    /// # Ok::<(), timbral_features::FeatureError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] with a `top_db`, which is measured from the loudest band of the whole signal.
    pub fn stream(&self) -> Result<FeatureStream<LogMelSpectrogram>, FeatureError> {
        let stage = OnsetStream::new(self.config.strength(), self.log_mel.n_mels())?;
        FeatureStream::new(&self.log_mel)?.then(stage)
    }

    /// The envelope of a signal, one value for each frame.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        onset_strength(self.log_mel.compute(samples)?.view(), &self.config.strength())
    }

    /// One envelope for each group of mel bands, of shape `(channels.len() - 1, n_frames)`; see
    /// [`onset_strength_multi`].
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute), and [`FeatureError::Config`] for bounds that do not rise or lie beyond the bands.
    pub fn compute_multi(&self, samples: &[f32], channels: &[usize]) -> Result<Array2<f32>, FeatureError> {
        onset_strength_multi(self.log_mel.compute(samples)?.view(), channels, &self.config.strength())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_inputs() {
        let plan = OnsetEnvelope::new(OnsetEnvelopeConfig::default()).unwrap();
        for samples in [&[][..], &[0.5], &[0.0; 5000], &[0.3; 5000]] {
            assert!(plan.compute(samples).unwrap().iter().all(|x| x.is_finite()));
        }
        assert!(plan.compute(&[0.0; 5000]).unwrap().iter().all(|&x| x == 0.0));
        assert!(plan.compute(&[f32::NAN]).is_err());
        assert!(OnsetEnvelope::new(OnsetEnvelopeConfig { lag: 0, ..Default::default() }).is_err());
    }
}
