//! A linear layer as one operation: a matrix product each way, with the bias added in place.

use candle_core::{CpuStorage, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use crate::error::shape_error;
use crate::gemm::Matrix;
use crate::real::{Real, slice, storage, tensor};
use crate::simd::widened;
use crate::weighted::{Memory, Weighted};

/// Rows (.., inputs), `rows` in all, times the transpose of a weight (outputs, inputs).
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// Rows of a parallel task.
const GRAIN: usize = 256;
/// Rows whose gradients are summed in one go in the element type; the sums of the blocks are added in f64.
const BLOCK: usize = 64;

impl Weighted for Product {
    const NAME: &'static str = "timbral-linear";

    fn forward<T: Real>(
        &self,
        (x, lx): Memory<'_>,
        (w, lw): Memory<'_>,
        bias: Option<Memory<'_>>,
    ) -> Result<(CpuStorage, Shape)> {
        slice::<T>(x, lx)?;
        slice::<T>(w, lw)?;
        let x = Matrix::new(x, lx.start_offset(), self.rows, self.inputs);
        let w = Matrix::new(w, lw.start_offset(), self.outputs, self.inputs);
        let mut out: Vec<T> = x.product(&w.transposed())?;
        if let Some((bias, layout)) = bias {
            let bias = slice::<T>(bias, layout)?;
            out.par_chunks_mut(GRAIN * self.outputs).for_each(|rows| {
                widened(
                    #[inline(always)]
                    || {
                        for row in rows.chunks_exact_mut(self.outputs) {
                            for (y, &bias) in row.iter_mut().zip(bias) {
                                *y += bias;
                            }
                        }
                    },
                );
            });
        }
        let mut shape = lx.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        Ok((storage(out), shape.into()))
    }

    fn backward<T: Real>(
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
    fn column_sums<T: Real>(&self, grads: &[T]) -> Vec<T> {
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
                *total += sum.to_f64();
            }
        }
        totals.into_iter().map(T::of).collect()
    }
}
