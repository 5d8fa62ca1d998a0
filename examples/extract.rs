//! Computes the features of audio files and writes them as CSV or NPY.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks on stdout and stderr"
)]

mod common;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use ndarray::{Array2, Axis, concatenate};
use ndarray_npy::WriteNpyExt as _;
use rayon::prelude::*;
use serde::Serialize;
use timbral_decode::{DecodeOptions, decode_file};
use timbral_features::{
    CentroidConfig, LogMelConfig, LogMelSpectrogram, Mfcc, MfccConfig, RolloffConfig, SpectralCentroid,
    SpectralRolloff, Statistic, ZeroCrossingRate, ZeroCrossingRateConfig,
};

/// Compute features of audio files, with librosa's defaults at 22 050 Hz.
#[derive(Parser)]
#[command(after_help = "Examples:\n  extract songs/ --features mfcc > mfcc.csv\n  \
                        extract song.mp3 --features log-mel --npy mel/")]
struct Arguments {
    /// Audio files, and folders that hold some.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What to compute.
    #[arg(long, value_enum, default_value = "mfcc")]
    features: Features,
    /// Write the whole feature of each file, (rows, frames), as NAME.npy into this folder, instead of statistics.
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    npy: Option<PathBuf>,
    /// Print one JSON object a file instead of CSV.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Features {
    /// 20 mel-frequency cepstral coefficients.
    Mfcc,
    /// 128 mel bands in decibels.
    LogMel,
    /// Spectral centroid, roll-off and zero crossing rate.
    Shape,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    columns: &'a [String],
    values: Vec<f64>,
}

fn main() -> std::process::ExitCode {
    common::run(|| {
        let arguments = Arguments::parse();
        let mut files = Vec::new();
        for path in &arguments.paths {
            files.extend(timbral::audio_files(path)?);
        }
        if files.is_empty() {
            bail!("no audio files in these folders");
        }
        if let Some(folder) = &arguments.npy {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let progress = common::progress(files.len() as u64, "extracting");
        let computed: Vec<Result<Vec<f64>>> = files
            .par_iter()
            .map(|path| {
                let result = extract(path, &arguments);
                if let Err(error) = &result {
                    progress.line(format!("error: {}", common::chain(error)));
                }
                progress.inc(1);
                result
            })
            .collect();
        drop(progress);
        let failed = computed.iter().filter(|result| result.is_err()).count();
        if arguments.npy.is_none() {
            let columns = columns(arguments.features);
            if !arguments.json {
                println!("path,{}", columns.join(","));
            }
            for (path, values) in files
                .iter()
                .zip(computed)
                .filter_map(|(path, r)| Some((path, r.ok()?)))
            {
                let path = path.display().to_string();
                if arguments.json {
                    common::json_line(&Line {
                        path,
                        columns: &columns,
                        values,
                    })?;
                } else {
                    let values: Vec<String> = values.iter().map(f64::to_string).collect();
                    println!("\"{}\",{}", path.replace('"', "\"\""), values.join(","));
                }
            }
        }
        match failed {
            0 => Ok(()),
            failed => bail!("{failed} of {} files could not be used", files.len()),
        }
    })
}

const STATISTICS: [Statistic; 2] = [Statistic::Mean, Statistic::Std];

fn extract(path: &Path, arguments: &Arguments) -> Result<Vec<f64>> {
    let audio = decode_file(path, &DecodeOptions::default().mono().sample_rate(22_050))?;
    let feature = compute(&audio.samples, arguments.features).with_context(|| path.display().to_string())?;
    if let Some(folder) = &arguments.npy {
        let name = Path::new(path.file_name().unwrap_or_default()).with_extension("npy");
        let target = folder.join(name);
        let mut bytes = Vec::new();
        feature.as_standard_layout().write_npy(&mut bytes)?;
        timbral_model::write_atomically(&target, &bytes).with_context(|| target.display().to_string())?;
    }
    Ok(feature
        .rows()
        .into_iter()
        .flat_map(|row| STATISTICS.map(|statistic| statistic.of(row)))
        .collect())
}

fn compute(samples: &[f32], features: Features) -> Result<Array2<f32>> {
    Ok(match features {
        Features::Mfcc => Mfcc::new(MfccConfig::default())?.compute(samples)?,
        Features::LogMel => LogMelSpectrogram::new(LogMelConfig::default())?.compute(samples)?,
        Features::Shape => {
            let rows = [
                SpectralCentroid::new(CentroidConfig::default())?.compute(samples)?,
                SpectralRolloff::new(RolloffConfig::default())?.compute(samples)?,
                ZeroCrossingRate::new(ZeroCrossingRateConfig::default())?.compute(samples)?,
            ];
            concatenate(Axis(0), &rows.each_ref().map(Array2::view))?
        }
    })
}

fn columns(features: Features) -> Vec<String> {
    let rows: Vec<String> = match features {
        Features::Mfcc => (1..=20).map(|i| format!("mfcc_{i:02}")).collect(),
        Features::LogMel => (1..=128).map(|i| format!("log_mel_{i:03}")).collect(),
        Features::Shape => ["centroid", "rolloff", "zero_crossing_rate"]
            .map(String::from)
            .to_vec(),
    };
    let column = |row: &String| STATISTICS.map(|statistic| format!("{row}_{}", statistic.name()));
    rows.iter().flat_map(column).collect()
}
