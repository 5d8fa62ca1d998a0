//! Says what an audio file is and, if asked, whether it decodes and how fast.

#![allow(clippy::print_stdout, reason = "a program speaks on stdout")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use serde::Serialize;
use timbral_decode::{DecodeOptions, Decoder, Probe, probe_file, probe_reader};

mod common;

/// Shows container, codec, rate, channels, length and tags of audio files.
#[derive(Parser)]
#[command(after_help = "Examples:\n  inspect song.mp3 --decode\n  cat song.mp3 | inspect - --json")]
struct Arguments {
    /// Audio files; `-` is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Decode all of each file too, and report its exact length, its damage and the speed.
    #[arg(long)]
    decode: bool,
    /// With --decode: damage is an error.
    #[arg(long)]
    strict: bool,
    /// Write one line of JSON for each file.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    file: String,
    container: &'static str,
    codec: &'static str,
    sample_rate: u32,
    channels: usize,
    bits_per_sample: Option<u32>,
    frames: Option<u64>,
    duration_seconds: Option<f64>,
    title: Option<String>,
    artist: Option<String>,
    album: Option<String>,
    year: Option<u16>,
    genre: Option<String>,
    track_number: Option<u32>,
    picture: Option<String>,
    decoded: Option<Decoded>,
}

#[derive(Serialize)]
struct Decoded {
    frames: u64,
    duration_seconds: f64,
    peak: f32,
    times_real_time: f64,
    warnings: Vec<String>,
}

fn main() -> std::process::ExitCode {
    common::run(|| {
        let arguments = Arguments::parse();
        let mut failures = Vec::new();
        for file in &arguments.files {
            match inspect(file, &arguments) {
                Ok(report) if arguments.json => common::json_line(&report)?,
                Ok(report) => print(&report),
                Err(error) => failures.push(common::chain(&error)),
            }
        }
        anyhow::ensure!(failures.is_empty(), "{}", failures.join("\nerror: "));
        Ok(())
    })
}

fn inspect(file: &Path, arguments: &Arguments) -> anyhow::Result<Report> {
    let is_stdin = file.as_os_str() == "-";
    let mut decoded = None;
    let probe = if arguments.decode {
        let mut options = DecodeOptions::default().max_duration(f64::INFINITY);
        options.strict = arguments.strict;
        let started = Instant::now();
        let mut decoder = match is_stdin {
            true => Decoder::from_reader(std::io::stdin(), &options)?,
            false => Decoder::open(file, &options)?,
        };
        let (mut samples, mut peak) = (0_u64, 0_f32);
        while let Some(block) = decoder.next_block()? {
            samples += block.len() as u64;
            peak = block.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
        }
        let frames = samples / decoder.channels() as u64;
        let duration_seconds = frames as f64 / f64::from(decoder.sample_rate());
        decoded = Some(Decoded {
            frames,
            duration_seconds,
            peak,
            times_real_time: duration_seconds / started.elapsed().as_secs_f64().max(1e-9),
            warnings: decoder.warnings().iter().map(ToString::to_string).collect(),
        });
        decoder.probe().clone()
    } else if is_stdin {
        probe_reader(std::io::stdin())?
    } else {
        probe_file(file)?
    };
    Ok(report(file, probe, decoded))
}

fn report(file: &Path, probe: Probe, decoded: Option<Decoded>) -> Report {
    let tags = probe.tags;
    Report {
        file: file.display().to_string(),
        container: probe.container,
        codec: probe.codec,
        sample_rate: probe.sample_rate,
        channels: probe.channels,
        bits_per_sample: probe.bits_per_sample,
        frames: probe.frames,
        duration_seconds: probe.duration_seconds,
        title: tags.title,
        artist: tags.artist,
        album: tags.album,
        year: tags.year,
        genre: tags.genre,
        track_number: tags.track_number,
        picture: tags
            .picture
            .map(|picture| format!("{}, {} bytes", picture.mime_type, picture.data.len())),
        decoded,
    }
}

fn print(report: &Report) {
    println!("{}", report.file);
    let length = report
        .duration_seconds
        .map_or("unknown length".to_owned(), |seconds| format!("{seconds:.3} s"));
    let Report {
        container,
        codec,
        sample_rate,
        channels,
        ..
    } = report;
    println!("  {container}, {codec}, {sample_rate} Hz, {channels} channels, {length}");
    let year = report.year.map(|year| year.to_string());
    let track = report.track_number.map(|number| number.to_string());
    for (name, value) in [
        ("title", &report.title),
        ("artist", &report.artist),
        ("album", &report.album),
        ("track", &track),
        ("year", &year),
        ("genre", &report.genre),
        ("picture", &report.picture),
    ] {
        if let Some(value) = value {
            println!("  {name}: {value}");
        }
    }
    if let Some(decoded) = &report.decoded {
        let Decoded {
            frames,
            duration_seconds,
            peak,
            times_real_time,
            ..
        } = decoded;
        println!(
            "  decoded: {frames} frames, {duration_seconds:.3} s, peak {peak:.3}, {times_real_time:.0} times real time"
        );
        decoded
            .warnings
            .iter()
            .for_each(|warning| println!("  warning: {warning}"));
    }
}
