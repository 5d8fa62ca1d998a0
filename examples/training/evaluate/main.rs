//! Evaluates a model on labelled spectrograms, feature tables or audio files.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

mod answers;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use timbral::Classifier;
use timbral_data::{Part, TrackInfo};
use timbral_eval::page::EvaluationPage;
use timbral_eval::{BootstrapConfig, OpenSetReport, PredictionTable, Predictions, Report, ReportSource};
use timbral_train::model_card;
use timbral_train::rejection::{ScoredAnswer, open_set_reports};

use answers::{Answers, classify};

/// Evaluate a model: accuracy with confidence intervals, macro F1, confusion matrix, scores per class; a page with pictures.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  evaluate --table gtzan_tables --split valid\n  \
                        evaluate --manifest songs.csv --json\n  \
                        evaluate --predictions model.csv -o runs/model\n  \
                        evaluate --model svc.safetensors --table songs.parquet --manifest songs.csv --split valid"
)]
struct Arguments {
    /// Model file.
    #[arg(long, value_name = "FILE", default_value = "models/gtzan.safetensors")]
    model: PathBuf,
    /// Predictions of any model instead: CSV with track_id, label, optionally group, then one column per class.
    #[arg(long, value_name = "CSV", conflicts_with_all = ["model", "table", "manifest", "split", "ood"])]
    predictions: Option<PathBuf>,
    /// Folder with `mel_index.csv` and its spectrograms or, for a classic model, a feature table.
    #[arg(long, value_name = "DIR|FILE", required_unless_present_any = ["manifest", "predictions"])]
    table: Option<PathBuf>,
    /// Manifest of audio files (path, label, track_id, artist, …), or a folder with one folder per genre. With a
    /// table, it gives artist and subset of its tracks.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Official subsets to evaluate on [default: all tracks].
    #[arg(long, value_delimiter = ',')]
    split: Vec<Part>,
    /// Folder of out-of-distribution audio: also report how well the model separates it.
    #[arg(long, value_name = "DIR")]
    ood: Option<PathBuf>,
    /// Number of files to process in parallel (0 = one per core).
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Folder for `report.json` and `report.html`.
    #[arg(long, short, value_name = "DIR", default_value = "runs/evaluate")]
    out: PathBuf,
    /// Number of mistakes on the page, highest confidence first.
    #[arg(long, default_value_t = 20, value_name = "N")]
    mistakes: usize,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| evaluate(&Arguments::parse()))
}

fn evaluate(arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.predictions {
        return evaluate_predictions(arguments, path);
    }
    let start = Instant::now();
    let answers = answers::of_all(arguments)?;
    let time = start.elapsed();
    let labels = answers.header.labels.clone();
    let class = |track: &TrackInfo| {
        let place = labels.iter().position(|label| *label == track.label);
        place.with_context(|| {
            format!(
                "track {} is labelled {:?}, a class that the model does not have",
                track.track_id, track.label
            )
        })
    };
    let truth: Vec<usize> = answers.tracks.iter().map(class).collect::<Result<_>>()?;
    let groups: Vec<String> = answers.tracks.iter().map(TrackInfo::group_key).collect();
    let data = arguments.table.as_ref().or(arguments.manifest.as_ref()).context("no data")?;
    let source = ReportSource {
        title: &format!("{} on {}", arguments.model.display(), data.display()),
        unit: "track",
        labels: &labels,
        groups: &groups,
        protocol: None,
        leaky: false,
        split_hash: None,
    };
    let config = BootstrapConfig::default();
    let predictions = Predictions::from_rows(truth.clone(), &answers.rows)?;
    let open_set =
        arguments.ood.as_deref().map(|folder| open_set(arguments, folder, &answers)).transpose()?;
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
        facts.push(("official subsets".to_owned(), parts.join(", ")));
    }
    facts.extend(model_card(&answers.header));
    write(arguments, report, &predictions, &answers.names, &facts, open_set)
}

/// Measures predictions that another program made.
fn evaluate_predictions(arguments: &Arguments, path: &Path) -> Result<()> {
    let rows = PredictionTable::open(path)?;
    let config = BootstrapConfig::default();
    let tracks = rows.by_track()?;
    let title = path.display().to_string();
    let mut report = Report::new(&tracks.predictions, &tracks.source(&title), &config)?;
    if rows.predictions.len() > tracks.predictions.len() {
        report = report.with_windows(&rows.predictions, &rows.track_ids, &rows.groups, &config)?;
    }
    let facts = [("predictions".to_owned(), title)];
    write(arguments, report, &tracks.predictions, &tracks.track_ids, &facts, None)
}

/// Writes report and page, and prints the report.
fn write(
    arguments: &Arguments,
    report: Report,
    predictions: &Predictions,
    names: &[String],
    facts: &[(String, String)],
    open_set: Option<Vec<OpenSetReport>>,
) -> Result<()> {
    let n_mistakes = arguments.mistakes;
    let page = EvaluationPage { report: &report, predictions, names, facts, n_mistakes }.page()?;
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    report.save(arguments.out.join("report.json"))?;
    page.save(arguments.out.join("report.html"))?;
    if arguments.json {
        return cli::json_line(&Measured { report, open_set });
    }
    cli::text(format_args!("{report}\n"))?;
    for line in open_set.iter().flatten() {
        cli::text(format_args!("{line}\n"))?;
    }
    let page = arguments.out.join("report.html");
    cli::text(format_args!("wrote {}\n", page.display()))
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
        .map(|(row, score)| ScoredAnswer { probabilities: row.clone(), score: *score })
        .collect();
    let classifier = Classifier::open(&arguments.model)?;
    let outside: Vec<ScoredAnswer> =
        classify(&classifier, &timbral_decode::audio_files(folder)?, arguments.threads)?
            .iter()
            .map(|verdict| ScoredAnswer {
                probabilities: verdict.probabilities(&answers.header.labels),
                score: verdict.score,
            })
            .collect();
    open_set_reports(&known, &outside, answers.header.rejection.as_ref())
        .with_context(|| format!("cannot compute OOD metrics with {}", folder.display()))
}
