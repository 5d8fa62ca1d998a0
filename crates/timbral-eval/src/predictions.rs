//! Predictions: true classes and class probabilities, of any model.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView1, Axis};

use crate::EvalError;
use crate::metrics::calibration::calibration_errors;
use crate::metrics::{ConfusionMatrix, ranking};

/// Probabilities of a model beside the truth, one row a window or a track: everything that is measured comes from here.
///
/// The predicted class is the first of largest probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    truth: Vec<usize>,
    probabilities: Array2<f64>,
}

/// Predictions of tracks, with the id of each; made by [`Predictions::by_track`].
#[derive(Clone, Debug, PartialEq)]
pub struct TrackPredictions {
    /// Ids, in the order of first appearance.
    pub track_ids: Vec<String>,
    /// One row per track.
    pub predictions: Predictions,
}

impl Predictions {
    /// True classes and probabilities of shape (rows, classes).
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if there are no rows or classes, as many of one as not of the other, a class out of range, or a
    /// probability that is negative or not finite.
    pub fn new(truth: Vec<usize>, probabilities: Array2<f64>) -> Result<Self, EvalError> {
        let (rows, classes) = probabilities.dim();
        let wrong = |given: String, rule: &str| Err(EvalError::shape("predictions", given, rule));
        if rows == 0 || classes == 0 {
            return wrong(format!("{rows} rows and {classes} classes"), "there must be at least one of each");
        }
        if truth.len() != rows {
            return wrong(
                format!("{} true classes and {rows} rows", truth.len()),
                "there must be as many of both",
            );
        }
        if let Some(class) = truth.iter().find(|class| **class >= classes) {
            return wrong(format!("the true class {class}"), &format!("it must be below {classes}"));
        }
        if let Some(p) = probabilities.iter().find(|p| !(p.is_finite() && **p >= 0.0)) {
            return wrong(format!("the probability {p}"), "it must be finite and not negative");
        }
        Ok(Self { truth, probabilities })
    }

    /// Predictions from rows of probabilities as networks give them.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if rows differ in length, and as for [`Predictions::new`].
    pub fn from_rows(truth: Vec<usize>, rows: &[Vec<f32>]) -> Result<Self, EvalError> {
        let classes = rows.first().map_or(0, Vec::len);
        let values = rows.iter().flatten().map(|p| f64::from(*p)).collect();
        let probabilities = Array2::from_shape_vec((rows.len(), classes), values).map_err(|e| {
            EvalError::shape("predictions", e.to_string(), "all rows must have the same length")
        })?;
        Self::new(truth, probabilities)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Always false: predictions without rows cannot be made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// Number of classes.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.probabilities.ncols()
    }

    /// True classes.
    #[must_use]
    pub fn truth(&self) -> &[usize] {
        &self.truth
    }

    /// Probabilities, shape (rows, classes).
    #[must_use]
    pub fn probabilities(&self) -> &Array2<f64> {
        &self.probabilities
    }

    /// Predicted classes.
    #[must_use]
    pub fn predicted(&self) -> Vec<usize> {
        self.probabilities.rows().into_iter().map(argmax).collect()
    }

    /// Whether each row is right.
    #[must_use]
    pub fn correct(&self) -> Vec<bool> {
        self.predicted().iter().zip(&self.truth).map(|(p, t)| p == t).collect()
    }

    /// The confusion matrix, from which accuracy, precision, recall and F1 follow.
    ///
    /// # Errors
    ///
    /// None in practice: the classes were checked when the predictions were made.
    pub fn confusion(&self) -> Result<ConfusionMatrix, EvalError> {
        ConfusionMatrix::new(&self.truth, &self.predicted(), self.n_classes())
    }

    /// Fraction of rows that are right.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.correct().iter().filter(|c| **c).count() as f64 / self.len() as f64
    }

    /// Fraction of rows whose true class is among the `k` of largest probability; of equal ones the first count as larger.
    #[must_use]
    pub fn top_k_accuracy(&self, k: usize) -> f64 {
        let hit = |(row, &class): (ArrayView1<'_, f64>, &usize)| {
            let p = row[class];
            row.iter().enumerate().filter(|&(i, &q)| q > p || (q == p && i < class)).count() < k
        };
        let hits =
            self.probabilities.rows().into_iter().zip(&self.truth).filter(|(r, t)| hit((*r, t))).count();
        hits as f64 / self.len() as f64
    }

    /// Area under the ROC curve of each class against the rest, ties counted half; `None` where all or no rows are of it.
    #[must_use]
    pub fn roc_auc(&self) -> Vec<Option<f64>> {
        self.one_vs_rest(ranking::roc_auc)
    }

    /// Average precision of each class: the sum over distinct thresholds of (rise of recall) x precision; `None` where no row is
    /// of it.
    #[must_use]
    pub fn average_precision(&self) -> Vec<Option<f64>> {
        self.one_vs_rest(ranking::average_precision)
    }

    fn one_vs_rest(&self, of: fn(&[bool], &[f64]) -> Option<f64>) -> Vec<Option<f64>> {
        let class = |(class, column): (usize, ArrayView1<'_, f64>)| {
            let is_positive: Vec<bool> = self.truth.iter().map(|t| *t == class).collect();
            of(&is_positive, &column.to_vec())
        };
        self.probabilities.columns().into_iter().enumerate().map(class).collect()
    }

    /// Mean negative natural logarithm of the probability of the true class, rows scaled to the sum 1, values limited to
    /// 2.2e-16 from below.
    #[must_use]
    pub fn log_loss(&self) -> f64 {
        let loss = |(row, &class): (ArrayView1<'_, f64>, &usize)| {
            let sum = row.sum();
            let p = if sum > 0.0 { row[class] / sum } else { 0.0 };
            -p.clamp(f64::EPSILON, 1.0).ln()
        };
        self.probabilities.rows().into_iter().zip(&self.truth).map(loss).sum::<f64>() / self.len() as f64
    }

    /// Brier score: the mean over rows of the sum over classes of squared differences to the truth (0 is best, 2 worst).
    #[must_use]
    pub fn brier(&self) -> f64 {
        let score = |(row, &class): (ArrayView1<'_, f64>, &usize)| -> f64 {
            let difference = |(i, p): (usize, &f64)| p - if i == class { 1.0 } else { 0.0 };
            row.iter().enumerate().map(difference).map(|d| d * d).sum()
        };
        self.probabilities.rows().into_iter().zip(&self.truth).map(score).sum::<f64>() / self.len() as f64
    }

    /// Expected calibration error over `n_bins` bins (low, high] of equal width of the top probability (Guo et al. 2017; 15 is
    /// usual).
    #[must_use]
    pub fn expected_calibration_error(&self, n_bins: usize) -> f64 {
        calibration_errors(&self.confidence(), &self.correct(), n_bins.max(1)).0
    }

    /// Largest difference of accuracy and mean confidence over the same bins.
    #[must_use]
    pub fn maximum_calibration_error(&self, n_bins: usize) -> f64 {
        calibration_errors(&self.confidence(), &self.correct(), n_bins.max(1)).1
    }

    /// The largest probability of each row.
    #[must_use]
    pub fn confidence(&self) -> Vec<f64> {
        self.probabilities.rows().into_iter().map(|row| row[argmax(row)]).collect()
    }

    /// Some of the rows, in the order asked for, repetitions allowed.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if there are none or an index is out of range.
    pub fn select(&self, rows: &[usize]) -> Result<Self, EvalError> {
        if let Some(row) = rows.iter().find(|row| **row >= self.len()) {
            let rule = format!("it must be below {}", self.len());
            return Err(EvalError::shape("predictions", format!("row {row}"), rule));
        }
        let truth = rows.iter().map(|&i| self.truth[i]).collect();
        Self::new(truth, self.probabilities.select(Axis(0), rows))
    }

    /// Predictions of tracks from those of their windows: the mean of the probabilities of a track's rows.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if there are not as many ids as rows, or rows of one track differ in their true class.
    pub fn by_track<S: AsRef<str>>(&self, track_ids: &[S]) -> Result<TrackPredictions, EvalError> {
        if track_ids.len() != self.len() {
            return Err(EvalError::shape(
                "track ids",
                format!("{} for {} rows", track_ids.len(), self.len()),
                "there must be as many of both",
            ));
        }
        let mut position: HashMap<&str, usize> = HashMap::new();
        let (mut ids, mut truth, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        let mut of_row = Vec::with_capacity(self.len());
        for (id, &class) in track_ids.iter().zip(&self.truth) {
            let id = id.as_ref();
            let track = *position.entry(id).or_insert(ids.len());
            if track == ids.len() {
                ids.push(id.to_owned());
                truth.push(class);
                counts.push(0.0);
            } else if truth[track] != class {
                return Err(EvalError::shape(
                    "predictions",
                    format!("rows of track {id} have the classes {} and {class}", truth[track]),
                    "each track must have one class",
                ));
            }
            counts[track] += 1.0;
            of_row.push(track);
        }
        let mut means = Array2::zeros((ids.len(), self.n_classes()));
        for (row, &track) in self.probabilities.rows().into_iter().zip(&of_row) {
            means.row_mut(track).scaled_add(1.0, &row);
        }
        for (mut mean, count) in means.rows_mut().into_iter().zip(&counts) {
            mean /= *count;
        }
        Ok(TrackPredictions { track_ids: ids, predictions: Self::new(truth, means)? })
    }
}

fn argmax(row: ArrayView1<'_, f64>) -> usize {
    let mut best = 0;
    for (i, p) in row.iter().enumerate() {
        if *p > row[best] {
            best = i;
        }
    }
    best
}
