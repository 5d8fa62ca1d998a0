use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use timbral_features::log_mel_statistics::level_contour;

use crate::ModelError;
use crate::header::Header;
use crate::{Input, LevelDistance};

/// When a model says that a sound is of none of its classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// What is compared with the threshold.
    pub score: RejectionScore,
    /// A sound that scores below it is rejected.
    pub threshold: f64,
    /// Fraction of the known tracks that the threshold was set to keep, above 0 and at most 1.
    pub kept: f64,
    /// What the threshold was set on, for people.
    #[serde(default)]
    pub set_on: String,
}

/// How well known a sound is to a model: higher is better known.
///
/// The energy of Liu et al. 2020 is not among them: it needs logits that no softmax has passed, and the outputs of
/// ensembles, of networks that average over crops, and of classic models are logarithms of probabilities, whose energy
/// is 0 for every sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionScore {
    /// The largest probability (Hendrycks and Gimpel 2017), 0 to 1.
    MaxProbability,
    /// The largest probability less the second, 0 to 1.
    Margin,
    /// Entropy of the probabilities in nats, negated: minus the logarithm of the number of classes, to 0.
    Entropy,
    /// Distance of the sound's level over time to the nearest class, negated. For models of log-mel spectrograms.
    Distance(LevelDistance),
}

impl RejectionScore {
    /// Its name, as files spell it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MaxProbability => "max_probability",
            Self::Margin => "margin",
            Self::Entropy => "entropy",
            Self::Distance(_) => "distance",
        }
    }

    /// Score of a track from its probabilities and its windows, `(bands, frames)` in decibels: a distance is the mean over
    /// the windows. None where there is nothing to score: no class, or no window for a distance.
    #[must_use]
    pub fn of<'a>(
        &self,
        probabilities: &[f32],
        windows: impl IntoIterator<Item = ArrayView2<'a, f32>>,
    ) -> Option<f64> {
        let mut best = [f64::NEG_INFINITY; 2];
        for &p in probabilities {
            let p = f64::from(p);
            if p > best[0] {
                best = [p, best[0]];
            } else if p > best[1] {
                best[1] = p;
            }
        }
        if !best[0].is_finite() {
            return None;
        }
        match self {
            Self::MaxProbability => Some(best[0]),
            Self::Margin => Some(best[0] - best[1].max(0.0)),
            Self::Entropy => {
                let term = |p: f64| if p > 0.0 { p * p.ln() } else { 0.0 };
                Some(probabilities.iter().map(|p| term(f64::from(*p))).sum())
            }
            Self::Distance(distance) => {
                let scores: Vec<f64> = windows
                    .into_iter()
                    .filter_map(level_contour)
                    .map(|contour| -distance.of(&contour))
                    .collect();
                (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
            }
        }
    }
}

impl Rejection {
    /// Whether an input of this score is rejected.
    #[must_use]
    pub fn rejects(&self, score: f64) -> bool {
        score < self.threshold
    }

    /// Checks the numbers, and that the model of `header` gives what the score needs.
    pub(crate) fn validate(&self, header: &Header) -> Result<(), ModelError> {
        if !self.threshold.is_finite() {
            return Err(ModelError::Malformed("the threshold of rejection is not finite".into()));
        }
        if !(self.kept > 0.0 && self.kept <= 1.0) {
            return Err(ModelError::Malformed(format!(
                "the fraction that rejection keeps is {}; it must be above 0 and at most 1",
                self.kept
            )));
        }
        if let RejectionScore::Distance(distance) = &self.score {
            if !matches!(header.architecture.input(), Input::LogMel { .. }) {
                return Err(ModelError::Malformed(
                    "rejection by distance is for models of log-mel spectrograms".into(),
                ));
            }
            distance.validate(header.labels.len())?;
        }
        Ok(())
    }
}

/// Smallest probability whose logarithm counts.
const FLOOR: f64 = 1e-12;

/// Probabilities at a temperature: each to the power of 1/`temperature`, scaled to the sum 1.
///
/// This is a softmax of their logarithms divided by the temperature (Guo et al. 2017), for any model that gives
/// probabilities. The order of the classes stays.
#[must_use]
pub fn at_temperature(probabilities: &[f32], temperature: f64) -> Vec<f32> {
    let scores: Vec<f64> =
        probabilities.iter().map(|p| f64::from(*p).max(FLOOR).ln() / temperature).collect();
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| (p / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(score: RejectionScore, p: &[f32]) -> f64 {
        score.of(p, []).unwrap()
    }

    #[test]
    fn scores_by_hand() {
        let p = [0.2, 0.5, 0.3];
        assert!((score(RejectionScore::MaxProbability, &p) - 0.5).abs() < 1e-7);
        assert!((score(RejectionScore::Margin, &p) - 0.2).abs() < 1e-7);
        let entropy = 0.2 * 0.2f64.ln() + 0.5 * 0.5f64.ln() + 0.3 * 0.3f64.ln();
        assert!((score(RejectionScore::Entropy, &p) - entropy).abs() < 1e-7);
        assert!(score(RejectionScore::Entropy, &[1.0, 0.0]).abs() < 1e-12);
        assert!(score(RejectionScore::Margin, &[0.5, 0.5]).abs() < 1e-12);
        assert_eq!(RejectionScore::Margin.of(&[], []), None);
    }

    #[test]
    fn a_temperature_sharpens_and_keeps_the_order() {
        let p = at_temperature(&[0.2, 0.5, 0.3], 0.5);
        let sum = 0.04 + 0.25 + 0.09;
        for (given, expected) in p.iter().zip([0.04 / sum, 0.25 / sum, 0.09 / sum]) {
            assert!((given - expected).abs() < 1e-6, "{p:?}");
        }
        let same = at_temperature(&[0.2, 0.5, 0.3], 1.0);
        assert!(same.iter().zip([0.2, 0.5, 0.3]).all(|(a, b)| (a - b).abs() < 1e-6));
        // An underflowed probability stays a number.
        assert_eq!(at_temperature(&[0.0, 1.0], 0.01), [0.0, 1.0]);
    }
}
