//! Learners and networks side by side over the same folds.

mod run;
mod text;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::atomic::write_atomically;
use crate::metrics::{BootstrapConfig, Interval, McNemar};

pub use run::{Contestant, compare};

/// How learners are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompareConfig {
    /// What was measured on, for the head of the table. Default: empty.
    pub data: String,
    /// Number of folds, at least 2. Default: 5.
    pub n_folds: usize,
    /// Number of foldings, with the seeds 0, 1, …; their scores are averaged. Default: 1.
    pub seeds: u64,
    /// How the folds are made; one table each. Default: by groups (artists) alone.
    pub protocols: Vec<FoldProtocol>,
    /// How intervals are drawn, over groups (artists). Default: 10 000 draws, 95 %.
    pub bootstrap: BootstrapConfig,
    /// Networks trained at a time, one thread each; the result does not depend on it. Default: 1.
    pub threads: usize,
}

impl Default for CompareConfig {
    fn default() -> Self {
        Self {
            data: String::new(),
            n_folds: 5,
            seeds: 1,
            protocols: vec![FoldProtocol::Groups],
            bootstrap: BootstrapConfig::default(),
            threads: 1,
        }
    }
}

/// How the folds of a comparison are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoldProtocol {
    /// Stratified folds, no group (artist) on two sides: the honest one.
    Groups,
    /// Tracks at random: an artist lies on both sides. Not test accuracy.
    TrackRandomLeaky,
    /// Rows (windows) at random: a track lies on both sides. Not test accuracy; classic learners on tables of windows only.
    SegmentRandomLeaky,
}

impl FoldProtocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Groups, Self::TrackRandomLeaky, Self::SegmentRandomLeaky];

    /// The name in files and arguments: `groups`, `track-random-leaky`, `segment-random-leaky`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::TrackRandomLeaky => "track-random-leaky",
            Self::SegmentRandomLeaky => "segment-random-leaky",
        }
    }

    /// Whether tracks or artists lie on both sides, so that its numbers are not test accuracies.
    #[must_use]
    pub fn is_leaky(self) -> bool {
        self != Self::Groups
    }
}

impl std::str::FromStr for FoldProtocol {
    type Err = TrainError;

    fn from_str(s: &str) -> Result<Self, TrainError> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == s).ok_or_else(|| {
            let rule = "it is groups, track-random-leaky or segment-random-leaky";
            TrainError::config("protocol", format!("{s:?}"), rule)
        })
    }
}

/// Tables of learners side by side, ready to print or to store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// What was measured on.
    pub data: String,
    /// Number of tracks that the folds divide.
    pub n_tracks: usize,
    /// Number of groups (artists) that they belong to.
    pub n_groups: usize,
    /// Number of columns of the feature table; 0 where there was none, or several of different widths.
    pub n_features: usize,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// One table for each protocol.
    pub tables: Vec<ComparisonTable>,
    /// Figures that others have published, on other tracks or by other protocols.
    pub quoted: Vec<QuotedResult>,
}

/// Learners measured by one protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComparisonTable {
    /// How the folds were made.
    pub protocol: String,
    /// Whether tracks or artists lie on both sides, so that these are not test accuracies.
    pub leaky: bool,
    /// What is counted: `track` or, by a protocol that cuts tracks apart, `window`.
    pub unit: String,
    /// Hash of each folding; empty where rows are divided.
    pub fold_hashes: Vec<String>,
    /// One row a learner, in the order in which they were given.
    pub rows: Vec<ComparisonRow>,
}

/// What one learner reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComparisonRow {
    /// Name of the learner.
    pub name: String,
    /// Number of tracks (or windows) that it answered.
    pub n_rows: usize,
    /// Share of right answers, the mean over foldings. The answer is the class that the learner itself names, which for a
    /// support vector classifier need not be the one of largest probability; of a track of several windows it is that of
    /// the largest mean probability or, without probabilities, of most windows.
    pub accuracy: f64,
    /// The same of each folding.
    pub accuracies: Vec<f64>,
    /// Bootstrap interval of the accuracy over groups.
    pub accuracy_interval: Interval,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
    /// Mean average precision; none of a learner without probabilities.
    pub average_precision: Option<f64>,
    /// Its bootstrap interval over groups.
    pub average_precision_interval: Option<Interval>,
    /// Mean one-vs-rest area under the ROC curve; none of a learner without probabilities.
    pub roc_auc: Option<f64>,
    /// Its bootstrap interval over groups.
    pub roc_auc_interval: Option<Interval>,
    /// Mean negative natural logarithm of the probability of the true class; none of a learner without probabilities.
    pub log_loss: Option<f64>,
    /// Seconds of all fits of a folding, the mean over foldings.
    pub fit_seconds: f64,
    /// Seconds of all predictions of a folding, the mean over foldings.
    pub predict_seconds: f64,
    /// McNemar's test against the learner of best accuracy in the table, that one first, on the rows that both answered in
    /// the first folding; none for the best itself.
    pub against_best: Option<McNemar>,
}

/// A figure that somebody else has published, to stand beside ours and marked as quoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotedResult {
    /// Features and learner.
    pub name: String,
    /// Share of right answers, 0 to 1.
    #[serde(default)]
    pub accuracy: Option<f64>,
    /// Mean average precision.
    #[serde(default)]
    pub average_precision: Option<f64>,
    /// Mean one-vs-rest area under the ROC curve.
    #[serde(default)]
    pub roc_auc: Option<f64>,
    /// Seconds of training.
    #[serde(default)]
    pub fit_seconds: Option<f64>,
    /// Seconds of testing.
    #[serde(default)]
    pub predict_seconds: Option<f64>,
    /// What it was measured on and how it was split.
    pub protocol: String,
    /// Where it stands.
    pub source: String,
}

/// A TOML file of quoted results.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotedFile {
    #[serde(default)]
    result: Vec<QuotedResult>,
}

impl QuotedResult {
    /// Reads a TOML file with one table `[[result]]` for each figure.
    ///
    /// # Errors
    ///
    /// [`TrainError::Io`] if the file cannot be read; [`TrainError::Malformed`] if it is no such file.
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<Self>, TrainError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let file: QuotedFile =
            toml::from_str(&text).map_err(|e| TrainError::malformed(path, e.to_string()))?;
        Ok(file.result)
    }
}

impl Comparison {
    /// Writes the comparison as JSON, in one step.
    ///
    /// # Errors
    ///
    /// [`TrainError::Io`] if the file cannot be written; [`TrainError::Malformed`] if it cannot be put into JSON.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        let path = path.as_ref();
        let json = serde_json::to_vec_pretty(self).map_err(|e| TrainError::malformed(path, e.to_string()))?;
        write_atomically(path, &[&json])
    }

    /// Reads a comparison that was saved.
    ///
    /// # Errors
    ///
    /// [`TrainError::Io`] if the file cannot be read; [`TrainError::Malformed`] if it holds no comparison.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(TrainError::io(path))?;
        serde_json::from_slice(&json).map_err(|e| TrainError::malformed(path, e.to_string()))
    }
}
