use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{
    ABSENT, Checked, Config, Learner, Predictor, check_input, check_training, column_means, softmax_rows,
};

/// Settings of [`GaussianNaiveBayes`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianNaiveBayesConfig {
    /// Fraction of the largest variance of a feature that is added to all variances, at least 0. Default: 1e-9.
    pub smoothing: f64,
}

impl Default for GaussianNaiveBayesConfig {
    fn default() -> Self {
        Self { smoothing: 1e-9 }
    }
}

impl Config for GaussianNaiveBayesConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.smoothing.is_finite() && self.smoothing >= 0.0 {
            return Ok(());
        }
        Err(ClassicError::config("smoothing", self.smoothing, "finite and not negative"))
    }
}

/// Gaussian naive Bayes: within a class each feature is taken to be normal and independent of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianNaiveBayes {
    pub(crate) means: Array2<f64>,
    pub(crate) variances: Array2<f64>,
    pub(crate) log_priors: Array1<f64>,
}

impl Learner for Checked<GaussianNaiveBayesConfig> {
    type Model = GaussianNaiveBayes;

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<GaussianNaiveBayes, ClassicError> {
        let counts = check_training(x, y, n_classes)?;
        let features = x.ncols();
        let variance = |rows: ArrayView2<'_, f64>, mean: &Array1<f64>| {
            (&rows - mean).mapv(|d| d * d).sum_axis(Axis(0)) / rows.nrows() as f64
        };
        let widest = variance(x, &column_means(x)).fold(0.0_f64, |m, v| m.max(*v));
        // Where nothing varies any width will do, but not none.
        let added = (self.0.smoothing * widest).max(f64::MIN_POSITIVE);
        let mut means = Array2::zeros((n_classes, features));
        let mut variances = Array2::ones((n_classes, features));
        let mut log_priors = Array1::from_elem(n_classes, ABSENT);
        for class in (0..n_classes).filter(|&c| counts[c] > 0) {
            let rows: Vec<usize> = (0..y.len()).filter(|&i| y[i] == class).collect();
            let rows = x.select(Axis(0), &rows);
            let mean = column_means(rows.view());
            variances.row_mut(class).assign(&(variance(rows.view(), &mean) + added));
            means.row_mut(class).assign(&mean);
            log_priors[class] = (counts[class] as f64 / y.len() as f64).ln();
        }
        Ok(GaussianNaiveBayes { means, variances, log_priors })
    }
}

impl Predictor for GaussianNaiveBayes {
    fn n_classes(&self) -> usize {
        self.means.nrows()
    }

    fn n_features(&self) -> usize {
        self.means.ncols()
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.n_features())?;
        let mut scores = Array2::zeros((x.nrows(), self.n_classes()));
        for class in 0..self.n_classes() {
            let (mean, variance) = (self.means.row(class), self.variances.row(class));
            let width: f64 = variance.iter().map(|v| (2.0 * std::f64::consts::PI * v).ln()).sum();
            for (row, score) in x.rows().into_iter().zip(scores.column_mut(class)) {
                let spread: f64 =
                    row.iter().zip(mean).zip(variance).map(|((x, m), v)| (x - m) * (x - m) / v).sum();
                *score = self.log_priors[class] - 0.5 * (width + spread);
            }
        }
        softmax_rows(&mut scores);
        Ok(scores)
    }
}
