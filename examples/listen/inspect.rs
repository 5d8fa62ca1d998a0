//! Shows what an audio file is and, on request, whether it decodes and how fast.

#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use serde_json::{Value, json};
use timbral_decode::{DecodeConfig, Decoder, Probe, probe_file, probe_reader};

/// Show container, codec, sample rate, channels, duration and tags of audio files.
#[derive(Parser)]
#[command(version, after_help = "Examples:\n  inspect song.mp3 --decode\n  cat song.mp3 | inspect - --json")]
struct Arguments {
    /// Audio files; `-` is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Also decode each file to the end, and report exact duration, warnings and speed.
    #[arg(long)]
    decode: bool,
    /// With --decode: treat every warning as an error.
    #[arg(long)]
    strict: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let mut failures = Vec::new();
        for file in &arguments.files {
            match inspect(file, &arguments) {
                Ok(report) if arguments.json => cli::json_line(&report)?,
                Ok(report) => print(&report),
                Err(error) => failures.push(cli::chain(&error)),
            }
        }
        anyhow::ensure!(failures.is_empty(), "{}", failures.join("\nerror: "));
        Ok(())
    })
}

fn inspect(file: &Path, arguments: &Arguments) -> anyhow::Result<Value> {
    let is_stdin = file.as_os_str() == "-";
    let (probe, decoded) = if arguments.decode {
        let mut options = DecodeConfig::default().max_duration(f64::INFINITY);
        options.strict = arguments.strict;
        let started = Instant::now();
        let decoder = match is_stdin {
            true => Decoder::from_reader(std::io::stdin(), &options)?,
            false => Decoder::open(file, &options)?,
        };
        decode(decoder, started)?
    } else if is_stdin {
        (probe_reader(std::io::stdin())?, Value::Null)
    } else {
        (probe_file(file)?, Value::Null)
    };
    let tags = probe.tags;
    let picture = tags.picture.map(|picture| format!("{}, {} bytes", picture.mime_type, picture.data.len()));
    Ok(json!({
        "file": file.display().to_string(),
        "container": probe.container,
        "codec": probe.codec,
        "sample_rate": probe.sample_rate,
        "channels": probe.channels,
        "bits_per_sample": probe.bits_per_sample,
        "frames": probe.frames,
        "duration_seconds": probe.duration_seconds,
        "title": tags.title,
        "artist": tags.artist,
        "album": tags.album,
        "track_number": tags.track_number,
        "year": tags.year,
        "genre": tags.genre,
        "picture": picture,
        "decoded": decoded,
    }))
}

/// Decodes to the end, holding one block at a time.
fn decode(mut decoder: Decoder<'_>, started: Instant) -> anyhow::Result<(Probe, Value)> {
    let (mut samples, mut peak) = (0_usize, 0_f32);
    while let Some(block) = decoder.next_block()? {
        samples += block.len();
        peak = block.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
    }
    let frames = samples / decoder.channels();
    let seconds = frames as f64 / f64::from(decoder.sample_rate());
    let warnings: Vec<_> = decoder.warnings().iter().map(ToString::to_string).collect();
    let decoded = json!({
        "frames": frames,
        "duration_seconds": seconds,
        "peak": peak,
        "times_real_time": seconds / started.elapsed().as_secs_f64().max(1e-9),
        "warnings": warnings,
    });
    Ok((decoder.probe().clone(), decoded))
}

fn print(report: &Value) {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let number = |value: &Value, digits| value.as_f64().map_or(String::new(), |n| format!("{n:.digits$}"));
    println!("{}", text(&report["file"]));
    let length = match &report["duration_seconds"] {
        Value::Null => "unknown duration".to_owned(),
        seconds => format!("{} s", number(seconds, 3)),
    };
    println!(
        "  {}, {}, {} Hz, {} channels, {length}",
        text(&report["container"]),
        text(&report["codec"]),
        report["sample_rate"],
        report["channels"]
    );
    for tag in ["title", "artist", "album", "track_number", "year", "genre", "picture"] {
        if !report[tag].is_null() {
            println!("  {}: {}", tag.replace('_', " "), text(&report[tag]));
        }
    }
    let decoded = &report["decoded"];
    if !decoded.is_null() {
        println!(
            "  decoded: {} frames, {} s, peak {}, {} times real time",
            decoded["frames"],
            number(&decoded["duration_seconds"], 3),
            number(&decoded["peak"], 3),
            number(&decoded["times_real_time"], 0)
        );
    }
    for warning in decoded["warnings"].as_array().into_iter().flatten() {
        println!("  warning: {}", text(warning));
    }
}
