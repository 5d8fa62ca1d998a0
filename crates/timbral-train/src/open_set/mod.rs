//! Sounds that belong to no class: how well a score tells them from known ones, and where to draw the line.

mod calibration;
mod distance;

use std::fmt;

use serde::{Deserialize, Serialize};
use timbral_model::{Rejection, RejectionScore};

use crate::TrainError;
use crate::metrics::ranking;

pub use calibration::Calibration;
pub use distance::fit_level_distance;

/// Share of known sounds that are kept where the false alarms are counted: FPR at 95 % TPR.
const TRUE_POSITIVE_RATE: f64 = 0.95;

/// How well a score tells known sounds from those outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenSetReport {
    /// Name of the score.
    pub score: String,
    /// Number of known sounds.
    pub n_known: usize,
    /// Number of sounds outside.
    pub n_outside: usize,
    /// Chance that a known sound scores above one outside, ties counted half: the area under the ROC curve.
    pub auroc: f64,
    /// Share of the sounds outside that are taken for known where 95 % of the known ones are.
    pub fpr_at_95_tpr: f64,
    /// The score below which sounds are refused, where there is one.
    pub threshold: Option<f64>,
    /// Share of the known sounds below it.
    pub known_refused: Option<f64>,
    /// Share of the sounds outside below it.
    pub outside_refused: Option<f64>,
}

impl OpenSetReport {
    /// Measures scores, higher for better known sounds.
    ///
    /// # Errors
    ///
    /// [`TrainError::Shape`] if there are no sounds of one kind, or a score is not a number.
    pub fn new(
        score: &str,
        known: &[f64],
        outside: &[f64],
        threshold: Option<f64>,
    ) -> Result<Self, TrainError> {
        let refused = |scores: &[f64]| {
            threshold.map(|t| scores.iter().filter(|score| **score < t).count() as f64 / scores.len() as f64)
        };
        Ok(Self {
            score: score.to_owned(),
            n_known: known.len(),
            n_outside: outside.len(),
            auroc: open_set_auroc(known, outside)?,
            fpr_at_95_tpr: fpr_at_tpr(known, outside, TRUE_POSITIVE_RATE)?,
            threshold,
            known_refused: refused(known),
            outside_refused: refused(outside),
        })
    }
}

impl fmt::Display for OpenSetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} AUROC {:.3}, FPR at 95 % TPR {:.3} ({} known, {} outside)",
            self.score, self.auroc, self.fpr_at_95_tpr, self.n_known, self.n_outside
        )?;
        if let (Some(threshold), Some(known), Some(outside)) =
            (self.threshold, self.known_refused, self.outside_refused)
        {
            write!(
                f,
                "; below {threshold:.3} are refused: known {:.1} %, outside {:.1} %",
                100.0 * known,
                100.0 * outside
            )?;
        }
        Ok(())
    }
}

/// What a model answers to a sound, for [`open_set_reports`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredAnswer {
    /// Probabilities of the classes.
    pub probabilities: Vec<f32>,
    /// The score of the model's own rule, where it has one.
    pub score: Option<f64>,
}

/// Measures the scores that every model has (largest probability, margin, entropy) and that of the model's own rule, over
/// answers to known sounds and to sounds outside. An answer without a score, to silence, counts as refused.
///
/// # Errors
///
/// As [`OpenSetReport::new`].
pub fn open_set_reports(
    known: &[ScoredAnswer],
    outside: &[ScoredAnswer],
    rejection: Option<&Rejection>,
) -> Result<Vec<OpenSetReport>, TrainError> {
    let all = [RejectionScore::MaxProbability, RejectionScore::Margin, RejectionScore::Entropy];
    let own = rejection.map(|rule| rule.score.name());
    let mut reports = Vec::new();
    for score in all.iter().filter(|score| own != Some(score.name())) {
        let of = |answers: &[ScoredAnswer]| -> Vec<f64> {
            let scored = answers.iter().map(|answer| score.of(&answer.probabilities, []));
            scored.map(|score| score.unwrap_or(f64::NEG_INFINITY)).collect()
        };
        reports.push(OpenSetReport::new(score.name(), &of(known), &of(outside), None)?);
    }
    if let Some(rule) = rejection {
        let of = |answers: &[ScoredAnswer]| -> Vec<f64> {
            let scored = answers.iter().map(|answer| answer.score);
            scored.map(|score| score.unwrap_or(f64::NEG_INFINITY)).collect()
        };
        let report = OpenSetReport::new(rule.score.name(), &of(known), &of(outside), Some(rule.threshold))?;
        reports.push(report);
    }
    Ok(reports)
}

/// Energy of logits, negated so that higher is better known (Liu et al. 2020): `temperature * ln(sum(exp(logit /
/// temperature)))`.
///
/// It tells something only of logits that no softmax has passed: of logarithms of probabilities it is 0 at temperature 1.
/// So model files do not offer it: ensembles, networks that average over crops and classic models give no others.
#[must_use]
pub fn energy_score(logits: &[f64], temperature: f64) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| ((logit - top) / temperature).exp()).sum();
    top + temperature * sum.ln()
}

/// Chance that a known sound scores above one outside, ties counted half: the area under the ROC curve.
///
/// # Errors
///
/// [`TrainError::Shape`] if there are no sounds of one kind, or a score is not a number.
pub fn open_set_auroc(known: &[f64], outside: &[f64]) -> Result<f64, TrainError> {
    check("known", known)?;
    check("outside", outside)?;
    let is_known: Vec<bool> = (0..known.len() + outside.len()).map(|i| i < known.len()).collect();
    let auroc = ranking::roc_auc(&is_known, &[known, outside].concat());
    auroc.ok_or_else(|| TrainError::shape("scores", "of one kind", "there must be two"))
}

/// Share of the sounds outside that score at least as high as the highest threshold which keeps a share `tpr` of the
/// known ones.
///
/// # Errors
///
/// As [`open_set_auroc`]; [`TrainError::Config`] if `tpr` is not above 0 and at most 1.
pub fn fpr_at_tpr(known: &[f64], outside: &[f64], tpr: f64) -> Result<f64, TrainError> {
    check("outside", outside)?;
    let threshold = threshold_keeping(known, tpr)?;
    Ok(outside.iter().filter(|score| **score >= threshold).count() as f64 / outside.len() as f64)
}

/// The highest threshold that keeps at least a share `keep` of the known sounds, which score at or above it.
///
/// # Errors
///
/// [`TrainError::Shape`] if there are none or a score is not a number; [`TrainError::Config`] if `keep` is not above 0 and
/// at most 1.
pub fn threshold_keeping(known: &[f64], keep: f64) -> Result<f64, TrainError> {
    check("known", known)?;
    if !(keep > 0.0 && keep <= 1.0) {
        return Err(TrainError::config("keep", keep, "it lies above 0 and is at most 1"));
    }
    let mut sorted = known.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    // A share that is a whole number of sounds must not become one more by rounding.
    let kept = (keep * sorted.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    Ok(sorted[kept.min(sorted.len()) - 1])
}

/// A point of a risk-coverage curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskCoverage {
    /// Sounds at or above this score are answered.
    pub threshold: f64,
    /// Share of sounds that are answered.
    pub coverage: f64,
    /// Share of the answers that are wrong.
    pub risk: f64,
}

/// The share of wrong answers at each coverage, from the surest sound to all of them (El-Yaniv and Wiener 2010): one point
/// for each distinct score.
///
/// # Errors
///
/// [`TrainError::Shape`] if there are no scores, not as many of both, or a score is not a number.
pub fn risk_coverage(scores: &[f64], correct: &[bool]) -> Result<Vec<RiskCoverage>, TrainError> {
    check("scores", scores)?;
    if scores.len() != correct.len() {
        let given = format!("{} for {} answers", scores.len(), correct.len());
        return Err(TrainError::shape("scores", given, "there must be as many of both"));
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut answered, mut wrong) = (0_usize, 0_usize);
    let mut curve = Vec::new();
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        answered += tie.len();
        wrong += tie.iter().filter(|&&i| !correct[i]).count();
        curve.push(RiskCoverage {
            threshold: scores[tie[0]],
            coverage: answered as f64 / scores.len() as f64,
            risk: wrong as f64 / answered as f64,
        });
    }
    Ok(curve)
}

fn check(what: &'static str, scores: &[f64]) -> Result<(), TrainError> {
    if scores.is_empty() {
        return Err(TrainError::shape(what, "no score", "there must be at least one"));
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(TrainError::shape(what, "a score that is not a number", "every score is one"));
    }
    Ok(())
}
