//! Log-mel statistics of many tracks, as rows.

use ndarray::Array2;
use timbral_model::{LogMelStatistics, StatisticsConfig};

use crate::{SpectrogramSet, TrainError};

/// Rows of a track that is cut into so many excerpts: itself, and each of them unless there is but one, itself.
pub(crate) fn rows_of_track(excerpts: usize) -> usize {
    if excerpts > 1 { 1 + excerpts } else { 1 }
}

/// Log-mel statistics: of each track a row of the whole and behind it one of each excerpt.
pub(crate) fn statistics_rows(
    config: &StatisticsConfig,
    data: &SpectrogramSet,
    tracks: &[usize],
    excerpts: usize,
) -> Result<Array2<f64>, TrainError> {
    let plan = LogMelStatistics::new(config)?;
    let rows = tracks.len() * rows_of_track(excerpts);
    let mut values = Vec::with_capacity(rows * config.len());
    for &track in tracks {
        let whole = data.whole(track)?;
        let frames = whole.dim(2)?;
        let excerpt = |i: usize| {
            let (start, end) = (i * frames / excerpts, (i + 1) * frames / excerpts);
            (start, (end - start).max(1))
        };
        let parts = (1..rows_of_track(excerpts)).map(|i| excerpt(i - 1));
        for (start, length) in std::iter::once((0, frames)).chain(parts) {
            let row = plan.forward(&whole.narrow(2, start, length)?)?;
            let row: Vec<f32> = row.flatten_all()?.to_vec1()?;
            values.extend(row.into_iter().map(f64::from));
        }
    }
    Array2::from_shape_vec((rows, config.len()), values)
        .map_err(|e| TrainError::shape("statistics", e.to_string(), "all tracks have the same"))
}
