//! Open-set detection: how well a score separates in-distribution from out-of-distribution inputs, and where to put the
//! rejection threshold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::metrics::ranking;

/// True positive rate at which false positives are counted.
const TRUE_POSITIVE_RATE: f64 = 0.95;

/// How well a score separates in-distribution from out-of-distribution inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenSetReport {
    /// Name of the score.
    pub score: String,
    /// Number of in-distribution inputs.
    #[serde(alias = "n_known")]
    pub n_in_distribution: usize,
    /// Number of out-of-distribution inputs.
    #[serde(alias = "n_outside")]
    pub n_out_of_distribution: usize,
    /// Area under the ROC curve: probability that an in-distribution input scores above an out-of-distribution one, ties
    /// counted half.
    pub auroc: f64,
    /// Fraction of the out-of-distribution inputs accepted by the threshold that accepts 95 % of the in-distribution ones.
    pub fpr_at_95_tpr: f64,
    /// The score below which inputs are rejected, where there is one.
    pub threshold: Option<f64>,
    /// Fraction of the in-distribution inputs below it.
    #[serde(alias = "known_refused")]
    pub false_rejection_rate: Option<f64>,
    /// Fraction of the out-of-distribution inputs below it.
    #[serde(alias = "outside_refused")]
    pub true_rejection_rate: Option<f64>,
}

impl OpenSetReport {
    /// Measures scores, higher for inputs more like the training data.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if there are no inputs of one kind, or a score is not a number.
    pub fn new(
        score: &str,
        in_distribution: &[f64],
        out_of_distribution: &[f64],
        threshold: Option<f64>,
    ) -> Result<Self, EvalError> {
        let rejected = |scores: &[f64]| {
            threshold.map(|t| scores.iter().filter(|score| **score < t).count() as f64 / scores.len() as f64)
        };
        Ok(Self {
            score: score.to_owned(),
            n_in_distribution: in_distribution.len(),
            n_out_of_distribution: out_of_distribution.len(),
            auroc: open_set_auroc(in_distribution, out_of_distribution)?,
            fpr_at_95_tpr: fpr_at_tpr(in_distribution, out_of_distribution, TRUE_POSITIVE_RATE)?,
            threshold,
            false_rejection_rate: rejected(in_distribution),
            true_rejection_rate: rejected(out_of_distribution),
        })
    }
}

impl fmt::Display for OpenSetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} AUROC {:.3}, FPR at 95 % TPR {:.3} ({} in-distribution, {} out-of-distribution)",
            self.score, self.auroc, self.fpr_at_95_tpr, self.n_in_distribution, self.n_out_of_distribution
        )?;
        if let (Some(threshold), Some(known), Some(outside)) =
            (self.threshold, self.false_rejection_rate, self.true_rejection_rate)
        {
            write!(
                f,
                "; rejected below {threshold:.3}: in-distribution {:.1} %, out-of-distribution {:.1} %",
                100.0 * known,
                100.0 * outside
            )?;
        }
        Ok(())
    }
}

/// Energy of logits, negated so that higher is more in-distribution (Liu et al. 2020): `temperature * ln(sum(exp(logit /
/// temperature)))`.
///
/// It needs logits that no softmax has passed: for logarithms of probabilities it is 0 at temperature 1. So model files do
/// not offer it: ensembles, networks that average over crops and classic models have no others.
#[must_use]
pub fn energy_score(logits: &[f64], temperature: f64) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| ((logit - top) / temperature).exp()).sum();
    top + temperature * sum.ln()
}

/// Area under the ROC curve: probability that an in-distribution input scores above an out-of-distribution one, ties
/// counted half.
///
/// # Errors
///
/// [`EvalError::Shape`] if there are no inputs of one kind, or a score is not a number.
pub fn open_set_auroc(in_distribution: &[f64], out_of_distribution: &[f64]) -> Result<f64, EvalError> {
    check("in-distribution scores", in_distribution)?;
    check("out-of-distribution scores", out_of_distribution)?;
    let is_in: Vec<bool> =
        (0..in_distribution.len() + out_of_distribution.len()).map(|i| i < in_distribution.len()).collect();
    let auroc = ranking::roc_auc(&is_in, &[in_distribution, out_of_distribution].concat());
    auroc.ok_or_else(|| EvalError::shape("scores", "of one kind", "there must be both kinds"))
}

/// False positive rate: fraction of the out-of-distribution inputs that reach the highest threshold which accepts a fraction
/// `tpr` of the in-distribution ones.
///
/// # Errors
///
/// As [`open_set_auroc`]; [`EvalError::Config`] if `tpr` is not above 0 and at most 1.
pub fn fpr_at_tpr(in_distribution: &[f64], out_of_distribution: &[f64], tpr: f64) -> Result<f64, EvalError> {
    check("out-of-distribution scores", out_of_distribution)?;
    let threshold = threshold_at_tpr(in_distribution, tpr)?;
    Ok(out_of_distribution.iter().filter(|score| **score >= threshold).count() as f64
        / out_of_distribution.len() as f64)
}

/// The highest threshold that accepts at least a fraction `tpr` of the in-distribution inputs, which score at or above it.
///
/// # Errors
///
/// [`EvalError::Shape`] if there are none or a score is not a number; [`EvalError::Config`] if `tpr` is not above 0 and
/// at most 1.
pub fn threshold_at_tpr(in_distribution: &[f64], tpr: f64) -> Result<f64, EvalError> {
    check("in-distribution scores", in_distribution)?;
    if !(tpr > 0.0 && tpr <= 1.0) {
        return Err(EvalError::config("tpr", tpr, "above 0 and at most 1"));
    }
    let mut sorted = in_distribution.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    // A fraction that is a whole number of inputs must not become one more by rounding.
    let accepted = (tpr * sorted.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    Ok(sorted[accepted.min(sorted.len()) - 1])
}

/// A point of a risk-coverage curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskCoverage {
    /// Inputs at or above this score are accepted.
    pub threshold: f64,
    /// Fraction of the inputs that are accepted.
    pub coverage: f64,
    /// Fraction of the accepted inputs whose predicted class is wrong.
    pub risk: f64,
}

/// The risk at each coverage, from the input of highest score to all of them (El-Yaniv and Wiener 2010): one point per
/// distinct score.
///
/// # Errors
///
/// [`EvalError::Shape`] if there are no scores, not as many of both, or a score is not a number.
pub fn risk_coverage(scores: &[f64], correct: &[bool]) -> Result<Vec<RiskCoverage>, EvalError> {
    check("scores", scores)?;
    if scores.len() != correct.len() {
        let given = format!("{} for {} predictions", scores.len(), correct.len());
        return Err(EvalError::shape("scores", given, "there must be as many of both"));
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut accepted, mut wrong) = (0_usize, 0_usize);
    let mut curve = Vec::new();
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        accepted += tie.len();
        wrong += tie.iter().filter(|&&i| !correct[i]).count();
        curve.push(RiskCoverage {
            threshold: scores[tie[0]],
            coverage: accepted as f64 / scores.len() as f64,
            risk: wrong as f64 / accepted as f64,
        });
    }
    Ok(curve)
}

fn check(what: &'static str, scores: &[f64]) -> Result<(), EvalError> {
    if scores.is_empty() {
        return Err(EvalError::shape(what, "no score", "there must be at least one"));
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(EvalError::shape(what, "a score that is not a number", "every score must be a number"));
    }
    Ok(())
}
