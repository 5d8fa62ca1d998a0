//! Trains a model on a table of spectrograms or on audio files, and evaluates it by artist-grouped cross-validation.
#![allow(clippy::print_stderr, reason = "a program prints")]

mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;
use timbral_data::{FeatureCache, Manifest, MelTable, Part, TrackInfo};
use timbral_model::ModelFile;
use timbral_train::training::{Validation, fit_ensemble_validated};
use timbral_train::{RunConfig, TrainError, TrainingTracks};
use training::watch::{Watch, draw_curves, stop_on_interrupt, with_way_on};

/// Train a model and evaluate it by artist-grouped cross-validation.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    train examples/configs/gtzan.toml --table gtzan_tables --folds 5 --run runs/cv\n  \
    train examples/configs/gtzan.toml --manifest songs.csv --out model.safetensors\n  \
    train examples/configs/sample_cnn.toml --manifest songs.csv --valid 0.2 --run runs/curves"
)]
struct Arguments {
    /// Run configuration.
    #[arg(value_name = "TOML")]
    config: PathBuf,
    /// Folder with `mel_index.csv` and its spectrograms.
    #[arg(long, value_name = "DIR", required_unless_present = "manifest", conflicts_with = "manifest")]
    table: Option<PathBuf>,
    /// Manifest of audio files (path, label, track_id, artist, …), or a folder with one folder per genre.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Official subsets to train on; tracks without one are used as well.
    #[arg(long, value_delimiter = ',', default_value = "train,valid")]
    split: Vec<Part>,
    /// Number of folds of a cross-validation before the fit (0 = none).
    #[arg(long, default_value_t = 0)]
    folds: usize,
    /// Seed of the folds and of the tracks that --valid holds out.
    #[arg(long, default_value_t = 0)]
    fold_seed: u64,
    /// Validate after each epoch and keep the best: on the `official` subset, or on this fraction of each class in whole
    /// artists. Training and validation curves are then drawn in the folder `metrics` of the run.
    #[arg(long, value_name = "official|FRACTION")]
    valid: Option<Validation>,
    /// Model file to write; without it and without --valid, only the cross-validation runs.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fraction of in-distribution tracks that the rejection threshold accepts.
    #[arg(long, default_value_t = 0.99, value_name = "FRACTION")]
    keep: f64,
    /// Write a copy of this model file with the temperature and rejection threshold of the cross-validation to --out, instead
    /// of fitting a model.
    #[arg(long, value_name = "FILE", requires = "out")]
    calibrate: Option<PathBuf>,
    /// Folder of the run: checkpoints, `metrics/*.csv`, cached features, `report.json`, `predictions.csv`. An interrupted
    /// run resumes there.
    #[arg(long, value_name = "DIR", default_value = "runs/train")]
    run: PathBuf,
    /// Number of networks to train in parallel, one thread each; the result does not depend on it.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Set a field of the configuration by its dotted name: `training.epochs=5`, `members.cnn.architecture.dropout=0.3`.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Members of the configuration to train [default: all].
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    members: Vec<String>,
    /// Print the layers of each network before training.
    #[arg(long)]
    summary: bool,
    /// Write event files for TensorBoard to the folder `tensorboard` of the run (feature `tensorboard`).
    #[arg(long)]
    tensorboard: bool,
    /// Print the cross-validation report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        if arguments.out.is_none() && arguments.folds == 0 && arguments.valid.is_none() {
            bail!("nothing to do: give --out, --folds or --valid");
        }
        if !(arguments.keep > 0.0 && arguments.keep <= 1.0) {
            bail!("--keep is {}; it must be above 0 and at most 1", arguments.keep);
        }
        let mut config = RunConfig::read(&arguments.config)?;
        arguments.set.iter().try_for_each(|field| config.set(field))?;
        if let Some(unknown) =
            arguments.members.iter().find(|name| config.members.iter().all(|member| member.name != **name))
        {
            bail!("--members {unknown}: the configuration has no such member");
        }
        if !arguments.members.is_empty() {
            config.members.retain(|member| arguments.members.contains(&member.name));
        }
        std::fs::create_dir_all(&arguments.run).with_context(|| arguments.run.display().to_string())?;
        config.save(arguments.run.join("config.toml"))?;
        let data = load(&arguments, &config)?;
        let labels = data.set.labels();
        eprintln!("{} tracks, {} classes", data.set.len(), labels.len());
        if arguments.summary {
            for member in &config.members {
                let network = &member.architecture;
                let summary = network.summary(labels.len(), network.default_frames())?;
                eprintln!("\n{}\n{summary}", member.name);
            }
        }
        stop_on_interrupt()?;
        with_way_on(train(&arguments, &config, &data))
    })
}

fn load(arguments: &Arguments, config: &RunConfig) -> anyhow::Result<TrainingTracks> {
    let wanted = |track: &TrackInfo| training::takes_part(track, &arguments.split);
    if let Some(folder) = &arguments.table {
        return Ok(TrainingTracks::from_table(&MelTable::read(folder)?, wanted)?);
    }
    let path = arguments.manifest.as_deref().context("neither --table nor --manifest")?;
    let manifest = Manifest::read(path)?.filtered(wanted);
    manifest.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let cache = FeatureCache::open(arguments.run.join("features"))?;
    let progress = cli::progress(manifest.len() as u64, "reading audio");
    let done = |_: &Path, error: Option<&TrainError>| {
        progress.inc(1);
        error.iter().for_each(|error| progress.line(format!("skipped: {error}")));
    };
    Ok(TrainingTracks::from_manifest(&manifest, &config.front_end, Some(&cache), done)?)
}

/// Cross-validates and fits as the arguments ask.
fn train(arguments: &Arguments, config: &RunConfig, data: &TrainingTracks) -> anyhow::Result<()> {
    let mut metrics = BTreeMap::new();
    let mut calibration = None;
    if arguments.folds > 0 {
        let (report, fitted) = validate::cross_validate(arguments, config, data)?;
        metrics.insert("cv_accuracy".to_owned(), report.accuracy);
        metrics.insert("cv_macro_f1".to_owned(), report.macro_f1);
        calibration = fitted;
    }
    if let (Some(path), Some(out)) = (&arguments.calibrate, &arguments.out) {
        let mut model = ModelFile::open(path)?;
        if model.header.labels != data.set.labels() {
            bail!("the labels of {} must be those of the tracks", path.display());
        }
        let calibration =
            calibration.context("--calibrate needs a cross-validation (--folds) that could be calibrated")?;
        calibration.apply(&mut model.header);
        model.header.metrics.extend(metrics);
        return save(&model, out);
    }
    if arguments.out.is_none() && arguments.valid.is_none() {
        return Ok(());
    }
    let (tracks, valid) = match arguments.valid {
        Some(validation) => data.split(validation, arguments.fold_seed)?,
        None => (data.all(), Vec::new()),
    };
    let watch = Watch::new(&arguments.run, &config.members, 1, arguments.tensorboard)?;
    let (architecture, tensors) = fit_ensemble_validated(
        &config.members,
        &data.set,
        (&tracks, &valid),
        arguments.threads,
        Some(&arguments.run.join("fit")),
        &|name, epoch| watch.epoch(name, epoch),
    )?;
    if arguments.valid.is_some() {
        draw_curves(&arguments.run)?;
    }
    let Some(out) = &arguments.out else { return Ok(()) };
    let mut model = config.model_file(data.set.labels(), architecture, tensors, metrics)?;
    if let Some(calibration) = calibration {
        calibration.apply(&mut model.header);
    }
    save(&model, out)
}

fn save(model: &ModelFile, out: &Path) -> anyhow::Result<()> {
    model.save(out)?;
    eprintln!("wrote {}", out.display());
    Ok(())
}
