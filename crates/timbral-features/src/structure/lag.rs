//! Time-lag matrices.

use ndarray::{Array2, ArrayView2};

use crate::error::FeatureError;
use crate::shape::frame_major;

/// Turns a recurrence matrix into a time-lag matrix: `lag[i, j] = rec[(i + j) mod rows, j]`.
///
/// With `pad` the matrix is first continued by as many rows of zeros, so that positive lags (rows up to `t`) and negative
/// ones (from the last row up) do not share rows; the answer then has `2 t` rows.
///
/// # Errors
///
/// [`FeatureError::Shape`] if `rec` is not square, [`FeatureError::Limit`] if the answer does not fit in memory.
pub fn recurrence_to_lag(rec: ArrayView2<'_, f32>, pad: bool) -> Result<Array2<f32>, FeatureError> {
    let t = rec.ncols();
    if rec.nrows() != t {
        return Err(FeatureError::shape("rec", rec.shape(), "as many rows as columns"));
    }
    let rows = if pad { t.saturating_mul(2) } else { t };
    let mut lag = frame_major::<f32>(rows, t)?;
    for ((i, j), value) in lag.indexed_iter_mut() {
        *value = rec.get([(i + j) % rows, j]).copied().unwrap_or(0.0);
    }
    Ok(lag)
}

/// Undoes [`recurrence_to_lag`], padded (twice as many rows as columns) or not (square).
///
/// # Errors
///
/// [`FeatureError::Shape`] if there are neither as many rows as columns nor twice as many,
/// [`FeatureError::Limit`] if the answer does not fit in memory.
pub fn lag_to_recurrence(lag: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
    let (rows, t) = lag.dim();
    if rows != t && Some(rows) != t.checked_mul(2) {
        return Err(FeatureError::shape("lag", lag.shape(), "as many rows as columns, or twice as many"));
    }
    let mut rec = frame_major::<f32>(t, t)?;
    for ((i, j), value) in rec.indexed_iter_mut() {
        *value = lag[[(i + rows - j) % rows, j]];
    }
    Ok(rec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagonals_become_rows() {
        let rec = Array2::from_shape_fn((5, 5), |(i, j)| if i == j + 2 { 1.0 } else { 0.0 });
        let lag = recurrence_to_lag(rec.view(), true).unwrap();
        assert_eq!(lag.row(2).to_vec(), [1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(lag.sum(), 3.0);
    }

    #[test]
    fn there_and_back() {
        let rec = Array2::from_shape_fn((6, 6), |(i, j)| (i * 7 + j) as f32);
        for pad in [false, true] {
            let lag = recurrence_to_lag(rec.view(), pad).unwrap();
            assert_eq!(lag_to_recurrence(lag.view()).unwrap(), rec);
        }
        assert!(recurrence_to_lag(Array2::zeros((2, 3)).view(), true).is_err());
        assert!(lag_to_recurrence(Array2::zeros((5, 3)).view()).is_err());
        assert_eq!(recurrence_to_lag(Array2::zeros((0, 0)).view(), true).unwrap().dim(), (0, 0));
    }
}
