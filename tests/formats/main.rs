//! Decodes tables of audio files and checks every outcome.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use timbral_decode::{Audio, DecodeConfig, DecodeError, decode_file};

mod hostile;
mod memory;
mod reference;

/// Decode every file of DIR/formats/formats.csv and DIR/hostile/hostile.csv and check the outcome.
///
/// A file of formats.csv passes with its exact frame count and the reference's audio: equal samples for lossless
/// codecs, no lag and a correlation above 0.99 for others. A file of hostile.csv passes when its outcome is that of
/// its column `what_a_good_decoder_does`, in under 2 seconds and 200 MB.
#[derive(Parser)]
#[command(version, after_help = "Example: cargo run --release -p checks --example formats -- path/to/audio")]
struct Arguments {
    /// Folder with formats/ and hostile/.
    directory: PathBuf,
}

/// How a row is judged: what was found, or what is wrong with it.
type Check = fn(&Path, &Row, &Run) -> anyhow::Result<String>;

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let tables: [(&str, Check); 2] = [("formats", reference::check), ("hostile", hostile::check)];
        let (mut passed, mut failed) = (0, 0);
        for (table, check) in tables {
            let directory = arguments.directory.join(table);
            for row in rows(&directory.join(table).with_extension("csv"))? {
                let name = row.get("file")?;
                let run = Run::of(&directory.join(name));
                let (verdict, said) = match check(&directory, &row, &run) {
                    Ok(said) => ("ok  ", said),
                    Err(error) => ("FAIL", cli::chain(&error)),
                };
                let passes = verdict == "ok  ";
                passed += u32::from(passes);
                failed += u32::from(!passes);
                println!("{verdict}  {name}: {said} ({})", run.cost());
            }
        }
        println!("{passed} passed, {failed} failed");
        ensure!(failed == 0, "{failed} files do not have the expected outcome");
        Ok(())
    })
}

/// A row of a table.
struct Row(HashMap<String, String>);

impl Row {
    fn get(&self, column: &str) -> anyhow::Result<&str> {
        let value = self.0.get(column);
        value.map(String::as_str).with_context(|| format!("there is no column {column}"))
    }
}

fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = reader.deserialize().map(|fields| Ok(Row(fields?)));
    rows.collect()
}

/// A decoded file, and what that cost.
struct Run {
    result: Result<Audio, DecodeError>,
    seconds: f64,
    /// The most memory the whole program held meanwhile, where the system reports it.
    peak_bytes: Option<u64>,
}

impl Run {
    fn of(path: &Path) -> Self {
        let resets = memory::reset_peak_memory();
        let started = Instant::now();
        let result = decode_file(path, &DecodeConfig::default());
        Self {
            result,
            seconds: started.elapsed().as_secs_f64(),
            peak_bytes: memory::peak_memory().filter(|_| resets),
        }
    }

    fn cost(&self) -> String {
        let memory = self.peak_bytes.map_or(String::new(), |bytes| format!(", peak {} MB", bytes >> 20));
        format!("{:.0} ms{memory}", self.seconds * 1000.0)
    }
}
