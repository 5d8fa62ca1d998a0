//! Classifies audio files by genre.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde::Serialize;
use timbral::{Classifier, Score, Verdict, WindowVerdict};

/// The model of `models/`, built in, so that the program works from any folder.
const DEFAULT_MODEL: &[u8] = include_bytes!("../../models/gtzan.safetensors");

/// Classify audio files by genre.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  cargo run --release --example classify -- models/demo.wav\n  \
                        genre=$(classify --plain song.mp3)"
)]
struct Arguments {
    /// Audio files, and folders to search for audio files.
    #[arg(required = true, value_name = "PATH")]
    songs: Vec<PathBuf>,
    /// Model file to use instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Print only the genre, without a trailing newline; multiple results are newline-separated.
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// Always report the best genre, even when the model would reject the input as unknown.
    #[arg(long)]
    no_reject: bool,
    /// Use only this many seconds around the middle of each file, so that long files take no longer.
    #[arg(long, value_name = "SECONDS")]
    middle: Option<f64>,
    /// Number of files to process in parallel (0 = one per core).
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    genre: Option<&'a str>,
    confidence: Option<f32>,
    /// Whether the input is rejected: `genre` is "unknown" then, and the best genre leads `ranking`.
    unknown: Option<bool>,
    /// Rejection score, and the threshold below which the model rejects an input.
    score: Option<f64>,
    threshold: Option<f64>,
    ranking: &'a [Score],
    windows: &'a [WindowVerdict],
    warnings: &'a [String],
    /// Seconds since the start of the program.
    seconds: f64,
    error: Option<String>,
}

/// Results in the order of the files, whatever order they arrive in.
struct Results {
    next: usize,
    waiting: Vec<Option<anyhow::Result<Verdict>>>,
    failed: usize,
    outcome: anyhow::Result<()>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let started = Instant::now();
        let classifier = match &arguments.model {
            Some(path) => Classifier::open(path),
            None => Classifier::from_bytes(DEFAULT_MODEL),
        }
        .context("cannot open the model")?
        .with_middle(arguments.middle)
        .with_rejection(!arguments.no_reject);

        let mut songs = Vec::new();
        for path in &arguments.songs {
            let found = timbral_decode::audio_files(path)?;
            if found.is_empty() {
                bail!("no audio files in {}", path.display());
            }
            songs.extend(found);
        }
        let results =
            Results { next: 0, waiting: songs.iter().map(|_| None).collect(), failed: 0, outcome: Ok(()) };
        let results = Mutex::new(results);
        let progress = (songs.len() > 1).then(|| cli::progress(songs.len() as u64, "classifying"));
        classifier.classify_files(&songs, arguments.threads, |index, result| {
            let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            results.waiting[index] = Some(result.map_err(anyhow::Error::from));
            while let place = results.next
                && let Some(result) = results.waiting.get_mut(place).and_then(Option::take)
            {
                results.next += 1;
                results.failed += usize::from(result.is_err());
                if results.outcome.is_ok() {
                    let seconds = started.elapsed().as_secs_f64();
                    results.outcome = print(&arguments, &songs[place], place, &result, seconds);
                }
            }
            progress.iter().for_each(|bar| bar.inc(1));
        })?;
        drop(progress);
        let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.outcome?;
        match (results.failed, songs.len()) {
            (0, _) => Ok(()),
            // The reason has been printed.
            (failed, all) => bail!("cannot classify {failed} of {all} files"),
        }
    })
}

fn print(
    arguments: &Arguments,
    song: &std::path::Path,
    place: usize,
    result: &anyhow::Result<Verdict>,
    seconds: f64,
) -> anyhow::Result<()> {
    let verdict = result.as_ref().ok();
    if arguments.json {
        return cli::json_line(&Line {
            path: song.display().to_string(),
            genre: verdict.map(|v| v.genre.as_str()),
            confidence: verdict.map(|v| v.confidence),
            unknown: verdict.map(|v| v.unknown),
            score: verdict.and_then(|v| v.score),
            threshold: verdict.and_then(|v| v.threshold),
            ranking: verdict.map_or(&[], |v| v.ranking.as_slice()),
            windows: verdict.map_or(&[], |v| v.windows.as_slice()),
            warnings: verdict.map_or(&[], |v| v.warnings.as_slice()),
            seconds,
            error: result.as_ref().err().map(cli::chain),
        });
    }
    for warning in verdict.iter().flat_map(|v| &v.warnings) {
        eprintln!("warning: {}: {warning}", song.display());
    }
    let mut out = std::io::stdout().lock();
    match result {
        Err(error) => eprintln!("error: {}", cli::chain(error)),
        Ok(verdict) if arguments.plain => {
            write!(out, "{}{}", if place > 0 { "\n" } else { "" }, verdict.genre)?;
            out.flush()?;
        }
        Ok(verdict) => {
            let genre = match verdict.closest() {
                Some(closest) if verdict.unknown => {
                    let Score { genre, probability, .. } = closest;
                    format!("{} (closest: {genre} {probability:.2})", verdict.genre)
                }
                Some(_) => format!("{} ({:.0} %)", verdict.genre, 100.0 * verdict.confidence),
                None => verdict.genre.clone(),
            };
            writeln!(out, "{}: {genre}", song.display())?;
            if !verdict.is_silent() {
                let ranking: Vec<String> = verdict
                    .ranking
                    .iter()
                    .map(|s| format!("{} {:.1} %", s.genre, 100.0 * s.probability))
                    .collect();
                writeln!(out, "  {}", ranking.join(", "))?;
            }
        }
    }
    Ok(())
}
