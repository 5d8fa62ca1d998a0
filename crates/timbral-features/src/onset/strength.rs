//! Onset envelopes: how much louder a spectrogram gets from frame to frame.

use std::collections::VecDeque;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::shape::visit_frames;
use crate::simd::{dispatch, sum_of};

/// How the rises of the bands of one frame become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnsetAggregate {
    /// The mean. The default.
    #[default]
    Mean,
    /// The median; of an even number the mean of the two in the middle. Beat tracking uses it.
    Median,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl OnsetAggregate {
    /// Applied to `values`, which it may sort; 0 for none.
    #[inline(always)]
    pub(crate) fn apply(self, values: &mut [f32]) -> f32 {
        if values.is_empty() {
            return 0.0;
        }
        match self {
            Self::Mean => sum_of(values, |x| x) / values.len() as f32,
            Self::Median => median(values),
            Self::Max => values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            Self::Min => values.iter().copied().fold(f32::INFINITY, f32::min),
        }
    }
}

/// The median of values that are not NaN.
pub(crate) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if even {
        let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (lower + upper) / 2.0
    } else {
        upper
    }
}

/// How a spectrogram becomes an onset envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnsetStrengthConfig {
    /// Frames between the two that are compared, at least 1. Default: 1.
    pub lag: usize,
    /// The earlier frame is replaced by its maximum over this many bands, which keeps vibrato from looking like onsets;
    /// 1 leaves it as it is. Default: 1.
    pub max_size: usize,
    /// Removes the slow part of the envelope by the filter `(1 - z^-1) / (1 - 0.99 z^-1)`. Default: false.
    pub detrend: bool,
    /// Moves the envelope to the right by `n_fft / (2 hop_length)` frames, half the length of a frame, so that an onset
    /// stands where it begins. Default: true.
    pub center: bool,
    /// Length of the Fourier transform behind the spectrogram in samples, for the shift. Default: 2048.
    pub n_fft: usize,
    /// Samples from frame to frame of the spectrogram, for the shift. Default: 512.
    pub hop_length: usize,
    /// How bands are summarised. Default: the mean.
    pub aggregate: OnsetAggregate,
}

impl Default for OnsetStrengthConfig {
    fn default() -> Self {
        Self {
            lag: 1,
            max_size: 1,
            detrend: false,
            center: true,
            n_fft: 2048,
            hop_length: 512,
            aggregate: OnsetAggregate::Mean,
        }
    }
}

impl OnsetStrengthConfig {
    pub(crate) fn validate(&self) -> Result<(), FeatureError> {
        for (name, value) in [("lag", self.lag), ("max_size", self.max_size), ("hop_length", self.hop_length)]
        {
            if value == 0 {
                return Err(FeatureError::config(name, "0", "at least 1"));
            }
        }
        Ok(())
    }

    /// Frames by which `center` moves the envelope.
    pub(crate) fn shift(&self) -> usize {
        if self.center { self.n_fft / (2 * self.hop_length) } else { 0 }
    }
}

/// The filter `(1 - z^-1) / (1 - 0.99 z^-1)` of an envelope.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Detrend {
    before: f64,
    state: f64,
}

impl Detrend {
    pub(crate) fn next(&mut self, value: f32) -> f32 {
        self.state = f64::from(value) - self.before + 0.99 * self.state;
        self.before = f64::from(value);
        self.state as f32
    }
}

/// The onset envelope of a spectrogram in decibels of shape `(n_bins, n_frames)`, one value for each frame.
///
/// Value `t` summarises `max(0, S[f, t] - max(S[f', t - lag]))` over the bins `f`, the inner maximum over `max_size`
/// neighbours; the first `lag` values (and those of the shift) are 0.
///
/// Böck, Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013.
///
/// # Errors
///
/// [`FeatureError::Config`] for a `lag`, `max_size` or `hop_length` of 0, [`FeatureError::NonFinite`] for NaN or
/// infinities in the spectrogram.
pub fn onset_strength(
    decibels: ArrayView2<'_, f32>,
    config: &OnsetStrengthConfig,
) -> Result<Vec<f32>, FeatureError> {
    let bands = [0, decibels.nrows()];
    let envelope = onset_strength_multi(decibels, &bands, config)?;
    Ok(envelope.into_iter().collect())
}

/// One onset envelope for each group of bins, of shape `(channels.len() - 1, n_frames)`.
///
/// Group `i` holds the bins `channels[i] .. channels[i + 1]`; bounds rise and do not exceed the number of bins.
///
/// # Errors
///
/// As [`onset_strength`], and [`FeatureError::Config`] for bounds that do not rise or lie beyond the bins.
pub fn onset_strength_multi(
    decibels: ArrayView2<'_, f32>,
    channels: &[usize],
    config: &OnsetStrengthConfig,
) -> Result<Array2<f32>, FeatureError> {
    config.validate()?;
    let (n_bins, n_frames) = decibels.dim();
    let rising = channels.windows(2).all(|pair| pair[0] < pair[1] || (n_bins == 0 && pair[0] == pair[1]));
    if channels.len() < 2 || !rising || channels.last().is_some_and(|&last| last > n_bins) {
        return Err(FeatureError::config(
            "channels",
            format!("{channels:?}"),
            format!("at least two rising bounds of at most {n_bins}"),
        ));
    }
    let OnsetStrengthConfig { lag, max_size, .. } = *config;
    let shift = lag.saturating_add(config.shift());
    let mut envelopes = Array2::zeros((channels.len() - 1, n_frames));
    // The frames that later ones are compared with, filtered if asked for, oldest first.
    let mut earlier: VecDeque<Vec<f32>> = VecDeque::with_capacity(lag.min(n_frames));
    let mut rises = vec![0.0; n_bins];
    let mut bad = None;
    visit_frames(&decibels, &mut Vec::new(), |t, frame| {
        dispatch!({
            if !frame.iter().fold(true, |fine, x| fine & x.is_finite()) && bad.is_none() {
                bad = frame.iter().position(|x| !x.is_finite()).map(|i| (t * n_bins + i, frame[i]));
            }
            let mut reference = if earlier.len() == lag {
                earlier.pop_front().unwrap_or_default()
            } else {
                Vec::with_capacity(n_bins)
            };
            let place = t.checked_sub(lag).map(|start| start + shift).filter(|&place| place < n_frames);
            if let Some(place) = place {
                for ((rise, now), before) in rises.iter_mut().zip(frame).zip(&reference) {
                    *rise = (now - before).max(0.0);
                }
                for (channel, bounds) in channels.windows(2).enumerate() {
                    let value = config.aggregate.apply(&mut rises[bounds[0]..bounds[1]]);
                    envelopes[[channel, place]] = value;
                }
            }
            reference.clear();
            maximum_filter(frame, max_size, &mut reference);
            earlier.push_back(reference);
        });
    });
    if let Some((index, value)) = bad {
        return Err(FeatureError::NonFinite { array: "decibels", index, value });
    }
    if config.detrend {
        envelopes.rows_mut().into_iter().for_each(|mut envelope| {
            let mut filter = Detrend::default();
            for x in &mut envelope {
                *x = filter.next(*x);
            }
        });
    }
    Ok(envelopes)
}

/// The maximum over `size` values around each, of an even size one more before than after; edges are mirrored.
#[inline(always)]
pub(crate) fn maximum_filter(values: &[f32], size: usize, out: &mut Vec<f32>) {
    // A window that reaches past an edge sees mirrored values, which it already holds or which a mirrored longer
    // window adds; beyond one length all are in it.
    let (before, after) = (size / 2, size - 1 - size / 2);
    if size == 1 {
        out.extend_from_slice(values);
        return;
    }
    let n = values.len();
    out.extend((0..n).map(|i| {
        let first = i.saturating_sub(before).min(n - 1);
        let mut last = i.saturating_add(after).min(n - 1);
        // Positions -1, -2, ... are 0, 1, ...; positions n, n + 1, ... are n - 1, n - 2, ...
        if before > i {
            last = last.max((before - i - 1).min(n - 1));
        }
        let beyond = i.saturating_add(after).saturating_sub(n - 1);
        let first = if beyond > 0 { first.min(n.saturating_sub(beyond)) } else { first };
        values[first..=last].iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::PadMode;

    fn spectrogram() -> Array2<f32> {
        Array2::from_shape_fn((7, 12), |(f, t)| ((f * 5 + t * t * 3) as f32 * 0.37).sin() * 20.0)
    }

    #[test]
    fn maximum_filter_equals_the_definition() {
        let values: Vec<f32> = (0..9).map(|i| (i as f32 * 2.3).sin()).collect();
        for size in 1..25 {
            let mut fast = Vec::new();
            maximum_filter(&values, size, &mut fast);
            for (i, fast) in fast.iter().enumerate() {
                let slow = (0..size)
                    .map(|j| i as isize + j as isize - (size / 2) as isize)
                    .filter_map(|at| PadMode::Symmetric.resolve(at, values.len()))
                    .map(|at| values[at])
                    .fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(*fast, slow, "{size} {i}");
            }
        }
    }

    #[test]
    fn equals_the_definition() {
        let s = spectrogram();
        for lag in [1, 3] {
            for center in [false, true] {
                let config =
                    OnsetStrengthConfig { lag, center, n_fft: 8, hop_length: 2, ..Default::default() };
                let shift = if center { 2 } else { 0 };
                let envelope = onset_strength(s.view(), &config).unwrap();
                for (t, value) in envelope.iter().enumerate() {
                    let slow = if t < lag + shift {
                        0.0
                    } else {
                        let t = t - shift;
                        (0..7).map(|f| (s[[f, t]] - s[[f, t - lag]]).max(0.0)).sum::<f32>() / 7.0
                    };
                    assert!((value - slow).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn channels_and_aggregates() {
        let s = spectrogram();
        let config = OnsetStrengthConfig { aggregate: OnsetAggregate::Max, ..Default::default() };
        let both = onset_strength_multi(s.view(), &[0, 3, 7], &config).unwrap();
        let all = onset_strength(s.view(), &config).unwrap();
        for (t, all) in all.iter().enumerate() {
            assert_eq!(*all, both[[0, t]].max(both[[1, t]]));
        }
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(onset_strength_multi(s.view(), &[0, 8], &config).is_err());
        assert!(onset_strength_multi(s.view(), &[3], &config).is_err());
        assert!(onset_strength_multi(s.view(), &[3, 3], &config).is_err());
    }

    #[test]
    fn odd_inputs() {
        let config = OnsetStrengthConfig::default();
        assert!(onset_strength(Array2::zeros((128, 0)).view(), &config).unwrap().is_empty());
        assert_eq!(onset_strength(Array2::zeros((128, 1)).view(), &config).unwrap(), [0.0]);
        assert_eq!(onset_strength(Array2::zeros((0, 3)).view(), &config).unwrap(), [0.0; 3]);
        let nan = Array2::from_elem((2, 2), f32::NAN);
        assert!(onset_strength(nan.view(), &config).is_err());
        assert!(onset_strength(nan.view(), &OnsetStrengthConfig { lag: 0, ..config.clone() }).is_err());
        let far = OnsetStrengthConfig { lag: usize::MAX, ..config };
        assert!(onset_strength(spectrogram().view(), &far).unwrap().iter().all(|&x| x == 0.0));
    }
}
