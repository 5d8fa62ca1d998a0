//! Converts audio files or folders of audio files to WAV.

#![allow(clippy::print_stderr, reason = "a program prints")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use rayon::prelude::*;
use timbral_decode::{DecodeConfig, WavFormat, audio_files, decode_file, write_wav};

/// Convert audio files to WAV.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  convert blues.00000.au blues.wav\n  convert music/ wavs/ --rate 22050 --mono"
)]
struct Arguments {
    /// An audio file, or a folder of audio files.
    input: PathBuf,
    /// The WAV file to write, or for a folder the folder to write to; missing folders are created.
    output: PathBuf,
    /// Resample to this rate in Hz.
    #[arg(long)]
    rate: Option<u32>,
    /// Mix all channels down to mono.
    #[arg(long)]
    mono: bool,
    /// Start at this second.
    #[arg(long, default_value_t = 0.0)]
    start: f64,
    /// Stop after this many seconds.
    #[arg(long)]
    duration: Option<f64>,
    /// Bits per sample: 16, 24, or 32 for float.
    #[arg(long, default_value = "16", value_parser = ["16", "24", "32"])]
    bits: String,
    /// Overwrite existing files.
    #[arg(long)]
    force: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        if !arguments.input.is_dir() {
            return convert(&arguments.input, &arguments.output, &arguments);
        }
        let files = audio_files(&arguments.input)?;
        ensure!(!files.is_empty(), "no audio files in {}", arguments.input.display());
        let outputs = outputs(&files, &arguments);
        let progress = cli::progress(files.len() as u64, "converting");
        let failed = AtomicUsize::new(0);
        files.par_iter().zip(&outputs).for_each(|(file, output)| {
            if let Err(error) = convert(file, output, &arguments) {
                progress.line(format!("error: {}", cli::chain(&error)));
                failed.fetch_add(1, Ordering::Relaxed);
            }
            progress.inc(1);
        });
        drop(progress);
        let failed = failed.into_inner();
        ensure!(failed == 0, "cannot convert {failed} of {} files", files.len());
        Ok(())
    })
}

/// The WAV file for each file: the same place and name, with the extension kept where two would become one.
fn outputs(files: &[PathBuf], arguments: &Arguments) -> Vec<PathBuf> {
    let place = |file: &PathBuf| {
        let inside = file.strip_prefix(&arguments.input).unwrap_or(file);
        arguments.output.join(inside)
    };
    let mut count = HashMap::new();
    for file in files {
        *count.entry(place(file).with_extension("wav")).or_insert(0) += 1;
    }
    let name = |file: &PathBuf| {
        let short = place(file).with_extension("wav");
        match count.get(&short) {
            Some(1) | None => short,
            Some(_) => {
                let mut whole = place(file).into_os_string();
                whole.push(".wav");
                whole.into()
            }
        }
    };
    files.iter().map(name).collect()
}

fn convert(input: &Path, output: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    if output.exists() && !arguments.force {
        bail!("{} exists; pass --force to overwrite it", output.display());
    }
    let mut options =
        DecodeConfig { mono: arguments.mono, sample_rate: arguments.rate, ..DecodeConfig::default() };
    if arguments.start > 0.0 || arguments.duration.is_some() {
        options = match arguments.duration {
            Some(duration) => options.excerpt(arguments.start, duration),
            None => options.start(arguments.start),
        };
    }
    let format = match arguments.bits.as_str() {
        "24" => WavFormat::Int24,
        "32" => WavFormat::Float32,
        _ => WavFormat::Int16,
    };
    let audio = decode_file(input, &options)?;
    for warning in &audio.warnings {
        eprintln!("warning: {}: {warning}", input.display());
    }
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    Ok(write_wav(output, &audio, format)?)
}
