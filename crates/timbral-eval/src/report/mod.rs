//! Reports: everything that is measured of predictions, as text, Markdown and `report.json`.

mod protocol;
mod text;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::atomic::write_atomically;
use crate::bootstrap::{BootstrapConfig, Interval, bootstrap_all, units_of};
use crate::metrics::{ClassScores, Rankings, accuracy_and_macro_f1};
use crate::predictions::Predictions;

/// Bins of the expected calibration error.
pub(crate) const CALIBRATION_BINS: usize = 15;

/// Where predictions come from, for a [`Report`].
#[derive(Clone, Copy, Debug)]
pub struct ReportSource<'a> {
    /// What was measured, for example the model's name.
    pub title: &'a str,
    /// What a row is: `track` or `window`.
    pub unit: &'a str,
    /// Names of the classes, in the order of the probabilities.
    pub labels: &'a [String],
    /// Group (artist) of each row, for the interval over groups; empty where unknown.
    pub groups: &'a [String],
    /// How the rows were split from what the model was fitted on.
    pub protocol: Option<&'a str>,
    /// Whether that protocol lets tracks or groups appear in both train and test.
    pub leaky: bool,
    /// Hash of the split or folds, where there is one.
    pub split_hash: Option<&'a str>,
}

/// Scores of one class in a [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Name of the class.
    pub label: String,
    /// Precision, recall, F1 and support.
    #[serde(flatten)]
    pub scores: ClassScores,
    /// Area under the ROC curve against the rest; none where all or no rows are of the class.
    pub roc_auc: Option<f64>,
    /// Average precision; none where no row is of the class.
    pub average_precision: Option<f64>,
}

/// Everything that is measured of predictions, ready to print or to store as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// What was measured.
    pub title: String,
    /// What a row is: `track` or `window`.
    pub unit: String,
    /// Number of rows.
    pub n_rows: usize,
    /// How the rows were split from what the model was fitted on.
    #[serde(default, deserialize_with = "protocol::deserialize")]
    pub protocol: Option<String>,
    /// Whether that protocol lets tracks or groups appear in both train and test, so that `accuracy` is no test accuracy.
    pub leaky: bool,
    /// Hash of the split.
    pub split_hash: Option<String>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Fraction of rows that are right.
    pub accuracy: f64,
    /// 95 % bootstrap interval of the accuracy over rows.
    pub interval: Interval,
    /// 95 % bootstrap interval of the accuracy over groups, where they are known.
    pub group_interval: Option<Interval>,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: f64,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
    /// 95 % bootstrap interval of the macro-F1 over rows.
    pub macro_f1_interval: Interval,
    /// 95 % bootstrap interval of the macro-F1 over groups, where they are known.
    #[serde(default)]
    pub macro_f1_group_interval: Option<Interval>,
    /// Unweighted means of precision, recall and F1.
    pub macro_average: ClassScores,
    /// Means of precision, recall and F1 weighted by the number of each class.
    pub weighted_average: ClassScores,
    /// Fraction of rows whose true class is among the three of largest probability.
    pub top_3_accuracy: f64,
    /// Mean one-vs-rest area under the ROC curve, of the classes that have one.
    pub roc_auc: Option<f64>,
    /// 95 % bootstrap interval of `roc_auc` over rows.
    #[serde(default)]
    pub roc_auc_interval: Option<Interval>,
    /// 95 % bootstrap interval of `roc_auc` over groups, where they are known.
    #[serde(default)]
    pub roc_auc_group_interval: Option<Interval>,
    /// Mean average precision, of the classes that have one.
    pub average_precision: Option<f64>,
    /// 95 % bootstrap interval of `average_precision` over rows.
    #[serde(default)]
    pub average_precision_interval: Option<Interval>,
    /// 95 % bootstrap interval of `average_precision` over groups, where they are known.
    #[serde(default)]
    pub average_precision_group_interval: Option<Interval>,
    /// Mean negative natural logarithm of the probability of the true class.
    pub log_loss: f64,
    /// Brier score, 0 to 2.
    pub brier: f64,
    /// Expected calibration error over 15 bins.
    pub expected_calibration_error: f64,
    /// Largest gap between accuracy and mean confidence of a bin.
    #[serde(default)]
    pub maximum_calibration_error: f64,
    /// Seconds of fitting, all folds together, where they were taken.
    #[serde(default)]
    pub fit_seconds: Option<f64>,
    /// Seconds of predicting, all folds together, where they were taken.
    #[serde(default)]
    pub predict_seconds: Option<f64>,
    /// Counts, rows: true class, columns: predicted class.
    pub confusion: Vec<Vec<u64>>,
    /// Scores of each class.
    pub per_class: Vec<ClassReport>,
    /// The same of the windows that the tracks were cut into: see [`Report::with_windows`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Box<Report>>,
}

impl Report {
    /// Measures predictions, with intervals from `bootstrap`.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if labels or groups do not match the predictions; [`EvalError::Config`] if the bootstrap's
    /// settings are out of range.
    pub fn new(
        predictions: &Predictions,
        source: &ReportSource<'_>,
        config: &BootstrapConfig,
    ) -> Result<Self, EvalError> {
        let single: Vec<Vec<usize>> = (0..predictions.len()).map(|i| vec![i]).collect();
        measure(predictions, source, &single, config)
    }

    /// Adds what is measured of the windows of the tracks. Their answers are alike, so the interval "over rows" draws whole
    /// tracks here: the rows of one of `track_ids`. `groups` are as in [`ReportSource`], one a window.
    ///
    /// # Errors
    ///
    /// As [`Report::new`]; [`EvalError::Shape`] also if there are not as many ids as windows.
    pub fn with_windows<S: AsRef<str>>(
        mut self,
        windows: &Predictions,
        track_ids: &[S],
        groups: &[String],
        config: &BootstrapConfig,
    ) -> Result<Self, EvalError> {
        if track_ids.len() != windows.len() {
            return Err(EvalError::shape(
                "track ids",
                format!("{} for {} windows", track_ids.len(), windows.len()),
                "there must be as many of both",
            ));
        }
        let source = ReportSource {
            title: &self.title,
            unit: "window",
            labels: &self.labels,
            groups,
            protocol: self.protocol.as_deref(),
            leaky: self.leaky,
            split_hash: self.split_hash.as_deref(),
        };
        let report = measure(windows, &source, &units_of(track_ids), config)?;
        self.windows = Some(Box::new(report));
        Ok(self)
    }

    /// Adds the times of fitting and predicting, all folds together, as far as they were taken.
    #[must_use]
    pub fn with_times(mut self, fit: Option<Duration>, predict: Option<Duration>) -> Self {
        self.fit_seconds = fit.map(|time| time.as_secs_f64());
        self.predict_seconds = predict.map(|time| time.as_secs_f64());
        self
    }

    /// Writes the report as JSON, in one step.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be written; [`EvalError::Malformed`] if the report cannot be put into JSON.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        let path = path.as_ref();
        let json = serde_json::to_vec_pretty(self).map_err(|e| EvalError::malformed(path, e.to_string()))?;
        write_atomically(path, &[&json])
    }

    /// Reads a report that was saved.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be read; [`EvalError::Malformed`] if it holds no report.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(EvalError::io(path))?;
        serde_json::from_slice(&json).map_err(|e| EvalError::malformed(path, e.to_string()))
    }
}

/// Measures predictions; `units` are the rows that are drawn together for the interval over rows.
fn measure(
    predictions: &Predictions,
    source: &ReportSource<'_>,
    units: &[Vec<usize>],
    config: &BootstrapConfig,
) -> Result<Report, EvalError> {
    let n_rows = predictions.len();
    if source.labels.len() != predictions.n_classes() {
        return Err(EvalError::shape(
            "labels",
            format!("{} for {} classes", source.labels.len(), predictions.n_classes()),
            "there must be as many of both",
        ));
    }
    if !source.groups.is_empty() && source.groups.len() != n_rows {
        return Err(EvalError::shape(
            "groups",
            format!("{} for {n_rows} rows", source.groups.len()),
            "there must be as many of both, or none",
        ));
    }
    let confusion = predictions.confusion()?;
    let (truth, predicted) = (predictions.truth(), predictions.predicted());
    let rankings = Rankings::new(truth, predictions.probabilities());
    let statistics = |rows: &[usize]| {
        let mut counts = vec![0; n_rows];
        rows.iter().for_each(|&row| counts[row] += 1);
        let (accuracy, macro_f1) = accuracy_and_macro_f1(truth, &predicted, predictions.n_classes(), rows);
        let (roc_auc, average_precision) = rankings.means(&counts);
        [accuracy, macro_f1, roc_auc, average_precision]
    };
    let over_rows = bootstrap_all(units, config, statistics)?;
    let over_groups = if source.groups.is_empty() {
        None
    } else {
        Some(bootstrap_all(&units_of(source.groups), config, statistics)?)
    };
    // Without a class that has the score there is no interval of it.
    let of_rows = |i: usize| Some(over_rows[i]).filter(|interval| interval.low.is_finite());
    let of_groups = |i: usize| over_groups.map(|o| o[i]).filter(|interval| interval.low.is_finite());
    let (roc_auc, average_precision) = (predictions.roc_auc(), predictions.average_precision());
    let per_class = confusion
        .per_class()
        .into_iter()
        .enumerate()
        .map(|(i, scores)| ClassReport {
            label: source.labels[i].clone(),
            scores,
            roc_auc: roc_auc[i],
            average_precision: average_precision[i],
        })
        .collect();
    Ok(Report {
        title: source.title.to_owned(),
        unit: source.unit.to_owned(),
        n_rows,
        protocol: source.protocol.map(str::to_owned),
        leaky: source.leaky,
        split_hash: source.split_hash.map(str::to_owned),
        labels: source.labels.to_vec(),
        accuracy: confusion.accuracy(),
        interval: over_rows[0],
        group_interval: of_groups(0),
        balanced_accuracy: confusion.balanced_accuracy(),
        macro_f1: confusion.macro_average().f1,
        macro_f1_interval: over_rows[1],
        macro_f1_group_interval: of_groups(1),
        macro_average: confusion.macro_average(),
        weighted_average: confusion.weighted_average(),
        top_3_accuracy: predictions.top_k_accuracy(3),
        roc_auc: mean(&roc_auc),
        roc_auc_interval: of_rows(2),
        roc_auc_group_interval: of_groups(2),
        average_precision: mean(&average_precision),
        average_precision_interval: of_rows(3),
        average_precision_group_interval: of_groups(3),
        log_loss: predictions.log_loss(),
        brier: predictions.brier(),
        expected_calibration_error: predictions.expected_calibration_error(CALIBRATION_BINS),
        maximum_calibration_error: predictions.maximum_calibration_error(CALIBRATION_BINS),
        fit_seconds: None,
        predict_seconds: None,
        confusion: confusion.counts().rows().into_iter().map(|row| row.to_vec()).collect(),
        per_class,
        windows: None,
    })
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    if known.is_empty() { None } else { Some(known.iter().sum::<f64>() / known.len() as f64) }
}
