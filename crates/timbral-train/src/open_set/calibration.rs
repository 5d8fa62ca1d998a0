use std::fmt;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use timbral_classic::Temperature;
use timbral_model::{CONTOUR_VALUES, Header, Rejection, RejectionScore, level_contour};

use super::{fit_level_distance, threshold_keeping};
use crate::{
    ClassicCrossValidation, CrossValidation, Folds, Predictions, SpectrogramSet, TrackInfo, TrainError,
};

/// Bins of the expected calibration error.
const BINS: usize = 15;

/// The temperature of a model and the threshold below which it refuses, fitted to predictions of tracks that the model
/// which gave them had not seen.
///
/// What goes into the model file is fitted to all of them. What is reported of it is measured fold by fold, each with
/// what was fitted to the other folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibration {
    /// Temperature of smallest log loss.
    pub temperature: f64,
    /// The rule by which sounds are refused.
    pub rejection: Rejection,
    /// Number of tracks.
    pub n_tracks: usize,
    /// Expected calibration error over 15 bins as the model gives its probabilities.
    pub error_before: f64,
    /// The same at the temperature of the other folds.
    pub error_after: f64,
    /// Log loss as the model gives its probabilities.
    pub log_loss_before: f64,
    /// The same at the temperature of the other folds.
    pub log_loss_after: f64,
    /// Share of known tracks that are refused by the rule and threshold of the other folds.
    pub known_refused: f64,
    /// Accuracy over all tracks.
    pub accuracy: f64,
    /// Accuracy over the tracks that are not refused; none where all are.
    pub accuracy_of_kept: Option<f64>,
}

impl Calibration {
    /// Fits temperature and rule to held-out predictions of tracks; `folds` tells which were predicted by one model.
    ///
    /// With `contours` ([`level_contour`]) of the tracks the rule is the distance to the nearest class, else the margin of
    /// the probabilities at the temperature. Its threshold keeps a share `keep` of the tracks.
    ///
    /// # Errors
    ///
    /// [`TrainError::Shape`] if there are not as many folds or contours as rows, fewer than two folds, or a class is
    /// missing where one fold is left out; [`TrainError::Config`] for `keep`, as [`threshold_keeping`];
    /// [`TrainError::Classic`] where no temperature can be fitted.
    pub fn fit(
        predictions: &Predictions,
        folds: &[usize],
        contours: Option<&[[f64; CONTOUR_VALUES]]>,
        keep: f64,
    ) -> Result<Self, TrainError> {
        let n = predictions.len();
        if let Some(given) =
            [Some(folds.len()), contours.map(<[_]>::len)].into_iter().flatten().find(|length| *length != n)
        {
            let given = format!("{given} for {n} predictions");
            return Err(TrainError::shape("folds or contours", given, "there must be as many of both"));
        }
        let parts: Vec<Part> = parts(folds);
        if parts.len() < 2 {
            return Err(TrainError::shape("folds", "fewer than two", "there must be two or more"));
        }
        let temperature = temperature(predictions, None)?;
        let mut after = predictions.probabilities().clone();
        for part in &parts {
            let held_out = self::temperature(predictions, Some(&part.rest))?;
            let rows = at(&predictions.probabilities().select(Axis(0), &part.rows), held_out);
            for (&row, values) in part.rows.iter().zip(rows.rows()) {
                after.row_mut(row).assign(&values);
            }
        }
        let after = Predictions::new(predictions.truth().to_vec(), after)?;

        let classes = predictions.n_classes();
        let (score, scores) = match contours {
            Some(contours) => {
                let fit = |rows: &[usize]| {
                    let chosen: Vec<_> = rows.iter().map(|&row| contours[row]).collect();
                    let truth: Vec<usize> = rows.iter().map(|&row| predictions.truth()[row]).collect();
                    fit_level_distance(&chosen, &truth, classes)
                };
                let mut scores = vec![0.0; n];
                for part in &parts {
                    let distance = fit(&part.rest)?;
                    part.rows.iter().for_each(|&row| scores[row] = -distance.of(&contours[row]));
                }
                let all: Vec<usize> = (0..n).collect();
                (RejectionScore::Distance(fit(&all)?), scores)
            }
            None => {
                let margin = |row: ndarray::ArrayView1<'_, f64>| {
                    let row: Vec<f32> = row.iter().map(|p| *p as f32).collect();
                    RejectionScore::Margin.of(&row, []).unwrap_or_default()
                };
                let scores = after.probabilities().rows().into_iter().map(margin).collect();
                (RejectionScore::Margin, scores)
            }
        };
        let threshold = threshold_keeping(&scores, keep)?;
        let mut kept = vec![true; n];
        for part in &parts {
            let others: Vec<f64> = part.rest.iter().map(|&row| scores[row]).collect();
            let threshold = threshold_keeping(&others, keep)?;
            part.rows.iter().for_each(|&row| kept[row] = scores[row] >= threshold);
        }
        let kept: Vec<usize> = (0..n).filter(|&row| kept[row]).collect();
        let correct = predictions.correct();
        let right = kept.iter().filter(|&&row| correct[row]).count();
        Ok(Self {
            temperature,
            rejection: Rejection {
                score,
                threshold,
                kept: keep,
                set_on: format!("{n} tracks in {} folds of cross-validation", parts.len()),
            },
            n_tracks: n,
            error_before: predictions.expected_calibration_error(BINS),
            error_after: after.expected_calibration_error(BINS),
            log_loss_before: predictions.log_loss(),
            log_loss_after: after.log_loss(),
            known_refused: 1.0 - kept.len() as f64 / n as f64,
            accuracy: predictions.accuracy(),
            accuracy_of_kept: (!kept.is_empty()).then(|| right as f64 / kept.len() as f64),
        })
    }

    /// Puts temperature and rule into a model's header, and what was measured into its metrics.
    pub fn apply(&self, header: &mut Header) {
        header.temperature = Some(self.temperature);
        header.rejection = Some(self.rejection.clone());
        let metrics = [
            ("cv_calibration_error_before", self.error_before),
            ("cv_calibration_error", self.error_after),
            ("cv_known_refused", self.known_refused),
        ];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        header.metrics.extend(metrics);
    }
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
            "refused: {} below {:.3}, {:.1} % of {} known tracks; accuracy {:.1} %, of those kept ",
            self.rejection.score.name(),
            self.rejection.threshold,
            100.0 * self.known_refused,
            self.n_tracks,
            100.0 * self.accuracy
        )?;
        match self.accuracy_of_kept {
            Some(accuracy) => write!(f, "{:.1} %", 100.0 * accuracy),
            None => write!(f, "-"),
        }
    }
}

impl CrossValidation {
    /// Temperature and rule of the ensemble, from its answers to tracks that it had not seen; `tracks` are those of
    /// `data`, `folds` made the folds.
    ///
    /// The rule is the distance of the level contour where `data` holds spectrograms, else the margin.
    ///
    /// # Errors
    ///
    /// As [`Calibration::fit`]; [`TrainError::Shape`] when `tracks` are not those of `data`.
    pub fn calibrate(
        &self,
        data: &SpectrogramSet,
        tracks: &[TrackInfo],
        folds: &Folds,
        keep: f64,
    ) -> Result<Calibration, TrainError> {
        let mut contours = Vec::with_capacity(self.tracks.len());
        let mut of_row = Vec::with_capacity(self.tracks.len());
        for &track in &self.tracks {
            of_row.push(fold_of(folds, tracks.get(track).map(|t| t.track_id.as_str()))?);
            if data.bands() > 1 {
                contours.extend(contour(data, track)?);
            }
        }
        let known = (contours.len() == self.tracks.len()).then_some(contours.as_slice());
        Calibration::fit(&self.predictions(&self.ensemble, data)?, &of_row, known, keep)
    }
}

impl ClassicCrossValidation {
    /// Temperature and rule of the learner, from its answers to tracks that it had not seen; `folds` made the folds. The
    /// rule is the margin.
    ///
    /// # Errors
    ///
    /// As [`Calibration::fit`].
    pub fn calibrate(&self, folds: &Folds, keep: f64) -> Result<Calibration, TrainError> {
        let ids = self.tracks.track_ids.iter();
        let of_row: Vec<usize> = ids.map(|id| fold_of(folds, Some(id))).collect::<Result<_, _>>()?;
        Calibration::fit(&self.tracks.predictions, &of_row, None, keep)
    }
}

fn contour(data: &SpectrogramSet, track: usize) -> Result<Option<[f64; CONTOUR_VALUES]>, TrainError> {
    let whole = data.whole(track)?;
    let (_, bands, frames) = whole.dims3()?;
    let values = whole.flatten_all()?.to_vec1::<f32>()?;
    let values = Array2::from_shape_vec((bands, frames), values)
        .map_err(|e| TrainError::shape("spectrogram", e.to_string(), "it is a matrix"))?;
    Ok(level_contour(values.view()))
}

fn fold_of(folds: &Folds, track_id: Option<&str>) -> Result<usize, TrainError> {
    track_id.and_then(|id| folds.fold_of(id)).ok_or_else(|| {
        let given = track_id.unwrap_or("one that is not known").to_owned();
        TrainError::shape("track", given, "every track has a fold")
    })
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
fn temperature(predictions: &Predictions, rows: Option<&[usize]>) -> Result<f64, TrainError> {
    let chosen = rows.map(|rows| predictions.select(rows)).transpose()?;
    let predictions = chosen.as_ref().unwrap_or(predictions);
    let scores = Temperature::scores(predictions.probabilities().view());
    Ok(Temperature::fit(scores.view(), predictions.truth())?.value())
}

/// Probabilities at a temperature, as [`timbral_model::at_temperature`], in double precision.
fn at(probabilities: &Array2<f64>, temperature: f64) -> Array2<f64> {
    let mut out = Temperature::scores(probabilities.view()) / temperature;
    for mut row in out.rows_mut() {
        let top = row.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        row.mapv_inplace(|score| (score - top).exp());
        let sum = row.sum();
        row /= sum;
    }
    out
}
