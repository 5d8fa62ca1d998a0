//! Says which genre songs are: the main job of timbral.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks on stdout and stderr"
)]

mod common;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde::Serialize;
use timbral::{Classifier, Score, Verdict, WindowVerdict};

/// The model that lies in `models/`, built in, so that the program works from any folder.
const DEFAULT_MODEL: &[u8] = include_bytes!("../models/gtzan.safetensors");

/// Say which genre songs are.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  cargo run --release --example classify -- models/demo.wav\n  \
                        genre=$(classify --plain song.mp3)"
)]
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
    common::run(|| {
        let arguments = Arguments::parse();
        let started = Instant::now();
        let classifier = match &arguments.model {
            Some(path) => Classifier::open(path),
            None => Classifier::from_bytes(DEFAULT_MODEL),
        }
        .context("cannot use the model")?
        .with_middle(arguments.middle);

        let mut songs = Vec::new();
        for path in &arguments.songs {
            let found = timbral::audio_files(path)?;
            if found.is_empty() {
                bail!("{}: no audio files in this folder", path.display());
            }
            songs.extend(found);
        }
        let answers = Answers {
            next: 0,
            waiting: songs.iter().map(|_| None).collect(),
            failed: 0,
            outcome: Ok(()),
        };
        let answers = Mutex::new(answers);
        let progress = (songs.len() > 1).then(|| common::progress(songs.len() as u64, "classifying"));
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
        let answers = answers
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
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
        return common::json_line(&Line {
            path: song.display().to_string(),
            genre: verdict.map(|v| v.genre.as_str()),
            confidence: verdict.map(|v| v.confidence),
            ranking: verdict.map_or(&[], |v| v.ranking.as_slice()),
            windows: verdict.map_or(&[], |v| v.windows.as_slice()),
            warnings: verdict.map_or(&[], |v| v.warnings.as_slice()),
            seconds,
            error: answer.as_ref().err().map(common::chain),
        });
    }
    let mut out = std::io::stdout().lock();
    match answer {
        Err(error) => eprintln!("error: {}", common::chain(error)),
        Ok(verdict) if arguments.plain => {
            write!(out, "{}{}", if place > 0 { "\n" } else { "" }, verdict.genre)?;
            out.flush()?;
        }
        Ok(verdict) => {
            writeln!(
                out,
                "{}: {} ({:.0} %)",
                song.display(),
                verdict.genre,
                100.0 * verdict.confidence
            )?;
            let ranking: Vec<String> = verdict
                .ranking
                .iter()
                .map(|s| format!("{} {:.1} %", s.genre, 100.0 * s.probability))
                .collect();
            writeln!(out, "  {}", ranking.join(", "))?;
            verdict
                .warnings
                .iter()
                .try_for_each(|warning| writeln!(out, "  warning: {warning}"))?;
        }
    }
    Ok(())
}
