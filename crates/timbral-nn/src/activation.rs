//! Element-wise activations and the softmax family, each with its own backward pass.

use candle_core::shape::Dim;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::error::shape_error;
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};

/// Elements that one task takes; smaller tensors stay on the calling thread.
const GRAIN: usize = 64 * 1024;

/// `max(x, 0)`; the gradient at zero is zero.
///
/// # Errors
/// If `x` is not f32 or f64 on the CPU.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return x.relu();
    }
    x.contiguous()?.apply_op1(Relu)
}

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
        return Err(shape_error(
            "input of softmax",
            x.dims(),
            "a tensor that is not empty",
        ));
    }
    if !x.device().is_cpu() {
        return if log {
            candle_nn::ops::log_softmax(x, axis)
        } else {
            candle_nn::ops::softmax(x, axis)
        };
    }
    let last = x.rank() - 1;
    let rows = x.transpose(axis, last)?.contiguous()?;
    rows.apply_op1(Softmax {
        length: x.dim(axis)?,
        log,
    })?
    .transpose(axis, last)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "timbral-relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "relu", T => {
            let x = slice::<T>(x, layout)?;
            let mut out = vec![T::default(); x.len()];
            out.par_chunks_mut(GRAIN).zip(x.par_chunks(GRAIN)).for_each(|(out, x)| {
                for (y, &x) in out.iter_mut().zip(x) {
                    *y = if x <= T::default() { T::default() } else { x };
                }
            });
            Ok((storage(out), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "relu", T => {
            let dx = with_slice::<T, _>(y, |y| with_slice::<T, _>(grad, |grad| {
                let mut dx = vec![T::default(); y.len()];
                dx.par_chunks_mut(GRAIN).zip(y.par_chunks(GRAIN)).zip(grad.par_chunks(GRAIN)).for_each(
                    |((dx, y), grad)| {
                        for ((dx, &y), &grad) in dx.iter_mut().zip(y).zip(grad) {
                            *dx = if y <= T::default() { T::default() } else { grad };
                        }
                    },
                );
                Ok(dx)
            }))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
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
            for row in rows.chunks_exact_mut(self.length) {
                let largest = row
                    .iter()
                    .fold(T::lowest(), |best, &x| if x > best { x } else { best });
                // A row of minus infinities has no softmax; subtracting zero keeps it "not a number", as elsewhere.
                let mut total = T::default();
                for x in row.iter_mut() {
                    *x -= largest;
                    total += x.exp();
                }
                let log_total = total.ln();
                for x in row.iter_mut() {
                    *x = if self.log { *x - log_total } else { x.exp() / total };
                }
            }
        });
        out
    }

    fn backward<T: Real>(&self, y: &[T], grad: &[T]) -> Vec<T> {
        let mut dx = vec![T::default(); y.len()];
        let rows = (GRAIN / self.length).max(1) * self.length;
        dx.par_chunks_mut(rows)
            .zip(y.par_chunks(rows))
            .zip(grad.par_chunks(rows))
            .for_each(|((dx, y), grad)| {
                let length = self.length;
                let rows = dx
                    .chunks_exact_mut(length)
                    .zip(y.chunks_exact(length))
                    .zip(grad.chunks_exact(length));
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
            });
        dx
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        if self.log {
            "timbral-log-softmax"
        } else {
            "timbral-softmax"
        }
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
