//! Calibration: the temperature of a model and the threshold below which it rejects, measured fold by fold.

use std::fmt;

use ndarray::{Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};
use timbral_classic::Temperature;

use crate::EvalError;
use crate::open_set::threshold_at_tpr;
use crate::predictions::Predictions;

/// Bins of the expected calibration error.
const BINS: usize = 15;

/// The temperature of a model and the threshold below which it rejects an input, fitted to predictions for tracks that the
/// model that made them was not trained on.
///
/// `temperature` and `threshold` are fitted to all predictions. The measurements are cross-fitted: each fold is measured
/// with what was fitted to the other folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibration {
    /// Divisor of the logits with the smallest log loss.
    pub temperature: f64,
    /// Name of the rejection score, higher for inputs more like the training data: `margin`, or what the caller chose.
    pub score: String,
    /// An input whose score is below it is rejected.
    pub threshold: f64,
    /// Fraction of the tracks that the threshold accepts (true positive rate), above 0 and at most 1.
    pub tpr: f64,
    /// Number of tracks.
    pub n_tracks: usize,
    /// Number of folds.
    pub n_folds: usize,
    /// Expected calibration error over 15 bins, of the probabilities as the model gives them.
    pub error_before: f64,
    /// The same at the temperature fitted to the other folds.
    pub error_after: f64,
    /// Log loss of the probabilities as the model gives them.
    pub log_loss_before: f64,
    /// The same at the temperature fitted to the other folds.
    pub log_loss_after: f64,
    /// False rejection rate: fraction of these in-distribution tracks rejected by the threshold of the other folds.
    #[serde(alias = "known_refused")]
    pub false_rejection_rate: f64,
    /// Accuracy over all tracks.
    pub accuracy: f64,
    /// Accuracy over the accepted tracks; none where all are rejected.
    #[serde(alias = "accuracy_of_kept")]
    pub selective_accuracy: Option<f64>,
}

/// Rejection scores that the caller computed, for [`Calibration::fit`].
#[derive(Clone, Copy, Debug)]
pub struct RejectionScores<'a> {
    /// Name of the score.
    pub name: &'a str,
    /// Score of each row, higher for inputs more like the training data, by what was fitted to the other folds.
    pub scores: &'a [f64],
}

impl Calibration {
    /// Fits temperature and threshold to predictions for held-out tracks; rows of one value in `folds` were predicted by
    /// one model.
    ///
    /// Without `scores`, the rejection score is the margin: the largest probability less the second, at the temperature of
    /// the other folds. The threshold accepts a fraction `tpr` of the tracks.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if there are not as many folds or scores as rows, or fewer than two folds;
    /// [`EvalError::Config`] if `tpr` is not above 0 and at most 1; [`EvalError::Classic`] where no temperature can be
    /// fitted.
    pub fn fit(
        predictions: &Predictions,
        folds: &[usize],
        scores: Option<RejectionScores<'_>>,
        tpr: f64,
    ) -> Result<Self, EvalError> {
        let n = predictions.len();
        let lengths = [Some(folds.len()), scores.map(|s| s.scores.len())];
        if let Some(given) = lengths.into_iter().flatten().find(|length| *length != n) {
            let given = format!("{given} for {n} predictions");
            return Err(EvalError::shape("folds or scores", given, "there must be as many of both"));
        }
        let parts: Vec<Part> = parts(folds);
        if parts.len() < 2 {
            return Err(EvalError::shape("folds", "fewer than two", "there must be at least two"));
        }
        let temperature = temperature(predictions, None)?;
        let mut after = predictions.probabilities().clone();
        for part in &parts {
            let held_out = self::temperature(predictions, Some(&part.rest))?;
            let rows = at_temperature(&predictions.probabilities().select(Axis(0), &part.rows), held_out);
            for (&row, values) in part.rows.iter().zip(rows.rows()) {
                after.row_mut(row).assign(&values);
            }
        }
        let after = Predictions::new(predictions.truth().to_vec(), after)?;
        let (score, scores) = match scores {
            Some(given) => (given.name, given.scores.to_vec()),
            None => ("margin", after.probabilities().rows().into_iter().map(margin).collect()),
        };
        let threshold = threshold_at_tpr(&scores, tpr)?;
        let mut accepted = vec![true; n];
        for part in &parts {
            let others: Vec<f64> = part.rest.iter().map(|&row| scores[row]).collect();
            let threshold = threshold_at_tpr(&others, tpr)?;
            part.rows.iter().for_each(|&row| accepted[row] = scores[row] >= threshold);
        }
        let accepted: Vec<usize> = (0..n).filter(|&row| accepted[row]).collect();
        let correct = predictions.correct();
        let hits = accepted.iter().filter(|&&row| correct[row]).count();
        Ok(Self {
            temperature,
            score: score.to_owned(),
            threshold,
            tpr,
            n_tracks: n,
            n_folds: parts.len(),
            error_before: predictions.expected_calibration_error(BINS),
            error_after: after.expected_calibration_error(BINS),
            log_loss_before: predictions.log_loss(),
            log_loss_after: after.log_loss(),
            false_rejection_rate: 1.0 - accepted.len() as f64 / n as f64,
            accuracy: predictions.accuracy(),
            selective_accuracy: (!accepted.is_empty()).then(|| hits as f64 / accepted.len() as f64),
        })
    }
}

/// The largest value less the second, from single precision, which models give and thresholds are compared in.
fn margin(row: ArrayView1<'_, f64>) -> f64 {
    let mut best = [f64::NEG_INFINITY; 2];
    for &p in row {
        let p = f64::from(p as f32);
        if p > best[0] {
            best = [p, best[0]];
        } else if p > best[1] {
            best[1] = p;
        }
    }
    best[0] - best[1].max(0.0)
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "temperature {:.3}: calibration error {:.3} before, {:.3} after; log loss {:.3}, {:.3}",
            self.temperature, self.error_before, self.error_after, self.log_loss_before, self.log_loss_after
        )?;
        write!(
            f,
            "rejected: {} below {:.3}, {:.1} % of {} in-distribution tracks; accuracy {:.1} %, of those accepted ",
            self.score,
            self.threshold,
            100.0 * self.false_rejection_rate,
            self.n_tracks,
            100.0 * self.accuracy
        )?;
        match self.selective_accuracy {
            Some(accuracy) => write!(f, "{:.1} %", 100.0 * accuracy),
            None => write!(f, "-"),
        }
    }
}

/// The rows of a fold and those of all others.
struct Part {
    rows: Vec<usize>,
    rest: Vec<usize>,
}

fn parts(folds: &[usize]) -> Vec<Part> {
    let distinct: std::collections::BTreeSet<usize> = folds.iter().copied().collect();
    let part = |fold: usize| {
        let (rows, rest) = (0..folds.len()).partition(|&row| folds[row] == fold);
        Part { rows, rest }
    };
    distinct.into_iter().map(part).collect()
}

/// Temperature of smallest log loss over some rows, or all.
fn temperature(predictions: &Predictions, rows: Option<&[usize]>) -> Result<f64, EvalError> {
    let chosen = rows.map(|rows| predictions.select(rows)).transpose()?;
    let predictions = chosen.as_ref().unwrap_or(predictions);
    let scores = Temperature::scores(predictions.probabilities().view());
    Ok(Temperature::fit(scores.view(), predictions.truth())?.value())
}

/// Probabilities at a temperature: the softmax of their logarithms divided by it, row by row.
fn at_temperature(probabilities: &Array2<f64>, temperature: f64) -> Array2<f64> {
    let mut out = Temperature::scores(probabilities.view()) / temperature;
    for mut row in out.rows_mut() {
        let top = row.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        row.mapv_inplace(|score| (score - top).exp());
        let sum = row.sum();
        row /= sum;
    }
    out
}
