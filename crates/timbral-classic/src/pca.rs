use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::eigen::symmetric_eigen;
use crate::learner::{Checked, Config, Transformer, check_input, check_rows, column_moments};
use crate::matrix::Matrix;
use crate::parallel;

/// How many components a [`Pca`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Components {
    /// As many as there are features or rows.
    All,
    /// That many, at least 1; fewer where there are fewer features or rows.
    Count(usize),
    /// As few as hold this fraction of the variance, above 0 and at most 1.
    Variance(f64),
}

/// Settings of a [`Pca`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaConfig {
    /// How many components are kept. Default: all.
    pub components: Components,
    /// Whether each component is brought to variance 1. Default: false.
    pub whiten: bool,
}

impl Default for PcaConfig {
    fn default() -> Self {
        Self { components: Components::All, whiten: false }
    }
}

impl Config for PcaConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        match self.components {
            Components::Count(0) => Err(ClassicError::config("components", 0, "at least 1")),
            Components::Variance(share) if !(share > 0.0 && share <= 1.0) => {
                Err(ClassicError::config("components", share, "above 0 and at most 1"))
            }
            _ => Ok(()),
        }
    }
}

impl Checked<PcaConfig> {
    /// Learns the directions of largest variance.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if there are fewer than two rows or a value is not finite; [`ClassicError::NotConverged`] if
    /// the eigenvalues cannot be found, which finite data of sane size do not cause.
    pub fn fit(&self, x: ArrayView2<'_, f64>) -> Result<Pca, ClassicError> {
        check_rows(x)?;
        let (n, p) = x.dim();
        if n < 2 {
            return Err(ClassicError::data("there is one row", "variances need at least two"));
        }
        let (mean, squares) = column_moments(x);
        let freedom = (n - 1) as f64;
        // The smaller of the two products has the same eigenvalues.
        let (variance, mut components) = if p <= n {
            symmetric_eigen(&(scatter(x, &mean, &squares) / freedom))?
        } else {
            let centred = &x - &mean;
            let (values, vectors) = symmetric_eigen(&(centred.dot(&centred.t()) / freedom))?;
            (values, vectors.dot(&centred))
        };
        let variance = variance.mapv(|v| v.max(0.0));
        let total = variance.sum();
        let most = n.min(p);
        let kept = match self.0.components {
            Components::All => most,
            Components::Count(count) => count.min(most),
            Components::Variance(share) => {
                let mut sum = 0.0;
                let reaches = |v: &f64| {
                    sum += v;
                    sum >= share * total * (1.0 - 1e-12)
                };
                variance.iter().position(reaches).map_or(most, |i| i + 1)
            }
        };
        components = components.view().split_at(Axis(0), kept).0.to_owned();
        for mut row in components.rows_mut() {
            let norm = row.dot(&row).sqrt();
            let largest = row.iter().copied().fold(0.0, |m: f64, v| if v.abs() > m.abs() { v } else { m });
            let sign = if largest < 0.0 { -1.0 } else { 1.0 };
            if norm > 0.0 {
                row.mapv_inplace(|v| sign * v / norm);
            }
        }
        let ratio = variance.mapv(|v| if total > 0.0 { v / total } else { 0.0 });
        Ok(Pca {
            mean,
            components: components.into(),
            explained_variance: variance.view().split_at(Axis(0), kept).0.to_owned(),
            explained_variance_ratio: ratio.view().split_at(Axis(0), kept).0.to_owned(),
            whiten: self.0.whiten,
        })
    }
}

/// Sum of the products of the features' distances from their means, shape (features, features); `squares` is its diagonal.
fn scatter(x: ArrayView2<'_, f64>, mean: &Array1<f64>, squares: &Array1<f64>) -> Array2<f64> {
    /// Rows that are worked on together.
    const BLOCK: usize = 1024;
    let (n, features) = x.dim();
    // Where means are not larger than the spread, they can be taken from the sums afterwards without loss of digits.
    let is_near_zero = mean.iter().zip(squares).all(|(m, s)| n as f64 * m * m <= *s);
    let parts = parallel::map(n.div_ceil(BLOCK), |block| {
        let rows = x.slice_axis(Axis(0), Slice::from(block * BLOCK..n.min((block + 1) * BLOCK)));
        if is_near_zero {
            return rows.t().dot(&rows);
        }
        let centred = &rows - mean;
        centred.t().dot(&centred)
    });
    let mut sum = Array2::zeros((features, features));
    parts.iter().for_each(|part| sum += part);
    if is_near_zero {
        for (mut row, m) in sum.rows_mut().into_iter().zip(mean) {
            row.scaled_add(-(n as f64) * m, mean);
        }
    }
    sum
}

/// Principal component analysis: rotates the features to the directions of largest variance and keeps the first.
///
/// The entry of largest magnitude of each component is positive, so that signs do not depend on the machine. Features are
/// centred, not scaled: put a [`StandardScaler`](crate::StandardScaler) before it where their units differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    pub(crate) mean: Array1<f64>,
    pub(crate) components: Matrix,
    pub(crate) explained_variance: Array1<f64>,
    pub(crate) explained_variance_ratio: Array1<f64>,
    pub(crate) whiten: bool,
}

impl Pca {
    /// The directions, one per row, shape (components, features), each of length 1. They are widened where the model holds
    /// them in less than double precision.
    #[must_use]
    pub fn components(&self) -> Array2<f64> {
        self.components.to_array()
    }

    /// Variance (over n - 1) of the training data along each component.
    #[must_use]
    pub fn explained_variance(&self) -> &Array1<f64> {
        &self.explained_variance
    }

    /// The same as a fraction of the whole variance.
    #[must_use]
    pub fn explained_variance_ratio(&self) -> &Array1<f64> {
        &self.explained_variance_ratio
    }
}

impl Transformer for Pca {
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.mean.len())?;
        let mut out = self.components.products((&x - &self.mean).view(), 0..self.components.nrows());
        if self.whiten {
            for (mut column, &variance) in out.axis_iter_mut(Axis(1)).zip(&self.explained_variance) {
                // A direction without variance carries rounding errors only.
                let scale = variance.sqrt();
                column.mapv_inplace(|v| if scale > f64::EPSILON { v / scale } else { 0.0 });
            }
        }
        Ok(out)
    }
}
