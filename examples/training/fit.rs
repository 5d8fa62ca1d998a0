//! Fits a classic learner on a feature table, evaluates it by cross-validation, and writes a model for `classify`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use timbral_classic::{PipelineConfig, PowerTransformerConfig, TransformerConfig};
use timbral_data::{FeatureTable, Folds, Manifest, Part, TrackInfo};
use timbral_eval::page::EvaluationPage;
use timbral_train::{cross_validate_classic, fit_classic};

/// Fit a classic learner on a feature table, and evaluate it by artist-grouped cross-validation.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  extract gtzan.csv --features gtzan57 -o gtzan.parquet\n  \
    fit gtzan.parquet --learner svc --out svc.safetensors\n  classify song.mp3 --model svc.safetensors"
)]
struct Arguments {
    /// Feature table: .parquet, or .csv with its .csv.json beside it.
    table: PathBuf,
    /// Learner after a power transform: logistic, svc, neighbours, bayes, forest or boosting.
    #[arg(long, default_value = "svc")]
    learner: String,
    /// Custom pipeline (TOML) instead of --learner.
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Manifest with artist and subset of the tracks.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Official subsets to fit on [default: all].
    #[arg(long, value_delimiter = ',')]
    split: Vec<Part>,
    /// Number of folds (0 = no cross-validation).
    #[arg(long, default_value_t = 5)]
    folds: usize,
    /// Seed of the folds.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Fraction of in-distribution tracks that the rejection threshold accepts.
    #[arg(long, default_value_t = 0.95, value_name = "FRACTION")]
    keep: f64,
    /// Write the model, fitted on all rows, to this file.
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Write the cross-validation report to this file.
    #[arg(long, value_name = "JSON")]
    report: Option<PathBuf>,
    /// Write the report as an HTML page with pictures to this file.
    #[arg(long, value_name = "HTML")]
    page: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| fit(&Arguments::parse()))
}

fn fit(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.folds > 0 || arguments.out.is_some(), "nothing to do: give --folds or --out");
    ensure!(
        arguments.keep > 0.0 && arguments.keep <= 1.0,
        "--keep is {}; it must be above 0 and at most 1",
        arguments.keep
    );
    let mut table = FeatureTable::read(&arguments.table)?;
    if let Some(path) = &arguments.manifest {
        table.apply_tracks(&Manifest::read(path)?.tracks());
    }
    if !arguments.split.is_empty() {
        let wanted =
            |track: &TrackInfo| track.official_split.is_some_and(|part| arguments.split.contains(&part));
        table = table.retain_tracks(wanted);
    }
    let parameters = pipeline(arguments)?;
    let mut measurements = None;
    if arguments.folds > 0 {
        let folds = Folds::stratified_group(table.tracks(), arguments.folds, arguments.seed)?;
        let measured = cross_validate_classic(&arguments.learner, &table, &parameters, &folds)?;
        // A table may be too small to calibrate on.
        let calibration = measured
            .calibrate(&folds, arguments.keep)
            .inspect_err(|error| eprintln!("not calibrated: {error}"))
            .ok();
        if let Some(path) = &arguments.report {
            measured.report.save(path)?;
        }
        if let Some(path) = &arguments.page {
            let facts = [
                ("data".to_owned(), arguments.table.display().to_string()),
                ("features".to_owned(), format!("{} columns", table.columns().len())),
                ("pipeline".to_owned(), toml::to_string(&parameters)?),
            ];
            let page = EvaluationPage {
                report: &measured.report,
                predictions: &measured.tracks.predictions,
                names: &measured.tracks.track_ids,
                facts: &facts,
                n_mistakes: 20,
            };
            page.page()?.save(path)?;
        }
        if arguments.json {
            cli::json_line(&measured.report)?;
        } else {
            print!("{}", measured.report);
            calibration.iter().for_each(|calibration| println!("{calibration}"));
        }
        measurements = Some((measured.report.accuracy, calibration));
    }
    if let Some(path) = &arguments.out {
        let mut model = fit_classic(&arguments.learner, &table, &parameters)?;
        if let Some((accuracy, calibration)) = measurements {
            model.header.metrics.insert("cv_accuracy".to_owned(), accuracy);
            calibration.iter().for_each(|calibration| calibration.apply(&mut model.header));
        }
        model.save(path)?;
        if !arguments.json {
            println!("{}: fitted on {} rows", path.display(), table.tracks().len());
        }
    }
    Ok(())
}

fn pipeline(arguments: &Arguments) -> Result<PipelineConfig> {
    if let Some(path) = &arguments.pipeline {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return toml::from_str(&text).with_context(|| path.display().to_string());
    }
    let learners = training::learners();
    let known = learners.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = learners.into_iter().find(|(name, _)| *name == arguments.learner);
    let (_, learner) =
        found.with_context(|| format!("--learner is {:?}; it must be one of {known}", arguments.learner))?;
    Ok(PipelineConfig {
        transformers: vec![TransformerConfig::Power(PowerTransformerConfig::default())],
        learner,
    })
}
