//! Measures a model on labelled spectrograms or audio files.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks on stdout and stderr"
)]

mod common;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Parser;
use timbral::Classifier;
use timbral_model::Model;
use timbral_train::{
    Manifest, MelTable, OpenSetReport, Part, Predictions, Report, ReportSource, ScoredAnswer, SpectrogramSet,
    TrackInfo, open_set_reports, sorted_labels,
};

/// Measure a model: accuracy with its interval, macro-F1, confusion matrix, scores of each class.
#[derive(Parser)]
#[command(after_help = "Examples:\n  evaluate --table gtzan_tables --split valid\n  \
                        evaluate --manifest songs.csv --json")]
struct Arguments {
    /// Model file.
    #[arg(long, value_name = "FILE", default_value = "models/gtzan.safetensors")]
    model: PathBuf,
    /// Folder with `mel_index.csv` and the spectrograms that it names.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "manifest",
        conflicts_with = "manifest"
    )]
    table: Option<PathBuf>,
    /// Manifest of audio files (path, label, track_id, artist, …), or a folder with one folder a genre.
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
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    common::run(|| {
        let arguments = Arguments::parse();
        let (labels, tracks, answers) = match &arguments.table {
            Some(_) => table(&arguments)?,
            None => audio(&arguments)?,
        };
        let unknown: Vec<_> = sorted_labels(&tracks)
            .into_iter()
            .filter(|label| !labels.contains(label))
            .collect();
        if !unknown.is_empty() {
            bail!("the model does not know the labels {unknown:?}; it knows {labels:?}");
        }
        let open_set = arguments
            .outside
            .as_deref()
            .map(|folder| open_set(&arguments, folder, &answers))
            .transpose()?;
        let rows: Vec<_> = answers.into_iter().map(|answer| answer.probabilities).collect();
        let truth = tracks
            .iter()
            .filter_map(|t| labels.iter().position(|l| *l == t.label))
            .collect();
        let groups: Vec<String> = tracks.iter().map(TrackInfo::group_key).collect();
        let source = ReportSource {
            title: &arguments.model.display().to_string(),
            unit: "track",
            labels: &labels,
            groups: &groups,
            protocol: None,
            split_hash: None,
        };
        let report = Report::new(
            &Predictions::from_rows(truth, &rows)?,
            &source,
            &Default::default(),
        )?;
        if arguments.json {
            common::json_line(&Measured { report, open_set })?
        } else {
            println!("{report}");
            open_set.iter().flatten().for_each(|line| println!("{line}"));
        }
        Ok(())
    })
}

#[derive(serde::Serialize)]
struct Measured {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_set: Option<Vec<OpenSetReport>>,
}

fn open_set(
    arguments: &Arguments,
    folder: &std::path::Path,
    known: &[ScoredAnswer],
) -> anyhow::Result<Vec<OpenSetReport>> {
    let classifier = Classifier::open(&arguments.model)?;
    let outside = classify(&classifier, &timbral::audio_files(folder)?, arguments.threads)?;
    let rule = classifier.model().header().rejection.as_ref();
    open_set_reports(known, &outside, rule)
        .with_context(|| format!("{}: cannot measure against it", folder.display()))
}

/// Labels of the model, the tracks that were answered, and the answers.
type Answers = (Vec<String>, Vec<TrackInfo>, Vec<ScoredAnswer>);

fn table(arguments: &Arguments) -> anyhow::Result<Answers> {
    let folder = arguments.table.as_deref().context("no --table")?;
    if !folder.join("mel_index.csv").exists() && folder.join("features_30_sec.csv").exists() {
        bail!(
            "{}: holds a feature table only, and {} hears log-mel spectrograms (mel_index.csv)",
            folder.display(),
            arguments.model.display()
        );
    }
    let model = Model::open(&arguments.model)?;
    let table = MelTable::read(folder)?;
    let rows: Vec<usize> = (0..table.len())
        .filter(|&row| wanted(arguments, &table.rows()[row].track))
        .collect();
    let tracks: Vec<TrackInfo> = rows.iter().map(|&row| table.rows()[row].track.clone()).collect();
    let set = SpectrogramSet::from_table(&table, &rows, &table.labels())?;
    let progress = common::progress(rows.len() as u64, "evaluating");
    let mut answers = Vec::with_capacity(rows.len());
    for track in 0..set.len() {
        let whole = set.whole(track)?;
        let probabilities = model.aggregate(&model.probabilities(&whole)?)?;
        let (_, bands, frames) = whole.dims3()?;
        let window = ndarray::Array2::from_shape_vec((bands, frames), whole.flatten_all()?.to_vec1()?)?;
        let rule = model.header().rejection.as_ref();
        answers.push(ScoredAnswer {
            score: rule.and_then(|rule| rule.score.of(&probabilities, [window.view()])),
            probabilities,
        });
        progress.inc(1);
    }
    Ok((model.labels().to_vec(), tracks, answers))
}

fn audio(arguments: &Arguments) -> anyhow::Result<Answers> {
    let path = arguments.manifest.as_deref().context("no --manifest")?;
    let manifest = Manifest::read(path)?.filtered(|track| wanted(arguments, track));
    manifest.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let classifier = Classifier::open(&arguments.model)?;
    let paths: Vec<PathBuf> = manifest
        .entries()
        .iter()
        .map(|entry| entry.path.clone())
        .collect();
    let answers = classify(&classifier, &paths, arguments.threads)?;
    let tracks = manifest
        .entries()
        .iter()
        .map(|entry| entry.track.clone())
        .collect();
    Ok((classifier.model().labels().to_vec(), tracks, answers))
}

fn classify(classifier: &Classifier, paths: &[PathBuf], threads: usize) -> anyhow::Result<Vec<ScoredAnswer>> {
    let progress = common::progress(paths.len() as u64, "evaluating");
    let answers = std::sync::Mutex::new(vec![None; paths.len()]);
    classifier.classify_files(paths, threads, |index, answer| {
        match answer {
            Ok(verdict) => {
                let answer = ScoredAnswer {
                    probabilities: verdict.probabilities(classifier.model().labels()),
                    score: verdict.score,
                };
                answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(answer);
            }
            Err(error) => progress.line(format!("error: {}", common::chain(&error.into()))),
        }
        progress.inc(1);
    })?;
    drop(progress);
    let answers = answers
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let missing = answers.iter().filter(|row| row.is_none()).count();
    if missing > 0 {
        // A file that cannot be read is no track left out quietly: it would make the number better than it is.
        bail!("{missing} of {} files could not be classified", answers.len());
    }
    Ok(answers.into_iter().flatten().collect())
}

fn wanted(arguments: &Arguments, track: &TrackInfo) -> bool {
    arguments.split.is_empty()
        || track
            .official_split
            .is_some_and(|part| arguments.split.contains(&part))
}
