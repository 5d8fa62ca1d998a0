//! Peaks of a curve.

use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};

/// Parameters of [`peak_pick`]: all but `delta` count values of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeakPickConfig {
    /// Values before a peak that must not exceed it.
    pub pre_max: usize,
    /// Values from the peak on that must not exceed it, itself among them; at least 1.
    pub post_max: usize,
    /// Values before a peak that its surroundings' mean is taken over.
    pub pre_avg: usize,
    /// Values from the peak on that the mean is taken over, itself among them; at least 1.
    pub post_avg: usize,
    /// How far a peak must rise above that mean.
    pub delta: f32,
    /// Values to skip after a peak.
    pub wait: usize,
}

impl PeakPickConfig {
    /// The values that onset detection uses: a peak within 30 ms, 0.07 above the mean of 200 ms, for a curve of
    /// `sample_rate / hop_length` values a second.
    ///
    /// A hop of 0 counts as 1.
    pub fn for_onsets(sample_rate: u32, hop_length: usize) -> Self {
        let rate = f64::from(sample_rate);
        let frames = |seconds: f64| (seconds * rate / hop_length.max(1) as f64).floor() as usize;
        Self {
            pre_max: frames(0.03),
            post_max: 1,
            pre_avg: frames(0.1),
            post_avg: frames(0.1) + 1,
            delta: 0.07,
            wait: frames(0.03),
        }
    }
}

/// Finds peaks from left to right.
///
/// Value `n` is a peak if it is the largest of `x[n - pre_max .. n + post_max]`, is at least `delta` above the mean of
/// `x[n - pre_avg .. n + post_avg]`, and more than `wait` values after the last peak. Upper ends are excluded; windows
/// shrink at the ends of the curve.
///
/// Böck, Krebs, Schedl, "Evaluating the online capabilities of onset detection methods", ISMIR 2012.
///
/// # Errors
///
/// [`FeatureError::Config`] for `post_max` or `post_avg` of 0, or a `delta` below 0 or not finite;
/// [`FeatureError::NonFinite`] for NaN or infinities in the curve.
///
/// ```
/// use timbral_features::onset::{PeakPickConfig, peak_pick};
/// let config = PeakPickConfig { pre_max: 1, post_max: 2, pre_avg: 2, post_avg: 3, delta: 0.1, wait: 0 };
/// assert_eq!(peak_pick(&[0.0, 1.0, 0.0, 0.0, 2.0, 1.0], &config)?, [1, 4]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn peak_pick(curve: &[f32], config: &PeakPickConfig) -> Result<Vec<usize>, FeatureError> {
    let PeakPickConfig { pre_max, post_max, pre_avg, post_avg, delta, wait } = *config;
    for (name, value) in [("post_max", post_max), ("post_avg", post_avg)] {
        if value == 0 {
            return Err(FeatureError::config(name, "0", "at least 1, since the peak itself counts"));
        }
    }
    if !(delta.is_finite() && delta >= 0.0) {
        return Err(FeatureError::config("delta", delta, "finite and at least 0"));
    }
    check_finite("curve", curve)?;
    let around = |n: usize, before: usize, after: usize| {
        &curve[n.saturating_sub(before)..n.saturating_add(after).min(curve.len())]
    };
    let mut peaks = Vec::new();
    let mut n = 0;
    while n < curve.len() {
        let largest = around(n, pre_max, post_max).iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let is_peak = curve[n] == largest && {
            let near = around(n, pre_avg, post_avg);
            let mean = near.iter().map(|&x| f64::from(x)).sum::<f64>() / near.len() as f64;
            f64::from(curve[n]) >= mean + f64::from(delta)
        };
        if is_peak {
            peaks.push(n);
            n = n.saturating_add(wait);
        }
        n = n.saturating_add(1);
    }
    Ok(peaks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: PeakPickConfig =
        PeakPickConfig { pre_max: 1, post_max: 2, pre_avg: 1, post_avg: 2, delta: 0.0, wait: 0 };

    #[test]
    fn waits_after_a_peak() {
        let curve = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        assert_eq!(peak_pick(&curve, &PLAIN).unwrap(), [1, 3, 5]);
        assert_eq!(peak_pick(&curve, &PeakPickConfig { wait: 2, ..PLAIN }).unwrap(), [1, 5]);
        let far = PeakPickConfig { wait: usize::MAX, pre_max: usize::MAX, post_max: usize::MAX, ..PLAIN };
        assert_eq!(peak_pick(&curve, &far).unwrap(), [1]);
    }

    #[test]
    fn the_first_value_can_be_a_peak() {
        assert_eq!(peak_pick(&[3.0, 1.0, 0.0], &PLAIN).unwrap(), [0]);
        assert_eq!(peak_pick(&[3.0], &PLAIN).unwrap(), [0]);
        assert!(peak_pick(&[], &PLAIN).unwrap().is_empty());
    }

    #[test]
    fn refuses_empty_windows_and_nan() {
        assert!(peak_pick(&[1.0], &PeakPickConfig { post_max: 0, ..PLAIN }).is_err());
        assert!(peak_pick(&[1.0], &PeakPickConfig { post_avg: 0, ..PLAIN }).is_err());
        assert!(peak_pick(&[1.0], &PeakPickConfig { delta: f32::NAN, ..PLAIN }).is_err());
        assert!(peak_pick(&[f32::NAN], &PLAIN).is_err());
    }
}
