//! Trains a model from a table of spectrograms or from audio files, and measures it by artist-grouped cross-validation.
#![allow(clippy::print_stderr, reason = "a program speaks on stderr")]

mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;
use timbral_model::ModelFile;
use timbral_train::{
    FeatureCache, Manifest, MelTable, Part, RunConfig, TrackInfo, TrainError, TrainingTracks, Validation,
    fit_ensemble_validated,
};
use training::watch::{Watch, draw_curves, stop_on_interrupt, with_way_on};

/// Train a model, and measure it by cross-validation in which no artist is on both sides.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    train examples/configs/gtzan.toml --table gtzan_tables --folds 5 --run runs/cv\n  \
    train examples/configs/gtzan.toml --manifest songs.csv --out model.safetensors\n  \
    train examples/configs/sample_cnn.toml --manifest songs.csv --valid 0.2 --run runs/curves")]
struct Arguments {
    /// Run configuration.
    #[arg(value_name = "TOML")]
    config: PathBuf,
    /// Folder with `mel_index.csv` and the spectrograms that it names.
    #[arg(long, value_name = "DIR", required_unless_present = "manifest", conflicts_with = "manifest")]
    table: Option<PathBuf>,
    /// Manifest of audio files (path, label, track_id, artist, …), or a folder with one folder a genre.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Official parts to train on, where the data set has any; tracks without a part are taken as well.
    #[arg(long, value_delimiter = ',', default_value = "train,valid")]
    split: Vec<Part>,
    /// Folds of a cross-validation before the fit; 0 leaves it out.
    #[arg(long, default_value_t = 0)]
    folds: usize,
    /// Seed of the folds, and of a share that is held out.
    #[arg(long, default_value_t = 0)]
    fold_seed: u64,
    /// Tracks that the fit is validated on after each pass, to keep the best one: `official`, or a share of each class by
    /// whole artists. Curves of training and validation are then drawn in the folder `metrics` of the run.
    #[arg(long, value_name = "official|SHARE")]
    valid: Option<Validation>,
    /// Where the model goes; without it, and without --valid, nothing is fitted after the cross-validation.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Share of the tracks of the cross-validation that the model's rule of refusal keeps; the rest counts as unknown.
    #[arg(long, default_value_t = 0.99, value_name = "SHARE")]
    keep: f64,
    /// Put temperature and rule of the cross-validation into a copy of this model file, --out, in place of a new fit.
    #[arg(long, value_name = "FILE", requires = "out")]
    calibrate: Option<PathBuf>,
    /// Folder of the run: checkpoints, `metrics/*.csv`, cached features, `report.json`, `predictions.csv`. An interrupted
    /// run goes on there.
    #[arg(long, value_name = "DIR", default_value = "runs/train")]
    run: PathBuf,
    /// Networks trained at a time, one thread each; the result does not depend on it.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Set a field of the configuration by its dotted name: `training.epochs=5`, `members.cnn.architecture.dropout=0.3`.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Members of the configuration that take part. Default: all.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    members: Vec<String>,
    /// Print the layers of each network before it is trained.
    #[arg(long)]
    summary: bool,
    /// Write event files for TensorBoard into the folder `tensorboard` of the run (feature `tensorboard`).
    #[arg(long)]
    tensorboard: bool,
    /// Print the report of the cross-validation as JSON.
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
            bail!("--keep is {}, it lies above 0 and is at most 1", arguments.keep);
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
        error.iter().for_each(|error| progress.line(format!("left out: {error}")));
    };
    Ok(TrainingTracks::from_manifest(&manifest, &config.front_end, Some(&cache), done)?)
}

/// Cross-validates and fits, whatever is asked for.
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
            bail!("{} knows other labels than the tracks", path.display());
        }
        let calibration = calibration.context("--calibrate needs what a cross-validation gives: --folds")?;
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
