//! Changing speed without pitch, and pitch without speed.

use serde::{Deserialize, Serialize};

use super::vocoder::phase_vocoder;
use crate::error::FeatureError;
use crate::plan::FeaturePlan;
use crate::resample::{ResampleConfig, ResampleType, Resampler};
use crate::stft::{Istft, IstftConfig, Stft, StftConfig};

/// How a signal is stretched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeStretchConfig {
    /// How many times as fast the answer is; 2 halves the length. Default: 1.
    pub rate: f64,
    /// The transform in between.
    pub stft: StftConfig,
}

impl Default for TimeStretchConfig {
    fn default() -> Self {
        Self { rate: 1.0, stft: StftConfig::default() }
    }
}

/// Changes the speed of a signal and keeps its pitch, by the [`phase_vocoder`]. The answer has
/// `round(samples / rate)` samples.
#[derive(Clone, Debug)]
pub struct TimeStretch {
    config: TimeStretchConfig,
    stft: Stft,
}

impl TimeStretch {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if `rate` is not positive and finite, or as [`Stft::new`].
    pub fn new(config: TimeStretchConfig) -> Result<Self, FeatureError> {
        if !(config.rate.is_finite() && config.rate > 0.0) {
            return Err(FeatureError::config("rate", config.rate, "finite and above 0"));
        }
        let stft = Stft::new(config.stft.clone())?;
        Ok(Self { config, stft })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &TimeStretchConfig {
        &self.config
    }

    /// Stretches a mono signal.
    ///
    /// # Errors
    ///
    /// As [`Stft::compute`] and [`phase_vocoder`].
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        let StftConfig { n_fft, hop_length, .. } = self.config.stft;
        let transform = self.stft.compute(samples)?;
        let stretched = phase_vocoder(transform.view(), self.config.rate, Some(hop_length), Some(n_fft))?;
        let length = (samples.len() as f64 / self.config.rate).round_ties_even() as usize;
        Istft::new(IstftConfig { stft: self.config.stft.clone(), length: Some(length) })?
            .compute(stretched.view())
    }
}

/// How the pitch of a signal is changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PitchShiftConfig {
    /// Rate of the signal in Hz. Default: 22 050.
    pub sample_rate: u32,
    /// Steps up (or down, if negative). Default: 0.
    pub n_steps: f64,
    /// Steps in an octave. Default: 12.
    pub bins_per_octave: u32,
    /// The resampling filter. Default: [`ResampleType::SoxrHq`].
    pub res_type: ResampleType,
    /// Keep the energy of the signal through the resampling. Default: false.
    pub scale: bool,
    /// The transform in between.
    pub stft: StftConfig,
}

impl Default for PitchShiftConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_steps: 0.0,
            bins_per_octave: 12,
            res_type: ResampleType::SoxrHq,
            scale: false,
            stft: StftConfig::default(),
        }
    }
}

/// Changes the pitch of a signal and keeps its length: a [`TimeStretch`], then a change of sample rate.
#[derive(Clone, Debug)]
pub struct PitchShift {
    config: PitchShiftConfig,
    stretch: TimeStretch,
    resampler: Resampler,
}

impl PitchShift {
    /// Checks the configuration and plans transform and filter.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if `n_steps` is not finite or more than ten octaves, `bins_per_octave` is 0, or as
    /// [`Stft::new`] and [`Resampler::new`].
    pub fn new(config: PitchShiftConfig) -> Result<Self, FeatureError> {
        if config.bins_per_octave == 0 {
            return Err(FeatureError::config("bins_per_octave", "0", "at least 1"));
        }
        let octaves = config.n_steps / f64::from(config.bins_per_octave);
        if octaves.is_nan() || octaves.abs() > 10.0 {
            return Err(FeatureError::config("n_steps", config.n_steps, "at most ten octaves up or down"));
        }
        let rate = (-octaves).exp2();
        let stretch = TimeStretch::new(TimeStretchConfig { rate, stft: config.stft.clone() })?;
        let target_sr = f64::from(config.sample_rate);
        let resampler = Resampler::new(ResampleConfig {
            orig_sr: target_sr / rate,
            target_sr,
            res_type: config.res_type,
            fix: true,
            scale: config.scale,
        })?;
        Ok(Self { config, stretch, resampler })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &PitchShiftConfig {
        &self.config
    }

    /// Shifts the pitch of a mono signal; the length stays.
    ///
    /// # Errors
    ///
    /// As [`TimeStretch::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        let stretched = self.stretch.compute(samples)?;
        let mut shifted = self.resampler.compute(&stretched)?;
        shifted.resize(samples.len(), 0.0);
        Ok(shifted)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(frequency: f64) -> Vec<f32> {
        (0..11_025).map(|n| (TAU * frequency * f64::from(n) / 22_050.0).sin() as f32).collect()
    }

    /// Frequency by counting upward zero crossings.
    fn frequency(samples: &[f32]) -> f64 {
        let middle = &samples[samples.len() / 4..3 * samples.len() / 4];
        let crossings: Vec<usize> = middle
            .windows(2)
            .enumerate()
            .filter(|(_, w)| w[0] < 0.0 && w[1] >= 0.0)
            .map(|(i, _)| i)
            .collect();
        let span = crossings[crossings.len() - 1] - crossings[0];
        22_050.0 * (crossings.len() - 1) as f64 / span as f64
    }

    #[test]
    fn stretching_keeps_pitch_and_shifting_keeps_length() {
        for rate in [0.6, 1.0, 1.5] {
            let stretch =
                TimeStretch::new(TimeStretchConfig { rate, ..TimeStretchConfig::default() }).unwrap();
            let y = stretch.compute(&tone(500.0)).unwrap();
            assert_eq!(y.len(), (11_025.0 / rate).round_ties_even() as usize);
            assert!((frequency(&y) / 500.0 - 1.0).abs() < 0.01, "{rate} {}", frequency(&y));
        }
        for n_steps in [-5.0, 0.0, 12.0, 3.5] {
            let shift = PitchShift::new(PitchShiftConfig { n_steps, ..PitchShiftConfig::default() }).unwrap();
            let y = shift.compute(&tone(500.0)).unwrap();
            assert_eq!(y.len(), 11_025);
            let expected = 500.0 * (n_steps / 12.0).exp2();
            assert!((frequency(&y) / expected - 1.0).abs() < 0.01, "{n_steps} {}", frequency(&y));
        }
    }

    #[test]
    fn crumbs_and_faults() {
        let shift =
            PitchShift::new(PitchShiftConfig { n_steps: 1.0, ..PitchShiftConfig::default() }).unwrap();
        for samples in [vec![], vec![0.5], vec![0.0; 100]] {
            let y = shift.compute(&samples).unwrap();
            assert_eq!(y.len(), samples.len());
            assert!(y.iter().all(|v| v.is_finite()));
        }
        assert!(shift.compute(&[f32::NAN]).is_err());
        for rate in [0.0, -1.0, f64::NAN] {
            assert!(TimeStretch::new(TimeStretchConfig { rate, ..TimeStretchConfig::default() }).is_err());
        }
        for (n_steps, bins_per_octave) in [(f64::NAN, 12), (1000.0, 12), (1.0, 0)] {
            let config = PitchShiftConfig { n_steps, bins_per_octave, ..PitchShiftConfig::default() };
            assert!(PitchShift::new(config).is_err());
        }
    }
}
