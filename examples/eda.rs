//! Shows a data set in a page: how many tracks, how long, how they look, how features differ between classes.

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use timbral_classic::{Parameters as _, PcaParameters, StandardScalerParameters, Transformer as _};
use timbral_decode::{DecodeOptions, decode_file};
use timbral_features::{FeatureSet, MelConfig, MelSpectrogram};
use timbral_plot::{Bars, BoxPlot, Figure, HeatMap, Histogram, Matrix, Scatter, Waveform};
use timbral_train::Manifest;

/// Write a folder with an index.html that shows a data set.
#[derive(Parser)]
#[command(after_help = "Example:\n  eda genres/ -o report/")]
struct Arguments {
    /// A folder with one folder a class, or a manifest.
    data: PathBuf,
    /// The folder to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Columns of features: a preset, or a TOML file with a feature set.
    #[arg(long, default_value = "gtzan57")]
    features: String,
    /// How many columns get a box plot.
    #[arg(long, default_value_t = 10)]
    box_plots: usize,
}

/// What is known of one track.
struct Track {
    class: usize,
    seconds: f64,
    columns: Vec<f64>,
}

fn main() -> std::process::ExitCode {
    common::run(|| {
        let arguments = Arguments::parse();
        let manifest = Manifest::read(&arguments.data)?;
        let labels = manifest.labels();
        let set = FeatureSet::new(common::feature_set(&arguments.features)?)?;
        let rate = set.config().sample_rate;
        let options = DecodeOptions::default().mono().sample_rate(rate);
        let progress = common::progress(manifest.len() as u64, "files");
        let read = |entry: &timbral_train::ManifestEntry| -> Result<Track> {
            let audio = decode_file(&entry.path, &options)?;
            let class = labels
                .iter()
                .position(|l| *l == entry.track.label)
                .context("no class")?;
            let columns = set
                .compute(&audio.samples)
                .with_context(|| entry.path.display().to_string())?;
            Ok(Track {
                class,
                seconds: audio.duration_seconds(),
                columns: columns.to_vec(),
            })
        };
        let results: Vec<Result<Track>> = manifest
            .entries()
            .par_iter()
            .map(|entry| (read(entry), progress.inc(1)).0)
            .collect();
        let mut tracks = Vec::new();
        let mut broken = Vec::new();
        for result in results {
            match result {
                Ok(track) => tracks.push(track),
                Err(error) => broken.push(common::chain(&error)),
            }
        }
        ensure!(
            !tracks.is_empty(),
            "no file of {} could be read",
            arguments.data.display()
        );
        let mut page = Page::new(&arguments.data, &tracks, &labels, &broken);
        page.section("Classes and durations", overview(&tracks, &labels)?);
        page.section(
            "One track of each class",
            portraits(&manifest, &labels, &options)?,
        );
        page.section(
            "Features over classes",
            features(&tracks, &labels, set.columns(), arguments.box_plots)?,
        );
        std::fs::create_dir_all(&arguments.output).with_context(|| arguments.output.display().to_string())?;
        let path = arguments.output.join("index.html");
        timbral_model::write_atomically(&path, page.0.as_bytes()).with_context(|| path.display().to_string())
    })
}

fn overview(tracks: &[Track], labels: &[String]) -> Result<Vec<Figure>> {
    let count = |class| tracks.iter().filter(|t| t.class == class).count();
    let counts: Vec<usize> = (0..labels.len()).map(count).collect();
    let seconds: Vec<f64> = tracks.iter().map(|t| t.seconds).collect();
    Ok(vec![
        Bars::class_distribution(labels, &counts)?.figure(),
        Histogram::new(&seconds, "Duration (s)")
            .title("Durations")
            .size(640.0, 360.0)
            .figure(),
    ])
}

/// Waveform and mel spectrogram of the first track of each class that can be read.
fn portraits(manifest: &Manifest, labels: &[String], options: &DecodeOptions) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for label in labels {
        let mut entries = manifest.entries().iter().filter(|e| e.track.label == *label);
        let found = entries.find_map(|e| Some((&e.track.track_id, decode_file(&e.path, options).ok()?)));
        let Some((id, audio)) = found else { continue };
        let plan = MelSpectrogram::new(MelConfig {
            sample_rate: audio.sample_rate,
            ..MelConfig::default()
        })?;
        let mel = plan.compute(&audio.samples)?;
        let title = format!("{label}: {id}");
        figures.push(
            Waveform::new(&audio.samples, audio.sample_rate)
                .title(&title)
                .size(640.0, 300.0)
                .figure(),
        );
        let map = HeatMap::mel_spectrogram(mel.view(), audio.sample_rate, 512).power_to_db(80.0);
        figures.push(map.title(&title).size(640.0, 300.0).figure());
    }
    Ok(figures)
}

fn features(
    tracks: &[Track],
    labels: &[String],
    columns: &[String],
    box_plots: usize,
) -> Result<Vec<Figure>> {
    let rows: Vec<f64> = tracks.iter().flat_map(|t| t.columns.iter().copied()).collect();
    let table = Array2::from_shape_vec((tracks.len(), columns.len()), rows)?;
    let mut figures = Vec::new();
    for (i, name) in columns
        .iter()
        .enumerate()
        .filter(|(_, name)| name.contains("mean"))
        .take(box_plots)
    {
        let values = |class| {
            tracks
                .iter()
                .filter(|t| t.class == class)
                .map(|t| t.columns[i])
                .collect::<Vec<_>>()
        };
        let plot = labels
            .iter()
            .enumerate()
            .fold(BoxPlot::new(name), |p, (c, label)| p.group(label, &values(c)));
        figures.push(plot.title(name).figure());
    }
    if tracks.len() < 3 {
        return Ok(figures);
    }
    let z = StandardScalerParameters::default()
        .check()?
        .fit(table.view())?
        .transform(table.view())?;
    let mean_of = |class: usize| {
        let rows: Vec<usize> = (0..tracks.len()).filter(|i| tracks[*i].class == class).collect();
        z.select(Axis(0), &rows)
            .mean_axis(Axis(0))
            .map_or(vec![f64::NAN; columns.len()], |m| m.to_vec())
    };
    let means = Array2::from_shape_vec(
        (labels.len(), columns.len()),
        (0..labels.len()).flat_map(mean_of).collect(),
    )?;
    figures.push(Matrix::feature_comparison(means.view(), labels, columns)?.figure());
    let correlation = z.t().dot(&z) / tracks.len() as f64;
    figures.push(Matrix::correlation(correlation.view(), columns)?.figure());
    let pca = PcaParameters::default().check()?.fit(z.view())?;
    let classes: Vec<usize> = tracks.iter().map(|t| t.class).collect();
    let explained = pca.explained_variance_ratio().to_vec();
    figures.push(Scatter::pca(pca.transform(z.view())?.view(), &classes, labels, &explained)?.figure());
    Ok(figures)
}

/// The page, self-contained.
struct Page(String);

impl Page {
    fn new(data: &Path, tracks: &[Track], labels: &[String], broken: &[String]) -> Self {
        let hours = tracks.iter().map(|t| t.seconds).sum::<f64>() / 3600.0;
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let name = escape(&data.file_name().unwrap_or(data.as_os_str()).to_string_lossy());
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\n\
             <style>body{{font:16px sans-serif;max-width:1340px;margin:2em auto;padding:0 1em}}\
             svg{{max-width:100%;height:auto;margin:4px}}</style>\n<h1>{name}</h1>\n\
             <p>{} tracks of {} classes, {hours:.2} hours; {} files could not be read.</p>\n",
            tracks.len(),
            labels.len(),
            broken.len()
        );
        broken
            .iter()
            .for_each(|line| page += &format!("<pre>{}</pre>\n", escape(line)));
        Self(page)
    }

    fn section(&mut self, title: &str, figures: Vec<Figure>) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "<h2>{title}</h2>");
        figures
            .iter()
            .for_each(|figure| self.0.push_str(&figure.to_svg()));
    }
}
