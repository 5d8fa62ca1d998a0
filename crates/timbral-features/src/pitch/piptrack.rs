//! Peaks of a spectrogram, interpolated.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::onset::median;
use crate::shape::{all_fine, frame_major, visit_frames};
use crate::simd::{dispatch, sum_of};

/// What the magnitudes of a frame are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PiptrackReference {
    /// `threshold` times the frame's maximum. The default.
    #[default]
    Max,
    /// `threshold` times the frame's mean.
    Mean,
    /// `threshold` times the frame's median.
    Median,
    /// The magnitude of this number itself; `threshold` has no effect.
    Value(f32),
}

/// Parameters of [`piptrack`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PiptrackConfig {
    /// Samples per second of the signal behind the spectrogram. Default: 22 050.
    pub sample_rate: u32,
    /// Lowest frequency of a peak in Hz; below 0 counts as 0. Default: 150.
    pub fmin: f64,
    /// Upper bound of a peak's bin in Hz, itself excluded; above Nyquist counts as Nyquist. Default: 4000.
    pub fmax: f64,
    /// A peak exceeds this fraction of the reference. Default: 0.1.
    pub threshold: f32,
    /// What that is a fraction of. Default: the frame's maximum.
    pub reference: PiptrackReference,
}

impl Default for PiptrackConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            fmin: 150.0,
            fmax: 4000.0,
            threshold: 0.1,
            reference: PiptrackReference::Max,
        }
    }
}

/// The peaks of a spectrogram; both arrays have its shape and are 0 where there is no peak.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pitches {
    /// Frequencies in Hz.
    pub pitches: Array2<f32>,
    /// Interpolated magnitudes.
    pub magnitudes: Array2<f32>,
}

/// Finds the peaks of each frame of a magnitude spectrogram of shape `(n_fft / 2 + 1, n_frames)`, of an even `n_fft`, by
/// parabolas through three neighbouring bins.
///
/// Smith, "Sinusoidal peak interpolation", in "Spectral audio signal processing", 2011.
///
/// # Errors
///
/// [`FeatureError::Config`] for a sample rate of 0 or parameters that are NaN, [`FeatureError::Shape`] for less than two
/// bins, [`FeatureError::NonFinite`] for NaN or infinities in the spectrogram.
pub fn piptrack(magnitudes: ArrayView2<'_, f32>, config: &PiptrackConfig) -> Result<Pitches, FeatureError> {
    let (n_bins, n_frames) = magnitudes.dim();
    let finder = PeakFinder::new(config, n_bins)?;
    check_spectrogram(&magnitudes)?;
    let mut found =
        Pitches { pitches: frame_major(n_bins, n_frames)?, magnitudes: frame_major(n_bins, n_frames)? };
    let (mut row, mut work) = (Vec::new(), Vec::new());
    visit_frames(&magnitudes, &mut row, |t, frame| {
        finder.visit(frame, &mut work, |bin, pitch, magnitude| {
            found.pitches[[bin, t]] = pitch;
            found.magnitudes[[bin, t]] = magnitude;
        });
    });
    Ok(found)
}

pub(crate) fn check_spectrogram(magnitudes: &ArrayView2<'_, f32>) -> Result<(), FeatureError> {
    if all_fine(magnitudes, f32::is_finite) {
        return Ok(());
    }
    match magnitudes.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, &value)) => Err(FeatureError::NonFinite { array: "spectrogram", index, value }),
        None => Ok(()),
    }
}

/// Finds peaks frame by frame.
#[derive(Debug, Clone)]
pub(super) struct PeakFinder {
    /// The bins inside the bounds.
    bins: Range<usize>,
    bin_width: f64,
    threshold: f32,
    reference: PiptrackReference,
}

impl PeakFinder {
    pub(super) fn new(config: &PiptrackConfig, n_bins: usize) -> Result<Self, FeatureError> {
        if config.sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
        }
        if n_bins < 2 {
            return Err(FeatureError::shape("spectrogram", &[n_bins], "at least two bins"));
        }
        for (name, value) in
            [("fmin", config.fmin), ("fmax", config.fmax), ("threshold", f64::from(config.threshold))]
        {
            if value.is_nan() {
                return Err(FeatureError::config(name, "NaN", "a number"));
            }
        }
        let rate = f64::from(config.sample_rate);
        let bin_width = rate / (2 * (n_bins - 1)) as f64;
        let (low, high) = (config.fmin.max(0.0), config.fmax.min(rate / 2.0));
        let first = (0..n_bins).find(|&bin| bin as f64 * bin_width >= low).unwrap_or(n_bins);
        let end = (first..n_bins).find(|&bin| bin as f64 * bin_width >= high).unwrap_or(n_bins);
        Ok(Self { bins: first..end, bin_width, threshold: config.threshold, reference: config.reference })
    }

    fn floor(&self, frame: &[f32], work: &mut Vec<f32>) -> f32 {
        match self.reference {
            PiptrackReference::Max => self.threshold * dispatch!(maximum(frame)),
            PiptrackReference::Mean => {
                self.threshold * (dispatch!(sum_of(frame, |x| x)) / frame.len() as f32)
            }
            PiptrackReference::Median => {
                work.clear();
                work.extend_from_slice(frame);
                self.threshold * median(work)
            }
            PiptrackReference::Value(value) => value.abs(),
        }
    }

    /// Gives bin, frequency in Hz and magnitude of each peak to `peak`, upwards.
    pub(super) fn visit(&self, frame: &[f32], work: &mut Vec<f32>, mut peak: impl FnMut(usize, f32, f32)) {
        let floor = self.floor(frame, work);
        // What does not exceed the floor counts as 0.
        let above = |x: f32| if x > floor { x } else { 0.0 };
        let last = frame.len() - 1;
        for bin in self.bins.clone() {
            let x = frame[bin];
            // Edges are repeated outwards: bin 0 never rises above its neighbour, the last one may.
            if bin == 0
                || x <= floor
                || x <= above(frame[bin - 1])
                || (bin < last && x < above(frame[bin + 1]))
            {
                continue;
            }
            let (shift, slope) = if bin == last {
                (0.0, x - frame[bin - 1])
            } else {
                let (before, after) = (frame[bin - 1], frame[bin + 1]);
                let curvature = after + before - 2.0 * x;
                let slope = (after - before) / 2.0;
                (if slope.abs() >= curvature.abs() { 0.0 } else { -slope / curvature }, slope)
            };
            let pitch = (bin as f64 + f64::from(shift)) * self.bin_width;
            peak(bin, pitch as f32, x + 0.5 * slope * shift);
        }
    }
}

/// The largest of values that are not NaN.
#[inline(always)]
fn maximum(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for i in 0..16 {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    rest.iter().chain(&lanes).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FeaturePlan;
    use crate::stft::{Spectrogram, SpectrogramConfig};

    #[test]
    fn finds_a_sine_between_bins() {
        let samples: Vec<f32> =
            (0..8192).map(|i| (i as f32 * std::f32::consts::TAU * 1000.0 / 22_050.0).sin()).collect();
        let s = Spectrogram::new(SpectrogramConfig::default()).unwrap().compute(&samples).unwrap();
        let found = piptrack(s.view(), &PiptrackConfig::default()).unwrap();
        for t in 3..12 {
            let peaks: Vec<f32> = found.pitches.column(t).iter().copied().filter(|&p| p > 0.0).collect();
            assert_eq!(peaks.len(), 1);
            assert!((peaks[0] - 1000.0).abs() < 1.0, "{peaks:?}");
        }
    }

    #[test]
    fn bounds_and_references() {
        let s = Array2::from_shape_vec((5, 1), vec![0.0, 2.0, 1.0, 4.0, 1.0]).unwrap();
        let config = PiptrackConfig { sample_rate: 8, fmin: 0.0, fmax: 4.0, ..PiptrackConfig::default() };
        let count = |config: &PiptrackConfig| {
            piptrack(s.view(), config).unwrap().magnitudes.iter().filter(|&&m| m > 0.0).count()
        };
        assert_eq!(count(&config), 2);
        assert_eq!(count(&PiptrackConfig { threshold: 0.5, ..config.clone() }), 1);
        assert_eq!(count(&PiptrackConfig { fmin: 2.0, ..config.clone() }), 1);
        let mean = PiptrackConfig { reference: PiptrackReference::Mean, threshold: 1.3, ..config.clone() };
        assert_eq!(count(&mean), 1);
        let value = PiptrackConfig { reference: PiptrackReference::Value(-1.5), ..config.clone() };
        assert_eq!(count(&value), 2);
        let middle = PiptrackConfig { reference: PiptrackReference::Median, threshold: 2.0, ..config };
        assert_eq!(count(&middle), 1);
    }

    #[test]
    fn silence_has_no_pitch_and_bad_input_is_refused() {
        let silence = Array2::zeros((513, 3));
        assert!(
            piptrack(silence.view(), &PiptrackConfig::default()).unwrap().pitches.iter().all(|&p| p == 0.0)
        );
        let nan = Array2::from_elem((513, 3), f32::NAN);
        assert!(piptrack(nan.view(), &PiptrackConfig::default()).is_err());
        assert!(piptrack(Array2::zeros((1, 3)).view(), &PiptrackConfig::default()).is_err());
        assert_eq!(
            piptrack(Array2::zeros((513, 0)).view(), &PiptrackConfig::default()).unwrap().pitches.ncols(),
            0
        );
    }
}
