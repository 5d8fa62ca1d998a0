//! Says which genre songs are: the main job of timbral.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks on stdout and stderr")]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde::Serialize;
use timbral::{Classifier, Score, Verdict, WindowVerdict};

/// The model that lies in `models/`, built in, so that the program works from any folder.
const DEFAULT_MODEL: &[u8] = include_bytes!("../../models/gtzan.safetensors");

/// Say which genre songs are.
#[derive(Parser)]
#[command(after_help = "Example:\n  cargo run --release --example classify -- models/demo.wav\n  \
                        genre=$(classify --plain song.mp3)")]
struct Arguments {
    /// Audio files, and folders that hold some.
    #[arg(required = true, value_name = "SONG")]
    songs: Vec<PathBuf>,
    /// Model file, instead of the one that is built in.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Print the genre alone, without a newline (between several songs stands one).
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// Say the closest genre also of sounds that the model would refuse as unknown.
    #[arg(long)]
    no_reject: bool,
    /// Look only at this many seconds around the middle: constant time, whatever the length.
    #[arg(long, value_name = "SECONDS")]
    middle: Option<f64>,
    /// Songs at a time; 0 takes one for each core.
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    genre: Option<&'a str>,
    confidence: Option<f32>,
    /// Whether the sound is refused: `genre` is "unknown" then, and the closest leads `ranking`.
    unknown: Option<bool>,
    /// How well known the sound is to the model, and the score below which it refuses.
    score: Option<f64>,
    threshold: Option<f64>,
    ranking: &'a [Score],
    windows: &'a [WindowVerdict],
    warnings: &'a [String],
    /// Since the start of the program.
    seconds: f64,
    error: Option<String>,
}

/// Answers in the order of the songs, whatever order they come in.
struct Answers {
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
        .context("cannot use the model")?
        .with_middle(arguments.middle)
        .with_rejection(!arguments.no_reject);

        let mut songs = Vec::new();
        for path in &arguments.songs {
            let found = timbral_decode::audio_files(path)?;
            if found.is_empty() {
                bail!("{}: no audio files in this folder", path.display());
            }
            songs.extend(found);
        }
        let answers =
            Answers { next: 0, waiting: songs.iter().map(|_| None).collect(), failed: 0, outcome: Ok(()) };
        let answers = Mutex::new(answers);
        let progress = (songs.len() > 1).then(|| cli::progress(songs.len() as u64, "classifying"));
        classifier.classify_files(&songs, arguments.threads, |index, answer| {
            let mut answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            answers.waiting[index] = Some(answer.map_err(anyhow::Error::from));
            while let place = answers.next
                && let Some(answer) = answers.waiting.get_mut(place).and_then(Option::take)
            {
                answers.next += 1;
                answers.failed += usize::from(answer.is_err());
                if answers.outcome.is_ok() {
                    let seconds = started.elapsed().as_secs_f64();
                    answers.outcome = print(&arguments, &songs[place], place, &answer, seconds);
                }
            }
            progress.iter().for_each(|bar| bar.inc(1));
        })?;
        drop(progress);
        let answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.outcome?;
        match (answers.failed, songs.len()) {
            (0, _) => Ok(()),
            // The reason has been printed.
            (failed, all) => bail!("{failed} of {all} songs could not be classified"),
        }
    })
}

fn print(
    arguments: &Arguments,
    song: &std::path::Path,
    place: usize,
    answer: &anyhow::Result<Verdict>,
    seconds: f64,
) -> anyhow::Result<()> {
    let verdict = answer.as_ref().ok();
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
            error: answer.as_ref().err().map(cli::chain),
        });
    }
    for warning in verdict.iter().flat_map(|v| &v.warnings) {
        eprintln!("warning: {}: {warning}", song.display());
    }
    let mut out = std::io::stdout().lock();
    match answer {
        Err(error) => eprintln!("error: {}", cli::chain(error)),
        Ok(verdict) if arguments.plain => {
            write!(out, "{}{}", if place > 0 { "\n" } else { "" }, verdict.genre)?;
            out.flush()?;
        }
        Ok(verdict) => {
            let genre = match verdict.closest() {
                Some(closest) if verdict.unknown => {
                    let Score { genre, probability } = closest;
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
