//! Mean and maximum over whole axes.

use candle_core::shape::Dim;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::error::shape_error;
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};

/// The mean over one axis, which is dropped.
///
/// # Errors
/// If there is no such axis, it is empty, or `x` is not f32 or f64.
pub fn mean_over(x: &Tensor, axis: impl Dim) -> Result<Tensor> {
    reduce(x, axis, false)
}

/// The maximum over one axis, which is dropped. The gradient goes to the first of equal maxima; candle's `max` gives
/// each of them the whole gradient, which counts silence (all zero after a ReLU) many times.
///
/// # Errors
/// If there is no such axis, it is empty, or `x` is not f32 or f64.
pub fn max_over(x: &Tensor, axis: impl Dim) -> Result<Tensor> {
    reduce(x, axis, true)
}

fn reduce(x: &Tensor, axis: impl Dim, max: bool) -> Result<Tensor> {
    let axis = axis.to_index(x.shape(), "pooling over an axis")?;
    if x.elem_count() == 0 {
        return Err(shape_error(
            "input of pooling over an axis",
            x.dims(),
            "a tensor that is not empty",
        ));
    }
    let dims = x.dims().to_vec();
    x.contiguous()?.apply_op1(Reduce { dims, axis, max })
}

#[derive(Debug)]
struct Reduce {
    dims: Vec<usize>,
    axis: usize,
    max: bool,
}

impl Reduce {
    /// Elements along the axis, and behind it.
    fn sizes(&self) -> (usize, usize) {
        (self.dims[self.axis], self.dims[self.axis + 1..].iter().product())
    }

    #[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
    fn factor<T: Real>(&self) -> T {
        T::of(1.0 / self.dims[self.axis] as f64)
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let (length, inner) = self.sizes();
        let mut out = vec![T::default(); x.len() / length];
        for (out, block) in out.chunks_exact_mut(inner).zip(x.chunks_exact(length * inner)) {
            if self.max {
                out.copy_from_slice(&block[..inner]);
                for row in block.chunks_exact(inner).skip(1) {
                    for (best, &value) in out.iter_mut().zip(row) {
                        *best = if value > *best || value.not_a_number() {
                            value
                        } else {
                            *best
                        };
                    }
                }
            } else {
                for row in block.chunks_exact(inner) {
                    for (sum, &value) in out.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
                let factor = self.factor::<T>();
                for sum in out {
                    *sum *= factor;
                }
            }
        }
        out
    }

    fn backward<T: Real>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let (length, inner) = self.sizes();
        let mut dx = vec![T::default(); x.len()];
        let factor = self.factor::<T>();
        let blocks = dx
            .chunks_exact_mut(length * inner)
            .zip(x.chunks_exact(length * inner));
        for ((dx, block), grad) in blocks.zip(grad.chunks_exact(inner)) {
            if self.max {
                for (column, &grad) in grad.iter().enumerate() {
                    let (mut best, mut winner) = (block[column], column);
                    for index in (column..block.len()).step_by(inner) {
                        let value = block[index];
                        if value > best || (value.not_a_number() && !best.not_a_number()) {
                            (best, winner) = (value, index);
                        }
                    }
                    dx[winner] = grad;
                }
            } else {
                for row in dx.chunks_exact_mut(inner) {
                    for (dx, &grad) in row.iter_mut().zip(grad) {
                        *dx = grad * factor;
                    }
                }
            }
        }
        dx
    }
}

impl CustomOp1 for Reduce {
    fn name(&self) -> &'static str {
        if self.max {
            "timbral-max-over"
        } else {
            "timbral-mean-over"
        }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "pooling over an axis", T => {
            let out = self.forward::<T>(slice(x, layout)?);
            let mut dims = self.dims.clone();
            dims.remove(self.axis);
            Ok((storage(out), dims.into()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "pooling over an axis", T => {
            let dx = with_slice::<T, _>(x, |x| with_slice(grad, |grad| Ok(self.backward(x, grad))))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
