//! Prints the features of one file frame by frame, as a session with librosa shows them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

mod feature_set;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use ndarray::Array2;
use serde::Serialize;
use timbral_data::npy::save_npy;
use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::feature_set::{Feature, FeatureSpec, Statistic};
use timbral_features::{FeatureSet, FeatureSetConfig};

/// Print shape, range, mean and first values of the features of an audio file.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  spectrum song.mp3 --features mfcc,chroma_stft\n  \
    spectrum song.mp3 --features gtzan57 --json\n  spectrum --list"
)]
struct Arguments {
    /// The audio file.
    #[arg(required_unless_present = "list")]
    path: Option<PathBuf>,
    /// Names of features, a preset, or a TOML file with a feature set.
    #[arg(long, default_value = "log_mel,mfcc,chroma_stft,spectral_centroid,rms")]
    features: String,
    /// Sample rate in Hz to resample to (0 = keep that of the file).
    #[arg(long, default_value_t = 22_050)]
    rate: u32,
    /// Start at this second.
    #[arg(long, default_value_t = 0.0)]
    start: f64,
    /// Number of seconds to read [default: to the end].
    #[arg(long)]
    duration: Option<f64>,
    /// Number of values of the first frame to print.
    #[arg(long, default_value_t = 4)]
    values: usize,
    /// Also write each feature, shaped (rows, frames), to NAME.npy in this folder.
    #[arg(long, value_name = "DIR")]
    npy: Option<PathBuf>,
    /// Print one JSON object per line, one per feature.
    #[arg(long)]
    json: bool,
    /// List the names of all features and exit.
    #[arg(long)]
    list: bool,
}

/// One printed feature.
#[derive(Serialize)]
struct Line {
    feature: String,
    shape: [usize; 2],
    min: f32,
    max: f32,
    mean: f64,
    /// First values of the first frame.
    first: Vec<f32>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        if arguments.list {
            Feature::NAMES.iter().for_each(|name| println!("{name}"));
            return Ok(());
        }
        let path = arguments.path.as_deref().context("a file is needed")?;
        let mut options = DecodeConfig::default().mono();
        options = match arguments.duration {
            Some(duration) => options.excerpt(arguments.start, duration),
            None => options.start(arguments.start),
        };
        if arguments.rate > 0 {
            options = options.sample_rate(arguments.rate);
        }
        let audio = decode_file(path, &options)?;
        let mut config = config(&arguments.features)?;
        config.sample_rate = audio.sample_rate;
        let set = FeatureSet::new(config)?;
        set.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
        if !arguments.json {
            println!(
                "samples  ({},)  {} Hz  {:.3} s",
                audio.frames(),
                audio.sample_rate,
                audio.duration_seconds()
            );
        }
        for (name, frames) in set.compute_frames(&audio.samples)? {
            if let Some(folder) = &arguments.npy {
                write_npy(&folder.join(format!("{name}.npy")), &frames)?;
            }
            let line = describe(name, &frames, arguments.values);
            if arguments.json {
                cli::json_line(&line)?;
            } else {
                let [rows, columns] = line.shape;
                let Line { feature, min, max, mean, first, .. } = line;
                println!(
                    "{feature}  ({rows}, {columns})  min {min}  max {max}  mean {mean:.6}  first {first:?}"
                );
            }
        }
        Ok(())
    })
}

/// A preset, a file, or names separated by commas.
fn config(features: &str) -> Result<FeatureSetConfig> {
    let named: Option<Vec<Feature>> = features.split(',').map(|name| Feature::named(name.trim())).collect();
    match named {
        Some(features) => {
            let spec = |feature| FeatureSpec::new(feature, [Statistic::Mean]);
            Ok(FeatureSetConfig::new("", features.into_iter().map(spec).collect()))
        }
        None => feature_set::feature_set(features),
    }
}

fn describe(feature: String, frames: &Array2<f32>, n_values: usize) -> Line {
    let all = || frames.iter().copied();
    Line {
        feature,
        shape: [frames.nrows(), frames.ncols()],
        min: all().fold(f32::INFINITY, f32::min),
        max: all().fold(f32::NEG_INFINITY, f32::max),
        mean: all().map(f64::from).sum::<f64>() / frames.len().max(1) as f64,
        first: frames.columns().into_iter().next().into_iter().flatten().take(n_values).copied().collect(),
    }
}

fn write_npy(path: &std::path::Path, frames: &Array2<f32>) -> Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    ensure!(!folder.is_file(), "{} is a file", folder.display());
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Ok(save_npy(path, frames.view())?)
}
