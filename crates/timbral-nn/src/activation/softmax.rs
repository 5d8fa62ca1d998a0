//! The softmax and its logarithm along one axis.

use candle_core::shape::Dim;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::error::shape_error;
use crate::kernels::activation::GRAIN;
use crate::kernels::softmax::softmax_rows;

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
        return Err(shape_error("shape of the input of softmax", x.dims(), "not empty"));
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
    fn backward<T: Element>(&self, y: &[T], grad: &[T]) -> Vec<T> {
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
            let mut out = slice::<T>(x, layout)?.to_vec();
            softmax_rows(&mut out, self.length, self.log);
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
