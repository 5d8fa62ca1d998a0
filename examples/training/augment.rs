//! Shows what augmentation does to a song: audio and picture of each change of samples, a picture of each change of
//! spectrograms.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use ndarray::Array2;
use rand::Rng as _;
use serde::Serialize;
use timbral_decode::{Audio, DecodeConfig, WavFormat, decode_file, write_wav};
use timbral_features::{FeaturePlan, LogMelConfig, LogMelSpectrogram};
use timbral_plot::{Figure, HeatMap};
use timbral_train::augment::{
    CutMixBox, CutMixShape, augment, augment_waveform, fit_length, mix_signals, mixup, roll_bands,
};
use timbral_train::{Augmentation, SeededRng, WaveformAugmentation};

const RATE: u32 = 22_050;
const HOP: usize = 512;

/// Write every augmentation of training data as audio and picture.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  augment song.mp3 -o changed/\n  \
    augment song.mp3 --other speech.wav --seed 7 -o changed/ --json"
)]
struct Arguments {
    /// The audio file.
    #[arg(default_value = "models/demo.wav")]
    path: PathBuf,
    /// Folder to write to; created if missing.
    #[arg(short, long)]
    output: PathBuf,
    /// Track to mix in [default: the same one reversed].
    #[arg(long)]
    other: Option<PathBuf>,
    /// Seed of all random draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Start at this second.
    #[arg(long, default_value_t = 0.0)]
    start: f64,
    /// Number of seconds to use.
    #[arg(long, default_value_t = 6.0)]
    duration: f64,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// One printed augmentation.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    settings: String,
    files: Vec<PathBuf>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let samples = read(&arguments.path, &arguments)?;
        let mut other = samples.clone();
        match &arguments.other {
            Some(path) => other = read(path, &arguments)?,
            None => other.reverse(),
        }
        fit_length(&mut other, samples.len());
        let folder = &arguments.output;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lines = sounds(&samples, &other, &arguments)?.into_iter();
        for line in lines.chain(spectrograms(&samples, &other, &arguments)?) {
            if arguments.json {
                cli::json_line(&line)?;
                continue;
            }
            let files: Vec<_> = line.files.iter().map(|file| file.to_string_lossy()).collect();
            println!("{:<14} {:<46} {}", line.name, line.settings, files.join(" "));
        }
        Ok(())
    })
}

fn read(path: &Path, arguments: &Arguments) -> Result<Vec<f32>> {
    let options = DecodeConfig::default().mono().sample_rate(RATE);
    let samples = decode_file(path, &options.excerpt(arguments.start, arguments.duration))?.samples;
    let start = arguments.start;
    ensure!(!samples.is_empty(), "{} ends before second {start}", path.display());
    Ok(samples)
}

fn sounds(samples: &[f32], other: &[f32], arguments: &Arguments) -> Result<Vec<Line>> {
    type Set = fn(&mut WaveformAugmentation);
    let changes: [(&str, Set); 9] = [
        ("crop", |a| a.crop_seconds = 3.0),
        ("stretch", |a| a.stretch_probability = 1.0),
        ("pitch", |a| a.pitch_probability = 1.0),
        ("tilt", |a| (a.tilt_probability, a.tilt_db_per_octave) = (1.0, 4.0)),
        ("gain", |a| (a.gain_probability, a.gain_db) = (1.0, 20.0)),
        ("white-noise", |a| (a.noise_probability, a.noise_pink) = (1.0, 0.0)),
        ("pink-noise", |a| (a.noise_probability, a.noise_pink) = (1.0, 1.0)),
        ("low-pass", |a| a.low_pass_probability = 1.0),
        ("mix", |a| a.mix_probability = 1.0),
    ];
    let make = |(stream, (name, set)): (u64, (&'static str, Set))| -> Result<Line> {
        let mut settings = WaveformAugmentation::default();
        set(&mut settings);
        let (mut changed, mut rng) = (samples.to_vec(), generator(arguments, stream));
        let done = augment_waveform(&mut changed, RATE, &settings, &mut rng)?;
        let mut summary = done.first().map(ToString::to_string).unwrap_or_default();
        if settings.mix_probability > 0.0 {
            // The trainer mixes, for it has the other tracks.
            let ratio = rng.random_range(settings.mix_ratio_db[0]..=settings.mix_ratio_db[1]);
            let share = mix_signals(&mut changed, other, ratio);
            summary = format!("other track {ratio:.1} dB below, target {share:.2}");
        }
        // A floor below the loudest would move with it, and look like a change.
        let pictures = [("Before", mel(samples, None)?), ("After", mel(&changed, None)?)];
        let mut files = vec![arguments.output.join(format!("{name}.wav"))];
        let audio = Audio { samples: changed, sample_rate: RATE, channels: 1, warnings: vec![] };
        // As float, what is louder than full scale is not clipped.
        write_wav(&files[0], &audio, WavFormat::Float32)?;
        files.extend(draw(name, &summary, &pictures, arguments)?);
        let settings = summary;
        Ok(Line { name, settings, files })
    };
    (0..).zip(changes).map(make).collect()
}

fn spectrograms(samples: &[f32], other: &[f32], arguments: &Arguments) -> Result<Vec<Line>> {
    let (before, other) = (mel(samples, Some(80.0))?, mel(other, Some(80.0))?);
    let (bands, frames) = before.dim();
    type Set = fn(&mut Augmentation);
    let changes: [(&str, Set, &str); 7] = [
        ("level", |a| a.level_db = 6.0, "level_db = 6"),
        ("spectral-tilt", |a| a.tilt_db = 15.0, "tilt_db = 15"),
        ("spec-augment", |a| (a.band_masks, a.frame_masks) = (2, 2), "2 masks over bands, 2 over frames"),
        ("roll", |_| {}, ""),
        ("mixup", |_| {}, ""),
        ("cutmix", |_| {}, ""),
        ("cutmix-frames", |_| {}, ""),
    ];
    let make = |(stream, (name, set, summary)): (u64, (&'static str, Set, &str))| -> Result<Line> {
        let mut rng = generator(arguments, stream);
        // Training sees band after band.
        let mut crop: Vec<f32> = before.iter().copied().collect();
        let mixed_in: Vec<f32> = other.iter().copied().collect();
        let mut summary = summary.to_owned();
        if name == "roll" {
            let shift = [-1, 1][rng.random_range(0..2)] * rng.random_range(4..=12i32);
            roll_bands(&mut crop, frames, shift as isize)?;
            summary = format!("{shift:+} bands");
        } else if name == "mixup" {
            let share = rng.random_range(0.4..0.8);
            mixup(&mut crop, &mixed_in, share);
            summary = format!("target {share:.2}");
        } else if name.starts_with("cutmix") {
            let shape = match name {
                "cutmix" => CutMixShape::BandsAndFrames,
                _ => CutMixShape::Frames,
            };
            let part = CutMixBox::draw(bands, frames, rng.random_range(0.4..0.8), shape, &mut rng);
            part.paste(&mut crop, &mixed_in, frames)?;
            summary = format!("{} bands x {} frames, target {:.2}", part.bands, part.frames, part.share());
        } else {
            let mut settings = Augmentation {
                level_db: 0.0,
                tilt_db: 0.0,
                band_masks: 0,
                frame_masks: 0,
                ..Augmentation::default()
            };
            set(&mut settings);
            augment(&mut crop, bands, frames, &settings, &mut rng)?;
        }
        let after = Array2::from_shape_vec((bands, frames), crop)?;
        let mut pictures = vec![("Before", before.clone()), ("After", after)];
        if name.contains("mix") {
            pictures.insert(1, ("Other track", other.clone()));
        }
        let files = draw(name, &summary, &pictures, arguments)?.to_vec();
        let settings = summary;
        Ok(Line { name, settings, files })
    };
    (100..).zip(changes).map(make).collect()
}

fn mel(samples: &[f32], top_db: Option<f32>) -> Result<Array2<f32>> {
    let config = LogMelConfig { top_db, ..LogMelConfig::default() };
    Ok(LogMelSpectrogram::new(config)?.compute(samples)?)
}

/// A generator of its own for each change.
fn generator(arguments: &Arguments, stream: u64) -> SeededRng {
    SeededRng::with_stream(arguments.seed, stream)
}

/// Log-mel spectrograms beside each other, in the colours of the first, as PNG and SVG.
fn draw(
    name: &str,
    summary: &str,
    pictures: &[(&str, Array2<f32>)],
    arguments: &Arguments,
) -> Result<[PathBuf; 2]> {
    let loudest = f64::from(pictures[0].1.fold(f32::NEG_INFINITY, |a, b| a.max(*b)));
    let panels = pictures.iter().map(|(title, values)| {
        let map = HeatMap::mel_spectrogram(values.view(), RATE, HOP).range(loudest - 80.0, loudest);
        map.title(*title).figure()
    });
    let figure = Figure::grid(&format!("{name}: {summary}"), pictures.len(), panels);
    let files = ["png", "svg"].map(|ending| arguments.output.join(format!("{name}.{ending}")));
    files.iter().try_for_each(|file| figure.save(file))?;
    Ok(files)
}
