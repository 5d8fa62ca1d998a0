use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::simd::{LANES, dispatch, dot, exp_negative, lanes};

/// Width of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
                if variance > 0.0 { 1.0 / (features * variance) } else { 1.0 }
            }
        }
    }
}

/// How alike two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
    pub(crate) fn validate(&self) -> Result<(), ClassicError> {
        let gamma = match self {
            Self::Linear => return Ok(()),
            Self::Rbf { gamma } => gamma,
            Self::Polynomial { gamma, coef0, degree } => {
                if !coef0.is_finite() {
                    return Err(ClassicError::config("coef0", coef0, "finite"));
                }
                if !(1..=100).contains(degree) {
                    return Err(ClassicError::config("degree", degree, "between 1 and 100"));
                }
                gamma
            }
        };
        match gamma {
            Gamma::Value(g) if !(g.is_finite() && *g > 0.0) => {
                Err(ClassicError::config("gamma", g, "finite and above 0"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resolve(self, x: ArrayView2<'_, f64>) -> Self {
        match self {
            Self::Linear => Self::Linear,
            Self::Rbf { gamma } => Self::Rbf { gamma: Gamma::Value(gamma.resolve(x)) },
            Self::Polynomial { gamma, coef0, degree } => {
                Self::Polynomial { gamma: Gamma::Value(gamma.resolve(x)), coef0, degree }
            }
        }
    }

    /// Turns scalar products of one row with others into kernel values, given the squared lengths. The width must be
    /// resolved.
    #[inline(always)]
    fn of_products<const N: usize>(self, products: &mut [f64; N], square_x: f64, squares_y: &[f64; N]) {
        match self {
            Self::Rbf { gamma: Gamma::Value(gamma) } => {
                for (value, square_y) in products.iter_mut().zip(squares_y) {
                    let distance = square_x + square_y - 2.0 * *value;
                    // What is no number comes of rows whose lengths overflow: far from all others.
                    let distance = if distance < 0.0 { 0.0 } else { distance };
                    *value = exp_negative(-gamma * distance);
                }
            }
            Self::Polynomial { gamma: Gamma::Value(gamma), coef0, degree } => {
                for value in products.iter_mut() {
                    let mut base = gamma * *value + coef0;
                    let (mut power, mut left) = (1.0, degree);
                    while left > 0 {
                        if left % 2 == 1 {
                            power *= base;
                        }
                        base *= base;
                        left /= 2;
                    }
                    *value = power;
                }
            }
            _ => (),
        }
    }

    /// A bound on the magnitude of every kernel value of rows with these squared lengths.
    pub(super) fn bound(self, squares: &[f64]) -> f64 {
        let longest = squares.iter().copied().fold(0.0, f64::max);
        match self {
            Self::Rbf { .. } if longest < f64::INFINITY => 1.0,
            Self::Polynomial { gamma: Gamma::Value(gamma), coef0, degree } => {
                (gamma * longest + coef0.abs()).powi(degree as i32)
            }
            _ => longest,
        }
    }

    /// The kernel of every row of `x` with every row of `y`, shape (rows of x, rows of y), from their scalar products and
    /// the squared lengths of the rows of `y`.
    pub(super) fn matrix(
        self,
        x: ArrayView2<'_, f64>,
        products: Array2<f64>,
        squares_y: &[f64],
    ) -> Array2<f64> {
        let squares_x = squares(x);
        let mut out = products;
        let (chunks_y, rest_y) = lanes(squares_y);
        dispatch(
            #[inline(always)]
            || {
                for (mut row, &square_x) in out.axis_iter_mut(Axis(0)).zip(&squares_x) {
                    let Some(row) = row.as_slice_mut() else { continue };
                    let (chunks, rest) = row.as_chunks_mut::<LANES>();
                    for (values, squares) in chunks.iter_mut().zip(chunks_y) {
                        self.of_products(values, square_x, squares);
                    }
                    for (value, &square_y) in rest.iter_mut().zip(rest_y) {
                        self.of_products(std::array::from_mut(value), square_x, &[square_y]);
                    }
                }
            },
        );
        out
    }

    /// The kernel of one row with itself.
    pub(super) fn with_itself(self, square: f64) -> f64 {
        let mut value = [square];
        self.of_products(&mut value, square, &[square]);
        value[0]
    }
}

/// A number that kernel values are kept as.
pub(super) trait Cell: Copy + Default + Send + Sync + Into<f64> {
    fn of(value: f64) -> Self;
}

impl Cell for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Cell for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
}

/// Rows laid out so that a product with one row runs over [`LANES`] of them at once.
pub(super) struct Panels {
    /// For each group of rows one chunk for each feature.
    values: Vec<[f64; LANES]>,
    squares: Vec<[f64; LANES]>,
    n_features: usize,
}

impl Panels {
    /// Takes rows of `x`, whose squared lengths are `squares`.
    pub(super) fn new(x: ArrayView2<'_, f64>, squares: &[f64], rows: &[u32]) -> Self {
        let n_features = x.ncols();
        let groups = rows.len().div_ceil(LANES);
        let mut values = vec![[0.0; LANES]; groups * n_features];
        let mut own_squares = vec![[0.0; LANES]; groups];
        for (group, rows) in rows.chunks(LANES).enumerate() {
            let panel = &mut values[group * n_features..(group + 1) * n_features];
            for (lane, &row) in rows.iter().enumerate() {
                for (chunk, value) in panel.iter_mut().zip(x.row(row as usize)) {
                    chunk[lane] = *value;
                }
                own_squares[group][lane] = squares[row as usize];
            }
        }
        Self { values, squares: own_squares, n_features }
    }

    /// The kernel of one row with all, written to `out`, which is as long as all groups together.
    pub(super) fn kernel<T: Cell>(&self, kernel: Kernel, x: &[f64], square: f64, out: &mut [T]) {
        dispatch(
            #[inline(always)]
            || {
                let panels = self.values.chunks_exact(self.n_features);
                let (targets, _) = out.as_chunks_mut::<LANES>();
                for ((panel, squares), target) in panels.zip(&self.squares).zip(targets) {
                    let mut sums = [0.0; LANES];
                    for (chunk, &x) in panel.iter().zip(x) {
                        for (sum, value) in sums.iter_mut().zip(chunk) {
                            *sum += value * x;
                        }
                    }
                    kernel.of_products(&mut sums, square, squares);
                    for (target, sum) in target.iter_mut().zip(sums) {
                        *target = T::of(sum);
                    }
                }
            },
        );
    }
}

/// Squared length of each row.
pub(super) fn squares(x: ArrayView2<'_, f64>) -> Vec<f64> {
    let square = |row: ndarray::ArrayView1<'_, f64>| match row.as_slice() {
        Some(row) => dispatch(|| dot(row, row)),
        None => row.iter().map(|v| v * v).sum(),
    };
    x.rows().into_iter().map(square).collect()
}
