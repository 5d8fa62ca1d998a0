//! Mean and maximum over whole axes.

use candle_core::shape::Dim;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::error::shape_error;
use crate::kernels::pool;

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
        return Err(shape_error("shape of the input of pooling over an axis", x.dims(), "not empty"));
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

    fn backward<T: Element>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let (length, inner) = self.sizes();
        let mut dx = vec![T::default(); x.len()];
        let factor = pool::mean_factor::<T>(length);
        let blocks = dx.chunks_exact_mut(length * inner).zip(x.chunks_exact(length * inner));
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
        if self.max { "timbral-max-over" } else { "timbral-mean-over" }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "pooling over an axis", T => {
            let (length, inner) = self.sizes();
            let out = pool::reduce::<T>(slice(x, layout)?, length, inner, self.max);
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
