//! Trains a model from a table of spectrograms or from audio files, and measures it by artist-grouped cross-validation.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks on stdout and stderr"
)]

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clap::Parser;
use timbral_model::ModelFile;
use timbral_train::{
    Calibration, EpochMetrics, FeatureCache, Folds, Manifest, MelTable, MetricsFolder, Part, Report,
    RunConfig, SpectrogramSet, TrackInfo, cross_validate, fit_ensemble,
};

/// Train a model, and measure it by cross-validation in which no artist is on both sides.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    train examples/configs/gtzan.toml --table gtzan_tables --folds 5 --run runs/cv\n  \
    train examples/configs/gtzan.toml --manifest songs.csv --out model.safetensors")]
struct Arguments {
    /// Run configuration.
    #[arg(value_name = "TOML")]
    config: PathBuf,
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
    /// Official parts to train on, where the data set has any; tracks without a part are taken as well.
    #[arg(long, value_delimiter = ',', default_value = "train,valid")]
    split: Vec<Part>,
    /// Folds of a cross-validation before the fit; 0 leaves it out.
    #[arg(long, default_value_t = 0)]
    folds: usize,
    /// Seed of the folds.
    #[arg(long, default_value_t = 0)]
    fold_seed: u64,
    /// Where the model goes; without it nothing is fitted after the cross-validation.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Share of the tracks of the cross-validation that the model's rule of refusal keeps; the rest counts as unknown.
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    keep: f64,
    /// Put temperature and rule of the cross-validation into a copy of this model file, --out, in place of a new fit.
    #[arg(long, value_name = "FILE", requires = "out")]
    calibrate: Option<PathBuf>,
    /// Folder of the run: checkpoints, `metrics.csv`, cached features, `report.json`. An interrupted run goes on there.
    #[arg(long, value_name = "DIR", default_value = "runs/train")]
    run: PathBuf,
    /// Networks trained at a time, one thread each; the result does not depend on it.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Set a field of the configuration by its dotted name: `training.epochs=5`, `members.cnn.architecture.dropout=0.3`.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Print the layers of each network before it is trained.
    #[arg(long)]
    summary: bool,
    /// Write event files for TensorBoard into the folder `tensorboard` of the run.
    #[cfg(feature = "tensorboard")]
    #[arg(long)]
    tensorboard: bool,
    /// Print the report of the cross-validation as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    common::run(|| {
        let arguments = Arguments::parse();
        if arguments.out.is_none() && arguments.folds == 0 {
            bail!("nothing to do: give --out, --folds or both");
        }
        if !(arguments.keep > 0.0 && arguments.keep <= 1.0) {
            bail!("--keep is {}, it lies above 0 and is at most 1", arguments.keep);
        }
        let mut config = RunConfig::read(&arguments.config)?;
        arguments
            .set
            .iter()
            .try_for_each(|assignment| config.set(assignment))?;
        std::fs::create_dir_all(&arguments.run).with_context(|| arguments.run.display().to_string())?;
        config.save(arguments.run.join("config.toml"))?;
        let (set, tracks) = load(&arguments, &config)?;
        eprintln!("{} tracks, {} classes", set.len(), set.labels().len());
        if arguments.summary {
            for member in &config.members {
                let network = &member.architecture;
                let summary = network.summary(set.labels().len(), network.default_frames())?;
                eprintln!("\n{}\n{summary}", member.name);
            }
        }
        stop_on_interrupt()?;

        let mut metrics = BTreeMap::new();
        let mut calibration = None;
        if arguments.folds > 0 {
            let (report, fitted) = validate(&arguments, &config, &set, &tracks)?;
            metrics.insert("cv_accuracy".to_owned(), report.accuracy);
            metrics.insert("cv_macro_f1".to_owned(), report.macro_f1);
            let measured = Measured {
                report: &report,
                calibration: fitted.as_ref(),
            };
            std::fs::write(
                arguments.run.join("report.json"),
                serde_json::to_vec_pretty(&measured)?,
            )?;
            if arguments.json {
                common::json_line(&measured)?
            } else {
                println!("{report}");
                fitted.iter().for_each(|fitted| println!("{fitted}"));
            }
            calibration = fitted;
        }
        let Some(out) = &arguments.out else { return Ok(()) };
        if let Some(path) = &arguments.calibrate {
            let mut model = ModelFile::open(path)?;
            if model.header.labels != set.labels() {
                bail!("{} knows other labels than the tracks", path.display());
            }
            let calibration =
                calibration.context("--calibrate needs what a cross-validation gives: --folds")?;
            calibration.apply(&mut model.header);
            model.save(out)?;
            eprintln!("wrote {}", out.display());
            return Ok(());
        }
        let all: Vec<usize> = (0..set.len()).collect();
        let watch = Watch::new(&arguments, &config, 1)?;
        let (architecture, tensors) = fit_ensemble(
            &config.members,
            &set,
            &all,
            arguments.threads,
            Some(&arguments.run.join("fit")),
            &|name, epoch| watch.epoch(name, epoch),
        )?;
        let mut model = config.model_file(set.labels(), architecture, tensors, metrics)?;
        if let Some(calibration) = calibration {
            calibration.apply(&mut model.header);
        }
        model.save(out)?;
        eprintln!("wrote {}", out.display());
        Ok(())
    })
}

/// What the cross-validation found, as `report.json` holds it.
#[derive(serde::Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    report: &'a Report,
    calibration: Option<&'a Calibration>,
}

/// Set by Ctrl-C: every network ends its pass, keeps its checkpoint and stops.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn stop_on_interrupt() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!(
            "stopping when this pass is done and saved; give the same command again to go on from there \
             (Ctrl-C a second time ends at once, and loses this pass)"
        );
    })?)
}

/// The spectrograms and what is known of their tracks, in the same order.
fn load(arguments: &Arguments, config: &RunConfig) -> anyhow::Result<(SpectrogramSet, Vec<TrackInfo>)> {
    let wanted = |track: &TrackInfo| {
        track
            .official_split
            .is_none_or(|part| arguments.split.contains(&part))
    };
    if let Some(folder) = &arguments.table {
        let table = MelTable::read(folder)?;
        let rows: Vec<usize> = (0..table.len())
            .filter(|&row| wanted(&table.rows()[row].track))
            .collect();
        let set = SpectrogramSet::from_table(&table, &rows, &table.labels())?;
        return Ok((
            set,
            rows.iter().map(|&row| table.rows()[row].track.clone()).collect(),
        ));
    }
    let path = arguments
        .manifest
        .as_deref()
        .context("neither --table nor --manifest")?;
    let manifest = Manifest::read(path)?.filtered(wanted);
    manifest.notes().iter().for_each(|note| eprintln!("note: {note}"));
    let cache = FeatureCache::open(arguments.run.join("features"))?;
    let progress = common::progress(manifest.len() as u64, "computing features");
    let (set, places) = SpectrogramSet::from_manifest(
        &manifest,
        &config.front_end,
        &manifest.labels(),
        Some(&cache),
        |_, error| {
            progress.inc(1);
            error
                .iter()
                .for_each(|error| progress.line(format!("left out: {error}")));
        },
    )?;
    Ok((
        set,
        places
            .iter()
            .map(|&place| manifest.entries()[place].track.clone())
            .collect(),
    ))
}

fn validate(
    arguments: &Arguments,
    config: &RunConfig,
    set: &SpectrogramSet,
    tracks: &[TrackInfo],
) -> anyhow::Result<(Report, Option<Calibration>)> {
    let folds = Folds::stratified_group(tracks, arguments.folds, arguments.fold_seed)?;
    let rows: Vec<_> = folds
        .splits()
        .map(|split| (split.rows(tracks, Part::Train), split.rows(tracks, Part::Test)))
        .collect();
    let folder = arguments.run.join("folds");
    let watch = Watch::new(arguments, config, arguments.folds)?;
    let cv = cross_validate(
        &config.members,
        set,
        &rows,
        arguments.threads,
        Some(&folder),
        &|name, epoch| watch.epoch(name, epoch),
    )?;
    drop(watch);
    for (member, rows) in config.members.iter().zip(&cv.members) {
        eprintln!(
            "{} x {}: accuracy {:.3}",
            member.name,
            member.copies,
            cv.predictions(rows, set)?.accuracy()
        );
    }
    let title = format!(
        "{}, {}-fold cross-validation by artist",
        config.name, arguments.folds
    );
    // Some data sets are too small for it; the hours of the cross-validation are not lost to that.
    let calibration = cv
        .calibrate(set, tracks, &folds, arguments.keep)
        .inspect_err(|error| eprintln!("no temperature and no rule of refusal: {error}"))
        .ok();
    Ok((cv.report(&title, set, tracks, &folds)?, calibration))
}

/// Shows the passes of all networks and keeps their metrics.
struct Watch {
    progress: common::Progress,
    metrics: MetricsFolder,
    #[cfg(feature = "tensorboard")]
    events: Option<timbral_train::EventFolder>,
}

impl Watch {
    fn new(arguments: &Arguments, config: &RunConfig, folds: usize) -> anyhow::Result<Self> {
        let passes: usize = config.members.iter().map(|m| m.passes()).sum();
        let metrics = MetricsFolder::create(arguments.run.join("metrics"))?;
        Ok(Self {
            progress: common::progress((folds * passes) as u64, "training"),
            metrics,
            #[cfg(feature = "tensorboard")]
            events: arguments
                .tensorboard
                .then(|| timbral_train::EventFolder::new(arguments.run.join("tensorboard"))),
        })
    }

    fn write(&self, name: &str, epoch: &EpochMetrics) -> Result<(), timbral_train::TrainError> {
        #[cfg(feature = "tensorboard")]
        if let Some(events) = &self.events {
            events.push(name, epoch)?;
        }
        self.metrics.push(name, epoch)
    }

    fn epoch(&self, name: &str, epoch: &EpochMetrics) -> ControlFlow<()> {
        let (loss, rate) = (epoch.train_loss, epoch.learning_rate);
        let valid = epoch
            .valid_accuracy
            .map_or(String::new(), |a| format!(", valid {a:.3}"));
        self.progress
            .message(format!("{name}: loss {loss:.3}, rate {rate:.1e}{valid}"));
        self.progress.inc(1);
        match self.write(name, epoch) {
            // Not after the last pass: there is nothing left to stop.
            Ok(()) if INTERRUPTED.load(Ordering::Relaxed) && epoch.epoch < epoch.epochs => {
                ControlFlow::Break(())
            }
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.progress.line(format!("error: {error}"));
                ControlFlow::Break(())
            }
        }
    }
}
