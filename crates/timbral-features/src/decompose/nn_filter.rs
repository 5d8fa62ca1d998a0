//! Filtering by nearest neighbours.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::median::{frames_of, from_frames};
use crate::error::FeatureError;

/// How the neighbours of a frame are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeighborAggregate {
    /// Mean. The default.
    #[default]
    Mean,
    /// Mean weighted by the values of the recurrence matrix (`np.average` in librosa).
    Average,
    /// Median; of an even number the mean of the two middle ones.
    Median,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
}

/// Replaces each frame by an aggregate of its neighbours (Buades, Coll and Morel, "A non-local algorithm for image denoising", 2005;
/// Rafii and Pardo, "Music/voice separation using the similarity matrix", ISMIR 2012).
///
/// `spectrogram` is `(n_bins, n_frames)`; frame `i` is a neighbour of frame `j` where `rec[i, j]` is not 0, as
/// [`recurrence_matrix`](crate::structure::recurrence_matrix) makes it. A frame without neighbours stays as it is.
///
/// # Errors
///
/// [`FeatureError::Shape`] if `rec` is not `(n_frames, n_frames)`, [`FeatureError::NonFinite`] if a value is NaN or infinite,
/// [`FeatureError::Input`] if the weights of a frame sum to 0 in [`NeighborAggregate::Average`].
pub fn nn_filter(
    spectrogram: ArrayView2<'_, f32>,
    rec: ArrayView2<'_, f32>,
    aggregate: NeighborAggregate,
) -> Result<Array2<f32>, FeatureError> {
    let (n_bins, n_frames) = spectrogram.dim();
    if rec.dim() != (n_frames, n_frames) {
        return Err(FeatureError::shape("rec", rec.shape(), format!("({n_frames}, {n_frames})")));
    }
    let frames = frames_of(&spectrogram)?;
    if let Some((index, &value)) = rec.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(FeatureError::NonFinite { array: "rec", index, value });
    }
    let mut out = frames.clone();
    let mut column = Vec::new();
    for (j, links) in rec.columns().into_iter().enumerate() {
        let links: Vec<(usize, f64)> =
            links.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(i, &w)| (i, f64::from(w))).collect();
        if links.is_empty() {
            continue;
        }
        let total: f64 = links.iter().map(|(_, weight)| weight).sum();
        if aggregate == NeighborAggregate::Average && total == 0.0 {
            return Err(FeatureError::Input(format!("the weights of frame {j} sum to 0")));
        }
        for bin in 0..n_bins {
            let values = links.iter().map(|&(i, w)| (f64::from(frames[i * n_bins + bin]), w));
            out[j * n_bins + bin] = match aggregate {
                NeighborAggregate::Mean => values.map(|(v, _)| v).sum::<f64>() / links.len() as f64,
                NeighborAggregate::Average => values.map(|(v, w)| v * w).sum::<f64>() / total,
                NeighborAggregate::Min => values.map(|(v, _)| v).fold(f64::INFINITY, f64::min),
                NeighborAggregate::Max => values.map(|(v, _)| v).fold(f64::NEG_INFINITY, f64::max),
                NeighborAggregate::Median => {
                    column.clear();
                    column.extend(values.map(|(v, _)| v));
                    median(&mut column)
                }
            } as f32;
        }
    }
    from_frames(n_bins, n_frames, out)
}

/// The median of at least one value.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even { 0.5 * (upper + below.iter().copied().fold(f64::NEG_INFINITY, f64::max)) } else { upper }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn aggregates_of_the_marked_frames() {
        let s = array![[1.0_f32, 2.0, 4.0, 10.0]];
        let mut rec = Array2::<f32>::zeros((4, 4));
        for (i, weight) in [(1, 1.0), (2, 1.0), (3, 2.0)] {
            rec[[i, 0]] = weight;
        }
        rec[[0, 1]] = 1.0;
        rec[[3, 1]] = 1.0;
        for (aggregate, first, second) in [
            (NeighborAggregate::Mean, 16.0 / 3.0, 5.5),
            (NeighborAggregate::Average, 6.5, 5.5),
            (NeighborAggregate::Median, 4.0, 5.5),
            (NeighborAggregate::Min, 2.0, 1.0),
            (NeighborAggregate::Max, 10.0, 10.0),
        ] {
            let filtered = nn_filter(s.view(), rec.view(), aggregate).unwrap();
            assert_eq!(filtered, array![[first, second, 4.0, 10.0]], "{aggregate:?}");
        }
    }

    #[test]
    fn faults_are_errors() {
        let s = array![[1.0_f32, 2.0]];
        let mean = NeighborAggregate::Mean;
        assert!(nn_filter(s.view(), array![[0.0]].view(), mean).is_err());
        assert!(nn_filter(s.view(), array![[0.0, f32::NAN], [0.0, 0.0]].view(), mean).is_err());
        let cancelling = array![[1.0, 0.0], [-1.0, 0.0]];
        assert!(nn_filter(s.view(), cancelling.view(), NeighborAggregate::Average).is_err());
        assert_eq!(
            nn_filter(Array2::zeros((3, 0)).view(), Array2::zeros((0, 0)).view(), mean).unwrap().dim(),
            (3, 0)
        );
    }
}
