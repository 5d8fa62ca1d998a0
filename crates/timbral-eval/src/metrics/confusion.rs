use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::EvalError;

/// How often each true class was taken for each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    /// Rows: true class; columns: predicted class.
    counts: Array2<u64>,
}

/// Precision, recall and F1 of one class; a ratio whose denominator is 0 is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Of those predicted to be of the class, the fraction that is.
    pub precision: f64,
    /// Of those of the class, the fraction predicted so.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// How many are of the class.
    pub support: u64,
}

fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator > 0.0 { numerator / denominator } else { 0.0 }
}

impl ConfusionMatrix {
    /// Counts pairs of true and predicted classes.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if the lists differ in length or a class is not below `n_classes`.
    pub fn new(truth: &[usize], predicted: &[usize], n_classes: usize) -> Result<Self, EvalError> {
        if truth.len() != predicted.len() {
            return Err(EvalError::shape(
                "classes",
                format!("{} true and {} predicted", truth.len(), predicted.len()),
                "there must be as many of both",
            ));
        }
        let mut counts = Array2::zeros((n_classes, n_classes));
        for pair in truth.iter().zip(predicted) {
            match counts.get_mut((*pair.0, *pair.1)) {
                Some(count) => *count += 1,
                None => {
                    return Err(EvalError::shape(
                        "classes",
                        format!("true {} and predicted {}", pair.0, pair.1),
                        format!("each must be below {n_classes}"),
                    ));
                }
            }
        }
        Ok(Self { counts })
    }

    /// The counts, shape (true classes, predicted classes).
    #[must_use]
    pub fn counts(&self) -> &Array2<u64> {
        &self.counts
    }

    /// Number of pairs.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.sum()
    }

    /// Fraction of the pairs on the diagonal; 0 if there are none.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.counts.diag().sum() as f64, self.total() as f64)
    }

    /// Mean recall of the classes that occur.
    #[must_use]
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> = self.per_class().iter().filter(|c| c.support > 0).map(|c| c.recall).collect();
        ratio(recalls.iter().sum(), recalls.len() as f64)
    }

    /// Precision, recall and F1 of each class.
    #[must_use]
    pub fn per_class(&self) -> Vec<ClassScores> {
        let support = self.counts.sum_axis(Axis(1));
        let predicted = self.counts.sum_axis(Axis(0));
        (0..self.counts.nrows())
            .map(|class| {
                let hits = self.counts[(class, class)] as f64;
                let (support, predicted) = (support[class], predicted[class]);
                ClassScores {
                    precision: ratio(hits, predicted as f64),
                    recall: ratio(hits, support as f64),
                    f1: ratio(2.0 * hits, (support + predicted) as f64),
                    support,
                }
            })
            .collect()
    }

    /// Unweighted means over the classes that occur or are predicted. `support` is the total.
    #[must_use]
    pub fn macro_average(&self) -> ClassScores {
        let predicted = self.counts.sum_axis(Axis(0));
        let weight = |(class, scores): (usize, &ClassScores)| {
            if scores.support + predicted[class] > 0 { 1.0 } else { 0.0 }
        };
        self.average(weight)
    }

    /// Means weighted by the number of each class. `support` is the total.
    #[must_use]
    pub fn weighted_average(&self) -> ClassScores {
        self.average(|(_, scores)| scores.support as f64)
    }

    fn average(&self, weight: impl Fn((usize, &ClassScores)) -> f64) -> ClassScores {
        let scores = self.per_class();
        let weights: Vec<f64> = scores.iter().enumerate().map(weight).collect();
        let mean = |of: fn(&ClassScores) -> f64| {
            ratio(scores.iter().zip(&weights).map(|(s, w)| of(s) * w).sum(), weights.iter().sum())
        };
        ClassScores {
            precision: mean(|s| s.precision),
            recall: mean(|s| s.recall),
            f1: mean(|s| s.f1),
            support: self.total(),
        }
    }
}
