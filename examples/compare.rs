//! Compares learners over the same folds of a feature table, no artist on two sides.
//!
//!     cargo run --release --example compare -- DIR [--seeds 5] [--groups artist_groups.csv] [--folds folds.csv]
//!
//! DIR holds `features_30_sec.csv` (one row a track) and `mel_index.csv` (artist and split of each track). The tracks of the
//! official training and validation lists take part. With `--folds`, a table `track,group,cv0,cv1,…` of foldings made
//! elsewhere is used in place of seeds.

#![allow(clippy::print_stdout, reason = "a program talks to its user")]

mod common;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use ndarray::{Array2, Axis};
use timbral_classic::{
    Classifier, Learner, Parameters, PipelineParameters, PowerTransformerParameters, TransformerParameters,
};
use timbral_train::{FeatureTable, Folds, GroupTable, MelTable, Part, Predictions};

/// Compare learners over the same folds of a feature table, no artist on two sides.
#[derive(Parser)]
#[command(after_help = "Example:\n  compare gtzan_tables --seeds 3")]
struct Arguments {
    /// Folder with features_30_sec.csv and mel_index.csv.
    tables: PathBuf,
    /// Number of foldings, with the seeds 0, 1, ...
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Groups and splits of the tracks, in place of the artists.
    #[arg(long)]
    groups: Option<PathBuf>,
    /// Foldings made elsewhere.
    #[arg(long)]
    folds: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    common::run(|| compare(&Arguments::parse()))
}

fn compare(arguments: &Arguments) -> Result<()> {
    let mut table = FeatureTable::read(arguments.tables.join("features_30_sec.csv"))?
        // Means of a signal around zero tell nothing.
        .without_columns(&["harmony_mean", "perceptr_mean"])?;
    table.apply_tracks(&MelTable::read(&arguments.tables)?.tracks());
    if let Some(path) = &arguments.groups {
        table.apply_groups(&GroupTable::read(path)?);
    }
    let table = table.retain_tracks(|t| matches!(t.official_split, Some(Part::Train | Part::Validation)));
    let labels = table.labels();
    let y: Vec<usize> = table
        .tracks()
        .iter()
        .map(|t| {
            labels
                .binary_search(&t.label)
                .map_err(|_| anyhow::anyhow!("label {}", t.label))
        })
        .collect::<Result<_>>()?;
    let foldings: Vec<Folds> = match &arguments.folds {
        Some(path) => {
            let pinned = GroupTable::read(path)?;
            pinned
                .foldings()
                .iter()
                .map(|name| pinned.folds(name))
                .collect::<Result<_, _>>()?
        }
        None => (0..arguments.seeds)
            .map(|seed| Folds::stratified_group(table.tracks(), 5, seed))
            .collect::<Result<_, _>>()?,
    };
    println!(
        "{} tracks, {} features, {} foldings",
        y.len(),
        table.columns().len(),
        foldings.len()
    );
    println!(
        "{:<26} {:>8} {:>6} {:>8} {:>7} {:>7}  accuracy of each folding",
        "power transform +", "accuracy", "AUC", "log loss", "fit s", "test s"
    );
    for (name, learner) in common::learners() {
        let parameters = PipelineParameters {
            transformers: vec![TransformerParameters::Power(PowerTransformerParameters::default())],
            learner,
        }
        .check()?;
        let (mut accuracies, mut fit_seconds, mut test_seconds) = (Vec::new(), 0.0, 0.0);
        let (mut aucs, mut losses) = (Vec::new(), Vec::new());
        for folds in &foldings {
            let mut hits = 0;
            let mut tested = 0;
            let (mut truth, mut probabilities) = (Vec::new(), Array2::zeros((0, labels.len())));
            for split in folds.splits() {
                let (train, test) = (
                    split.rows(table.tracks(), Part::Train),
                    split.rows(table.tracks(), Part::Test),
                );
                let pick = |rows: &[usize]| -> Vec<usize> { rows.iter().map(|&i| y[i]).collect() };
                let (train_y, test_y) = (pick(&train), pick(&test));
                let start = Instant::now();
                let train_x = table.values().select(Axis(0), &train);
                let model = parameters
                    .fit(train_x.view(), &train_y, labels.len())
                    .context(name)?;
                fit_seconds += start.elapsed().as_secs_f64();
                let start = Instant::now();
                let test_x = table.values().select(Axis(0), &test);
                let answers = model.predict(test_x.view())?;
                test_seconds += start.elapsed().as_secs_f64();
                hits += answers.iter().zip(&test_y).filter(|(a, b)| a == b).count();
                tested += test.len();
                // A support vector classifier may have no probabilities.
                if let Ok(p) = model.predict_proba(test_x.view()) {
                    probabilities.append(Axis(0), p.view())?;
                    truth.extend(test_y);
                }
            }
            accuracies.push(hits as f64 / tested as f64);
            if !truth.is_empty() {
                let predictions = Predictions::new(truth, probabilities)?;
                let auc: Vec<f64> = predictions.roc_auc().into_iter().flatten().collect();
                aucs.push(auc.iter().sum::<f64>() / auc.len() as f64);
                losses.push(predictions.log_loss());
            }
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let shown = |v: &[f64]| {
            if v.is_empty() {
                "-".to_owned()
            } else {
                format!("{:.3}", mean(v))
            }
        };
        let each: Vec<String> = accuracies.iter().map(|a| format!("{a:.3}")).collect();
        let runs = foldings.len() as f64;
        println!(
            "{name:<26} {:>8.3} {:>6} {:>8} {:>7.2} {:>7.2}  {}",
            mean(&accuracies),
            shown(&aucs),
            shown(&losses),
            fit_seconds / runs,
            test_seconds / runs,
            each.join(" ")
        );
    }
    Ok(())
}
