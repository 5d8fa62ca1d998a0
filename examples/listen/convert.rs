//! Converts audio files, or folders of them, to WAV.

#![allow(clippy::print_stderr, reason = "a program warns on stderr")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use rayon::prelude::*;
use timbral_decode::{DecodeOptions, WavFormat, audio_files, decode_file, write_wav};

/// Converts audio to WAV.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  convert blues.00000.au blues.wav\n  convert music/ wavs/ --rate 22050 --mono"
)]
struct Arguments {
    /// An audio file, or a folder whose audio files are all converted.
    input: PathBuf,
    /// The WAV file, or for a folder the folder to write to; missing folders are made.
    output: PathBuf,
    /// Resample to this rate, in Hz.
    #[arg(long)]
    rate: Option<u32>,
    /// Mix all channels to one.
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
    /// Replace files that exist.
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
        ensure!(!files.is_empty(), "{}: there are no audio files in it", arguments.input.display());
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
        ensure!(failed == 0, "{failed} of {} files were not converted", files.len());
        Ok(())
    })
}

/// The WAV file of each file: the same place and name, with the ending kept where two would become one.
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
        bail!("{}: exists; --force replaces it", output.display());
    }
    let mut options =
        DecodeOptions { mono: arguments.mono, sample_rate: arguments.rate, ..DecodeOptions::default() };
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
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    }
    Ok(write_wav(output, &audio, format)?)
}
