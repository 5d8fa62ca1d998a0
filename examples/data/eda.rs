//! Explores a data set in one page: tracks per class, durations, spectrograms, features by class.

#[path = "../features/feature_set.rs"]
mod feature_set;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use ndarray::Array2;
use rayon::prelude::*;
use timbral_data::Manifest;
use timbral_decode::{DecodeConfig, decode_file};
use timbral_eval::page::{HtmlPage, LabelledRows};
use timbral_features::{FeaturePlan, FeatureSet, MelConfig, MelSpectrogram};
use timbral_plot::{Figure, HeatMap, Histogram, Waveform};

/// Explore a data set: write a page of its classes, durations, spectrograms and features.
#[derive(Parser)]
#[command(version, after_help = "Example:\n  eda genres/ -o report/")]
struct Arguments {
    /// A folder with one folder per class, or a manifest.
    data: PathBuf,
    /// Folder to write index.html to.
    #[arg(short, long)]
    output: PathBuf,
    /// Features to show: a preset, or a TOML file with a feature set.
    #[arg(long, default_value = "gtzan57")]
    features: String,
    /// Number of columns to draw as box plots.
    #[arg(long, default_value_t = 10)]
    box_plots: usize,
}

/// One readable track.
struct Track {
    class: usize,
    seconds: f64,
    columns: Vec<f64>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let manifest = Manifest::read(&arguments.data)?;
        let labels = manifest.labels();
        let set = FeatureSet::new(feature_set::feature_set(&arguments.features)?)?;
        let rate = set.config().sample_rate;
        let options = DecodeConfig::default().mono().sample_rate(rate);
        let progress = cli::progress(manifest.len() as u64, "files");
        let read = |entry: &timbral_data::ManifestEntry| -> Result<Track> {
            let audio = decode_file(&entry.path, &options)?;
            let class = labels.iter().position(|l| *l == entry.track.label).context("no class")?;
            let columns = set.compute(&audio.samples).with_context(|| entry.path.display().to_string())?;
            Ok(Track { class, seconds: audio.duration_seconds(), columns: columns.to_vec() })
        };
        let results: Vec<Result<Track>> =
            manifest.entries().par_iter().map(|entry| (read(entry), progress.inc(1)).0).collect();
        let mut tracks = Vec::new();
        let mut broken = Vec::new();
        for result in results {
            match result {
                Ok(track) => tracks.push(track),
                Err(error) => broken.push(cli::chain(&error)),
            }
        }
        ensure!(!tracks.is_empty(), "cannot read any file of {}", arguments.data.display());
        let name = arguments.data.file_name().unwrap_or(arguments.data.as_os_str());
        let mut page = HtmlPage::new(&name.to_string_lossy());
        let hours = tracks.iter().map(|t| t.seconds).sum::<f64>() / 3600.0;
        page.paragraph(&format!(
            "{} tracks of {} classes, {hours:.2} hours; {} unreadable files.",
            tracks.len(),
            labels.len(),
            broken.len()
        ));
        broken.iter().for_each(|line| page.preformatted(line));
        let classes: Vec<usize> = tracks.iter().map(|t| t.class).collect();
        let values: Vec<f64> = tracks.iter().flat_map(|t| t.columns.iter().copied()).collect();
        let values = Array2::from_shape_vec((tracks.len(), set.columns().len()), values)?;
        let rows = LabelledRows {
            values: values.view(),
            columns: set.columns(),
            classes: &classes,
            labels: &labels,
        };
        let seconds: Vec<f64> = tracks.iter().map(|t| t.seconds).collect();
        let durations = Histogram::new(&seconds, "Duration (s)").title("Durations").size(640.0, 360.0);
        page.heading("Classes and durations");
        page.figures([rows.class_distribution()?, durations.figure()]);
        page.heading("One track of each class");
        page.figures(portraits(&manifest, &labels, &options)?);
        page.heading("Features by class");
        page.figures(rows.box_plots(arguments.box_plots, |name| name.contains("mean"))?);
        page.figures(rows.overview()?);
        std::fs::create_dir_all(&arguments.output).with_context(|| arguments.output.display().to_string())?;
        Ok(page.save(arguments.output.join("index.html"))?)
    })
}

/// Waveform and mel spectrogram of the first track of each class that can be read.
fn portraits(manifest: &Manifest, labels: &[String], options: &DecodeConfig) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for label in labels {
        let mut entries = manifest.entries().iter().filter(|e| e.track.label == *label);
        let found = entries.find_map(|e| Some((&e.track.track_id, decode_file(&e.path, options).ok()?)));
        let Some((id, audio)) = found else { continue };
        let plan = MelSpectrogram::new(MelConfig { sample_rate: audio.sample_rate, ..MelConfig::default() })?;
        let mel = plan.compute(&audio.samples)?;
        let title = format!("{label}: {id}");
        figures
            .push(Waveform::new(&audio.samples, audio.sample_rate).title(&title).size(640.0, 300.0).figure());
        let map = HeatMap::mel_spectrogram(mel.view(), audio.sample_rate, 512).power_to_db(80.0);
        figures.push(map.title(&title).size(640.0, 300.0).figure());
    }
    Ok(figures)
}
