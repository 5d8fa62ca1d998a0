use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::lbfgs::{Search, minimise};
use crate::learner::{
    ABSENT, Checked, Config, Learner, Predictor, check_input, check_training, softmax_rows,
};
use crate::parallel;
use crate::simd::softmax_by_class;

/// What keeps the weights of a [`LogisticRegression`] small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Penalty {
    /// Nothing.
    None,
    /// Half the sum of squares.
    #[default]
    L2,
    /// The sum of magnitudes: many weights become exactly 0.
    L1,
}

/// Settings of a [`LogisticRegression`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticRegressionConfig {
    /// Weight of the data against the penalty, above 0. Default: 1.
    pub c: f64,
    /// What keeps the weights small. Default: L2.
    pub penalty: Penalty,
    /// Whether classes weigh alike, however many rows they have. Default: false.
    pub balanced: bool,
    /// The search ends when no entry of the gradient of the mean loss is larger. Default: 1e-6.
    pub tolerance: f64,
    /// Most steps of the search. Default: 1000.
    pub max_iterations: usize,
}

impl Default for LogisticRegressionConfig {
    fn default() -> Self {
        Self { c: 1.0, penalty: Penalty::L2, balanced: false, tolerance: 1e-6, max_iterations: 1000 }
    }
}

impl Config for LogisticRegressionConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if !(self.c.is_finite() && self.c > 0.0) {
            return Err(ClassicError::config("c", self.c, "finite and above 0"));
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(ClassicError::config("tolerance", self.tolerance, "finite and above 0"));
        }
        if self.max_iterations == 0 {
            return Err(ClassicError::config("max_iterations", 0, "at least 1"));
        }
        Ok(())
    }
}

/// Multinomial logistic regression: class probabilities are the softmax of linear functions of the features.
///
/// Fitting minimises c x (sum of cross entropies) + penalty of the weights; intercepts are not penalised, and are shifted to
/// mean zero, which changes no probability. Two classes get a weight vector each, as more do. Scale the features first.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    /// Shape (classes, features).
    pub(crate) weights: Array2<f64>,
    pub(crate) intercepts: Array1<f64>,
}

impl LogisticRegression {
    /// Weights, shape (classes, features).
    #[must_use]
    pub fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    /// Intercept of each class; their mean is 0. A class without rows in training has -1e300.
    #[must_use]
    pub fn intercepts(&self) -> &Array1<f64> {
        &self.intercepts
    }

    /// The linear functions before the softmax, shape (rows, classes).
    ///
    /// # Errors
    ///
    /// As [`Predictor::predict_proba`].
    pub fn decision_function(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.weights.ncols())?;
        Ok(x.dot(&self.weights.t()) + &self.intercepts)
    }
}

impl Predictor for LogisticRegression {
    fn n_classes(&self) -> usize {
        self.weights.nrows()
    }

    fn n_features(&self) -> usize {
        self.weights.ncols()
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        let mut scores = self.decision_function(x)?;
        softmax_rows(&mut scores);
        Ok(scores)
    }
}

impl Learner for Checked<LogisticRegressionConfig> {
    type Model = LogisticRegression;

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<LogisticRegression, ClassicError> {
        let counts = check_training(x, y, n_classes)?;
        let p = &self.0;
        let present: Vec<usize> = (0..n_classes).filter(|&c| counts[c] > 0).collect();
        let place: Vec<usize> =
            (0..n_classes).map(|c| present.iter().position(|&q| q == c).unwrap_or(usize::MAX)).collect();
        let (n, features) = x.dim();
        let k = present.len();
        let row_weights: Vec<f64> = y
            .iter()
            .map(|&c| if p.balanced { n as f64 / (k as f64 * counts[c] as f64) } else { 1.0 })
            .collect();
        let targets: Vec<usize> = y.iter().map(|&c| place[c]).collect();
        let total: f64 = row_weights.iter().sum();
        // Everything is divided by c x total, so that the tolerance means the same for any amount of data.
        let strength = 1.0 / (p.c * total);
        let (l1, l2) = match p.penalty {
            Penalty::None => (0.0, 0.0),
            Penalty::L2 => (0.0, strength),
            Penalty::L1 => (strength, 0.0),
        };
        let n_weights = k * features;
        let x = x.as_standard_layout();
        let data = Rows { x: x.view(), targets: &targets, weights: &row_weights };
        let objective = |theta: &[f64], gradient: &mut [f64]| -> f64 {
            let (w, b) = theta.split_at(n_weights);
            // Shapes are right by construction.
            let Ok(w) = ArrayView2::from_shape((k, features), w) else {
                return f64::NAN;
            };
            let blocks = parallel::map(n.div_ceil(BLOCK), |block| {
                data.loss(block * BLOCK..n.min((block + 1) * BLOCK), w, b)
            });
            let mut loss = 0.0;
            let (gw, gb) = gradient.split_at_mut(n_weights);
            gw.fill(0.0);
            gb.fill(0.0);
            for (part, by_weight, by_intercept) in blocks {
                loss += part;
                gw.iter_mut().zip(&by_weight).for_each(|(g, d)| *g += d);
                gb.iter_mut().zip(&by_intercept).for_each(|(g, d)| *g += d);
            }
            gw.iter_mut().zip(w.iter()).for_each(|(g, w)| *g = *g / total + l2 * w);
            gb.iter_mut().for_each(|g| *g /= total);
            loss / total + 0.5 * l2 * w.iter().map(|w| w * w).sum::<f64>()
        };
        let search = Search {
            learner: "logistic regression",
            tolerance: p.tolerance,
            max_iterations: p.max_iterations,
            l1,
            l1_count: n_weights,
        };
        let theta = minimise(vec![0.0; n_weights + k], objective, &search)?;
        let mean = theta[n_weights..].iter().sum::<f64>() / k as f64;
        let mut weights = Array2::zeros((n_classes, features));
        let mut intercepts = Array1::from_elem(n_classes, ABSENT);
        for (i, &class) in present.iter().enumerate() {
            for (to, from) in weights.row_mut(class).iter_mut().zip(&theta[i * features..]) {
                *to = *from;
            }
            intercepts[class] = theta[n_weights + i] - mean;
        }
        Ok(LogisticRegression { weights, intercepts })
    }
}

/// Rows that are worked on together: their scores stay in the cache.
const BLOCK: usize = 512;

/// Training rows.
struct Rows<'a> {
    x: ArrayView2<'a, f64>,
    targets: &'a [usize],
    weights: &'a [f64],
}

impl Rows<'_> {
    /// The sum of weighted cross entropies of some rows, and its slopes by weight, shape (classes, features), and by
    /// intercept.
    fn loss(&self, rows: Range<usize>, w: ArrayView2<'_, f64>, b: &[f64]) -> (f64, Array2<f64>, Vec<f64>) {
        let n = rows.len();
        let x = self.x.slice_axis(Axis(0), Slice::from(rows.clone()));
        let (targets, weights) = (&self.targets[rows.clone()], &self.weights[rows]);
        // Rows lie side by side, so that the exponentials of many are computed at once.
        let mut residual = w.dot(&x.t());
        for (mut scores, b) in residual.rows_mut().into_iter().zip(b) {
            scores += *b;
        }
        if !residual.is_standard_layout() {
            residual = residual.as_standard_layout().into_owned();
        }
        let at_target = |(i, &target): (usize, &usize)| residual[(target, i)];
        let at_targets: Vec<f64> = targets.iter().enumerate().map(at_target).collect();
        let mut log_sums = Vec::with_capacity(n);
        softmax_by_class(residual.as_slice_mut().unwrap_or_default(), n, &mut log_sums);
        let mut loss = 0.0;
        for (i, (&target, weight)) in targets.iter().zip(weights).enumerate() {
            loss += weight * (log_sums[i] - at_targets[i]);
            residual[(target, i)] -= 1.0;
        }
        for mut row in residual.rows_mut() {
            row.iter_mut().zip(weights).for_each(|(r, weight)| *r *= weight);
        }
        let by_intercept = residual.rows().into_iter().map(|row| row.sum()).collect();
        (loss, residual.dot(&x), by_intercept)
    }
}
