//! Rejection rules of model files: fitted on cross-validation, measured on out-of-distribution inputs.

use std::fmt;

use serde::Serialize;
use timbral_data::Folds;
use timbral_eval::calibration::{Calibration, RejectionScores};
use timbral_eval::{OpenSetReport, Predictions};
use timbral_features::log_mel_statistics::CONTOUR_VALUES;
use timbral_model::{Header, Rejection, RejectionScore};

use crate::TrainError;

pub use crate::distance::fit_level_distance;

/// The calibration of a model, with the rejection rule that its file gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelCalibration {
    /// Temperature, threshold and what was measured of them.
    #[serde(flatten)]
    pub calibration: Calibration,
    /// The rejection rule.
    pub rejection: Rejection,
}

impl ModelCalibration {
    /// Fits temperature and rejection to predictions for held-out tracks; rows of one value in `folds` were predicted by one
    /// model.
    ///
    /// With the level contours of the tracks ([`timbral_features::log_mel_statistics::level_contour`]) the rejection score is the distance to the
    /// nearest class, else the margin of the probabilities at the temperature. The threshold accepts a fraction `tpr` of the
    /// tracks.
    ///
    /// # Errors
    ///
    /// [`TrainError::Shape`] if there are not as many contours as rows, or a class is missing where one fold is left out;
    /// [`TrainError::Eval`] as [`Calibration::fit`].
    pub fn fit(
        predictions: &Predictions,
        folds: &[usize],
        contours: Option<&[[f64; CONTOUR_VALUES]]>,
        tpr: f64,
    ) -> Result<Self, TrainError> {
        let Some(contours) = contours else {
            let calibration = Calibration::fit(predictions, folds, None, tpr)?;
            return Ok(Self::new(calibration, RejectionScore::Margin));
        };
        let n = predictions.len();
        if contours.len() != n || folds.len() != n {
            let given = format!("{} contours and {} folds for {n} predictions", contours.len(), folds.len());
            return Err(TrainError::shape("contours and folds", given, "there must be as many of each"));
        }
        let fit = |rows: &[usize]| {
            let chosen: Vec<_> = rows.iter().map(|&row| contours[row]).collect();
            let truth: Vec<usize> = rows.iter().map(|&row| predictions.truth()[row]).collect();
            fit_level_distance(&chosen, &truth, predictions.n_classes())
        };
        let mut scores = vec![0.0; n];
        let distinct: std::collections::BTreeSet<usize> = folds.iter().copied().collect();
        if distinct.len() < 2 {
            return Err(TrainError::shape("folds", "fewer than two", "there must be at least two"));
        }
        for fold in distinct {
            let (held_out, rest): (Vec<usize>, Vec<usize>) = (0..n).partition(|&row| folds[row] == fold);
            let distance = fit(&rest)?;
            held_out.iter().for_each(|&row| scores[row] = -distance.of(&contours[row]));
        }
        let all: Vec<usize> = (0..n).collect();
        let score = RejectionScore::Distance(fit(&all)?);
        let scores = RejectionScores { name: score.name(), scores: &scores };
        Ok(Self::new(Calibration::fit(predictions, folds, Some(scores), tpr)?, score))
    }

    fn new(calibration: Calibration, score: RejectionScore) -> Self {
        let rejection = Rejection {
            score,
            threshold: calibration.threshold,
            kept: calibration.tpr,
            set_on: format!(
                "{} tracks in {} folds of cross-validation",
                calibration.n_tracks, calibration.n_folds
            ),
        };
        Self { calibration, rejection }
    }

    /// Puts temperature and rejection into a model's header, and what was measured into its metrics.
    pub fn apply(&self, header: &mut Header) {
        header.temperature = Some(self.calibration.temperature);
        header.rejection = Some(self.rejection.clone());
        let metrics = [
            ("cv_calibration_error_before", self.calibration.error_before),
            ("cv_calibration_error", self.calibration.error_after),
            ("cv_known_refused", self.calibration.false_rejection_rate),
        ];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        header.metrics.extend(metrics);
    }
}

impl fmt::Display for ModelCalibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calibration.fmt(f)
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
/// predictions for in-distribution and out-of-distribution sounds. A prediction without a score, for silence, counts as rejected.
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

pub(crate) fn fold_of(folds: &Folds, track_id: Option<&str>) -> Result<usize, TrainError> {
    track_id.and_then(|id| folds.fold_of(id)).ok_or_else(|| {
        let given = track_id.unwrap_or("one that is not known").to_owned();
        TrainError::shape("track", given, "every track must have a fold")
    })
}
