//! Predictions of a model for spectrograms, rows of a feature table, and audio files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ndarray::{Array3, Axis};
use timbral::{Classifier, Verdict};
use timbral_data::track::sorted_labels;
use timbral_data::{FeatureTable, Manifest, MelTable, TrackInfo};
use timbral_model::{Header, Model};
use timbral_train::SpectrogramSet;

use super::Arguments;

/// The predictions of a model.
pub(crate) struct Answers {
    pub(crate) header: Header,
    pub(crate) tracks: Vec<TrackInfo>,
    /// Name of each track for the page.
    pub(crate) names: Vec<String>,
    pub(crate) rows: Vec<Vec<f32>>,
    /// Rejection score of each track, where the model has one.
    pub(crate) scores: Vec<Option<f64>>,
    /// Track and prediction of each window, where tracks were cut.
    pub(crate) windows: Vec<(usize, Vec<f32>)>,
}

/// Predicts all inputs that the arguments name.
pub(crate) fn of_all(arguments: &Arguments) -> Result<Answers> {
    match &arguments.table {
        Some(path) if path.is_dir() => spectrograms(arguments, path),
        Some(path) => feature_table(arguments, path),
        None => audio(arguments),
    }
}

fn spectrograms(arguments: &Arguments, folder: &Path) -> Result<Answers> {
    if !folder.join("mel_index.csv").exists() && folder.join("features_30_sec.csv").exists() {
        bail!(
            "{} has a feature table only, but the input of {} is log-mel spectrograms (mel_index.csv)",
            folder.display(),
            arguments.model.display()
        );
    }
    let model = Model::open(&arguments.model)?;
    let table = MelTable::read(folder)?;
    let chosen: Vec<usize> =
        (0..table.len()).filter(|&row| wanted(arguments, &table.rows()[row].track)).collect();
    let tracks: Vec<TrackInfo> = chosen.iter().map(|&row| table.rows()[row].track.clone()).collect();
    check_labels(&tracks, model.labels())?;
    let set = SpectrogramSet::from_table(&table, &chosen, &table.labels())?;
    let progress = cli::progress(chosen.len() as u64, "evaluating");
    let (mut rows, mut scores) = (Vec::new(), Vec::new());
    for track in 0..set.len() {
        let whole = set.whole(track)?;
        let windows = Array3::from_shape_vec(whole.dims3()?, whole.flatten_all()?.to_vec1()?)?;
        let probabilities = model.aggregate(model.probabilities(windows.view())?.view())?;
        let window = windows.index_axis(Axis(0), 0);
        let rule = model.header().rejection.as_ref();
        scores.push(rule.and_then(|rule| rule.score.of(&probabilities, [window])));
        rows.push(probabilities);
        progress.inc(1);
    }
    let names = tracks.iter().map(|track| track.track_id.clone()).collect();
    Ok(Answers { header: model.header().clone(), tracks, names, rows, scores, windows: Vec::new() })
}

fn feature_table(arguments: &Arguments, path: &Path) -> Result<Answers> {
    let model = Model::open(&arguments.model)?;
    let mut table = FeatureTable::read(path)?;
    if let Some(manifest) = &arguments.manifest {
        table.apply_tracks(&Manifest::read(manifest)?.tracks());
    }
    let table = table.retain_tracks(|track| wanted(arguments, track));
    check_labels(table.tracks(), model.labels())?;
    let (n, columns) = table.values().dim();
    let values: Vec<f32> = table.values().iter().map(|&value| value as f32).collect();
    let batch = Array3::from_shape_vec((n, columns, 1), values)?;
    let rows = model.probabilities(batch.view()).with_context(|| {
        format!("{} on {} columns of {}", arguments.model.display(), columns, path.display())
    })?;
    let mut tracks: Vec<TrackInfo> = Vec::new();
    let mut of_track: Vec<Vec<usize>> = Vec::new();
    let mut windows = Vec::with_capacity(n);
    for (i, (track, row)) in table.tracks().iter().zip(rows.rows()).enumerate() {
        let place = tracks.iter().position(|t| t.track_id == track.track_id).unwrap_or(tracks.len());
        if place == tracks.len() {
            tracks.push(track.clone());
            of_track.push(Vec::new());
        }
        windows.push((place, row.to_vec()));
        of_track[place].push(i);
    }
    let rows: Vec<Vec<f32>> = of_track
        .iter()
        .map(|windows| model.aggregate(rows.select(Axis(0), windows).view()))
        .collect::<Result<_, _>>()?;
    let rule = model.header().rejection.as_ref();
    let names = tracks.iter().map(|track| track.track_id.clone()).collect();
    Ok(Answers {
        header: model.header().clone(),
        tracks,
        names,
        scores: rows.iter().map(|row| rule.and_then(|rule| rule.score.of(row, []))).collect(),
        rows,
        windows,
    })
}

fn audio(arguments: &Arguments) -> Result<Answers> {
    let path = arguments.manifest.as_deref().context("no --manifest")?;
    let manifest = Manifest::read(path)?.filtered(|track| wanted(arguments, track));
    manifest.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let classifier = Classifier::open(&arguments.model)?;
    let header = classifier.model().header().clone();
    check_labels(&manifest.tracks(), &header.labels)?;
    let entries = manifest.entries();
    let paths: Vec<PathBuf> = entries.iter().map(|entry| entry.path.clone()).collect();
    let verdicts = classify(&classifier, &paths, arguments.threads)?;
    let windows = verdicts.iter().enumerate().flat_map(|(track, verdict)| {
        verdict.windows.iter().map(move |window| (track, window.probabilities.clone()))
    });
    Ok(Answers {
        windows: windows.collect(),
        rows: verdicts.iter().map(|verdict| verdict.probabilities(&header.labels)).collect(),
        scores: verdicts.iter().map(|verdict| verdict.score).collect(),
        tracks: entries.iter().map(|entry| entry.track.clone()).collect(),
        names: entries.iter().map(|entry| entry.path.display().to_string()).collect(),
        header,
    })
}

/// Classifies all files; fails if one of them fails.
pub(crate) fn classify(classifier: &Classifier, paths: &[PathBuf], threads: usize) -> Result<Vec<Verdict>> {
    let progress = cli::progress(paths.len() as u64, "evaluating");
    let verdicts = std::sync::Mutex::new(vec![None; paths.len()]);
    classifier.classify_files(paths, threads, |index, answer| {
        match answer {
            Ok(verdict) => {
                verdicts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(verdict);
            }
            Err(error) => progress.line(format!("error: {}", cli::chain(&error.into()))),
        }
        progress.inc(1);
    })?;
    drop(progress);
    let verdicts = verdicts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let missing = verdicts.iter().filter(|verdict| verdict.is_none()).count();
    if missing > 0 {
        // Skipping an unreadable file silently would make the score better than it is.
        bail!("cannot classify {missing} of {} files", verdicts.len());
    }
    Ok(verdicts.into_iter().flatten().collect())
}

/// Fails early if a track has a label that the model lacks.
fn check_labels(tracks: &[TrackInfo], labels: &[String]) -> Result<()> {
    let known = sorted_labels(tracks);
    let unknown: Vec<_> = known.iter().filter(|label| !labels.contains(label)).collect();
    ensure!(
        unknown.is_empty(),
        "the tracks have the labels {unknown:?}; they must be labels of the model, {labels:?}"
    );
    Ok(())
}

fn wanted(arguments: &Arguments, track: &TrackInfo) -> bool {
    arguments.split.is_empty() || track.official_split.is_some_and(|part| arguments.split.contains(&part))
}
