//! Distances between feature vectors.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// A distance between two vectors, by the names of SciPy. All are computed in double precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Root of the sum of squared differences.
    #[default]
    Euclidean,
    /// Sum of squared differences.
    Sqeuclidean,
    /// Sum of absolute differences.
    Cityblock,
    /// Largest absolute difference.
    Chebyshev,
    /// One minus the cosine of the angle; 1 if a vector is zero.
    Cosine,
    /// The cosine distance after each vector's mean was taken out; 1 if a vector is constant.
    Correlation,
}

/// Vectors prepared for a metric: one row each, in double precision.
struct Rows {
    values: Vec<f64>,
    dimension: usize,
}

impl Rows {
    fn new(columns: &ArrayView2<'_, f32>, metric: Metric) -> Self {
        let dimension = columns.nrows();
        let mut values: Vec<f64> = columns.t().iter().map(|&v| f64::from(v)).collect();
        for row in values.chunks_exact_mut(dimension.max(1)) {
            if metric == Metric::Correlation {
                let mean = row.iter().sum::<f64>() / dimension as f64;
                row.iter_mut().for_each(|v| *v -= mean);
            }
            if matches!(metric, Metric::Cosine | Metric::Correlation) {
                let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                if norm > 0.0 {
                    row.iter_mut().for_each(|v| *v /= norm);
                }
            }
        }
        Self { values, dimension }
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dimension..(index + 1) * self.dimension]
    }
}

impl Metric {
    fn between(self, a: &[f64], b: &[f64]) -> f64 {
        let differences = a.iter().zip(b).map(|(x, y)| x - y);
        match self {
            Self::Euclidean => differences.map(|d| d * d).sum::<f64>().sqrt(),
            Self::Sqeuclidean => differences.map(|d| d * d).sum(),
            Self::Cityblock => differences.map(f64::abs).sum(),
            Self::Chebyshev => differences.fold(0.0, |most, d| most.max(d.abs())),
            // Of unit vectors; rounding may carry the product just above 1.
            Self::Cosine | Self::Correlation => {
                (1.0 - a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>()).max(0.0)
            }
        }
    }
}

/// The distance of each column of `x` to each column of `y`, of shape `(x columns, y columns)`.
///
/// # Errors
///
/// [`FeatureError::Shape`] if the columns differ in length, [`FeatureError::NonFinite`] if a value is NaN or infinite,
/// [`FeatureError::Limit`] if the answer cannot be allocated.
pub fn cdist(
    x: ArrayView2<'_, f32>,
    y: ArrayView2<'_, f32>,
    metric: Metric,
) -> Result<Array2<f64>, FeatureError> {
    if x.nrows() != y.nrows() {
        return Err(FeatureError::shape("y", y.shape(), format!("({}, any number)", x.nrows())));
    }
    for (name, array) in [("x", &x), ("y", &y)] {
        if let Some((index, &value)) = array.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(FeatureError::NonFinite { array: name, index, value });
        }
    }
    let (a, b) = (Rows::new(&x, metric), Rows::new(&y, metric));
    // Frame-major of the transpose is standard layout.
    let mut out = crate::shape::frame_major(y.ncols(), x.ncols())?.reversed_axes();
    for (i, mut row) in out.rows_mut().into_iter().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = metric.between(a.row(i), b.row(j));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn known_distances() {
        let x = array![[1.0_f32, 0.0], [2.0, 0.0], [3.0, 0.0]];
        let y = array![[4.0_f32], [0.0], [3.0]];
        for (metric, expected) in [
            (Metric::Euclidean, [13.0_f64.sqrt(), 5.0]),
            (Metric::Sqeuclidean, [13.0, 25.0]),
            (Metric::Cityblock, [5.0, 7.0]),
            (Metric::Chebyshev, [3.0, 4.0]),
            (Metric::Cosine, [1.0 - 13.0 / (14.0_f64.sqrt() * 5.0), 1.0]),
        ] {
            let d = cdist(x.view(), y.view(), metric).unwrap();
            assert!((d[[0, 0]] - expected[0]).abs() < 1e-12, "{metric:?}");
            assert!((d[[1, 0]] - expected[1]).abs() < 1e-12, "{metric:?}");
        }
        let twice = array![[3.0_f32], [5.0], [7.0]];
        assert!(cdist(x.view(), twice.view(), Metric::Correlation).unwrap()[[0, 0]].abs() < 1e-12);
    }

    #[test]
    fn shapes_and_faults() {
        let x = Array2::<f32>::zeros((3, 4));
        assert_eq!(cdist(x.view(), Array2::zeros((3, 0)).view(), Metric::Cosine).unwrap().dim(), (4, 0));
        assert_eq!(
            cdist(Array2::zeros((0, 2)).view(), Array2::zeros((0, 1)).view(), Metric::Cosine).unwrap(),
            array![[1.0], [1.0]]
        );
        assert!(cdist(x.view(), Array2::zeros((2, 4)).view(), Metric::Euclidean).is_err());
        assert!(cdist(array![[f32::NAN]].view(), array![[0.0]].view(), Metric::Euclidean).is_err());
    }
}
