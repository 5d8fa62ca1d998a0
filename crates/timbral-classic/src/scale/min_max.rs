use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Transformer, check_input, check_rows};

/// Settings of a [`MinMaxScaler`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinMaxScalerConfig {
    /// Where the smallest training value goes. Default: 0.
    pub low: f64,
    /// Where the largest training value goes, above `low`. Default: 1.
    pub high: f64,
}

impl Default for MinMaxScalerConfig {
    fn default() -> Self {
        Self { low: 0.0, high: 1.0 }
    }
}

impl Config for MinMaxScalerConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.low.is_finite() && self.high.is_finite() && self.low < self.high {
            return Ok(());
        }
        let given = format!("{} to {}", self.low, self.high);
        Err(ClassicError::config("low to high", given, "a range of finite ends, the first below the second"))
    }
}

impl Checked<MinMaxScalerConfig> {
    /// Learns the range of each feature.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if there are no rows or a value is not finite.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<MinMaxScaler, ClassicError> {
        check_rows(x)?;
        let minimum = x.fold_axis(Axis(0), f64::INFINITY, |a, b| a.min(*b));
        let maximum = x.fold_axis(Axis(0), f64::NEG_INFINITY, |a, b| a.max(*b));
        let width = self.0.high - self.0.low;
        let scale = (&maximum - &minimum)
            .mapv(|range| width / if range > 0.0 && range.is_finite() { range } else { 1.0 });
        Ok(MinMaxScaler { minimum, scale, low: self.0.low })
    }
}

/// Brings each feature into a range, by default 0 to 1. New data may lie outside; a constant feature goes to the low end.
#[derive(Clone, Debug, PartialEq)]
pub struct MinMaxScaler {
    pub(crate) minimum: Array1<f64>,
    pub(crate) scale: Array1<f64>,
    pub(crate) low: f64,
}

impl Transformer for MinMaxScaler {
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.minimum.len())?;
        Ok((&x - &self.minimum) * &self.scale + self.low)
    }
}
