//! Normalisation of rows, with the scales and shifts that follow it, as one operation.

use candle_core::{CpuStorage, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::real::{Real, slice, storage, tensor, with_slice};
use crate::simd::widened;
use crate::weighted::{Memory, Weighted};

/// Partial sums kept side by side, so that the compiler may use vector registers.
const LANES: usize = 16;
/// Elements that are summed in the element type; the sums of the blocks are added in f64.
const BLOCK: usize = 1024;
/// Tasks of a backward pass. It is fixed, so that the order of the sums does not depend on the number of threads.
const TASKS: usize = 16;

/// Rows of `segments * span` elements. Element `i` of row `r` is scaled by the weight number
/// `(r * segments + i / span) % weights`.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowNorm {
    pub(super) segments: usize,
    pub(super) span: usize,
    /// Whether the mean is taken off.
    pub(super) center: bool,
    pub(super) epsilon: f64,
}

/// The sum of `f` of pairs of elements.
#[inline(always)]
fn sum<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [T::default(); LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *lane += f(a, b);
            }
        }
        for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
            *lane += f(a, b);
        }
        total += lanes.into_iter().sum::<T>().to_f64();
    }
    total
}

/// What a row is normalised by.
#[derive(Clone, Copy)]
struct Scale<T> {
    mean: T,
    inverse: T,
}

/// Gradients of the input, the weights and the shifts.
type Gradients<T> = (Vec<T>, Vec<T>, Vec<T>);

#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
impl RowNorm {
    fn length(&self) -> usize {
        self.segments * self.span
    }

    #[inline(always)]
    fn scale<T: Real>(&self, row: &[T]) -> Scale<T> {
        let count = row.len() as f64;
        let mean = if self.center {
            T::of(
                sum(
                    row,
                    row,
                    #[inline(always)]
                    |x, _| x,
                ) / count,
            )
        } else {
            T::default()
        };
        let square = sum(
            row,
            row,
            #[inline(always)]
            |x, _| (x - mean) * (x - mean),
        ) / count;
        Scale { mean, inverse: T::of(1.0 / (square + self.epsilon).sqrt()) }
    }

    /// The weights of a row: `segments` of them.
    #[inline(always)]
    fn of_row<'a, T>(&self, weights: &'a [T], row: usize) -> &'a [T] {
        let start = row * self.segments % weights.len();
        &weights[start..start + self.segments]
    }

    #[inline(always)]
    fn forward_row<T: Real>(&self, x: &[T], weights: &[T], shifts: Option<&[T]>, out: &mut [T]) {
        let Scale { mean, inverse } = self.scale(x);
        if self.span == 1 {
            match shifts {
                Some(shifts) => {
                    for (((y, &x), &weight), &shift) in out.iter_mut().zip(x).zip(weights).zip(shifts) {
                        *y = (x - mean) * inverse * weight + shift;
                    }
                }
                None => {
                    for ((y, &x), &weight) in out.iter_mut().zip(x).zip(weights) {
                        *y = (x - mean) * inverse * weight;
                    }
                }
            }
            return;
        }
        let segments = out.chunks_exact_mut(self.span).zip(x.chunks_exact(self.span));
        for (index, (out, x)) in segments.enumerate() {
            let weight = inverse * weights[index];
            let shift = shifts.map_or(T::default(), |shifts| shifts[index]);
            for (y, &x) in out.iter_mut().zip(x) {
                *y = (x - mean) * weight + shift;
            }
        }
    }

    fn normalised<T: Real>(&self, x: &[T], weights: &[T], shifts: Option<&[T]>) -> Vec<T> {
        let length = self.length();
        let mut out = vec![T::default(); x.len()];
        out.par_chunks_mut(length)
            .with_min_len((BLOCK * LANES).div_ceil(length))
            .zip(x.par_chunks(length))
            .enumerate()
            .for_each(|(row, (out, x))| {
                let shifts = shifts.map(|shifts| self.of_row(shifts, row));
                widened(
                    #[inline(always)]
                    || self.forward_row(x, self.of_row(weights, row), shifts, &mut *out),
                );
            });
        out
    }

    /// Writes the gradient of a row and adds to those of its weights and shifts.
    #[inline(always)]
    fn backward_row<T: Real>(
        &self,
        (x, grad): (&[T], &[T]),
        weights: &[T],
        scaled: &mut [T],
        dx: &mut [T],
        (dw, db): (&mut [T], &mut [T]),
    ) {
        let count = x.len() as f64;
        let Scale { mean, inverse } = self.scale(x);
        // The normalised row goes to `dx`, the gradient of it to `scaled`.
        for (y, &x) in dx.iter_mut().zip(x) {
            *y = (x - mean) * inverse;
        }
        if self.span == 1 {
            for ((((scaled, &grad), &y), &weight), (dw, db)) in
                scaled.iter_mut().zip(grad).zip(&*dx).zip(weights).zip(dw.iter_mut().zip(db))
            {
                *scaled = grad * weight;
                *dw += grad * y;
                *db += grad;
            }
        } else {
            let spans = scaled.chunks_exact_mut(self.span).zip(grad.chunks_exact(self.span));
            for (index, ((scaled, grad), y)) in spans.zip(dx.chunks_exact(self.span)).enumerate() {
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
        let level = if self.center {
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

    fn gradients<T: Real>(&self, x: &[T], weights: &[T], grad: &[T]) -> Gradients<T> {
        let length = self.length();
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
                    let start = (task * per_task + row) * self.segments % weights.len();
                    let own = start..start + self.segments;
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
                *total += part.to_f64();
            }
            for (total, part) in totals.1.iter_mut().zip(db) {
                *total += part.to_f64();
            }
        }
        let real = |totals: Vec<f64>| totals.into_iter().map(T::of).collect();
        (dx, real(totals.0), real(totals.1))
    }
}

impl Weighted for RowNorm {
    const NAME: &'static str = "timbral-row-norm";

    fn forward<T: Real>(
        &self,
        (x, lx): Memory<'_>,
        (w, lw): Memory<'_>,
        bias: Option<Memory<'_>>,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = bias.map(|(bias, layout)| slice::<T>(bias, layout)).transpose()?;
        let out = self.normalised(slice::<T>(x, lx)?, slice(w, lw)?, bias);
        Ok((storage(out), lx.shape().clone()))
    }

    fn backward<T: Real>(
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
