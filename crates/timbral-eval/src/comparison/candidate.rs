use std::collections::HashMap;
use std::time::Duration;

use ndarray::Array2;

use super::{ComparisonRow, ComparisonTable};
use crate::EvalError;
use crate::bootstrap::{BootstrapConfig, bootstrap_all, units_of};
use crate::mcnemar::{McNemar, mcnemar};
use crate::metrics::{ConfusionMatrix, Rankings};
use crate::predictions::Predictions;

/// What one model predicted in one repeat of a cross-validation, over all its folds.
#[derive(Clone, Debug, Default)]
pub struct RepeatPredictions {
    /// Id of each row: its track, or its window where windows are divided.
    pub ids: Vec<String>,
    /// Group (artist) of each row.
    pub groups: Vec<String>,
    /// True class of each row.
    pub truth: Vec<usize>,
    /// Predicted class of each row, which for a support vector classifier need not be the one of largest probability.
    pub predicted: Vec<usize>,
    /// Probabilities of shape (rows, classes); none of a model that has none.
    pub probabilities: Option<Array2<f64>>,
    /// Time of all fits.
    pub fit_time: Duration,
    /// Time of all predictions.
    pub predict_time: Duration,
}

/// A model to compare: its name and its predictions, repeat by repeat.
#[derive(Clone, Debug)]
pub struct CandidatePredictions {
    /// Name in the table.
    pub name: String,
    /// Its predictions in each repeat; all repeats have the same rows.
    pub repeats: Vec<RepeatPredictions>,
}

impl ComparisonTable {
    /// Measures candidates: scores are means over the repeats, intervals are drawn over groups, and McNemar's test stands
    /// each candidate against the most accurate one, in the first repeat.
    ///
    /// # Errors
    ///
    /// [`EvalError::Config`] without candidates or repeats, or for settings of the bootstrap; [`EvalError::Shape`] if lists
    /// of a repeat differ in length, repeats in their rows, or a class is out of range.
    pub fn new(
        candidates: &[CandidatePredictions],
        n_classes: usize,
        config: &BootstrapConfig,
    ) -> Result<Self, EvalError> {
        let mut rows = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            rows.push(row(candidate, n_classes, config)?);
        }
        if rows.is_empty() {
            return Err(EvalError::config("candidates", 0, "at least 1"));
        }
        // The first of those of equal accuracy.
        let best =
            (1..rows.len()).fold(0, |best, i| if rows[i].accuracy > rows[best].accuracy { i } else { best });
        let best_repeat = candidates[best].repeats.first();
        for (i, (row, candidate)) in rows.iter_mut().zip(candidates).enumerate() {
            if let (true, Some(a), Some(b)) = (i != best, best_repeat, candidate.repeats.first()) {
                row.against_best = Some(against(a, b)?);
            }
        }
        Ok(Self {
            protocol: String::new(),
            leaky: false,
            unit: "track".to_owned(),
            fold_hashes: Vec::new(),
            rows,
        })
    }

    /// Adds how the folds were made, whether they leak, what a row is (`track` or `window`), and the hash of the folds of
    /// each repeat.
    #[must_use]
    pub fn with_protocol(
        mut self,
        protocol: String,
        leaky: bool,
        unit: &str,
        fold_hashes: Vec<String>,
    ) -> Self {
        (self.protocol, self.leaky, self.fold_hashes) = (protocol, leaky, fold_hashes);
        unit.clone_into(&mut self.unit);
        self
    }
}

fn check(name: &str, repeat: &RepeatPredictions, n: usize) -> Result<(), EvalError> {
    let rows = repeat.probabilities.as_ref().map_or(n, Array2::nrows);
    let lengths = [repeat.ids.len(), repeat.groups.len(), repeat.truth.len(), repeat.predicted.len(), rows];
    if lengths.iter().any(|length| *length != n) {
        let given = format!("{lengths:?} ids, groups, true and predicted classes, probabilities of {name}");
        let rule = format!("each must have {n} rows, as many as the first repeat has ids");
        return Err(EvalError::shape("predictions", given, rule));
    }
    Ok(())
}

/// The scores of one candidate: means over its repeats, with intervals over groups.
fn row(
    candidate: &CandidatePredictions,
    n_classes: usize,
    config: &BootstrapConfig,
) -> Result<ComparisonRow, EvalError> {
    let CandidatePredictions { name, repeats } = candidate;
    let Some(first) = repeats.first() else {
        return Err(EvalError::config("repeats", 0, "at least 1"));
    };
    let n = first.ids.len();
    for repeat in repeats {
        check(name, repeat, n)?;
    }
    let mean =
        |of: &dyn Fn(&RepeatPredictions) -> f64| repeats.iter().map(of).sum::<f64>() / repeats.len() as f64;
    // Rankings index by class, so that classes are checked first.
    let mut macro_f1 = 0.0;
    for repeat in repeats {
        let confusion = ConfusionMatrix::new(&repeat.truth, &repeat.predicted, n_classes)?;
        macro_f1 += confusion.macro_average().f1 / repeats.len() as f64;
    }
    let predictions: Option<Vec<Predictions>> = repeats
        .iter()
        .map(|repeat| Some(Predictions::new(repeat.truth.clone(), repeat.probabilities.clone()?)))
        .collect::<Option<Result<_, _>>>()
        .transpose()?;
    let rankings: Option<Vec<Rankings>> = predictions
        .as_ref()
        .map(|all| all.iter().map(|p| Rankings::new(p.truth(), p.probabilities())).collect());
    let hits =
        |r: &RepeatPredictions| r.truth.iter().zip(&r.predicted).map(|(t, p)| t == p).collect::<Vec<bool>>();
    let hits: Vec<Vec<bool>> = repeats.iter().map(hits).collect();
    let statistics = |rows: &[usize]| {
        let count = |hits: &Vec<bool>| rows.iter().filter(|&&row| hits[row]).count();
        let total: usize = hits.iter().map(count).sum();
        let accuracy = total as f64 / (rows.len() * repeats.len()) as f64;
        let (mut area, mut precision) = (f64::NAN, f64::NAN);
        if let Some(rankings) = &rankings {
            let mut counts = vec![0; n];
            rows.iter().for_each(|&row| counts[row] += 1);
            let means = rankings.iter().map(|r| r.means(&counts));
            let sums = means.fold((0.0, 0.0), |sum, m| (sum.0 + m.0, sum.1 + m.1));
            (area, precision) = (sums.0 / repeats.len() as f64, sums.1 / repeats.len() as f64);
        }
        [accuracy, area, precision]
    };
    let intervals = bootstrap_all(&units_of(&first.groups), config, statistics)?;
    let all: Vec<usize> = (0..n).collect();
    let [accuracy, area, precision] = statistics(&all);
    let known = |value: f64| Some(value).filter(|value| value.is_finite());
    Ok(ComparisonRow {
        name: name.clone(),
        n_rows: n,
        accuracy,
        accuracies: hits
            .iter()
            .map(|hits| hits.iter().filter(|hit| **hit).count() as f64 / n as f64)
            .collect(),
        accuracy_interval: intervals[0],
        macro_f1,
        average_precision: known(precision),
        average_precision_interval: known(precision).map(|_| intervals[2]),
        roc_auc: known(area),
        roc_auc_interval: known(area).map(|_| intervals[1]),
        log_loss: predictions
            .map(|all| all.iter().map(Predictions::log_loss).sum::<f64>() / all.len() as f64),
        fit_seconds: mean(&|r| r.fit_time.as_secs_f64()),
        predict_seconds: mean(&|r| r.predict_time.as_secs_f64()),
        against_best: None,
    })
}

/// McNemar's test on the rows that both predicted.
fn against(best: &RepeatPredictions, other: &RepeatPredictions) -> Result<McNemar, EvalError> {
    let place: HashMap<&str, usize> = other.ids.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
    let pairs = best.ids.iter().enumerate().filter_map(|(i, id)| {
        let j = *place.get(id.as_str())?;
        Some((best.truth[i] == best.predicted[i], other.truth[j] == other.predicted[j]))
    });
    let (first, second): (Vec<bool>, Vec<bool>) = pairs.unzip();
    mcnemar(&first, &second)
}
