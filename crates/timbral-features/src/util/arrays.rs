//! Cutting, padding and summarising arrays.

use ndarray::{Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::framing::{Framing, PadMode};
use crate::shape::frame_major;
use crate::statistics::Statistic;

/// Overlapping frames of a signal, one a column: shape `(frame_length, 1 + (n - frame_length) / hop_length)`.
///
/// # Errors
///
/// [`FeatureError::Config`] for a length of 0, [`FeatureError::TooShort`] if not a single frame fits.
pub fn frame(samples: &[f32], frame_length: usize, hop_length: usize) -> Result<Array2<f32>, FeatureError> {
    let framing = Framing::new(frame_length, hop_length, false, PadMode::Constant)?;
    let mut out = frame_major(frame_length, framing.n_frames(samples.len())?)?;
    for (index, mut column) in out.axis_iter_mut(Axis(1)).enumerate() {
        if let Some(to) = column.as_slice_mut() {
            framing.fill(samples, index, to);
        }
    }
    Ok(out)
}

/// The values in the middle of `size` zeros; of an odd number of zeros the odd one stands at the right.
///
/// # Errors
///
/// [`FeatureError::Shape`] if there are more than `size` values.
pub fn pad_center(values: &[f32], size: usize) -> Result<Vec<f32>, FeatureError> {
    if values.len() > size {
        return Err(FeatureError::shape("values", &[values.len()], format!("(at most {size})")));
    }
    let left = (size - values.len()) / 2;
    let mut out = vec![0.0; size];
    out[left..left + values.len()].copy_from_slice(values);
    Ok(out)
}

/// The values cut, or filled up with zeros, to `size`.
pub fn fix_length(values: &[f32], size: usize) -> Vec<f32> {
    let mut out = values[..values.len().min(size)].to_vec();
    out.resize(size, 0.0);
    out
}

/// Where values are larger than the one before and not smaller than the one after. The last only needs to exceed the one
/// before; the first never counts.
pub fn localmax(values: &[f32]) -> Vec<bool> {
    extremes(values, |a, b| a > b, |a, b| a >= b)
}

/// Where values are smaller than the one before and not larger than the one after. The last only needs to be below the
/// one before; the first never counts.
pub fn localmin(values: &[f32]) -> Vec<bool> {
    extremes(values, |a, b| a < b, |a, b| a <= b)
}

fn extremes(values: &[f32], before: fn(f32, f32) -> bool, after: fn(f32, f32) -> bool) -> Vec<bool> {
    let beats = |i: usize| {
        i > 0
            && before(values[i], values[i - 1])
            && values.get(i + 1).is_none_or(|next| after(values[i], *next))
    };
    (0..values.len()).map(beats).collect()
}

/// How [`sync`] summarises the frames between two boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aggregate {
    /// The arithmetic mean.
    #[default]
    Mean,
    /// The median.
    Median,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The standard deviation.
    Std,
}

impl From<Aggregate> for Statistic {
    fn from(aggregate: Aggregate) -> Self {
        match aggregate {
            Aggregate::Mean => Self::Mean,
            Aggregate::Median => Self::Median,
            Aggregate::Max => Self::Max,
            Aggregate::Min => Self::Min,
            Aggregate::Std => Self::Std,
        }
    }
}

/// Summarises the frames between boundaries, such as beats: one column for each interval.
///
/// `pad` adds the boundaries 0 and the number of frames, so that every frame belongs to an interval. Boundaries are sorted
/// and repeated ones dropped.
///
/// # Errors
///
/// [`FeatureError::Input`] if a boundary lies beyond the last frame, [`FeatureError::TooShort`] if no interval is left.
pub fn sync(
    features: ArrayView2<'_, f32>,
    boundaries: &[usize],
    aggregate: Aggregate,
    pad: bool,
) -> Result<Array2<f32>, FeatureError> {
    let n = features.ncols();
    let mut edges = boundaries.to_vec();
    if let Some(beyond) = edges.iter().find(|&&b| b > n) {
        return Err(FeatureError::Input(format!("boundary {beyond} given, there are {n} frames")));
    }
    if pad {
        edges.extend([0, n]);
    }
    edges.sort_unstable();
    edges.dedup();
    if edges.len() < 2 {
        return Err(FeatureError::TooShort {
            samples: edges.len(),
            needed: 2,
            reason: "boundaries for an interval",
        });
    }
    let mut out = frame_major(features.nrows(), edges.len() - 1)?;
    for (pair, mut column) in edges.windows(2).zip(out.axis_iter_mut(Axis(1))) {
        let interval = features.slice_axis(Axis(1), Slice::from(pair[0]..pair[1]));
        for (row, value) in interval.rows().into_iter().zip(column.iter_mut()) {
            *value = Statistic::from(aggregate).of(row) as f32;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn frames_and_paddings() {
        assert_eq!(frame(&[1.0, 2.0, 3.0, 4.0], 2, 2).unwrap(), array![[1.0, 3.0], [2.0, 4.0]]);
        assert!(frame(&[1.0], 2, 2).is_err());
        assert_eq!(pad_center(&[1.0, 2.0], 5).unwrap(), [0.0, 1.0, 2.0, 0.0, 0.0]);
        assert!(pad_center(&[1.0, 2.0], 1).is_err());
        assert_eq!(fix_length(&[1.0, 2.0], 3), [1.0, 2.0, 0.0]);
        assert_eq!(fix_length(&[1.0, 2.0], 1), [1.0]);
    }

    #[test]
    fn plateaus_count_once() {
        assert_eq!(localmax(&[2.0, 1.0, 3.0, 3.0, 0.0, 1.0]), [false, false, true, false, false, true]);
        assert_eq!(localmin(&[2.0, 1.0, 1.0, 3.0]), [false, true, false, false]);
        assert!(localmax(&[]).is_empty());
    }

    #[test]
    fn intervals() {
        let x = array![[1.0f32, 2.0, 3.0, 10.0]];
        assert_eq!(sync(x.view(), &[3, 1, 1], Aggregate::Mean, true).unwrap(), array![[1.0, 2.5, 10.0]]);
        assert_eq!(sync(x.view(), &[1, 3], Aggregate::Max, false).unwrap(), array![[3.0]]);
        assert!(sync(x.view(), &[5], Aggregate::Max, true).is_err());
        assert!(sync(x.view(), &[2], Aggregate::Max, false).is_err());
    }
}
