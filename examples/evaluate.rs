//! Measures a model on labelled spectrograms, feature tables or audio files.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks on stdout and stderr"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use candle_core::{Device, Tensor};
use clap::Parser;
use ndarray::Array2;
use timbral::{Classifier, Verdict};
use timbral_model::{Header, Model};
use timbral_train::{
    BootstrapConfig, EvaluationPage, FeatureTable, Manifest, MelTable, OpenSetReport, Part, Predictions,
    Report, ReportSource, ScoredAnswer, SpectrogramSet, TrackInfo, model_facts, open_set_reports,
    sorted_labels,
};

/// Measure a model: accuracy with its interval, macro-F1, confusion matrix, scores of each class; a page with pictures.
#[derive(Parser)]
#[command(after_help = "Examples:\n  evaluate --table gtzan_tables --split valid\n  \
                        evaluate --manifest songs.csv --json\n  \
                        evaluate --model svc.safetensors --table songs.parquet --manifest songs.csv --split valid")]
struct Arguments {
    /// Model file.
    #[arg(long, value_name = "FILE", default_value = "models/gtzan.safetensors")]
    model: PathBuf,
    /// Folder with `mel_index.csv` and the spectrograms that it names, or, for a classic model, a table of `extract`.
    #[arg(long, value_name = "DIR|FILE", required_unless_present = "manifest")]
    table: Option<PathBuf>,
    /// Manifest of audio files (path, label, track_id, artist, …), or a folder with one folder a genre. Beside a table it
    /// tells artist and part of its tracks.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Official parts to measure on; all tracks without it.
    #[arg(long, value_delimiter = ',')]
    split: Vec<Part>,
    /// Folder of sounds that belong to no class: how well the model tells them from the known ones.
    #[arg(long, value_name = "DIR")]
    outside: Option<PathBuf>,
    /// Files at a time; 0 takes one for each core.
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// The folder for `report.json` and `report.html`.
    #[arg(long, short, value_name = "DIR", default_value = "runs/evaluate")]
    out: PathBuf,
    /// How many mistakes the page lists, the surest first.
    #[arg(long, default_value_t = 20, value_name = "N")]
    mistakes: usize,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    common::run(|| evaluate(&Arguments::parse()))
}

/// What the model answered.
struct Answers {
    header: Header,
    tracks: Vec<TrackInfo>,
    /// Name of each track for the page.
    names: Vec<String>,
    rows: Vec<Vec<f32>>,
    /// Score of each track by the model's own rule of refusal, where it has one.
    scores: Vec<Option<f64>>,
    /// Track and answer of each window, where tracks were cut.
    windows: Vec<(usize, Vec<f32>)>,
}

fn evaluate(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let answers = match &arguments.table {
        Some(path) if path.is_dir() => spectrograms(arguments, path)?,
        Some(path) => feature_table(arguments, path)?,
        None => audio(arguments)?,
    };
    let time = start.elapsed();
    let labels = answers.header.labels.clone();
    let class = |track: &TrackInfo| labels.iter().position(|l| *l == track.label).unwrap_or(0);
    let truth: Vec<usize> = answers.tracks.iter().map(class).collect();
    let groups: Vec<String> = answers.tracks.iter().map(TrackInfo::group_key).collect();
    let data = arguments
        .table
        .as_ref()
        .or(arguments.manifest.as_ref())
        .context("no data")?;
    let source = ReportSource {
        title: &format!("{} on {}", arguments.model.display(), data.display()),
        unit: "track",
        labels: &labels,
        groups: &groups,
        protocol: None,
        split_hash: None,
    };
    let config = BootstrapConfig::default();
    let predictions = Predictions::from_rows(truth.clone(), &answers.rows)?;
    let open_set = arguments
        .outside
        .as_deref()
        .map(|folder| open_set(arguments, folder, &answers))
        .transpose()?;
    let mut report = Report::new(&predictions, &source, &config)?.with_times(None, Some(time));
    if answers.windows.len() > answers.tracks.len() {
        let (of, rows): (Vec<usize>, Vec<Vec<f32>>) = answers.windows.into_iter().unzip();
        let windows = Predictions::from_rows(of.iter().map(|&track| truth[track]).collect(), &rows)?;
        let ids: Vec<String> = of.iter().map(usize::to_string).collect();
        let groups: Vec<String> = of.iter().map(|&track| groups[track].clone()).collect();
        report = report.with_windows(&windows, &ids, &groups, &config)?;
    }
    let mut facts = vec![("data".to_owned(), data.display().to_string())];
    if !arguments.split.is_empty() {
        let parts: Vec<&str> = arguments.split.iter().map(|part| part.as_str()).collect();
        facts.push(("official parts".to_owned(), parts.join(", ")));
    }
    facts.extend(model_facts(&answers.header));
    let page = EvaluationPage {
        report: &report,
        predictions: &predictions,
        names: &answers.names,
        facts: &facts,
        n_mistakes: arguments.mistakes,
    }
    .page()?;
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    report.save(arguments.out.join("report.json"))?;
    page.save(arguments.out.join("report.html"))?;
    if arguments.json {
        return common::json_line(&Measured { report, open_set });
    }
    common::text(format_args!(
        "{report}
"
    ))?;
    for line in open_set.iter().flatten() {
        common::text(format_args!(
            "{line}
"
        ))?;
    }
    let page = arguments.out.join("report.html");
    common::text(format_args!(
        "wrote {}
",
        page.display()
    ))
}

#[derive(serde::Serialize)]
struct Measured {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_set: Option<Vec<OpenSetReport>>,
}

fn open_set(arguments: &Arguments, folder: &Path, answers: &Answers) -> Result<Vec<OpenSetReport>> {
    let known: Vec<ScoredAnswer> = answers
        .rows
        .iter()
        .zip(&answers.scores)
        .map(|(row, score)| ScoredAnswer {
            probabilities: row.clone(),
            score: *score,
        })
        .collect();
    let classifier = Classifier::open(&arguments.model)?;
    let outside: Vec<ScoredAnswer> =
        classify(&classifier, &timbral::audio_files(folder)?, arguments.threads)?
            .iter()
            .map(|verdict| ScoredAnswer {
                probabilities: verdict.probabilities(&answers.header.labels),
                score: verdict.score,
            })
            .collect();
    open_set_reports(&known, &outside, answers.header.rejection.as_ref())
        .with_context(|| format!("{}: cannot measure against it", folder.display()))
}

fn spectrograms(arguments: &Arguments, folder: &Path) -> Result<Answers> {
    if !folder.join("mel_index.csv").exists() && folder.join("features_30_sec.csv").exists() {
        bail!(
            "{}: holds a feature table only, and {} hears log-mel spectrograms (mel_index.csv)",
            folder.display(),
            arguments.model.display()
        );
    }
    let model = Model::open(&arguments.model)?;
    let table = MelTable::read(folder)?;
    let chosen: Vec<usize> = (0..table.len())
        .filter(|&row| wanted(arguments, &table.rows()[row].track))
        .collect();
    let tracks: Vec<TrackInfo> = chosen
        .iter()
        .map(|&row| table.rows()[row].track.clone())
        .collect();
    check_labels(&tracks, model.labels())?;
    let set = SpectrogramSet::from_table(&table, &chosen, &table.labels())?;
    let progress = common::progress(chosen.len() as u64, "evaluating");
    let (mut rows, mut scores) = (Vec::new(), Vec::new());
    for track in 0..set.len() {
        let whole = set.whole(track)?;
        let probabilities = model.aggregate(&model.probabilities(&whole)?)?;
        let (_, bands, frames) = whole.dims3()?;
        let window = Array2::from_shape_vec((bands, frames), whole.flatten_all()?.to_vec1()?)?;
        let rule = model.header().rejection.as_ref();
        scores.push(rule.and_then(|rule| rule.score.of(&probabilities, [window.view()])));
        rows.push(probabilities);
        progress.inc(1);
    }
    let names = tracks.iter().map(|track| track.track_id.clone()).collect();
    Ok(Answers {
        header: model.header().clone(),
        tracks,
        names,
        rows,
        scores,
        windows: Vec::new(),
    })
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
    let batch = Tensor::from_vec(values, (n, columns, 1), &Device::Cpu)?;
    let rows = model.probabilities(&batch).with_context(|| {
        format!(
            "{} on {} columns of {}",
            arguments.model.display(),
            columns,
            path.display()
        )
    })?;
    let mut tracks: Vec<TrackInfo> = Vec::new();
    let mut of_track: Vec<Vec<Vec<f32>>> = Vec::new();
    let mut windows = Vec::with_capacity(n);
    for (track, row) in table.tracks().iter().zip(rows) {
        let place = tracks
            .iter()
            .position(|t| t.track_id == track.track_id)
            .unwrap_or(tracks.len());
        if place == tracks.len() {
            tracks.push(track.clone());
            of_track.push(Vec::new());
        }
        windows.push((place, row.clone()));
        of_track[place].push(row);
    }
    let rows: Vec<Vec<f32>> = of_track
        .iter()
        .map(|rows| model.aggregate(rows))
        .collect::<Result<_, _>>()?;
    let rule = model.header().rejection.as_ref();
    let names = tracks.iter().map(|track| track.track_id.clone()).collect();
    Ok(Answers {
        header: model.header().clone(),
        tracks,
        names,
        scores: rows
            .iter()
            .map(|row| rule.and_then(|rule| rule.score.of(row, [])))
            .collect(),
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
        verdict
            .windows
            .iter()
            .map(move |window| (track, window.probabilities.clone()))
    });
    Ok(Answers {
        windows: windows.collect(),
        rows: verdicts
            .iter()
            .map(|verdict| verdict.probabilities(&header.labels))
            .collect(),
        scores: verdicts.iter().map(|verdict| verdict.score).collect(),
        tracks: entries.iter().map(|entry| entry.track.clone()).collect(),
        names: entries
            .iter()
            .map(|entry| entry.path.display().to_string())
            .collect(),
        header,
    })
}

fn classify(classifier: &Classifier, paths: &[PathBuf], threads: usize) -> Result<Vec<Verdict>> {
    let progress = common::progress(paths.len() as u64, "evaluating");
    let verdicts = std::sync::Mutex::new(vec![None; paths.len()]);
    classifier.classify_files(paths, threads, |index, answer| {
        match answer {
            Ok(verdict) => {
                verdicts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(verdict);
            }
            Err(error) => progress.line(format!("error: {}", common::chain(&error.into()))),
        }
        progress.inc(1);
    })?;
    drop(progress);
    let verdicts = verdicts
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let missing = verdicts.iter().filter(|verdict| verdict.is_none()).count();
    if missing > 0 {
        // A file that cannot be read is no track left out quietly: it would make the number better than it is.
        bail!("{missing} of {} files could not be classified", verdicts.len());
    }
    Ok(verdicts.into_iter().flatten().collect())
}

/// Fails before the work is done if the model does not know a label.
fn check_labels(tracks: &[TrackInfo], labels: &[String]) -> Result<()> {
    let known = sorted_labels(tracks);
    let unknown: Vec<_> = known.iter().filter(|label| !labels.contains(label)).collect();
    ensure!(
        unknown.is_empty(),
        "the model does not know the labels {unknown:?}; it knows {labels:?}"
    );
    Ok(())
}

fn wanted(arguments: &Arguments, track: &TrackInfo) -> bool {
    arguments.split.is_empty()
        || track
            .official_split
            .is_some_and(|part| arguments.split.contains(&part))
}
