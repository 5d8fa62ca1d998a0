//! Statistics of how sharp a spectrogram is, in frequency and in time.

use ndarray::{Array2, Axis, Slice};

use super::moments::{Moments, steps};

/// What is added to sizes in dB, so that silence has a logarithm and a skewness.
const FLOOR_DB: f64 = 0.1;

/// Per pair of neighbouring bands: spread of their difference, and how much the sound changes over time compared with how
/// much it changes over frequency.
pub(super) fn neighbours(values: &[f32], bands: usize, out: &mut Vec<f64>) {
    let rises: Vec<f32> =
        values.chunks_exact(bands).flat_map(|frame| frame.windows(2).map(|pair| pair[1] - pair[0])).collect();
    let rises = Moments::of(&rises, bands - 1);
    let changes = Moments::of(&steps(values, bands), bands);
    out.extend(&rises.spread);
    let ratio = |(change, rise): (&f64, &f64)| ((change + FLOOR_DB) / (rise + FLOOR_DB)).ln();
    out.extend(changes.size.iter().skip(1).zip(&rises.size).map(ratio));
}

/// Skewness of each band, then of each band's difference between frames.
pub(super) fn skewness(values: &[f32], bands: usize, out: &mut Vec<f64>) {
    out.extend(Moments::of(values, bands).skewness(FLOOR_DB));
    out.extend(Moments::of(&steps(values, bands), bands).skewness(FLOOR_DB));
}

/// Largest less smallest band of each group, `(frames, bands)` to `(frames, groups)`.
pub(super) fn contrast(x: &Array2<f32>, bands_per_group: usize) -> Array2<f32> {
    let (frames, bands) = x.dim();
    let range = |(frame, group): (usize, usize)| {
        let members = x.row(frame);
        let members =
            members.slice_axis(Axis(0), Slice::from(group * bands_per_group..(group + 1) * bands_per_group));
        members.fold(f32::NEG_INFINITY, |a, b| a.max(*b)) - members.fold(f32::INFINITY, |a, b| a.min(*b))
    };
    Array2::from_shape_fn((frames, bands / bands_per_group), range)
}
