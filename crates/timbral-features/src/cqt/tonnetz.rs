//! Tonal centroids.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView2, Axis};

use crate::error::FeatureError;
use crate::shape::frame_major;

/// The tonal centroid of each frame of a chromagram `(n_chroma, n_frames)`, of shape `(6, n_frames)`.
///
/// Frames are divided by their L1 norm and projected on the circle of fifths (rows 0 and 1), of minor thirds (2 and 3)
/// and of major thirds (4 and 5, of radius 1/2). The reference is a chromagram of
/// [`ChromaCqt`](super::ChromaCqt) with its defaults.
///
/// Harte, Sandler, Gasser, "Detecting harmonic change in musical audio", ACM workshop AMCMM 2006.
///
/// # Errors
///
/// [`FeatureError::Shape`] for no pitch classes, [`FeatureError::NonFinite`] for NaN or infinities.
pub fn tonnetz(chroma: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
    let (n_chroma, n_frames) = chroma.dim();
    if n_chroma == 0 {
        return Err(FeatureError::shape("chroma", chroma.shape(), "at least one pitch class"));
    }
    if let Some((index, &value)) = chroma.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(FeatureError::NonFinite { array: "chroma", index, value });
    }
    let circles = [(7.0 / 6.0, 1.0), (3.0 / 2.0, 1.0), (2.0 / 3.0, 0.5)];
    let basis: Vec<[f64; 6]> = (0..n_chroma)
        .map(|class| {
            let semitones = 12.0 * class as f64 / n_chroma as f64;
            let mut row = [0.0; 6];
            for (i, (step, radius)) in circles.iter().enumerate() {
                // A cosine less half a turn is a sine: the first of each pair.
                row[2 * i] = radius * (PI * (step * semitones - 0.5)).cos();
                row[2 * i + 1] = radius * (PI * step * semitones).cos();
            }
            row
        })
        .collect();
    let mut out = frame_major(6, n_frames)?;
    for (mut to, frame) in out.axis_iter_mut(Axis(1)).zip(chroma.axis_iter(Axis(1))) {
        let size: f64 = frame.iter().map(|&x| f64::from(x).abs()).sum();
        let divisor = if size < f64::from(f32::MIN_POSITIVE) { 1.0 } else { size };
        for (i, to) in to.iter_mut().enumerate() {
            let sum: f64 = frame.iter().zip(&basis).map(|(&x, row)| f64::from(x) * row[i]).sum();
            *to = (sum / divisor) as f32;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifths_are_near_and_tritones_far() {
        let class =
            |class: usize| Array2::from_shape_fn((12, 1), |(c, _)| if c == class { 3.0 } else { 0.0 });
        let centroid = |k: usize| tonnetz(class(k).view()).unwrap();
        let distance = |k: usize| {
            let apart = centroid(k) - centroid(0);
            apart.iter().map(|x| x * x).sum::<f32>()
        };
        assert!(distance(7) < distance(2) && distance(7) < distance(6));
        assert!((centroid(0)[[1, 0]] - 1.0).abs() < 1e-6 && centroid(0)[[0, 0]].abs() < 1e-6);
        assert!((centroid(0)[[5, 0]] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn silence_is_the_centre() {
        assert!(tonnetz(Array2::zeros((12, 4)).view()).unwrap().iter().all(|&x| x == 0.0));
        assert_eq!(tonnetz(Array2::zeros((12, 0)).view()).unwrap().dim(), (6, 0));
        assert!(tonnetz(Array2::zeros((0, 4)).view()).is_err());
        assert!(tonnetz(Array2::from_elem((12, 1), f32::NAN).view()).is_err());
    }
}
