//! Compares learners and networks over the same artist-grouped folds.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

mod data;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use timbral_classic::{PipelineConfig, PowerTransformerConfig, TransformerConfig};
use timbral_data::{GroupTable, Part};
use timbral_eval::comparison::Baseline;
use timbral_train::comparison::FoldProtocol;
use timbral_train::{Candidate, CompareConfig, RunConfig, compare};

/// Compare learners and networks over the same folds: accuracy, average precision, ROC AUC and times, with confidence
/// intervals.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    compare gtzan_tables --learners logistic,svc\n  \
    compare songs.parquet --manifest songs.csv --protocol groups,track-random-leaky --out runs/compare\n  \
    compare gtzan_tables --net examples/configs/gtzan.toml --learners svc\n  \
    compare gtzan_tables --columns table,bands,table+bands+modulation --learners logistic\n  \
    compare taggrams.npz --groups artist_groups.csv --folds artist_groups.csv --track-means"
)]
struct Arguments {
    /// A feature table (.csv, .parquet, .npz), or a folder with features_30_sec.csv and mel_index.csv.
    data: PathBuf,
    /// Classic learners, each after a power transform; `none` for networks only.
    #[arg(long, value_delimiter = ',', default_value = "logistic,svc,neighbours,bayes,forest,boosting")]
    learners: Vec<String>,
    /// Custom pipeline: a name and a TOML file as for `fit --pipeline`.
    #[arg(long, value_name = "NAME=FILE")]
    pipeline: Vec<String>,
    /// Sets of columns to train on, one result per set: `table`, and blocks of statistics of the log-mel spectrograms of
    /// mel_index.csv (bands, cepstra, correlations, modulation, cepstral_modulation, texture, skewness,
    /// contrast, covariance), joined by `+`.
    #[arg(long, value_delimiter = ',', default_value = "table", value_name = "SET")]
    columns: Vec<String>,
    /// Networks on the log-mel spectrograms of mel_index.csv: a run configuration as for `train`.
    #[arg(long, value_name = "TOML")]
    net: Vec<PathBuf>,
    /// Set a field of every run configuration, as in `train`.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Folder with mel_index.csv for --net and --columns [default: the folder of the table].
    #[arg(long, value_name = "DIR")]
    table: Option<PathBuf>,
    /// Manifest with artist and subset of the tracks.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Table of groups (`track,group,…`) to use instead of artists.
    #[arg(long, value_name = "CSV")]
    groups: Option<PathBuf>,
    /// Given fold assignments, one repeat per column: a table `track,group,cv0,cv1,…`.
    #[arg(long, value_name = "CSV")]
    folds: Option<PathBuf>,
    /// Fold protocols, one result table each: groups, track-random-leaky, segment-random-leaky.
    #[arg(long, value_delimiter = ',', default_value = "groups")]
    protocol: Vec<FoldProtocol>,
    /// Official subsets to use; tracks without one are used as well.
    #[arg(long, value_delimiter = ',', default_value = "train,valid")]
    split: Vec<Part>,
    /// Number of folds.
    #[arg(long, default_value_t = 5)]
    n_folds: usize,
    /// Number of repeats of the cross-validation, with the seeds 0, 1, …
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Average the rows of each track first: one row per track.
    #[arg(long)]
    track_means: bool,
    /// Published baselines to list beside the results.
    #[arg(long, value_name = "TOML")]
    baselines: Option<PathBuf>,
    /// Number of networks to train in parallel.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Folder for compare.json, compare.csv and compare.md.
    #[arg(long, short, value_name = "DIR", default_value = "runs/compare")]
    out: PathBuf,
    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<()> {
    let data = data::read(arguments)?;
    let mut nets = arguments.net.iter().map(RunConfig::read).collect::<Result<Vec<_>, _>>()?;
    for field in &arguments.set {
        nets.iter_mut().try_for_each(|net| net.set(field))?;
    }
    let mut learners = Vec::new();
    for (name, parameters) in pipelines(arguments)? {
        for (columns, table) in &data.tables {
            let name = match &columns[..] {
                "table" => name.clone(),
                _ => format!("{columns} ({}): {name}", table.columns().len()),
            };
            learners.push((name, parameters.clone(), table));
        }
    }
    let classic =
        learners.iter().map(|(name, parameters, table)| Candidate::Classic { name, parameters, table });
    let networks = nets.iter().filter_map(|net| {
        data.spectrograms.as_ref().map(|(set, tracks)| Candidate::Network {
            name: &net.name,
            members: &net.members,
            set,
            tracks,
        })
    });
    let candidates: Vec<Candidate<'_>> = classic.chain(networks).collect();
    let pinned = match &arguments.folds {
        Some(path) => {
            let given = GroupTable::read(path)?;
            let names = given.repeats();
            ensure!(!names.is_empty(), "{} must have a column cv… or fold…", path.display());
            names.iter().map(|name| given.folds(name)).collect::<Result<Vec<_>, _>>()?
        }
        None => Vec::new(),
    };
    let config = CompareConfig {
        data: arguments.data.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        n_folds: arguments.n_folds,
        seeds: arguments.seeds,
        protocols: arguments.protocol.clone(),
        threads: arguments.threads,
        ..CompareConfig::default()
    };
    let quoted = arguments.baselines.as_ref().map(Baseline::open).transpose()?;
    let comparison = compare(&config, &candidates, &pinned, quoted.unwrap_or_default(), &|run, pass| {
        if pass.is_none_or(|pass| pass.epoch == pass.epochs) {
            eprintln!("{run}{}", if pass.is_some() { ": trained" } else { "" });
        }
        ControlFlow::Continue(())
    })?;
    let folder = &arguments.out;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    comparison.save(folder.join("compare.json"))?;
    write(&folder.join("compare.csv"), &comparison.to_csv())?;
    write(&folder.join("compare.md"), &comparison.to_markdown())?;
    if arguments.json { cli::json_line(&comparison) } else { cli::text(&comparison) }
}

fn write(path: &Path, text: &str) -> Result<()> {
    timbral_atomic::write(path, [text]).with_context(|| path.display().to_string())
}

fn pipelines(arguments: &Arguments) -> Result<Vec<(String, PipelineConfig)>> {
    let mut pipelines = Vec::new();
    let known = training::learners();
    for name in arguments.learners.iter().filter(|name| *name != "none") {
        let learner = known.iter().find(|(known, _)| known == name).with_context(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            format!("--learners has {name:?}; it must be one of {}, none", names.join(", "))
        })?;
        let transformers = vec![TransformerConfig::Power(PowerTransformerConfig::default())];
        let learner = learner.1.clone();
        pipelines.push((format!("power transform + {name}"), PipelineConfig { transformers, learner }));
    }
    for given in &arguments.pipeline {
        let (name, path) =
            given.split_once('=').with_context(|| format!("--pipeline is {given}; it must be NAME=FILE"))?;
        let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
        pipelines.push((name.to_owned(), toml::from_str(&text).with_context(|| path.to_owned())?));
    }
    Ok(pipelines)
}
