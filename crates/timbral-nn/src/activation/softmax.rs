//! The softmax and its logarithm along one axis.

use candle_core::shape::Dim;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::GRAIN;
use crate::error::shape_error;
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::simd::widened;

/// The softmax along one axis: positive values that sum to one.
///
/// # Errors
/// If there is no such axis, it is empty, or `x` is not f32 or f64.
pub fn softmax(x: &Tensor, axis: impl Dim) -> Result<Tensor> {
    along(x, axis, false)
}

/// The logarithm of the softmax along one axis, without overflow or underflow.
///
/// # Errors
/// If there is no such axis, it is empty, or `x` is not f32 or f64.
pub fn log_softmax(x: &Tensor, axis: impl Dim) -> Result<Tensor> {
    along(x, axis, true)
}

fn along(x: &Tensor, axis: impl Dim, log: bool) -> Result<Tensor> {
    let axis = axis.to_index(x.shape(), "softmax")?;
    if x.elem_count() == 0 {
        return Err(shape_error("input of softmax", x.dims(), "a tensor that is not empty"));
    }
    if !x.device().is_cpu() {
        return if log { candle_nn::ops::log_softmax(x, axis) } else { candle_nn::ops::softmax(x, axis) };
    }
    let last = x.rank() - 1;
    let rows = x.transpose(axis, last)?.contiguous()?;
    rows.apply_op1(Softmax { length: x.dim(axis)?, log })?.transpose(axis, last)
}

struct Softmax {
    length: usize,
    log: bool,
}

impl Softmax {
    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut out = x.to_vec();
        let rows = (GRAIN / self.length).max(1) * self.length;
        out.par_chunks_mut(rows).for_each(|rows| {
            widened(
                #[inline(always)]
                || {
                    for row in rows.chunks_exact_mut(self.length) {
                        if self.log {
                            log_softmax_row(row);
                        } else {
                            softmax_row(row, T::one());
                        }
                    }
                },
            );
        });
        out
    }

    fn backward<T: Real>(&self, y: &[T], grad: &[T]) -> Vec<T> {
        let mut dx = vec![T::default(); y.len()];
        let rows = (GRAIN / self.length).max(1) * self.length;
        dx.par_chunks_mut(rows).zip(y.par_chunks(rows)).zip(grad.par_chunks(rows)).for_each(
            |((dx, y), grad)| {
                let length = self.length;
                let rows =
                    dx.chunks_exact_mut(length).zip(y.chunks_exact(length)).zip(grad.chunks_exact(length));
                for ((dx, y), grad) in rows {
                    if self.log {
                        let total = grad.iter().copied().sum::<T>();
                        for ((dx, &y), &grad) in dx.iter_mut().zip(y).zip(grad) {
                            *dx = grad - y.exp() * total;
                        }
                    } else {
                        let total = y.iter().zip(grad).map(|(&y, &grad)| y * grad).sum::<T>();
                        for ((dx, &y), &grad) in dx.iter_mut().zip(y).zip(grad) {
                            *dx = y * (grad - total);
                        }
                    }
                }
            },
        );
        dx
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "timbral-log-softmax" } else { "timbral-softmax" }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "softmax", T => {
            let out = self.forward::<T>(slice(x, layout)?);
            Ok((storage(out), layout.shape().clone()))
        })
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(y.dtype(), "softmax", T => {
            let dx = with_slice::<T, _>(y, |y| with_slice(grad, |grad| Ok(self.backward(y, grad))))?;
            Ok(Some(tensor(dx, y.shape())?))
        })
    }
}

/// Partial sums kept side by side, so that the compiler may use vector registers.
const LANES: usize = 16;

/// Replaces each element by `f` of it and returns the sum of `g` of what it became.
#[inline(always)]
fn replace<T: Real>(row: &mut [T], f: impl Fn(T) -> T, g: impl Fn(T) -> T) -> T {
    let mut sums = [T::default(); LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (x, sum) in chunk.iter_mut().zip(&mut sums) {
            *x = f(*x);
            *sum += g(*x);
        }
    }
    for (x, sum) in rest.iter_mut().zip(&mut sums) {
        *x = f(*x);
        *sum += g(*x);
    }
    sums.into_iter().sum()
}

#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// The largest of `scale` times the row's elements.
#[inline(always)]
fn largest<T: Real>(row: &[T], scale: T) -> T {
    let mut lanes = [T::lowest(); LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (best, &x) in lanes.iter_mut().zip(chunk) {
            *best = larger(*best, x * scale);
        }
    }
    for (best, &x) in lanes.iter_mut().zip(rest) {
        *best = larger(*best, x * scale);
    }
    lanes.into_iter().fold(T::lowest(), larger)
}

/// Replaces a row by the softmax of `scale` times it. A row of minus infinities has none and becomes "not a number", as
/// elsewhere.
#[inline(always)]
pub(crate) fn softmax_row<T: Real>(row: &mut [T], scale: T) {
    let largest = largest(row, scale);
    let factor = T::one()
        / replace(
            row,
            #[inline(always)]
            |x| (x * scale - largest).exp(),
            #[inline(always)]
            |x| x,
        );
    for x in row {
        *x *= factor;
    }
}

#[inline(always)]
fn log_softmax_row<T: Real>(row: &mut [T]) {
    let largest = largest(row, T::one());
    let total = replace(
        row,
        #[inline(always)]
        |x| x - largest,
        #[inline(always)]
        |x| x.exp(),
    )
    .ln();
    for x in row {
        *x -= total;
    }
}
