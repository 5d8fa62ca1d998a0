//! Normalisation of rows, with the scales and shifts that follow it, as one operation.

use candle_core::{CpuStorage, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::custom_op::{Memory, Weighted};
use crate::dtype::{Element, slice, storage, tensor, with_slice};
use crate::kernels::row_norm::{RowNorm, Scale, sum};
use crate::kernels::simd::widened;

/// Tasks of a backward pass. It is fixed, so that the order of the sums does not depend on the number of threads.
const TASKS: usize = 16;

/// The normalisation as candle's custom operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowNorms(pub(super) RowNorm);

/// Gradients of the input, the weights and the shifts.
type Gradients<T> = (Vec<T>, Vec<T>, Vec<T>);

#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
impl RowNorms {
    /// Writes the gradient of a row and adds to those of its weights and shifts.
    #[inline(always)]
    fn backward_row<T: Element>(
        &self,
        (x, grad): (&[T], &[T]),
        weights: &[T],
        scaled: &mut [T],
        dx: &mut [T],
        (dw, db): (&mut [T], &mut [T]),
    ) {
        let count = x.len() as f64;
        let Scale { mean, inverse } = self.0.scale(x);
        // The normalised row goes to `dx`, the gradient of it to `scaled`.
        for (y, &x) in dx.iter_mut().zip(x) {
            *y = (x - mean) * inverse;
        }
        if self.0.span == 1 {
            for ((((scaled, &grad), &y), &weight), (dw, db)) in
                scaled.iter_mut().zip(grad).zip(&*dx).zip(weights).zip(dw.iter_mut().zip(db))
            {
                *scaled = grad * weight;
                *dw += grad * y;
                *db += grad;
            }
        } else {
            let spans = scaled.chunks_exact_mut(self.0.span).zip(grad.chunks_exact(self.0.span));
            for (index, ((scaled, grad), y)) in spans.zip(dx.chunks_exact(self.0.span)).enumerate() {
                let weight = weights[index];
                for (scaled, &grad) in scaled.iter_mut().zip(grad) {
                    *scaled = grad * weight;
                }
                dw[index] += T::of(sum(
                    grad,
                    y,
                    #[inline(always)]
                    |grad, y| grad * y,
                ));
                db[index] += T::of(sum(
                    grad,
                    grad,
                    #[inline(always)]
                    |grad, _| grad,
                ));
            }
        }
        let along = T::of(
            sum(
                scaled,
                dx,
                #[inline(always)]
                |grad, y| grad * y,
            ) / count,
        );
        let level = if self.0.center {
            T::of(
                sum(
                    scaled,
                    scaled,
                    #[inline(always)]
                    |grad, _| grad,
                ) / count,
            )
        } else {
            T::default()
        };
        for (dx, &grad) in dx.iter_mut().zip(&*scaled) {
            *dx = inverse * (grad - level - *dx * along);
        }
    }

    fn gradients<T: Element>(&self, x: &[T], weights: &[T], grad: &[T]) -> Gradients<T> {
        let length = self.0.length();
        let rows = x.len() / length;
        let per_task = rows.div_ceil(TASKS);
        let mut dx = vec![T::default(); x.len()];
        let parts: Vec<(Vec<T>, Vec<T>)> = dx
            .par_chunks_mut(per_task * length)
            .zip(x.par_chunks(per_task * length))
            .zip(grad.par_chunks(per_task * length))
            .enumerate()
            .map(|(task, ((dx, x), grad))| {
                let mut dw = vec![T::default(); weights.len()];
                let mut db = dw.clone();
                let mut scaled = vec![T::default(); length];
                let lines =
                    dx.chunks_exact_mut(length).zip(x.chunks_exact(length)).zip(grad.chunks_exact(length));
                for (row, ((dx, x), grad)) in lines.enumerate() {
                    let start = (task * per_task + row) * self.0.segments % weights.len();
                    let own = start..start + self.0.segments;
                    let (weights, dw, db) =
                        (&weights[own.clone()], &mut dw[own.clone()], &mut db[own.clone()]);
                    widened(
                        #[inline(always)]
                        || self.backward_row((x, grad), weights, &mut scaled, &mut *dx, (&mut *dw, &mut *db)),
                    );
                }
                (dw, db)
            })
            .collect();
        let mut totals = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        for (dw, db) in &parts {
            for (total, part) in totals.0.iter_mut().zip(dw) {
                *total += part.as_f64();
            }
            for (total, part) in totals.1.iter_mut().zip(db) {
                *total += part.as_f64();
            }
        }
        let real = |totals: Vec<f64>| totals.into_iter().map(T::of).collect();
        (dx, real(totals.0), real(totals.1))
    }
}

impl Weighted for RowNorms {
    const NAME: &'static str = "timbral-row-norm";

    fn forward<T: Element>(
        &self,
        (x, lx): Memory<'_>,
        (w, lw): Memory<'_>,
        bias: Option<Memory<'_>>,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = bias.map(|(bias, layout)| slice::<T>(bias, layout)).transpose()?;
        let x = slice::<T>(x, lx)?;
        let mut out = vec![T::default(); x.len()];
        self.0.forward(x, slice(w, lw)?, bias, &mut out);
        Ok((storage(out), lx.shape().clone()))
    }

    fn backward<T: Element>(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: Option<&Tensor>,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let (dx, dw, db) = with_slice::<T, _>(x, |x| {
            with_slice(w, |w| with_slice(grad, |grad| Ok(self.gradients(x, w, grad))))
        })?;
        let tensors = [tensor(dx, x.shape())?, tensor(dw, w.shape())?, tensor(db, w.shape())?];
        Ok(tensors.map(Some))
    }
}
