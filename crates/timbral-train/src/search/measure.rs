use serde::{Deserialize, Serialize};

use super::Objective;
use crate::TrainError;
use timbral_eval::bootstrap::units_of;
use timbral_eval::metrics::accuracy_and_macro_f1;
use timbral_eval::{BootstrapConfig, Interval, Predictions, bootstrap};

/// How good a trial is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The objective.
    pub score: f64,
    /// Its 95 % bootstrap interval over artists.
    pub interval: Option<Interval>,
    /// Fraction of tracks that are right.
    pub accuracy: Option<f64>,
    /// Mean F1 of the classes.
    pub macro_f1: Option<f64>,
    /// Mean negative logarithm of the probability of the true class; none of learners without probabilities.
    pub log_loss: Option<f64>,
}

impl Measured {
    /// A bare score.
    #[must_use]
    pub fn of(score: f64) -> Self {
        Self { score, ..Self::default() }
    }

    /// Measures predictions of tracks; `groups` has the artist of each.
    pub(super) fn new(
        predictions: &Predictions,
        groups: &[String],
        objective: Objective,
        has_probabilities: bool,
    ) -> Result<Self, TrainError> {
        let units = units_of(groups);
        let (truth, predicted) = (predictions.truth(), predictions.predicted());
        let f1 = |rows: &[usize]| accuracy_and_macro_f1(truth, &predicted, predictions.n_classes(), rows).1;
        let correct = predictions.correct();
        let losses = losses(predictions);
        let statistic = |rows: &[usize]| match objective {
            Objective::Accuracy => {
                rows.iter().filter(|&&row| correct[row]).count() as f64 / rows.len() as f64
            }
            Objective::MacroF1 => f1(rows),
            Objective::LogLoss => rows.iter().map(|&row| losses[row]).sum::<f64>() / rows.len() as f64,
        };
        let accuracy = predictions.accuracy();
        let all: Vec<usize> = (0..predictions.len()).collect();
        let (f1, log_loss) = (f1(&all), predictions.log_loss());
        let score = match objective {
            Objective::Accuracy => accuracy,
            Objective::MacroF1 => f1,
            Objective::LogLoss => log_loss,
        };
        Ok(Self {
            score,
            interval: Some(bootstrap(&units, &BootstrapConfig::default(), statistic)?),
            accuracy: Some(accuracy),
            macro_f1: Some(f1),
            log_loss: has_probabilities.then_some(log_loss),
        })
    }
}

/// The log loss of each row, as [`Predictions::log_loss`] has it.
fn losses(predictions: &Predictions) -> Vec<f64> {
    let rows = predictions.probabilities().rows().into_iter();
    rows.zip(predictions.truth())
        .map(|(row, &class)| {
            let sum = row.sum();
            let p = if sum > 0.0 { row[class] / sum } else { 0.0 };
            -p.clamp(f64::EPSILON, 1.0).ln()
        })
        .collect()
}
