use ndarray::{Array2, ArrayView2};

use crate::ClassicError;
use crate::learner::{check_training, softmax_rows};

/// Temperature scaling (Guo et al. 2017): scores are divided by one number, so that probabilities are calibrated.
///
/// The order of the classes does not change. Fit it on rows that the model was not fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature {
    pub(crate) temperature: f64,
}

/// Smallest probability whose logarithm counts as a score.
const FLOOR: f64 = 1e-12;

impl Temperature {
    /// Finds the temperature of smallest log loss, between 0.01 and 100.
    ///
    /// `scores` are logits, shape (rows, classes); of probabilities take the logarithm, as [`Temperature::scores`] does.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if there are no rows, not as many classes as rows, a class out of range, fewer than two
    /// classes with rows, or a score that is not finite.
    pub fn fit(scores: ArrayView2<'_, f64>, y: &[usize]) -> Result<Self, ClassicError> {
        check_training(scores, y, scores.ncols())?;
        // The loss is convex in the inverse temperature: its slope has one sign change.
        let slope = |inverse: f64| -> f64 {
            let mut p = scores.mapv(|s| s * inverse);
            softmax_rows(&mut p);
            let rows = p.rows().into_iter().zip(scores.rows()).zip(y);
            rows.map(|((p, s), &c)| p.dot(&s) - s[c]).sum()
        };
        let (mut low, mut high) = (0.01_f64.ln(), 100.0_f64.ln());
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if slope(middle.exp()) < 0.0 { low = middle } else { high = middle }
        }
        Ok(Self { temperature: (-(low + high) / 2.0).exp() })
    }

    /// The temperature: above 1 where the model was too sure.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.temperature
    }

    /// Logarithms of probabilities, as scores; values below 1e-12 count as that.
    #[must_use]
    pub fn scores(probabilities: ArrayView2<'_, f64>) -> Array2<f64> {
        probabilities.mapv(|p| p.max(FLOOR).ln())
    }

    /// Probabilities of scores at the temperature.
    #[must_use]
    pub fn apply(&self, scores: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut out = scores.mapv(|s| s / self.temperature);
        softmax_rows(&mut out);
        out
    }
}
