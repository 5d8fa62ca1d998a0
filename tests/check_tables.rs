//! Checks decoding and features against published tables: log-mel spectrograms and feature statistics of whole tracks.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use ndarray::{Array1, Array2, Axis};
use timbral_data::{FeatureTable, Manifest, MelTable};
use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::db::Reference;
use timbral_features::{FeaturePlan, FeatureSet, LogMelConfig, LogMelSpectrogram};
use timbral_model::Model;

/// Check decoding and features against published tables of whole tracks.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  check_tables gtzan_tables audio/gtzan.csv --leave-out blues.00009"
)]
struct Arguments {
    /// Folder with `mel_index.csv` and `features_30_sec.csv`.
    tables: PathBuf,
    /// Manifest of the audio; tracks whose file is lossy or truncated are skipped and counted.
    manifest: PathBuf,
    /// Tracks known to be another recording than that of the table.
    #[arg(long, value_delimiter = ',')]
    leave_out: Vec<String>,
    /// Model whose front end to check.
    #[arg(long, default_value = "models/gtzan.safetensors")]
    model: PathBuf,
}

/// Most difference that the stored arrays' 8 bits explain, as root mean square in dB (a step is 0.31 dB).
const MEL_RMS_DB: f64 = 0.25;
/// Most difference of a band's mean between the stored columns and the model's own frames, as root mean square in dB.
const FRONT_END_RMS_DB: f64 = 0.5;
/// Most shift of level between the two, in dB: what training shifts the level of crops by at random.
const LEVEL_DB: f32 = 6.0;
/// Largest relative difference of a feature statistic.
const COLUMN_RELATIVE: f64 = 1e-3;

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let mels = MelTable::read(&arguments.tables)?;
        let columns = FeatureTable::read(arguments.tables.join("features_30_sec.csv"))?;
        let manifest = Manifest::read(&arguments.manifest)?;
        let front_end = timbral::FrontEnd::from_json(&Model::open(&arguments.model)?.header().front_end)?;
        let plan = front_end.plan()?;
        let set = FeatureSet::preset("gtzan57-published")?;
        let (mut passed, mut failed, mut left_out) = (0, 0, 0);
        for entry in manifest.entries() {
            let id = &entry.track.track_id;
            let lossless = entry.path.extension().is_some_and(|e| e == "flac");
            let row = mels.rows().iter().position(|row| row.track.track_id == *id);
            let Some(row) = row.filter(|_| lossless && !arguments.leave_out.contains(id)) else {
                left_out += 1;
                continue;
            };
            let audio = decode_file(&entry.path, &DecodeConfig::default().mono().sample_rate(22_050))?;
            if audio.samples.len() != mels.rows()[row].n_samples {
                left_out += 1;
                continue;
            }
            let stored = mels.decibels(row).context("row of the table")?;
            let mel = mel_difference(&audio.samples, &stored, mels.rows()[row].n_frames)?;
            let own = plan.spectrogram(&audio.samples, id)?;
            let loudest = stored.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            let difference = mean_of_bands(&own) - mean_of_bands(&(&stored - loudest));
            // Decibels are relative to the loudest of the frames taken, which are not quite the same: a shift of all bands.
            let level = difference.sum() / difference.len() as f32;
            let bands = rms(&(difference - level));
            let table_row =
                columns.tracks().iter().position(|t| t.track_id == *id).context("row of features")?;
            let (column, worst) =
                worst_column(&set.compute(&audio.samples)?, set.columns(), &columns, table_row)?;
            let ok = mel <= MEL_RMS_DB
                && bands <= FRONT_END_RMS_DB
                && level.abs() <= LEVEL_DB
                && worst <= COLUMN_RELATIVE;
            if ok {
                passed += 1
            } else {
                failed += 1
            }
            println!(
                "{}  {id}  mel {mel:.3} dB  front end {bands:.3} dB  level {level:.2} dB  {column} {worst:.1e}",
                if ok { "ok  " } else { "FAIL" }
            );
        }
        println!("{left_out} skipped: lossy, truncated or not in the table");
        println!("{passed} passed, {failed} failed");
        ensure!(passed + failed > 0, "no track could be checked");
        if failed > 0 {
            bail!("{failed} tracks differ from the table");
        }
        Ok(())
    })
}

/// Root mean square difference of the stored columns from the same frames computed here.
fn mel_difference(samples: &[f32], stored: &Array2<f32>, n_frames: usize) -> Result<f64> {
    let config = LogMelConfig { reference: Reference::Max, ..LogMelConfig::default() };
    let mel = LogMelSpectrogram::new(config)?.compute(samples)?;
    ensure!(mel.ncols() == n_frames, "{} frames, the table says {n_frames}", mel.ncols());
    let step = n_frames as f64 / (stored.ncols() as f64 + 0.5);
    // For a few lengths the stored frame is a neighbour of the formula's.
    let difference = |column: usize| {
        let frame = ((column as f64 + 0.5) * step) as usize;
        (frame.saturating_sub(1)..=(frame + 1).min(n_frames - 1))
            .map(|frame| {
                (&mel.column(frame) - &stored.column(column)).mapv(|d| f64::from(d) * f64::from(d)).sum()
            })
            .fold(f64::INFINITY, f64::min)
    };
    let total: f64 = (0..stored.ncols()).map(difference).sum();
    Ok((total / stored.len() as f64).sqrt())
}

fn mean_of_bands(mel: &Array2<f32>) -> ndarray::Array1<f32> {
    mel.sum_axis(Axis(1)) / mel.ncols() as f32
}

fn rms(values: &ndarray::Array1<f32>) -> f64 {
    (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// The column that differs most from the table, relative to its value (means of cepstral coefficients, which may be near
/// zero: to their standard deviation), with the difference.
fn worst_column(
    values: &Array1<f64>,
    names: &[String],
    table: &FeatureTable,
    row: usize,
) -> Result<(String, f64)> {
    let stored = |name: &str| -> Result<f64> {
        let column = table.columns().iter().position(|c| c == name);
        Ok(table.values()[(row, column.with_context(|| format!("column {name}"))?)])
    };
    let mut worst = (String::new(), 0.0);
    for (name, value) in names.iter().zip(values) {
        // Means of signals around zero are rounding noise.
        if ["harmony_mean", "perceptr_mean"].contains(&name.as_str()) {
            continue;
        }
        let expected = stored(name)?;
        let scale = match name.strip_suffix("_mean").filter(|name| name.starts_with("mfcc")) {
            Some(coefficient) => expected.abs().max(stored(&format!("{coefficient}_var"))?.sqrt()),
            None => expected.abs(),
        };
        let error = (value - expected).abs() / scale;
        if error.is_nan() || error > worst.1 {
            worst = (name.clone(), error);
        }
    }
    Ok(worst)
}
