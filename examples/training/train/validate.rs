//! Artist-grouped cross-validation of a run configuration.
#![allow(clippy::print_stderr, reason = "a program prints")]

use anyhow::Result;
use timbral_atomic::write;
use timbral_data::Folds;
use timbral_eval::Report;
use timbral_train::training::EpochMetrics;
use timbral_train::{ModelCalibration, RunConfig, TrainingTracks};

use super::Arguments;
use training::watch::Watch;

/// The content of `report.json`.
#[derive(serde::Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    report: &'a Report,
    calibration: Option<&'a ModelCalibration>,
}

/// Cross-validates, and writes `report.json` and `predictions.csv` to the folder of the run.
pub(crate) fn cross_validate(
    arguments: &Arguments,
    config: &RunConfig,
    data: &TrainingTracks,
) -> Result<(Report, Option<ModelCalibration>)> {
    let folds = Folds::stratified_group(&data.tracks, arguments.folds, arguments.fold_seed)?;
    let watch = Watch::new(&arguments.run, &config.members, arguments.folds, arguments.tensorboard)?;
    let folder = arguments.run.join("folds");
    let observe = |name: &str, epoch: &EpochMetrics| watch.epoch(name, epoch);
    let cv = data.cross_validate(&config.members, &folds, arguments.threads, Some(&folder), &observe)?;
    for (member, predictions) in config.members.iter().zip(&cv.members) {
        let accuracy = cv.predictions(predictions.mean.view(), &data.set)?.accuracy();
        watch.progress.line(format!("{} x {}: accuracy {accuracy:.3}", member.name, member.copies));
    }
    let answers = cv.to_csv(&config.members, &data.set, &data.tracks)?;
    write(arguments.run.join("predictions.csv"), [answers])?;
    let title = format!("{}, {}-fold cross-validation by artist", config.name, arguments.folds);
    // A data set may be too small to calibrate on; that must not lose hours of cross-validation.
    let calibration = cv
        .calibrate(&data.set, &data.tracks, &folds, arguments.keep)
        .inspect_err(|error| eprintln!("not calibrated: {error}"))
        .ok();
    let report = cv.report(&title, &data.set, &data.tracks, &folds)?;
    let measured = Measured { report: &report, calibration: calibration.as_ref() };
    let json = serde_json::to_vec_pretty(&measured)?;
    write(arguments.run.join("report.json"), [&json])?;
    if arguments.json {
        cli::json_line(&measured)?;
    } else {
        cli::text(format_args!("{report}\n"))?;
        calibration.iter().try_for_each(|calibration| cli::text(format_args!("{calibration}\n")))?;
    }
    Ok((report, calibration))
}
