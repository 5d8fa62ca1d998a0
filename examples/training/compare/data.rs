//! The data of a comparison: rows of a table, statistics of spectrograms beside them, and the spectrograms themselves.

use anyhow::{Context as _, Result, ensure};
use timbral_data::{FeatureTable, GroupTable, Manifest, MelTable, TrackInfo};
use timbral_features::log_mel_statistics::LogMelStatisticsConfig;
use timbral_train::SpectrogramSet;

use super::Arguments;

type Spectrograms = (SpectrogramSet, Vec<TrackInfo>);

pub(crate) struct Data {
    /// One table per set of columns.
    pub(crate) tables: Vec<(String, FeatureTable)>,
    /// Spectrograms and their tracks, if there is a network to compare.
    pub(crate) spectrograms: Option<Spectrograms>,
}

/// Reads all data that the arguments name.
pub(crate) fn read(arguments: &Arguments) -> Result<Data> {
    let is_folder = arguments.data.is_dir();
    let mut table = if is_folder {
        FeatureTable::read(arguments.data.join("features_30_sec.csv"))?
            // The mean of a signal around zero is rounding noise.
            .without_columns(&["harmony_mean", "perceptr_mean"])?
    } else {
        FeatureTable::read(&arguments.data)?
    };
    let statistics = statistics(arguments)?;
    let folder = if is_folder { Some(arguments.data.as_path()) } else { arguments.data.parent() };
    let needs_spectrograms = statistics.is_some() || !arguments.net.is_empty();
    let mel = match (&arguments.table, is_folder || needs_spectrograms) {
        (Some(folder), _) => Some(MelTable::read(folder)?),
        (None, true) => Some(MelTable::read(folder.context("no folder")?)?),
        (None, false) => None,
    };
    if let Some(mel) = &mel {
        table.apply_tracks(&mel.tracks());
        if is_folder {
            // A track that is missing in the index has neither artist nor subset.
            table = table.retain_tracks(|track| track.official_split.is_some());
        }
    }
    if let Some(path) = &arguments.manifest {
        table.apply_tracks(&Manifest::read(path)?.tracks());
    }
    let groups = arguments.groups.as_ref().map(GroupTable::read).transpose()?;
    if let Some(groups) = &groups {
        table.apply_groups(groups);
    }
    if arguments.track_means {
        table = table.track_means();
    }
    let wanted = |track: &TrackInfo| training::takes_part(track, &arguments.split);
    let mut table = table.retain_tracks(wanted);
    let spectrograms = match &mel {
        Some(mel) if needs_spectrograms => Some(spectrograms(mel, groups.as_ref(), wanted)?),
        _ => None,
    };
    let table_columns = table.columns().to_vec();
    if let (Some(config), Some((set, tracks))) = (&statistics, &spectrograms) {
        table = table.join(&timbral_train::training::statistics_table(config, set, tracks)?)?;
    }
    let tables = arguments.columns.iter().map(|wanted| {
        let blocks: Vec<&str> = wanted.split('+').collect();
        let kept = table.clone().retain_columns(|column| {
            let block = column.rsplit_once('_').map_or(column, |(block, _)| block);
            if table_columns.iter().any(|own| own == column) {
                blocks.contains(&"table")
            } else {
                blocks.contains(&block)
            }
        });
        (wanted.clone(), kept)
    });
    Ok(Data { tables: tables.collect(), spectrograms: spectrograms.filter(|_| !arguments.net.is_empty()) })
}

/// Statistics with every block, or none where all sets of columns are the table alone.
fn statistics(arguments: &Arguments) -> Result<Option<LogMelStatisticsConfig>> {
    let all = LogMelStatisticsConfig {
        modulated: 20,
        texture: true,
        skewness: true,
        contrast: true,
        covariance: true,
        ..LogMelStatisticsConfig::default()
    };
    let known = all.blocks().map(|(block, _)| block);
    let asked = || arguments.columns.iter().flat_map(|set| set.split('+'));
    for block in asked() {
        ensure!(
            block == "table" || known.contains(&block),
            "--columns has {block:?}; it must be one of table, {}",
            known.join(", ")
        );
    }
    let asks_for_statistics = asked().any(|block| block != "table");
    Ok(asks_for_statistics.then_some(all))
}

fn spectrograms(
    mel: &MelTable,
    groups: Option<&GroupTable>,
    wanted: impl Fn(&TrackInfo) -> bool,
) -> Result<Spectrograms> {
    let rows: Vec<usize> = (0..mel.len()).filter(|&row| wanted(&mel.rows()[row].track)).collect();
    let mut tracks: Vec<TrackInfo> = rows.iter().map(|&row| mel.rows()[row].track.clone()).collect();
    if let Some(groups) = groups {
        tracks.iter_mut().for_each(|track| groups.apply(track));
    }
    Ok((SpectrogramSet::from_table(mel, &rows, &mel.labels())?, tracks))
}
