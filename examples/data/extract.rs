//! Extracts the features of audio files into a table.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

#[path = "../features/feature_set.rs"]
mod feature_set;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use timbral_data::store::FileOutcome;
use timbral_data::{Extraction, ExtractionConfig, Manifest, TableFormat};
use timbral_features::FeatureSetConfig;
use timbral_segment::{Cut, LastWindow, SegmentConfig, Span};

/// Extract features of audio files into a table, in parallel. An interrupted run resumes when it is started again; a file
/// that fails becomes a row of errors.csv beside the table.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  extract songs/ --output songs.parquet\n  \
    extract gtzan.csv --features gtzan57 --segment 3 --hop 1.5 --output windows.csv\n  \
    extract --list"
)]
struct Arguments {
    /// Audio files, folders of audio files, and manifests (CSV with the columns path, label, artist, ...).
    #[arg(required_unless_present = "list")]
    paths: Vec<PathBuf>,
    /// A preset, or a TOML file with a feature set.
    #[arg(long, default_value = "gtzan57")]
    features: String,
    /// Use the name of the folder of a file as its label.
    #[arg(long)]
    label_from_folder: bool,
    /// Cut files into windows of this many seconds, one row per window [default: one row per file].
    #[arg(long, value_name = "SECONDS")]
    segment: Option<f64>,
    /// Seconds from one window to the next [default: that of --segment].
    #[arg(long, value_name = "SECONDS", requires = "segment")]
    hop: Option<f64>,
    /// How to handle a final partial window.
    #[arg(long, value_enum, default_value = "drop", requires = "segment")]
    last: Last,
    /// Table to write; its extension, .parquet, .csv, .npz or .json, is the format.
    #[arg(long, short, default_value = "features.parquet")]
    output: PathBuf,
    /// Overwrite an existing table.
    #[arg(long)]
    force: bool,
    /// Number of files to process in parallel (0 = one per core).
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// List the presets and exit.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Last {
    Drop,
    Keep,
    ZeroPad,
    ShiftBack,
}

fn main() -> std::process::ExitCode {
    cli::run(|| extract(&Arguments::parse()))
}

fn extract(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        FeatureSetConfig::PRESETS.iter().for_each(|name| println!("{name}"));
        return Ok(());
    }
    let output = &arguments.output;
    let format = TableFormat::of_path(output).with_context(|| {
        format!("the extension of {} must be parquet, csv, npz or json", output.display())
    })?;
    ensure!(arguments.force || !output.exists(), "{} exists; pass --force to overwrite it", output.display());
    let extraction = Extraction::new(ExtractionConfig {
        features: feature_set::feature_set(&arguments.features)?,
        segments: segments(arguments),
    })?;
    extraction.feature_set().warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    let manifest = Manifest::of_paths(&arguments.paths, arguments.label_from_folder)?;
    let entries = manifest.entries();
    ensure!(!entries.is_empty(), "no audio files in the given folders");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let progress = cli::progress(entries.len() as u64, "extracting");
    // Beside the table, under its name, so that the same command finds it again.
    let mut journal = output.clone().into_os_string();
    journal.push(".journal");
    let journal = pool.install(|| {
        extraction.run(entries, journal.as_ref(), |entry, outcome| {
            if let FileOutcome::Failed(message) = outcome {
                // Errors of decoding name the file themselves.
                let path = entry.path.display().to_string();
                match message.starts_with(&path) {
                    true => progress.line(message),
                    false => progress.line(format!("{path}: {message}")),
                }
            }
            progress.inc(1);
        })
    })?;
    drop(progress);
    let errors = output.with_file_name("errors.csv");
    let columns = extraction.feature_set().columns();
    let summary = journal.finish(entries, columns, output, format, &errors)?;
    if arguments.json {
        cli::json_line(&serde_json::json!({
            "output": output,
            "errors": (summary.failed > 0).then_some(errors),
            "files": summary.files,
            "rows": summary.rows,
            "columns": columns.len(),
            "failed": summary.failed,
        }))?;
    } else {
        println!(
            "{}: {} rows from {} files, {} columns",
            output.display(),
            summary.rows,
            summary.files,
            columns.len()
        );
        if summary.failed > 0 {
            println!("{}: {} files failed", errors.display(), summary.failed);
        }
    }
    ensure!(summary.rows > 0, "every file failed");
    Ok(())
}

fn segments(arguments: &Arguments) -> Option<SegmentConfig> {
    let length = arguments.segment?;
    Some(SegmentConfig {
        excerpt: None,
        cut: Cut::Sliding {
            length: Span::Seconds(length),
            hop: Span::Seconds(arguments.hop.unwrap_or(length)),
        },
        last: match arguments.last {
            Last::Drop => LastWindow::Drop,
            Last::Keep => LastWindow::Keep,
            Last::ZeroPad => LastWindow::ZeroPad,
            Last::ShiftBack => LastWindow::ShiftBack,
        },
    })
}
