use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::atomic::write_atomically;
use crate::metrics::{BootstrapConfig, ClassScores, Interval, Predictions, bootstrap};
use crate::split::Protocol;

/// Bins of the expected calibration error.
const CALIBRATION_BINS: usize = 15;

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
    pub protocol: Option<&'a Protocol>,
    /// [`Split::content_hash`](crate::Split::content_hash) or [`Folds::content_hash`](crate::Folds::content_hash).
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
    pub protocol: Option<Protocol>,
    /// Whether that protocol lets tracks or artists lie on both sides, so that `accuracy` is no test accuracy.
    pub leaky: bool,
    /// Hash of the split.
    pub split_hash: Option<String>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Share of rows that are right.
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
    /// Unweighted means of precision, recall and F1.
    pub macro_average: ClassScores,
    /// Means of precision, recall and F1 weighted by the number of each class.
    pub weighted_average: ClassScores,
    /// Share of rows whose true class is among the three of largest probability.
    pub top_3_accuracy: f64,
    /// Mean one-vs-rest area under the ROC curve, of the classes that have one.
    pub roc_auc: Option<f64>,
    /// Mean average precision, of the classes that have one.
    pub average_precision: Option<f64>,
    /// Mean negative natural logarithm of the probability of the true class.
    pub log_loss: f64,
    /// Brier score, 0 to 2.
    pub brier: f64,
    /// Expected calibration error over 15 bins.
    pub expected_calibration_error: f64,
    /// Counts, rows: true class, columns: predicted class.
    pub confusion: Vec<Vec<u64>>,
    /// Scores of each class.
    pub per_class: Vec<ClassReport>,
}

impl Report {
    /// Measures predictions, with intervals from `bootstrap`.
    ///
    /// # Errors
    ///
    /// [`TrainError::Shape`] if labels or groups do not match the predictions; [`TrainError::Config`] if the bootstrap's
    /// settings are out of range.
    pub fn new(
        predictions: &Predictions,
        source: &ReportSource<'_>,
        config: &BootstrapConfig,
    ) -> Result<Self, TrainError> {
        let n_rows = predictions.len();
        if source.labels.len() != predictions.n_classes() {
            return Err(TrainError::shape(
                "labels",
                format!("{} for {} classes", source.labels.len(), predictions.n_classes()),
                "there must be as many of both",
            ));
        }
        if !source.groups.is_empty() && source.groups.len() != n_rows {
            return Err(TrainError::shape(
                "groups",
                format!("{} for {n_rows} rows", source.groups.len()),
                "there must be as many of both, or none",
            ));
        }
        let confusion = predictions.confusion()?;
        let correct = predictions.correct();
        let accuracy =
            |rows: &[usize]| rows.iter().filter(|&&i| correct[i]).count() as f64 / rows.len() as f64;
        let single: Vec<Vec<usize>> = (0..n_rows).map(|i| vec![i]).collect();
        let group_interval = if source.groups.is_empty() {
            None
        } else {
            let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (i, group) in source.groups.iter().enumerate() {
                groups.entry(group).or_default().push(i);
            }
            let groups: Vec<Vec<usize>> = groups.into_values().collect();
            Some(bootstrap(&groups, config, accuracy)?)
        };
        let predicted = predictions.predicted();
        let truth = predictions.truth();
        let macro_f1 = |rows: &[usize]| macro_f1(truth, &predicted, predictions.n_classes(), rows);
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
        Ok(Self {
            title: source.title.to_owned(),
            unit: source.unit.to_owned(),
            n_rows,
            protocol: source.protocol.cloned(),
            leaky: source.protocol.is_some_and(Protocol::is_leaky),
            split_hash: source.split_hash.map(str::to_owned),
            labels: source.labels.to_vec(),
            accuracy: confusion.accuracy(),
            interval: bootstrap(&single, config, accuracy)?,
            group_interval,
            balanced_accuracy: confusion.balanced_accuracy(),
            macro_f1: confusion.macro_average().f1,
            macro_f1_interval: bootstrap(&single, config, macro_f1)?,
            macro_average: confusion.macro_average(),
            weighted_average: confusion.weighted_average(),
            top_3_accuracy: predictions.top_k_accuracy(3),
            roc_auc: mean(&roc_auc),
            average_precision: mean(&average_precision),
            log_loss: predictions.log_loss(),
            brier: predictions.brier(),
            expected_calibration_error: predictions.expected_calibration_error(CALIBRATION_BINS),
            confusion: confusion
                .counts()
                .rows()
                .into_iter()
                .map(|row| row.to_vec())
                .collect(),
            per_class,
        })
    }

    /// Writes the report as JSON, in one step.
    ///
    /// # Errors
    ///
    /// [`TrainError::Io`] if the file cannot be written; [`TrainError::Malformed`] if the report cannot be put into JSON.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        let path = path.as_ref();
        let json = serde_json::to_vec_pretty(self).map_err(|e| TrainError::malformed(path, e.to_string()))?;
        write_atomically(path, &[&json])
    }
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    if known.is_empty() {
        None
    } else {
        Some(known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// Macro-F1 of some rows without a matrix: it is drawn ten thousand times.
fn macro_f1(truth: &[usize], predicted: &[usize], n_classes: usize, rows: &[usize]) -> f64 {
    let mut hits = vec![0_u32; n_classes];
    let mut named = vec![0_u32; n_classes];
    for &i in rows {
        named[truth[i]] += 1;
        named[predicted[i]] += 1;
        if truth[i] == predicted[i] {
            hits[truth[i]] += 1;
        }
    }
    let f1: Vec<f64> = hits
        .iter()
        .zip(&named)
        .filter(|(_, named)| **named > 0)
        .map(|(hits, named)| 2.0 * f64::from(*hits) / f64::from(*named))
        .collect();
    f1.iter().sum::<f64>() / f1.len() as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |x: f64| format!("{:.1}", 100.0 * x);
        let ends = |i: &Interval| format!("{} to {}", percent(i.low), percent(i.high));
        writeln!(f, "{}", self.title)?;
        if let Some(protocol) = &self.protocol {
            write!(f, "{protocol}")?;
            match &self.split_hash {
                Some(hash) => writeln!(f, ", split {}", hash.get(..12).unwrap_or(hash))?,
                None => writeln!(f)?,
            }
        }
        if self.leaky {
            writeln!(
                f,
                "LEAKY: tracks or artists lie on both sides; these are not test accuracies"
            )?;
        }
        writeln!(f)?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "{name:<26}{value}");
        line(f, "rows", format!("{} {}s", self.n_rows, self.unit))?;
        line(
            f,
            "accuracy %",
            format!("{}  (95 %: {})", percent(self.accuracy), ends(&self.interval)),
        )?;
        if let Some(interval) = &self.group_interval {
            line(
                f,
                "  over groups",
                format!("{}  (95 %: {})", percent(self.accuracy), ends(interval)),
            )?;
        }
        line(
            f,
            "macro-F1 %",
            format!(
                "{}  (95 %: {})",
                percent(self.macro_f1),
                ends(&self.macro_f1_interval)
            ),
        )?;
        line(f, "balanced accuracy %", percent(self.balanced_accuracy))?;
        line(f, "top-3 accuracy %", percent(self.top_3_accuracy))?;
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        line(f, "ROC-AUC (one vs rest)", shown(self.roc_auc))?;
        line(f, "average precision", shown(self.average_precision))?;
        line(f, "log loss", format!("{:.3}", self.log_loss))?;
        line(f, "Brier score", format!("{:.3}", self.brier))?;
        line(
            f,
            "calibration error",
            format!("{:.3}", self.expected_calibration_error),
        )?;

        let width = self
            .labels
            .iter()
            .map(|l| l.chars().count())
            .max()
            .unwrap_or(0)
            .max(8);
        writeln!(
            f,
            "\n{:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "class", "precision", "recall", "F1", "ROC-AUC", "AP", "support"
        )?;
        for class in &self.per_class {
            let s = &class.scores;
            writeln!(
                f,
                "{:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                class.label,
                percent(s.precision),
                percent(s.recall),
                percent(s.f1),
                shown(class.roc_auc),
                shown(class.average_precision),
                s.support
            )?;
        }
        for (name, s) in [
            ("macro", &self.macro_average),
            ("weighted", &self.weighted_average),
        ] {
            writeln!(
                f,
                "{name:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                percent(s.precision),
                percent(s.recall),
                percent(s.f1),
                "",
                "",
                s.support
            )?;
        }
        writeln!(f, "\nconfusion (rows: truth, columns: answer, in the same order)")?;
        for (label, row) in self.labels.iter().zip(&self.confusion) {
            write!(f, "{label:<width$}")?;
            row.iter().try_for_each(|count| write!(f, " {count:>5}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
