use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Transformer, check_input, check_rows, column_means};

/// Settings of a [`StandardScaler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StandardScalerConfig {
    /// Whether the mean is taken away. Default: true.
    pub with_mean: bool,
    /// Whether the rest is divided by the standard deviation. Default: true.
    pub with_std: bool,
}

impl Default for StandardScalerConfig {
    fn default() -> Self {
        Self { with_mean: true, with_std: true }
    }
}

impl Config for StandardScalerConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        Ok(())
    }
}

impl Checked<StandardScalerConfig> {
    /// Learns mean and standard deviation (over n) of each feature.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if there are no rows or a value is not finite.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<StandardScaler, ClassicError> {
        check_rows(x)?;
        let mean = column_means(x);
        let n = x.nrows() as f64;
        let variance = (&x - &mean).mapv(|d| d * d).sum_axis(Axis(0)) / n;
        // A column that varies by rounding only counts as constant.
        let scale = ndarray::Zip::from(&variance).and(&mean).map_collect(|&v, &m| {
            let rounding = n * f64::EPSILON * v + (n * m * f64::EPSILON).powi(2);
            if self.0.with_std && v > rounding { v.sqrt() } else { 1.0 }
        });
        let mean = if self.0.with_mean { mean } else { Array1::zeros(x.ncols()) };
        Ok(StandardScaler { mean, scale })
    }
}

/// Brings each feature to mean 0 and standard deviation 1: z = (x - mean) / scale.
///
/// The variance is that of the population (over n); a constant feature is divided by 1.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardScaler {
    pub(crate) mean: Array1<f64>,
    pub(crate) scale: Array1<f64>,
}

impl StandardScaler {
    /// What is taken away from each feature.
    #[must_use]
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// What each feature is divided by.
    #[must_use]
    pub fn scale(&self) -> &Array1<f64> {
        &self.scale
    }
}

impl Transformer for StandardScaler {
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.mean.len())?;
        Ok((&x - &self.mean) / &self.scale)
    }
}
