//! Discrete cosine transforms as matrices.

use std::f64::consts::PI;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// The type of a discrete cosine transform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DctType {
    /// Even around both end points. Needs at least two inputs.
    One,
    /// The usual one.
    #[default]
    Two,
    /// The inverse of type 2 (up to scaling); HTK's.
    Three,
}

/// The scaling of a discrete cosine transform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DctNorm {
    /// SciPy's definition without `norm`: sums of `2 x cos`.
    None,
    /// An orthonormal matrix.
    #[default]
    Ortho,
}

/// The first `n_outputs` rows of the transform of `n_inputs` values. More rows than inputs are cut to as many as inputs.
///
/// # Errors
///
/// [`FeatureError::Config`] if there are no inputs, or fewer than two for [`DctType::One`].
pub fn dct_matrix(
    n_outputs: usize,
    n_inputs: usize,
    dct_type: DctType,
    norm: DctNorm,
) -> Result<Array2<f64>, FeatureError> {
    let least = if dct_type == DctType::One { 2 } else { 1 };
    if n_inputs < least {
        return Err(FeatureError::config(
            "dct_type",
            format!("{n_inputs} inputs"),
            format!("at least {least}"),
        ));
    }
    let n = n_inputs as f64;
    let last = n_inputs - 1;
    let ortho = norm == DctNorm::Ortho;
    let entry = |(row, column): (usize, usize)| {
        let (k, j) = (row as f64, column as f64);
        match dct_type {
            DctType::One => {
                let end = |i: usize| i == 0 || i == last;
                let cosine = (PI * k * j / (n - 1.0)).cos();
                match (ortho, end(column), end(row)) {
                    (false, true, _) => cosine,
                    (false, false, _) => 2.0 * cosine,
                    (true, c, r) => {
                        let edge = if c { 0.5f64.sqrt() } else { 1.0 } * if r { 0.5f64.sqrt() } else { 1.0 };
                        (2.0 / (n - 1.0)).sqrt() * edge * cosine
                    }
                }
            }
            DctType::Two => {
                let cosine = (PI * k * (2.0 * j + 1.0) / (2.0 * n)).cos();
                let scale = match (ortho, row) {
                    (false, _) => 2.0,
                    (true, 0) => n.recip().sqrt(),
                    (true, _) => (2.0 / n).sqrt(),
                };
                scale * cosine
            }
            DctType::Three => {
                let cosine = (PI * j * (2.0 * k + 1.0) / (2.0 * n)).cos();
                let scale = match (ortho, column) {
                    (false, 0) => 1.0,
                    (false, _) => 2.0,
                    (true, 0) => n.recip().sqrt(),
                    (true, _) => (2.0 / n).sqrt(),
                };
                scale * cosine
            }
        }
    };
    Ok(Array2::from_shape_fn((n_outputs.min(n_inputs), n_inputs), entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ortho_is_orthonormal() {
        for dct_type in [DctType::One, DctType::Two, DctType::Three] {
            let m = dct_matrix(9, 9, dct_type, DctNorm::Ortho).unwrap();
            let product = m.dot(&m.t());
            for ((i, j), v) in product.indexed_iter() {
                assert!((v - f64::from(u8::from(i == j))).abs() < 1e-12, "{dct_type:?}");
            }
        }
    }

    #[test]
    fn type_three_inverts_type_two() {
        let two = dct_matrix(8, 8, DctType::Two, DctNorm::None).unwrap();
        let three = dct_matrix(8, 8, DctType::Three, DctNorm::None).unwrap();
        for ((i, j), v) in three.dot(&two).indexed_iter() {
            assert!((v / 16.0 - f64::from(u8::from(i == j))).abs() < 1e-12);
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(dct_matrix(40, 26, DctType::Two, DctNorm::Ortho).unwrap().dim(), (26, 26));
        assert!(dct_matrix(1, 0, DctType::Two, DctNorm::Ortho).is_err());
        assert!(dct_matrix(1, 1, DctType::One, DctNorm::Ortho).is_err());
    }
}
