//! What every example shares: how a program ends, how it shows progress, how it speaks JSON.
//!
//! ```ignore
//! mod common;
//!
//! fn main() -> std::process::ExitCode {
//!     common::run(|| {
//!         let arguments = Arguments::parse();      // clap ends wrong usage with status 2 by itself
//!         …
//!         Ok(())
//!     })
//! }
//! ```
#![allow(dead_code, reason = "each example compiles its own copy and uses only a part of it")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks on stdout and stderr")]

pub(crate) mod watch;

use std::borrow::Cow;
use std::io::Write as _;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Runs the body of a program: status 0 when it succeeds, otherwise `error: …` with the chain of causes on stderr
/// and status 1. A reader that closes stdout early (`… | head`) is not a failure.
pub(crate) fn run(body: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
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
pub(crate) fn chain(error: &anyhow::Error) -> String {
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
pub(crate) fn json_line(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    std::io::stdout().lock().write_all(&line)?;
    Ok(())
}

/// Writes text to stdout as it is; unlike `print!` it does not panic where the reader has left (`… | head`).
pub(crate) fn text(value: impl std::fmt::Display) -> anyhow::Result<()> {
    write!(std::io::stdout().lock(), "{value}")?;
    Ok(())
}

/// Whether a track takes part: its official part is one of `parts`, or it has none.
pub(crate) fn takes_part(track: &timbral_train::TrackInfo, parts: &[timbral_train::Part]) -> bool {
    track.official_split.is_none_or(|part| parts.contains(&part))
}

/// Starts a new count of [`peak_memory`]; `false` where the system does not allow it (all but Linux).
pub(crate) fn reset_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory this process has held in RAM, in bytes, where the system tells (Linux).
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Progress over `length` steps: a bar on a terminal, about ten plain lines on stderr elsewhere.
pub(crate) fn progress(length: u64, message: impl Into<Cow<'static, str>>) -> Progress {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(message);
    Progress { plain: bar.is_hidden(), bar, length }
}

/// A running progress display; it may be shared between threads and is cleared when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    plain: bool,
    length: u64,
}

impl Progress {
    /// Counts `steps` more as done.
    pub(crate) fn inc(&self, steps: u64) {
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
    pub(crate) fn message(&self, text: impl Into<Cow<'static, str>>) {
        self.bar.set_message(text);
    }

    /// Prints a line on stderr without tearing the bar.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        self.bar.suspend(|| eprintln!("{}", text.as_ref()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The feature set of a preset's name, or of a TOML file.
pub(crate) fn feature_set(name: &str) -> anyhow::Result<timbral_features::FeatureSetConfig> {
    use anyhow::Context as _;
    if let Some(config) = timbral_features::FeatureSetConfig::preset(name) {
        return Ok(config);
    }
    let known = timbral_features::FeatureSetConfig::PRESETS.join(", ");
    let text = std::fs::read_to_string(name)
        .with_context(|| format!("{name} is no preset ({known}) and no file that can be read"))?;
    toml::from_str(&text).with_context(|| name.to_owned())
}

/// Learners with settings that suit some fifty features of some hundred songs, by name.
pub(crate) fn learners() -> Vec<(&'static str, timbral_classic::LearnerParameters)> {
    use timbral_classic::{
        GradientBoostingParameters, KNeighborsParameters, LearnerParameters as L,
        LogisticRegressionParameters, MaxFeatures, NeighborWeight, RandomForestParameters, SvcParameters,
    };
    let logistic = LogisticRegressionParameters { c: 0.1, ..Default::default() };
    let svc = SvcParameters { c: 5.0, probability: true, ..Default::default() };
    let neighbours =
        KNeighborsParameters { n_neighbors: 7, weight: NeighborWeight::Distance, ..Default::default() };
    let forest =
        RandomForestParameters { n_trees: 300, max_features: MaxFeatures::Share(0.3), ..Default::default() };
    let boosting = GradientBoostingParameters { learning_rate: 0.1, max_depth: 3, ..Default::default() };
    vec![
        ("logistic", L::LogisticRegression(logistic)),
        ("svc", L::Svc(svc)),
        ("neighbours", L::KNeighbors(neighbours)),
        ("bayes", L::GaussianNaiveBayes(Default::default())),
        ("forest", L::RandomForest(forest)),
        ("boosting", L::GradientBoosting(boosting)),
    ]
}
