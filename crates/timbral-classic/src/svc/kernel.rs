use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::ClassicError;

/// Width of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gamma {
    /// 1 / (features x variance of all values), the usual choice.
    Scale,
    /// 1 / features.
    Auto,
    /// A value, finite and above 0.
    Value(f64),
}

impl Gamma {
    pub(super) fn resolve(self, x: ArrayView2<'_, f64>) -> f64 {
        let features = x.ncols() as f64;
        match self {
            Self::Value(gamma) => gamma,
            Self::Auto => 1.0 / features,
            Self::Scale => {
                let n = x.len() as f64;
                let mean = x.sum() / n;
                let variance = x.fold(0.0, |sum, v| sum + (v - mean) * (v - mean)) / n;
                if variance > 0.0 {
                    1.0 / (features * variance)
                } else {
                    1.0
                }
            }
        }
    }
}

/// How alike two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// x . y
    Linear,
    /// exp(-gamma |x - y|^2)
    Rbf {
        /// Width.
        gamma: Gamma,
    },
    /// (gamma x . y + coef0)^degree
    Polynomial {
        /// Factor of the product.
        gamma: Gamma,
        /// What is added; finite.
        coef0: f64,
        /// Power, 1 to 100.
        degree: u32,
    },
}

impl Kernel {
    pub(super) fn validate(&self) -> Result<(), ClassicError> {
        let gamma = match self {
            Self::Linear => return Ok(()),
            Self::Rbf { gamma } => gamma,
            Self::Polynomial { gamma, coef0, degree } => {
                if !coef0.is_finite() {
                    return Err(ClassicError::config("coef0", coef0, "it must be finite"));
                }
                if !(1..=100).contains(degree) {
                    return Err(ClassicError::config(
                        "degree",
                        degree,
                        "it lies between 1 and 100",
                    ));
                }
                gamma
            }
        };
        match gamma {
            Gamma::Value(g) if !(g.is_finite() && *g > 0.0) => {
                Err(ClassicError::config("gamma", g, "it must be finite and above 0"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resolve(self, x: ArrayView2<'_, f64>) -> Self {
        match self {
            Self::Linear => Self::Linear,
            Self::Rbf { gamma } => Self::Rbf {
                gamma: Gamma::Value(gamma.resolve(x)),
            },
            Self::Polynomial { gamma, coef0, degree } => Self::Polynomial {
                gamma: Gamma::Value(gamma.resolve(x)),
                coef0,
                degree,
            },
        }
    }

    /// The kernel from a scalar product and the squared lengths of both rows. The width must be resolved.
    #[inline]
    fn of_product(self, product: f64, square_x: f64, square_y: f64) -> f64 {
        match self {
            Self::Rbf {
                gamma: Gamma::Value(gamma),
            } => (-gamma * (square_x + square_y - 2.0 * product).max(0.0)).exp(),
            Self::Polynomial {
                gamma: Gamma::Value(gamma),
                coef0,
                degree,
            } => (gamma * product + coef0).powi(degree as i32),
            _ => product,
        }
    }

    /// The kernel of every row of `x` with every row of `y`, shape (rows of x, rows of y).
    pub(super) fn matrix(self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Array2<f64> {
        let (squares_x, squares_y) = (squares(x), squares(y));
        let mut out = x.dot(&y.t());
        for (mut row, &square_x) in out.axis_iter_mut(Axis(0)).zip(&squares_x) {
            for (value, &square_y) in row.iter_mut().zip(&squares_y) {
                *value = self.of_product(*value, square_x, square_y);
            }
        }
        out
    }

    /// The kernel of one row with every row of `y`, written to `out`.
    pub(super) fn row(
        self,
        x: ArrayView1<'_, f64>,
        square_x: f64,
        y: ArrayView2<'_, f64>,
        squares_y: &[f64],
        out: &mut [f64],
    ) {
        let products = y.dot(&x);
        for ((value, &product), &square_y) in out.iter_mut().zip(&products).zip(squares_y) {
            *value = self.of_product(product, square_x, square_y);
        }
    }

    /// The kernel of the rows of `x` with themselves; half the work of [`Kernel::matrix`].
    pub(super) fn gram(self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let squares = squares(x);
        let mut out = x.dot(&x.t());
        let n = x.nrows();
        let values = out.as_slice_mut().unwrap_or_default();
        for i in 0..n {
            for j in 0..=i {
                let value = self.of_product(values[i * n + j], squares[i], squares[j]);
                values[i * n + j] = value;
            }
        }
        // Tiles keep the transposed reads in the cache.
        const TILE: usize = 32;
        for ti in (0..n).step_by(TILE) {
            for tj in (0..=ti).step_by(TILE) {
                for i in ti..(ti + TILE).min(n) {
                    for j in tj..(tj + TILE).min(i) {
                        values[j * n + i] = values[i * n + j];
                    }
                }
            }
        }
        out
    }
}

/// Squared length of each row.
pub(super) fn squares(x: ArrayView2<'_, f64>) -> Array1<f64> {
    x.rows().into_iter().map(|row| row.dot(&row)).collect()
}
