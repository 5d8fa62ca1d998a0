//! What every program shares: how it ends, how it shows progress, how it prints JSON.
//!
//! ```text
//! fn main() -> std::process::ExitCode {
//!     cli::run(|| {
//!         let arguments = Arguments::parse();      // clap ends wrong usage with status 2 by itself
//!         …
//!         Ok(())
//!     })
//! }
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::borrow::Cow;
use std::io::Write as _;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Runs the body of a program: status 0 when it succeeds, otherwise `error: …` with the chain of causes on stderr
/// and status 1. A reader that closes stdout early (`… | head`) is not a failure.
pub fn run(body: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    match body() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes on one line, a cause left out where the line above it already says the same.
pub fn chain(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.ends_with(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes `value` as one line of JSON to stdout.
///
/// # Errors
/// When `value` cannot be JSON or stdout cannot be written.
pub fn json_line(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    std::io::stdout().lock().write_all(&line)?;
    Ok(())
}

/// Writes text to stdout as it is; unlike `print!` it does not panic where the reader has left (`… | head`).
///
/// # Errors
/// When stdout cannot be written.
pub fn text(value: impl std::fmt::Display) -> anyhow::Result<()> {
    write!(std::io::stdout().lock(), "{value}")?;
    Ok(())
}

/// Progress over `length` steps: a bar on a terminal, about ten lines on stderr elsewhere.
pub fn progress(length: u64, message: impl Into<Cow<'static, str>>) -> Progress {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(message);
    Progress { plain: bar.is_hidden(), bar, length }
}

/// A running progress display; it may be shared between threads and is cleared when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    length: u64,
}

impl Progress {
    /// Counts `steps` more as done.
    pub fn inc(&self, steps: u64) {
        // The bar counts atomically also where it is hidden.
        self.bar.inc(steps);
        if self.plain {
            let (done, tenth) = (self.bar.position(), self.length.div_ceil(10).max(1));
            if done / tenth != done.saturating_sub(steps) / tenth || done == self.length {
                let left = indicatif::HumanDuration(self.bar.eta());
                eprintln!("{}: {done}/{}, {left} left", self.bar.message(), self.length);
            }
        }
    }

    /// Shows another message beside the bar, and on plain lines from now on.
    pub fn message(&self, text: impl Into<Cow<'static, str>>) {
        self.bar.set_message(text);
    }

    /// Prints a line on stderr without tearing the bar.
    pub fn line(&self, text: impl AsRef<str>) {
        self.bar.suspend(|| eprintln!("{}", text.as_ref()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
