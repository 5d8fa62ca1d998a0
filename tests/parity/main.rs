//! Compares the features with stored results of reference libraries.
//!
//! A folder of golden numbers holds an `index.json`, which names every case with its parameters and tolerance, and
//! `.npz` files. All parameters of a case come from the index, and one that no theme uses fails the case.

#![allow(clippy::print_stdout, reason = "a program prints")]

mod case;
mod compare;
mod report;
mod store;

mod chroma;
mod constant_q;
mod effects;
mod feature_sets;
mod frontends;
mod hpss;
mod kaldi;
mod loudness;
mod mel;
mod onset;
mod pcen;
mod pitch;
mod resample;
mod rhythm;
mod sequence;
mod spectral;
mod stft;
mod tables;
mod util;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;

use case::{Answers, Case};
use report::Outcome;
use store::Store;

/// One theme: answers a case, or says that its function is not implemented there.
type Theme = fn(&Case<'_>) -> Option<Result<Answers>>;

const THEMES: &[Theme] = &[
    chroma::run,
    constant_q::run,
    effects::run,
    feature_sets::run,
    frontends::run,
    hpss::run,
    kaldi::run,
    loudness::run,
    mel::run,
    onset::run,
    pcen::run,
    pitch::run,
    resample::run,
    rhythm::run,
    sequence::run,
    spectral::run,
    stft::run,
    tables::run,
    util::run,
];

/// Compare every feature with the reference numbers of a folder.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example: parity shared/golden --group mel\n\n\
    Prints one line per case, `ok|FAIL|missing  id  error  tolerance`, and exits with 1 if one fails."
)]
struct Arguments {
    /// Folder with index.json and its arrays.
    folder: PathBuf,
    /// Only run the cases of this group.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Treat functions that are not implemented as failures.
    #[arg(long)]
    require_all: bool,
    /// Also write a summary per function as a Markdown table.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| compare_all(&Arguments::parse()))
}

fn compare_all(arguments: &Arguments) -> Result<()> {
    let store = Store::open(&arguments.folder)?;
    let mut outcomes = Vec::new();
    for description in &store.index().cases {
        if arguments.group.as_ref().is_some_and(|g| *g != description.group) {
            continue;
        }
        let case = Case::new(description, &store);
        let outcome = Outcome::of(&case, THEMES);
        println!("{outcome}");
        outcomes.push(outcome);
    }
    if let Some(path) = &arguments.write {
        std::fs::write(path, report::markdown(&outcomes, store.index()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let (passed, failed, missing) = report::count(&outcomes);
    println!("{passed} passed, {failed} failed, {missing} missing");
    if outcomes.is_empty() {
        bail!("no such cases in {}", arguments.folder.display());
    }
    if failed > 0 || arguments.require_all && missing > 0 {
        bail!("{failed} of {} cases differ, {missing} are not implemented", outcomes.len());
    }
    Ok(())
}
