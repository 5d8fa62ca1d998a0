//! Log-mel statistics of many tracks, as rows.

use std::collections::BTreeMap;

use candle_core::Tensor;
use ndarray::Array2;
use timbral_classic::{Config as _, FittedModel, Learner as _};
use timbral_data::{FeatureTable, TrackInfo};
use timbral_features::log_mel_statistics::{LogMelStatistics, LogMelStatisticsConfig};
use timbral_model::{ClassicConfig, to_candle};

use super::data::SpectrogramSet;
use crate::TrainError;

/// Rows of a track that is cut into so many excerpts: itself, and each of them unless there is but one, itself.
pub(crate) fn rows_of_track(excerpts: usize) -> usize {
    if excerpts > 1 { 1 + excerpts } else { 1 }
}

/// Log-mel statistics: of each track a row of the whole and behind it one of each excerpt.
pub(crate) fn statistics_rows(
    config: &LogMelStatisticsConfig,
    data: &SpectrogramSet,
    tracks: &[usize],
    excerpts: usize,
) -> Result<Array2<f64>, TrainError> {
    let plan = LogMelStatistics::new(config.clone())?;
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
            let excerpt: Vec<f32> = whole.narrow(2, start, length)?.flatten_all()?.to_vec1()?;
            let excerpt = Array2::from_shape_vec((whole.dim(1)?, length), excerpt)
                .map_err(|e| TrainError::shape("excerpt", e.to_string(), "it must be (bands, frames)"))?;
            values.extend(plan.compute(excerpt.view())?.into_iter().map(f64::from));
        }
    }
    Array2::from_shape_vec((rows, config.len()), values)
        .map_err(|e| TrainError::shape("statistics", e.to_string(), "all tracks must have the same"))
}

/// Log-mel statistics of every track of `data`, whose tracks `tracks` names in the same order: one row per track, columns
/// named after the blocks of [`LogMelStatisticsConfig::blocks`] and counted: `bands_0`, `bands_1`, …
///
/// # Errors
///
/// [`TrainError::Shape`] when there are not as many tracks as spectrograms, or the spectrograms have other bands.
pub fn statistics_table(
    config: &LogMelStatisticsConfig,
    data: &SpectrogramSet,
    tracks: &[TrackInfo],
) -> Result<FeatureTable, TrainError> {
    data.check_told(tracks)?;
    let blocks = config.blocks().into_iter();
    let columns = blocks.flat_map(|(block, count)| (0..count).map(move |i| format!("{block}_{i}")));
    let values = statistics_rows(config, data, &(0..data.len()).collect::<Vec<_>>(), 1)?;
    Ok(FeatureTable::new(columns.collect(), tracks.to_vec(), values)?)
}

/// Fits a classic model of log-mel statistics, as it stands in a training configuration, on whole tracks and, where there
/// are several, on the excerpts that each is cut into.
///
/// # Errors
///
/// [`TrainError::Config`] for a model without statistics or pipeline; [`TrainError::Classic`] for rows that cannot be fitted.
pub(crate) fn fit_on_statistics(
    config: &ClassicConfig,
    data: &SpectrogramSet,
    tracks: &[usize],
    excerpts: usize,
) -> Result<(ClassicConfig, BTreeMap<String, Tensor>), TrainError> {
    let (Some(statistics), Some(pipeline)) = (&config.statistics, &config.pipeline) else {
        let rule = "one with statistics and a pipeline";
        return Err(TrainError::config("architecture", "a classic model", rule));
    };
    let x = statistics_rows(statistics, data, tracks, excerpts)?;
    let classes = tracks.iter().map(|&track| data.class(track));
    let y: Vec<usize> = classes.flat_map(|class| vec![class; rows_of_track(excerpts)]).collect();
    let model = pipeline.clone().check()?.fit(x.view(), &y, data.labels().len())?;
    let (config, tensors) = config.fitted(&FittedModel::from(model))?;
    Ok((config, to_candle(&tensors)?))
}
