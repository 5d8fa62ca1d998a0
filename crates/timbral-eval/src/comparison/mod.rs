//! Comparisons: models side by side on the same folds, with intervals and McNemar's test.

mod candidate;
mod text;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::atomic::write_atomically;
use crate::bootstrap::Interval;
use crate::mcnemar::McNemar;

pub use candidate::{CandidatePredictions, RepeatPredictions};

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
    /// Published results, on other tracks or by other protocols.
    #[serde(alias = "quoted")]
    pub baselines: Vec<Baseline>,
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
    /// Hash of each repeat; empty where rows are divided.
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
    /// Fraction of right answers, the mean over repeats. The answer is the class that the learner itself names, which for a
    /// support vector classifier need not be the one of largest probability; of a track of several windows it is that of
    /// the largest mean probability or, without probabilities, of most windows.
    pub accuracy: f64,
    /// The same of each repeat.
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
    /// Seconds of all fits of a repeat, the mean over repeats.
    pub fit_seconds: f64,
    /// Seconds of all predictions of a repeat, the mean over repeats.
    pub predict_seconds: f64,
    /// McNemar's test against the learner of best accuracy in the table, that one first, on the rows that both answered in
    /// the first repeat; none for the best itself.
    pub against_best: Option<McNemar>,
}

/// A figure that somebody else has published, to stand beside ours and marked as quoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Features and learner.
    pub name: String,
    /// Fraction of right answers, 0 to 1.
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

/// A TOML file of baselines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineFile {
    #[serde(default)]
    result: Vec<Baseline>,
}

impl Baseline {
    /// Reads a TOML file with one table `[[result]]` for each figure.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be read; [`EvalError::Malformed`] if it is no such file.
    pub fn open(path: impl AsRef<Path>) -> Result<Vec<Self>, EvalError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(EvalError::io(path))?;
        let file: BaselineFile =
            toml::from_str(&text).map_err(|e| EvalError::malformed(path, e.to_string()))?;
        Ok(file.result)
    }
}

impl Comparison {
    /// A comparison of nothing yet but its tables; the other fields are public.
    #[must_use]
    pub fn new(labels: Vec<String>, tables: Vec<ComparisonTable>) -> Self {
        let n_tracks = tables.first().and_then(|t| t.rows.first()).map_or(0, |row| row.n_rows);
        Self {
            data: String::new(),
            n_tracks,
            n_groups: 0,
            n_features: 0,
            labels,
            tables,
            baselines: Vec::new(),
        }
    }

    /// Writes the comparison as JSON, in one step.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be written; [`EvalError::Malformed`] if it cannot be put into JSON.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        let path = path.as_ref();
        let json = serde_json::to_vec_pretty(self).map_err(|e| EvalError::malformed(path, e.to_string()))?;
        write_atomically(path, &[&json])
    }

    /// Reads a comparison that was saved.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be read; [`EvalError::Malformed`] if it holds no comparison.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(EvalError::io(path))?;
        serde_json::from_slice(&json).map_err(|e| EvalError::malformed(path, e.to_string()))
    }
}
