//! Writes short pieces of ten genres, composed and synthesised here: the demo songs in `models/` are two of them.
//!
//! The same command always writes the same bytes.

mod band;
mod desk;
mod effects;
mod filters;
mod genres;
mod instruments;
mod sound;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum as _};
use genres::Genre;

/// Compose a short piece of a genre and write it as a WAV file.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  cargo run --release -p compose --example compose -- metal metal.wav\n  \
                  cargo run --release -p compose --example compose -- --all pieces/"
)]
struct Arguments {
    /// Genre of the piece.
    #[arg(required_unless_present_any = ["all", "list"])]
    genre: Option<Genre>,
    /// WAV file to write: mono, 16 bits, 22 050 Hz.
    #[arg(required_unless_present_any = ["all", "list"])]
    output: Option<PathBuf>,
    /// Write a piece of every genre, GENRE.wav, into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "genre")]
    all: Option<PathBuf>,
    /// List the genres and what is played.
    #[arg(long, conflicts_with_all = ["genre", "all"])]
    list: bool,
    /// Seed of everything that players do differently every time.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Length of a piece, 2 to 600 s.
    #[arg(long, default_value_t = 26.0)]
    seconds: f64,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        ensure!(
            (2.0..=600.0).contains(&arguments.seconds),
            "the length is {} s; it must be between 2 and 600",
            arguments.seconds
        );
        let write = |genre: Genre, path: &Path| write(genre, path, arguments.seed, arguments.seconds);
        if arguments.list {
            for genre in Genre::value_variants() {
                cli::text(format_args!("{:<10} {}\n", genre.name(), genre.about()))?;
            }
        } else if let Some(folder) = &arguments.all {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            for genre in Genre::value_variants() {
                write(*genre, &folder.join(format!("{}.wav", genre.name())))?;
            }
        } else if let (Some(genre), Some(path)) = (arguments.genre, &arguments.output) {
            write(genre, path)?;
        }
        Ok(())
    })
}

fn write(genre: Genre, path: &Path, seed: u64, seconds: f64) -> anyhow::Result<()> {
    let samples = genre.compose(seed, seconds);
    let audio = timbral_decode::Audio { samples, sample_rate: 22_050, channels: 1, warnings: vec![] };
    timbral_decode::write_wav(path, &audio, timbral_decode::WavFormat::Int16)?;
    Ok(())
}
