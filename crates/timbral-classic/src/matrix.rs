//! Matrices in the precision that a model file holds them in, and products with them.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2, Slice};

use crate::simd::{dispatch, dot, half_to_f64, single_to_f64};
use crate::store::{PartArray, PartValues, SharedBytes};

/// Up to so many rows a product widens the matrix row by row, in the cache, and sums at once: it reads the stored bytes and
/// writes nothing. Above, packing for a blocked product pays.
const FEW_ROWS: usize = 8;

/// Rows of the matrix that a blocked product widens together: enough that packing the other factor again for each block
/// weighs little, few enough that they stay in the second-level cache.
const BLOCK: usize = 64;

/// A matrix of finite numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Matrix {
    /// In double precision, in standard layout.
    Double(Array2<f64>),
    /// In single precision.
    Single(Packed),
    /// In half precision.
    Half(Packed),
}

/// Little-endian numbers in rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    bytes: SharedBytes,
    shape: (usize, usize),
}

impl From<Array2<f64>> for Matrix {
    fn from(values: Array2<f64>) -> Self {
        Self::Double(if values.is_standard_layout() {
            values
        } else {
            values.as_standard_layout().into_owned()
        })
    }
}

impl Matrix {
    /// Values of that shape, which fraction their bytes where they are packed; `None` of indices, or if the shape does not
    /// fit.
    pub(crate) fn new(shape: (usize, usize), values: &PartValues) -> Option<Self> {
        if shape.0.checked_mul(shape.1) != Some(values.len()) {
            return None;
        }
        let packed = |bytes: &SharedBytes| Packed { bytes: bytes.clone(), shape };
        match values {
            PartValues::F64(values) => Array2::from_shape_vec(shape, values.clone()).ok().map(Self::Double),
            PartValues::F32(bytes) => Some(Self::Single(packed(bytes))),
            PartValues::F16(bytes) => Some(Self::Half(packed(bytes))),
            PartValues::U32(_) => None,
        }
    }

    pub(crate) fn to_part(&self) -> PartArray {
        let values = match self {
            Self::Double(values) => PartValues::F64(values.iter().copied().collect()),
            Self::Single(packed) => PartValues::F32(packed.bytes.clone()),
            Self::Half(packed) => PartValues::F16(packed.bytes.clone()),
        };
        PartArray { shape: vec![self.nrows(), self.ncols()], values }
    }

    pub(crate) fn dim(&self) -> (usize, usize) {
        match self {
            Self::Double(values) => values.dim(),
            Self::Single(packed) | Self::Half(packed) => packed.shape,
        }
    }

    pub(crate) fn nrows(&self) -> usize {
        self.dim().0
    }

    pub(crate) fn ncols(&self) -> usize {
        self.dim().1
    }

    /// Some rows in double precision: a view where they are kept in it.
    pub(crate) fn rows(&self, rows: Range<usize>) -> CowArray<'_, f64, Ix2> {
        if let Self::Double(values) = self {
            return values.slice_axis(Axis(0), Slice::from(rows)).into();
        }
        let mut out = Array2::zeros((rows.len(), self.ncols()));
        for (row, mut target) in rows.zip(out.rows_mut()) {
            if let Some(target) = target.as_slice_mut() {
                self.widen(row, target);
            }
        }
        out.into()
    }

    /// All rows in double precision.
    pub(crate) fn into_array(self) -> Array2<f64> {
        if let Self::Double(values) = self { values } else { self.to_array() }
    }

    /// A copy of all rows in double precision.
    pub(crate) fn to_array(&self) -> Array2<f64> {
        self.rows(0..self.nrows()).into_owned()
    }

    /// Writes a row in double precision.
    fn widen(&self, row: usize, out: &mut [f64]) {
        let range = row * self.ncols()..(row + 1) * self.ncols();
        match self {
            Self::Double(values) => {
                out.iter_mut().zip(values.row(row)).for_each(|(to, from)| *to = *from);
            }
            Self::Single(packed) => widen(&packed.bytes.chunks()[range], out, single_to_f64),
            Self::Half(packed) => widen(&packed.bytes.chunks()[range], out, half_to_f64),
        }
    }

    /// Squared length of each row.
    pub(crate) fn squares(&self) -> Vec<f64> {
        let mut wide = vec![0.0; self.ncols()];
        let square = |row| {
            if let Self::Double(values) = self
                && let Some(values) = values.row(row).to_slice()
            {
                return dispatch(|| dot(values, values));
            }
            self.widen(row, &mut wide);
            dispatch(|| dot(&wide, &wide))
        };
        (0..self.nrows()).map(square).collect()
    }

    /// The scalar product of every row of `x` with some rows of the matrix, shape (rows of x, those rows).
    pub(crate) fn products(&self, x: ArrayView2<'_, f64>, rows: Range<usize>) -> Array2<f64> {
        if let Self::Double(values) = self {
            return x.dot(&values.slice_axis(Axis(0), Slice::from(rows)).t());
        }
        let mut out = Array2::zeros((x.nrows(), rows.len()));
        if x.nrows() > FEW_ROWS {
            for start in (0..rows.len()).step_by(BLOCK) {
                let end = rows.len().min(start + BLOCK);
                let wide = self.rows(rows.start + start..rows.start + end);
                general_mat_mul(
                    1.0,
                    &x,
                    &wide.t(),
                    0.0,
                    &mut out.slice_axis_mut(Axis(1), Slice::from(start..end)),
                );
            }
            return out;
        }
        let x = x.as_standard_layout();
        let mut wide = vec![0.0; self.ncols()];
        for (row, mut column) in rows.zip(out.columns_mut()) {
            self.widen(row, &mut wide);
            for (value, x) in column.iter_mut().zip(x.rows()) {
                if let Some(x) = x.to_slice() {
                    *value = dispatch(|| dot(x, &wide));
                }
            }
        }
        out
    }
}

fn widen<const N: usize>(values: &[[u8; N]], out: &mut [f64], widen: impl Fn([u8; N]) -> f64) {
    dispatch(
        #[inline(always)]
        || out.iter_mut().zip(values).for_each(|(to, &bytes)| *to = widen(bytes)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(rows: usize, columns: usize) -> Matrix {
        // Every half number in turn but those that are not finite.
        let bits = (0..rows * columns).map(|i| (i.wrapping_mul(40_503) % 0x10000) as u16);
        let finite = bits.map(|bits| if bits & 0x7c00 == 0x7c00 { bits & 0x83ff } else { bits });
        let bytes: Vec<u8> = finite.flat_map(u16::to_le_bytes).collect();
        Matrix::new((rows, columns), &PartValues::F16(bytes.into())).unwrap()
    }

    #[test]
    fn products_are_those_of_the_widened_matrix() {
        for columns in [1, 15, 16, 37] {
            let matrix = half(150, columns);
            let wide = Matrix::from(matrix.to_array());
            assert_eq!(matrix.squares(), wide.squares(), "the same sums in the same order");
            for n in [0, 1, 2, FEW_ROWS, FEW_ROWS + 1, 30] {
                let x = Array2::from_shape_fn((n, columns), |(i, j)| ((i * 7 + j) as f64).sin());
                for rows in [0..0, 3..4, 10..10 + BLOCK, 0..150] {
                    let (got, expected) =
                        (matrix.products(x.view(), rows.clone()), wide.products(x.view(), rows));
                    assert_eq!(got.dim(), expected.dim());
                    for (a, b) in got.iter().zip(&expected) {
                        // Half numbers go to 65504; the sums may differ in their last bits.
                        assert!((a - b).abs() <= 1e-15 * 65504.0 * columns as f64 * 4.0, "{a} is not {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_shape_that_does_not_fit_is_no_matrix() {
        let values = PartValues::F16(vec![0; 12].into());
        assert!(Matrix::new((2, 3), &values).is_some());
        assert!(Matrix::new((2, 4), &values).is_none());
        assert!(Matrix::new((usize::MAX, 2), &values).is_none());
        assert!(Matrix::new((1, 2), &PartValues::U32(vec![1, 2])).is_none());
    }
}
