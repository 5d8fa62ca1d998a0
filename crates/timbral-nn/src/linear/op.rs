//! A linear layer as one operation: a matrix product each way, with the bias added in place.

use candle_core::{CpuStorage, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use crate::custom_op::{Memory, Weighted};
use crate::dtype::{Element, slice, storage, tensor};
use crate::error::shape_error;
use crate::kernels::matmul::Packed;
use crate::kernels::simd::widened;
use crate::matrix::Matrix;

/// Rows (.., inputs), `rows` in all, times the transpose of a weight (outputs, inputs).
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// Rows whose gradients are summed in one go in the element type; the sums of the blocks are added in f64.
const BLOCK: usize = 64;

impl Weighted for Product {
    const NAME: &'static str = "timbral-linear";

    fn forward<T: Element>(
        &self,
        (x, lx): Memory<'_>,
        (w, lw): Memory<'_>,
        bias: Option<Memory<'_>>,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (slice::<T>(x, lx)?, slice::<T>(w, lw)?);
        let bias = bias.map(|(bias, layout)| slice::<T>(bias, layout)).transpose()?;
        let mut out = vec![T::default(); self.rows * self.outputs];
        Packed::transposed(w, self.outputs, self.inputs).multiply(x, bias, &mut out);
        let mut shape = lx.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        Ok((storage(out), shape.into()))
    }

    fn backward<T: Element>(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let grad = grad.contiguous()?;
        let ((xs, lx), (ws, lw), (gs, lg)) =
            (x.storage_and_layout(), w.storage_and_layout(), grad.storage_and_layout());
        let (Storage::Cpu(xs), Storage::Cpu(ws), Storage::Cpu(gs)) = (&*xs, &*ws, &*gs) else {
            return Err(shape_error("device", x.device().location(), "the CPU"));
        };
        let grads = slice::<T>(gs, lg)?;
        let gradient = Matrix::new(gs, lg.start_offset(), self.rows, self.outputs);
        let dx = if x.track_op() {
            let w = Matrix::new(ws, lw.start_offset(), self.outputs, self.inputs);
            Some(tensor::<T>(gradient.product(&w)?, x.shape())?)
        } else {
            None
        };
        let dw = if w.track_op() {
            let x = Matrix::new(xs, lx.start_offset(), self.rows, self.inputs);
            Some(tensor::<T>(gradient.transposed().product(&x)?, w.shape())?)
        } else {
            None
        };
        let db = match bias {
            Some(bias) if bias.track_op() => Some(tensor::<T>(self.column_sums(grads), bias.shape())?),
            _ => None,
        };
        Ok([dx, dw, db])
    }
}

impl Product {
    fn column_sums<T: Element>(&self, grads: &[T]) -> Vec<T> {
        let blocks: Vec<Vec<T>> = grads
            .par_chunks(BLOCK * self.outputs)
            .map(|block| {
                let mut sums = vec![T::default(); self.outputs];
                widened(
                    #[inline(always)]
                    || {
                        for row in block.chunks_exact(self.outputs) {
                            for (sum, &grad) in sums.iter_mut().zip(row) {
                                *sum += grad;
                            }
                        }
                    },
                );
                sums
            })
            .collect();
        let mut totals = vec![0.0; self.outputs];
        for sums in blocks {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += sum.as_f64();
            }
        }
        totals.into_iter().map(T::of).collect()
    }
}
