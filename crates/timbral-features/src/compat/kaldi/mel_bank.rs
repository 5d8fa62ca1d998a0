//! Kaldi's mel triangles: straight lines on the mel axis.

use std::ops::Range;

use super::config::FbankConfig;
use crate::error::FeatureError;
use crate::simd::{SHORT, short_dot};

fn hz_to_mel(frequency: f64) -> f64 {
    1127.0 * (frequency / 700.0).ln_1p()
}

fn mel_to_hz(mel: f64) -> f64 {
    700.0 * (mel / 1127.0).exp_m1()
}

/// The piecewise linear frequency warp of vocal tract length normalisation: slope `1 / warp` in the middle, bent at two
/// points so that `low` and `high` stay where they are.
struct Warp {
    low: f64,
    high: f64,
    lower_bend: f64,
    upper_bend: f64,
    scale: f64,
}

impl Warp {
    fn new(config: &FbankConfig, low: f64, high: f64, nyquist: f64) -> Result<Self, FeatureError> {
        let vtln_high = if config.vtln_high < 0.0 { config.vtln_high + nyquist } else { config.vtln_high };
        let ordered = low < config.vtln_low
            && config.vtln_low < high
            && vtln_high > 0.0
            && vtln_high < high
            && config.vtln_low < vtln_high;
        if !ordered {
            return Err(FeatureError::config(
                "vtln_high",
                format!("{low} < {} < {vtln_high} < {high} Hz", config.vtln_low),
                "such that low_freq < vtln_low < vtln_high < high_freq",
            ));
        }
        let warp = config.vtln_warp;
        let lower_bend = config.vtln_low * warp.max(1.0);
        let upper_bend = vtln_high * warp.min(1.0);
        if lower_bend <= low || upper_bend >= high || lower_bend > upper_bend {
            return Err(FeatureError::config(
                "vtln_warp",
                warp,
                format!("such that its bends stay between {low} and {high} Hz"),
            ));
        }
        Ok(Self { low, high, lower_bend, upper_bend, scale: 1.0 / warp })
    }

    fn frequency(&self, frequency: f64) -> f64 {
        if frequency < self.low || frequency > self.high {
            frequency
        } else if frequency < self.lower_bend {
            let slope = (self.scale * self.lower_bend - self.low) / (self.lower_bend - self.low);
            self.low + slope * (frequency - self.low)
        } else if frequency < self.upper_bend {
            self.scale * frequency
        } else {
            let slope = (self.high - self.scale * self.upper_bend) / (self.high - self.upper_bend);
            self.high + slope * (frequency - self.high)
        }
    }

    fn mel(&self, mel: f64) -> f64 {
        hz_to_mel(self.frequency(mel_to_hz(mel)))
    }
}

/// The bands over the first `n_fft / 2` bins; the Nyquist bin belongs to none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bands {
    /// The first bin of each band, and where its weights lie, padded to whole vectors.
    rows: Vec<(usize, Range<usize>)>,
    weights: Vec<f32>,
}

impl Bands {
    pub(super) fn new(config: &FbankConfig, n_fft: usize) -> Result<Self, FeatureError> {
        let mut bands = Self { rows: Vec::new(), weights: Vec::new() };
        for (start, weights) in triangles(config, n_fft)? {
            let first = bands.weights.len();
            bands.weights.extend_from_slice(&weights);
            bands.weights.resize(first + weights.len().next_multiple_of(SHORT), 0.0);
            bands.rows.push((start, first..bands.weights.len()));
        }
        Ok(bands)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The sum of each band. `power` has at least [`SHORT`] values more than there are bins.
    #[inline(always)]
    pub(super) fn apply(&self, power: &[f32], sums: &mut [f32]) {
        for (value, (start, weights)) in sums.iter_mut().zip(&self.rows) {
            let values = &power[*start..*start + weights.len()];
            *value = short_dot(&self.weights[weights.clone()], values);
        }
    }
}

/// The first bin that each band weighs, and its weights from there on.
fn triangles(config: &FbankConfig, n_fft: usize) -> Result<Vec<(usize, Vec<f32>)>, FeatureError> {
    const MOST_BANDS: usize = 1 << 20;
    if config.num_mel_bins <= 3 || config.num_mel_bins > MOST_BANDS {
        return Err(FeatureError::config(
            "num_mel_bins",
            config.num_mel_bins,
            format!("between 4 and {MOST_BANDS}"),
        ));
    }
    let nyquist = 0.5 * f64::from(config.sample_rate);
    let low = config.low_freq;
    let high = if config.high_freq <= 0.0 { config.high_freq + nyquist } else { config.high_freq };
    if !(low >= 0.0 && low < nyquist) {
        return Err(FeatureError::config(
            "low_freq",
            format!("{low} Hz"),
            format!("at least 0 and below Nyquist, {nyquist} Hz"),
        ));
    }
    if !(high > low && high <= nyquist) {
        return Err(FeatureError::config(
            "high_freq",
            format!("{high} Hz"),
            format!("above low_freq ({low} Hz) and at most Nyquist ({nyquist} Hz)"),
        ));
    }
    if !(config.vtln_warp.is_finite() && config.vtln_warp > 0.0) {
        return Err(FeatureError::config("vtln_warp", config.vtln_warp, "finite and above 0"));
    }
    let warp = if config.vtln_warp == 1.0 { None } else { Some(Warp::new(config, low, high, nyquist)?) };
    let edge_mel = |mel: f64| warp.as_ref().map_or(mel, |warp| warp.mel(mel));

    let bin_width = f64::from(config.sample_rate) / n_fft as f64;
    let bin_mels: Vec<f64> = (0..n_fft / 2).map(|bin| hz_to_mel(bin_width * bin as f64)).collect();
    let low_mel = hz_to_mel(low);
    let step = (hz_to_mel(high) - low_mel) / (config.num_mel_bins + 1) as f64;
    let band = |index: usize| {
        let [left, centre, right] = [0, 1, 2].map(|edge| edge_mel(low_mel + (index + edge) as f64 * step));
        let start = bin_mels.partition_point(|&mel| mel <= left);
        let end = bin_mels.partition_point(|&mel| mel < right).max(start);
        let weights = bin_mels[start..end]
            .iter()
            .map(|&mel| {
                ((mel - left) / (centre - left)).min((right - mel) / (right - centre)).max(0.0) as f32
            })
            .collect();
        (start, weights)
    };
    Ok((0..config.num_mel_bins).map(band).collect())
}
