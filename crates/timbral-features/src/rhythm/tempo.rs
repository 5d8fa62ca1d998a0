//! Global and local tempo.

use ndarray::{ArrayRef2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::autocorrelation::{Autocorrelation, AutocorrelationScratch};
use super::tempogram::{Tempogram, TempogramConfig, check_window_length, pad};
use super::{check_positive, check_rate, lag_to_bpm};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::simd::{dispatch, sum_of};
use crate::window::{Window, get_window};

/// Parameters of a [`Tempo`] estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TempoConfig {
    /// Samples per second of the signal behind the envelope. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one value of the envelope to the next. Default: 512.
    pub hop_length: usize,
    /// The tempo that is most likely before listening, in beats per minute. Default: 120.
    pub start_bpm: f64,
    /// Standard deviation of that expectation in octaves. Default: 1.
    pub std_bpm: f64,
    /// Length of the autocorrelation window in seconds. Default: 8.
    pub ac_size: f64,
    /// Tempi at or above this one are ruled out, in beats per minute; none rules out nothing. Default: 320.
    pub max_tempo: Option<f64>,
}

impl Default for TempoConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            start_bpm: 120.0,
            std_bpm: 1.0,
            ac_size: 8.0,
            max_tempo: Some(320.0),
        }
    }
}

impl TempoConfig {
    /// The logarithm of the prior of each lag, up to a constant; minus infinity for those ruled out.
    pub(super) fn log_prior(&self, n_lags: usize) -> Result<Vec<f64>, FeatureError> {
        check_rate(self.sample_rate, self.hop_length)?;
        check_positive("start_bpm", self.start_bpm)?;
        check_positive("std_bpm", self.std_bpm)?;
        let bpm = |lag| lag_to_bpm(lag, self.sample_rate, self.hop_length);
        let mut prior: Vec<f64> = (0..n_lags)
            .map(|lag| -0.5 * ((self.start_bpm.log2() - bpm(lag).log2()) / self.std_bpm).powi(2))
            .collect();
        if let Some(max_tempo) = self.max_tempo {
            // A bound below every lag's tempo rules out nothing.
            let excluded = (0..n_lags).find(|&lag| bpm(lag) < max_tempo).unwrap_or(0);
            prior[..excluded].fill(f64::NEG_INFINITY);
        }
        Ok(prior)
    }
}

/// Estimates tempo from an onset envelope: the lag at which its autocorrelation, weighed by a log-normal prior around
/// `start_bpm`, is largest.
///
/// Answers are tempi of whole lags, `60 sr / (hop_length lag)` beats per minute; nothing is interpolated. An envelope
/// without any onset gets the tempo that the prior prefers.
///
/// ```
/// use timbral_features::rhythm::{Tempo, TempoConfig};
/// let plan = Tempo::new(TempoConfig::default())?;
/// let every_half_second: Vec<f32> = (0..1292).map(|t| if t % 22 == 0 { 1.0 } else { 0.0 }).collect();
/// assert!((plan.compute(&every_half_second)? - 117.45).abs() < 0.01);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tempo {
    config: TempoConfig,
    win_length: usize,
    log_prior: Vec<f64>,
    window: Vec<f32>,
    autocorrelation: Autocorrelation<f32>,
    mean_back: Autocorrelation<f64>,
}

impl Tempo {
    /// Checks the configuration and plans the transforms.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a rate, a hop, a tempo or a deviation that is not above 0, or an `ac_size` of less
    /// than one frame.
    pub fn new(config: TempoConfig) -> Result<Self, FeatureError> {
        check_rate(config.sample_rate, config.hop_length)?;
        check_positive("ac_size", config.ac_size)?;
        let samples = (config.ac_size * f64::from(config.sample_rate)).trunc();
        let win_length = (samples / config.hop_length as f64).floor() as usize;
        check_window_length(win_length).map_err(|_| {
            FeatureError::config(
                "ac_size",
                format!("{} s", config.ac_size),
                format!("a duration of 1 to 2^24 frames, not {win_length}"),
            )
        })?;
        let log_prior = config.log_prior(win_length)?;
        let window = get_window(&Window::Hann, win_length, true)?.into_iter().map(|w| w as f32).collect();
        Ok(Self {
            config,
            win_length,
            log_prior,
            window,
            autocorrelation: Autocorrelation::new(win_length),
            mean_back: Autocorrelation::new(win_length),
        })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &TempoConfig {
        &self.config
    }

    /// The tempo of the whole envelope in beats per minute, from the mean of its tempogram.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] for an empty envelope, [`FeatureError::NonFinite`] for NaN or infinities.
    pub fn compute(&self, envelope: &[f32]) -> Result<f64, FeatureError> {
        check_envelope(envelope)?;
        Ok(self.best(self.mean_tempogram(envelope).into_iter()))
    }

    /// One tempo for each value of the envelope, in beats per minute.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute).
    pub fn compute_frames(&self, envelope: &[f32]) -> Result<Vec<f64>, FeatureError> {
        check_envelope(envelope)?;
        let plan =
            Tempogram::new(TempogramConfig { win_length: self.win_length, ..TempogramConfig::default() })?;
        let tempogram = plan.compute(envelope)?;
        Ok(best_tempi(&self.log_prior, &self.config, &tempogram))
    }

    /// The tempo of a tempogram's mean over time, in beats per minute. The number of lags is the tempogram's.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] as in [`new`](Self::new), [`FeatureError::Shape`] for a tempogram without lags or
    /// frames.
    pub fn from_tempogram(config: &TempoConfig, tempogram: ArrayView2<'_, f32>) -> Result<f64, FeatureError> {
        if tempogram.is_empty() {
            return Err(FeatureError::shape(
                "tempogram",
                tempogram.shape(),
                "at least one lag and one frame",
            ));
        }
        let prior = config.log_prior(tempogram.nrows())?;
        let n_frames = tempogram.ncols() as f64;
        let mean = tempogram
            .rows()
            .into_iter()
            .map(|row| row.iter().map(|&x| f64::from(x)).sum::<f64>() / n_frames)
            .collect::<Vec<_>>();
        Ok(lag_to_bpm(best_lag(&prior, mean.into_iter()), config.sample_rate, config.hop_length))
    }

    fn best(&self, lags: impl Iterator<Item = f64>) -> f64 {
        lag_to_bpm(best_lag(&self.log_prior, lags), self.config.sample_rate, self.config.hop_length)
    }

    /// The mean over time of the tempogram with each frame divided by its maximum, which is its value at lag 0.
    ///
    /// The inverse transform is linear, so the mean is taken over power spectra and transformed back once.
    fn mean_tempogram(&self, envelope: &[f32]) -> Vec<f64> {
        let mut padded = Vec::new();
        pad(envelope, self.win_length, true, &mut padded);
        let n_bins = self.autocorrelation.n_bins();
        let mut scratch = AutocorrelationScratch::default();
        let mut mean = vec![0.0f64; n_bins];
        let mut power = vec![0.0f32; n_bins];
        for piece in padded.windows(self.win_length).take(envelope.len()) {
            let spectrum = self.autocorrelation.spectrum(&mut scratch, |to| {
                dispatch!({
                    for ((to, x), w) in to.iter_mut().zip(piece).zip(&self.window) {
                        *to = x * w;
                    }
                });
            });
            dispatch!({
                power.iter_mut().zip(spectrum).for_each(|(p, c)| *p = c.re * c.re + c.im * c.im);
                // The inverse at lag 0: every bin but the first and the last stands for two.
                let energy = 2.0 * sum_of(&power, |p| p) - power[0] - power[n_bins - 1];
                if energy > 0.0 {
                    let share = 1.0 / f64::from(energy);
                    mean.iter_mut().zip(&power).for_each(|(m, p)| *m += share * f64::from(*p));
                }
            });
        }
        let mut back = AutocorrelationScratch::default();
        let spectrum = self.mean_back.spectrum(&mut back, |to| to.fill(0.0));
        let frames = envelope.len() as f64;
        spectrum.iter_mut().zip(mean).for_each(|(bin, m)| *bin = (m / frames).into());
        self.mean_back.back(&mut back).to_vec()
    }
}

fn check_envelope(envelope: &[f32]) -> Result<(), FeatureError> {
    if envelope.is_empty() {
        return Err(FeatureError::TooShort { samples: 0, needed: 1, reason: "to estimate a tempo" });
    }
    check_finite("envelope", envelope)
}

/// The most likely lag. Rounding can leave a correlation slightly below zero, which counts as none.
fn best_lag(log_prior: &[f64], correlations: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (lag, (correlation, prior)) in correlations.zip(log_prior).enumerate() {
        let score = (1e6 * correlation.max(0.0)).ln_1p() + prior;
        if score > best.1 {
            best = (lag, score);
        }
    }
    best.0
}

/// The most likely tempo of each frame of a tempogram.
pub(super) fn best_tempi(log_prior: &[f64], config: &TempoConfig, tempogram: &ArrayRef2<f32>) -> Vec<f64> {
    tempogram
        .axis_iter(Axis(1))
        .map(|frame| {
            let lag = best_lag(log_prior, frame.iter().map(|&x| f64::from(x)));
            lag_to_bpm(lag, config.sample_rate, config.hop_length)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(n: usize) -> Vec<f32> {
        (0..n).map(|t| ((t as f32 * 0.29).sin() + (t as f32 * 0.113).cos()).max(0.0)).collect()
    }

    #[test]
    fn the_mean_of_power_spectra_is_the_mean_of_the_tempogram() {
        let plan = Tempo::new(TempoConfig { ac_size: 2.0, ..TempoConfig::default() }).unwrap();
        let envelope = envelope(150);
        let tempogram = Tempogram::new(TempogramConfig { win_length: plan.win_length, ..Default::default() })
            .unwrap()
            .compute(&envelope)
            .unwrap();
        for (fast, row) in plan.mean_tempogram(&envelope).iter().zip(tempogram.rows()) {
            let slow = row.iter().map(|&x| f64::from(x)).sum::<f64>() / 150.0;
            assert!((fast - slow).abs() < 1e-6, "{fast} {slow}");
        }
        let from = Tempo::from_tempogram(plan.config(), tempogram.view()).unwrap();
        assert_eq!(plan.compute(&envelope).unwrap(), from);
    }

    #[test]
    fn a_bound_excludes_fast_tempi() {
        let pulse: Vec<f32> = (0..600).map(|t| if t % 11 == 0 { 1.0 } else { 0.0 }).collect();
        let at = |max_tempo| {
            let config = TempoConfig { start_bpm: 240.0, max_tempo, ..TempoConfig::default() };
            Tempo::new(config).unwrap().compute(&pulse).unwrap()
        };
        assert!((at(None) - 234.9).abs() < 0.1);
        assert!((at(Some(200.0)) - 117.45).abs() < 0.1);
        assert!((at(Some(0.0)) - 234.9).abs() < 0.1, "a bound below all lags excludes none");
    }

    #[test]
    fn silence_has_the_tempo_of_the_prior() {
        let plan = Tempo::new(TempoConfig::default()).unwrap();
        assert!((plan.compute(&[0.0; 100]).unwrap() - 117.45).abs() < 0.01);
        assert!(plan.compute(&[]).is_err());
        assert!(plan.compute_frames(&[]).is_err());
        assert_eq!(plan.compute_frames(&[0.0; 3]).unwrap().len(), 3);
        assert!(Tempo::new(TempoConfig { ac_size: 1e-9, ..Default::default() }).is_err());
        assert!(Tempo::new(TempoConfig { std_bpm: 0.0, ..Default::default() }).is_err());
    }
}
