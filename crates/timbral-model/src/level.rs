use serde::{Deserialize, Serialize};
use timbral_features::log_mel_statistics::CONTOUR_VALUES;

use crate::ModelError;

/// Distance of a [`level_contour`](timbral_features::log_mel_statistics::level_contour) to the nearest class mean under one covariance for all classes (Mahalanobis; Lee et
/// al. 2018 do so with the features of a network).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelDistance {
    /// Mean contour of the known tracks.
    pub mean: Vec<f64>,
    /// Matrix, row by row, after which the classes have about unit covariance.
    pub whitening: Vec<Vec<f64>>,
    /// Mean of each class, less the mean of all, whitened.
    pub classes: Vec<Vec<f64>>,
}

impl LevelDistance {
    /// The distance of a contour to the nearest class, 0 or more, in standard deviations within classes.
    #[must_use]
    pub fn of(&self, contour: &[f64; CONTOUR_VALUES]) -> f64 {
        let centred: Vec<f64> = contour.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let white: Vec<f64> =
            self.whitening.iter().map(|row| row.iter().zip(&centred).map(|(w, x)| w * x).sum()).collect();
        let squared =
            |class: &Vec<f64>| -> f64 { class.iter().zip(&white).map(|(m, x)| (x - m).powi(2)).sum() };
        self.classes.iter().map(squared).fold(f64::INFINITY, f64::min).sqrt()
    }

    /// Checks shapes and that every number is finite.
    pub(crate) fn validate(&self, labels: usize) -> Result<(), ModelError> {
        let square = self.whitening.len() == CONTOUR_VALUES && self.mean.len() == CONTOUR_VALUES;
        let rows = || self.whitening.iter().chain(&self.classes);
        if !square || self.classes.len() != labels || rows().any(|row| row.len() != CONTOUR_VALUES) {
            return Err(ModelError::Malformed(format!(
                "the distance of rejection is not made of {CONTOUR_VALUES} values and {labels} classes"
            )));
        }
        if rows().flatten().chain(&self.mean).any(|value| !value.is_finite()) {
            return Err(ModelError::Malformed(
                "the distance of rejection has a value that is not finite".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_class_counts() {
        let mut whitening = vec![vec![0.0; CONTOUR_VALUES]; CONTOUR_VALUES];
        (0..CONTOUR_VALUES).for_each(|i| whitening[i][i] = 0.5);
        let mut far = vec![0.0; CONTOUR_VALUES];
        far[1] = 3.0;
        let distance = LevelDistance {
            mean: vec![1.0; CONTOUR_VALUES],
            whitening,
            classes: vec![vec![0.0; CONTOUR_VALUES], far],
        };
        assert!(distance.of(&[1.0; CONTOUR_VALUES]).abs() < 1e-12);
        let mut x = [1.0; CONTOUR_VALUES];
        x[1] = 9.0;
        assert!((distance.of(&x) - 1.0).abs() < 1e-12);
    }
}
