//! The cumulative mean normalised difference function, common to YIN and pYIN.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::error::{FeatureError, check_finite};
use crate::framing::{Framing, PadMode};

/// What both estimators ask of the signal.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) sample_rate: u32,
    pub(super) fmin: f64,
    pub(super) fmax: f64,
    pub(super) frame_length: usize,
    pub(super) hop_length: usize,
    pub(super) center: bool,
    pub(super) pad_mode: PadMode,
}

/// Computes the difference function of each frame, for the periods from `min_period` to `max_period`.
#[derive(Clone)]
pub(super) struct Difference {
    framing: Framing,
    pub(super) min_period: usize,
    pub(super) max_period: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Difference")
            .field("min_period", &self.min_period)
            .field("max_period", &self.max_period)
            .finish_non_exhaustive()
    }
}

/// Working memory of a pitch estimator; made by [`Yin::scratch`](crate::pitch::Yin::scratch) and [`Pyin::scratch`](crate::pitch::Pyin::scratch).
#[derive(Clone, Debug, Default)]
pub struct PitchScratch {
    frame: Vec<f32>,
    buffer: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
    /// The normalised difference at each period.
    pub(super) difference: Vec<f64>,
}

impl Difference {
    pub(super) fn new(range: Range) -> Result<Self, FeatureError> {
        let Range { sample_rate, fmin, fmax, frame_length, hop_length, center, pad_mode } = range;
        let rate = f64::from(sample_rate);
        if sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "at least 1 Hz"));
        }
        if !(fmin > 0.0 && fmin < fmax && fmax <= rate / 2.0) {
            return Err(FeatureError::config(
                "fmin, fmax",
                format!("{fmin} and {fmax} Hz"),
                format!("such that 0 < fmin < fmax <= {}, half the sample rate", rate / 2.0),
            ));
        }
        let framing = Framing::new(frame_length, hop_length, center, pad_mode)?;
        if rate / fmin >= frame_length as f64 - 1.0 {
            return Err(FeatureError::config(
                "frame_length",
                frame_length,
                format!("long enough for a period of {fmin} Hz at {sample_rate} Hz"),
            ));
        }
        let min_period = (rate / fmax).floor() as usize;
        let max_period = ((rate / fmin).ceil() as usize).min(frame_length - 1);
        // Long enough that no lag up to the longest period wraps around.
        let length = smooth_length(frame_length + max_period + 1);
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        Ok(Self { framing, min_period, max_period, forward, inverse })
    }

    pub(super) fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.framing.n_frames(samples)
    }

    pub(super) fn scratch(&self) -> PitchScratch {
        let work = self.forward.get_scratch_len().max(self.inverse.get_scratch_len());
        PitchScratch {
            frame: vec![0.0; self.framing.frame_length],
            buffer: self.forward.make_input_vec(),
            spectrum: self.forward.make_output_vec(),
            fft: vec![Complex::default(); work],
            difference: vec![0.0; self.max_period - self.min_period + 1],
        }
    }

    /// Checks the signal and the scratch, which may come from another plan.
    pub(super) fn prepare(&self, samples: &[f32], scratch: &mut PitchScratch) -> Result<(), FeatureError> {
        check_finite("samples", samples)?;
        if scratch.frame.len() != self.framing.frame_length
            || scratch.buffer.len() != self.forward.len()
            || scratch.difference.len() != self.max_period - self.min_period + 1
        {
            *scratch = self.scratch();
        }
        Ok(())
    }

    /// Leaves the function of frame `index` in `scratch.difference`.
    ///
    /// `d(k) = 2 (r(0) - r(k)) - (the sum of the first k squares)`, divided by the mean of `d(1)` to `d(k)`.
    pub(super) fn frame(&self, samples: &[f32], index: usize, scratch: &mut PitchScratch) {
        let PitchScratch { frame, buffer, spectrum, fft, difference } = scratch;
        self.framing.fill(samples, index, frame);
        let (head, tail) = buffer.split_at_mut(frame.len());
        head.iter_mut().zip(frame.iter()).for_each(|(to, from)| *to = f64::from(*from));
        tail.fill(0.0);
        // The buffers have the planned lengths, the only thing that the transforms can object to.
        let done =
            self.forward.process_with_scratch(buffer, spectrum, &mut fft[..self.forward.get_scratch_len()]);
        debug_assert!(done.is_ok());
        // The inverse of the power spectrum is the autocorrelation r: n log n, where the definition's sum of squared
        // differences for each period costs n^2. In double precision, since r(0) - r(k) cancels near the true period.
        spectrum.iter_mut().for_each(|c| *c = Complex::new(c.norm_sqr(), 0.0));
        let done =
            self.inverse.process_with_scratch(spectrum, buffer, &mut fft[..self.inverse.get_scratch_len()]);
        debug_assert!(done.is_ok());
        let scale = 1.0 / self.forward.len() as f64;
        let power = buffer[0] * scale;
        let (mut squares, mut total) = (0.0, 0.0);
        for k in 1..=self.max_period {
            // As in librosa, only the squares that the shifted copy loses, the first k, are taken away, and not the last k of
            // the frame itself.
            squares += f64::from(frame[k - 1]) * f64::from(frame[k - 1]);
            let value = 2.0 * (power - buffer[k] * scale) - squares;
            total += value;
            if k >= self.min_period {
                // The smallest normal single: silence gives 0, not NaN.
                difference[k - self.min_period] = value / (total / k as f64 + f64::from(f32::MIN_POSITIVE));
            }
        }
    }
}

/// The next length without prime factors above 5.
fn smooth_length(at_least: usize) -> usize {
    (at_least..)
        .find(|&n| {
            let mut rest = n;
            for prime in [2, 3, 5] {
                while rest.is_multiple_of(prime) {
                    rest /= prime;
                }
            }
            rest == 1 && n.is_multiple_of(2)
        })
        .unwrap_or(at_least)
}

/// Whether `x[i]` is a trough: below its left neighbour and not above its right one. The first element only needs to
/// lie below the second, the last one below the one before.
pub(super) fn is_trough(x: &[f64], i: usize) -> bool {
    match (i.checked_sub(1).map(|left| x[left]), x.get(i + 1)) {
        (None, Some(&right)) => x[i] < right,
        (Some(left), Some(&right)) => x[i] < left && x[i] <= right,
        (Some(left), None) => x[i] < left,
        (None, None) => false,
    }
}

/// How far the vertex of the parabola through `x[i]` and its neighbours lies from `i`; 0 where that is 1 or more, and
/// at both ends.
pub(super) fn parabolic_shift(x: &[f64], i: usize) -> f64 {
    if i == 0 || i + 1 >= x.len() {
        return 0.0;
    }
    let curvature = x[i + 1] + x[i - 1] - 2.0 * x[i];
    let slope = 0.5 * (x[i + 1] - x[i - 1]);
    if slope.abs() >= curvature.abs() { 0.0 } else { -slope / curvature }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_its_definition() {
        let range = Range {
            sample_rate: 8000,
            fmin: 50.0,
            fmax: 1000.0,
            frame_length: 400,
            hop_length: 100,
            center: true,
            pad_mode: PadMode::Constant,
        };
        let plan = Difference::new(range).unwrap();
        let samples: Vec<f32> =
            (0..1000).map(|n| (n as f32 * 0.2).sin() + (n as f32 * 0.71).cos() * 0.3).collect();
        let mut scratch = plan.scratch();
        for index in 0..plan.n_frames(samples.len()).unwrap() {
            plan.frame(&samples, index, &mut scratch);
            let at = |i: usize| {
                (index * 100 + i).checked_sub(200).and_then(|j| samples.get(j)).map_or(0.0, |&v| f64::from(v))
            };
            let mut total = 0.0;
            for k in 1..=plan.max_period {
                // Twice the power minus twice the correlation, minus the squares that only one of both copies has.
                let d = 2.0 * (0..400).map(|i| at(i) * at(i)).sum::<f64>()
                    - 2.0 * (0..400 - k).map(|i| at(i) * at(i + k)).sum::<f64>()
                    - (0..k).map(|i| at(i) * at(i)).sum::<f64>();
                total += d;
                if k >= plan.min_period {
                    let expected = d / (total / k as f64);
                    assert!((scratch.difference[k - plan.min_period] - expected).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn troughs_and_parabolas() {
        let x = [1.0, 2.0, 1.0, 1.0, 3.0, 2.0];
        let troughs: Vec<usize> = (0..6).filter(|&i| is_trough(&x, i)).collect();
        assert_eq!(troughs, [0, 2, 5]);
        assert!(!is_trough(&[1.0], 0));
        let y = [(-1.25_f64).powi(2), 0.25 * 0.25, 0.75 * 0.75];
        assert!((parabolic_shift(&y, 1) - 0.25).abs() < 1e-12);
        assert_eq!(parabolic_shift(&y, 0), 0.0);
        assert_eq!(parabolic_shift(&[0.0, 0.0, 0.0], 1), 0.0);
    }

    #[test]
    fn lengths_are_smooth() {
        assert_eq!(smooth_length(7), 8);
        assert_eq!(smooth_length(2389), 2400);
    }
}
