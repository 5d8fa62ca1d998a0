use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Transformer, check_input, check_rows};
use crate::scale::{StandardScaler, StandardScalerConfig};

/// Settings of a [`PowerTransformer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PowerTransformerConfig {
    /// Whether the result is brought to mean 0 and standard deviation 1. Default: true.
    pub standardize: bool,
}

impl Default for PowerTransformerConfig {
    fn default() -> Self {
        Self { standardize: true }
    }
}

impl Config for PowerTransformerConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        Ok(())
    }
}

impl Checked<PowerTransformerConfig> {
    /// Learns, for each feature, the power that makes it most like a normal distribution.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if there are no rows or a value is not finite.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<PowerTransformer, ClassicError> {
        check_rows(x)?;
        let lambdas: Array1<f64> = x.columns().into_iter().map(most_normal_power).collect();
        let mut transformer = PowerTransformer { lambdas, scaler: None };
        if self.0.standardize {
            let changed = transformer.powers(x);
            transformer.scaler = Some(StandardScalerConfig::default().check()?.fit(changed.view())?);
        }
        Ok(transformer)
    }
}

/// The power transform of Yeo and Johnson (2000), which brings skewed features, negative ones too, near to a normal shape.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerTransformer {
    pub(crate) lambdas: Array1<f64>,
    pub(crate) scaler: Option<StandardScaler>,
}

impl PowerTransformer {
    /// The power of each feature; 1 leaves it as it is.
    #[must_use]
    pub fn lambdas(&self) -> &Array1<f64> {
        &self.lambdas
    }

    fn powers(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut out = x.to_owned();
        for (mut column, &lambda) in out.columns_mut().into_iter().zip(&self.lambdas) {
            // A value far outside the training range may pass the largest number; it stops there.
            column.mapv_inplace(|v| yeo_johnson(v, lambda).clamp(f64::MIN, f64::MAX));
        }
        out
    }
}

impl Transformer for PowerTransformer {
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.lambdas.len())?;
        let changed = self.powers(x);
        match &self.scaler {
            Some(scaler) => scaler.transform(changed.view()),
            None => Ok(changed),
        }
    }
}

fn yeo_johnson(x: f64, lambda: f64) -> f64 {
    // expm1 keeps the digits that ((1 + x)^lambda - 1) / lambda loses near lambda = 0.
    let power = |log: f64, lambda: f64| {
        if lambda == 0.0 { log } else { (lambda * log).exp_m1() / lambda }
    };
    if x >= 0.0 { power(x.ln_1p(), lambda) } else { -power((-x).ln_1p(), 2.0 - lambda) }
}

/// Log likelihood of normality after the transform, without its constant.
fn log_likelihood(column: ArrayView1<'_, f64>, lambda: f64, jacobian: f64) -> f64 {
    let n = column.len() as f64;
    let changed = column.mapv(|x| yeo_johnson(x, lambda));
    let mean = changed.sum() / n;
    let variance = changed.fold(0.0, |sum, v| sum + (v - mean) * (v - mean)) / n;
    -0.5 * n * variance.ln() + (lambda - 1.0) * jacobian
}

/// The power of largest likelihood: bracketed by growing steps, then found by golden section.
fn most_normal_power(column: ArrayView1<'_, f64>) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_894_9;
    // Tiny values look like a straight line to any small power, so the best one can be far out; not further than this.
    const FARTHEST: f64 = 1e5;
    let first = column[0];
    if column.iter().all(|v| *v == first) {
        return 1.0;
    }
    let jacobian = column.fold(0.0, |sum, x| sum + x.signum() * x.abs().ln_1p());
    let quality = |lambda: f64| {
        let value = log_likelihood(column, lambda, jacobian);
        // A variance that overflows, or of rounding errors alone, is no shape at all.
        if value.is_finite() { value } else { f64::NEG_INFINITY }
    };
    // From a to b the likelihood grows; c lies beyond b.
    let (mut a, mut b) = (-2.0, 2.0);
    if quality(a) > quality(b) {
        (a, b) = (b, a);
    }
    let mut best = quality(b);
    let mut c = b + (b - a);
    loop {
        let value = quality(c);
        if value <= best || c.abs() > FARTHEST {
            break;
        }
        (a, b, best) = (b, c, value);
        c = b + (b - a) / RATIO;
    }
    let (mut low, mut high) = (a.min(c), a.max(c));
    let (mut left, mut right) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut at_left, mut at_right) = (quality(left), quality(right));
    while high - low > 1e-9 * (1.0 + b.abs()) {
        if at_left > at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - RATIO * (high - low);
            at_left = quality(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + RATIO * (high - low);
            at_right = quality(right);
        }
    }
    let found = (low + high) / 2.0;
    // Values so large that their squares overflow have no likelihood anywhere: they stay as they are.
    if quality(found).is_finite() { found } else { 1.0 }
}
