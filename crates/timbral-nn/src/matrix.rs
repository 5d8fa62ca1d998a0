//! Matrix products on slices of CPU memory, by way of candle's own product (which calls the `gemm` crate).

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, Layout, Result, Shape};

use crate::dtype::Element;

/// A matrix inside a CPU storage: where it starts, and how far apart its rows and columns are.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) storage: &'a CpuStorage,
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix that starts at `offset`.
    pub(crate) fn new(storage: &'a CpuStorage, offset: usize, rows: usize, columns: usize) -> Self {
        Self { storage, offset, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same memory with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn layout(&self) -> Layout {
        let shape = Shape::from((self.rows, self.columns));
        Layout::new(shape, vec![self.row_stride, self.column_stride], self.offset)
    }

    /// `self * other`, row-major.
    pub(crate) fn product<T: Element>(&self, other: &Matrix<'_>) -> Result<Vec<T>> {
        let sizes = (1, self.rows, other.columns, self.columns);
        let out = self.storage.matmul(other.storage, sizes, &self.layout(), &other.layout())?;
        T::cpu_storage_data(out)
    }
}
