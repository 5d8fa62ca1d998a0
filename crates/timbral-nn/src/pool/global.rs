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

/// The mean of each of `size` (height, width) regions of `x` (batch, channels, height, width), as PyTorch's
/// `adaptive_avg_pool2d`: region i of n reaches from `floor(i * input / n)` to `ceil((i + 1) * input / n)`.
///
/// # Errors
/// If `x` has another rank or is empty, or a size is zero.
pub fn adaptive_avg_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    if x.elem_count() == 0 || size.0 == 0 || size.1 == 0 {
        return Err(shape_error(
            "adaptive pooling",
            (x.dims(), size),
            "an input that is not empty, and sizes of at least 1",
        ));
    }
    let (rows, columns) = (regions(height, size.0, x)?, regions(width, size.1, x)?);
    let narrow = x.reshape((batch * channels * height, width))?.matmul(&columns)?;
    let narrow = narrow.reshape((batch * channels, height, size.1))?.transpose(1, 2)?.contiguous()?;
    let small = narrow.reshape((batch * channels * size.1, height))?.matmul(&rows)?;
    small.reshape((batch, channels, size.1, size.0))?.transpose(2, 3)
}

/// The mean of each of `size` regions of `x` (batch, channels, length), as [`adaptive_avg_pool2d`].
///
/// # Errors
/// If `x` has another rank or is empty, or `size` is zero.
pub fn adaptive_avg_pool1d(x: &Tensor, size: usize) -> Result<Tensor> {
    adaptive_avg_pool2d(&super::window::flat(x)?, (1, size))?.squeeze(2)
}

/// The matrix (input, output) that takes the mean of each region.
#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
fn regions(input: usize, output: usize, like: &Tensor) -> Result<Tensor> {
    let mut values = vec![0.0; input * output];
    for region in 0..output {
        let rows = super::region(region, input, output);
        let share = 1.0 / rows.len() as f64;
        for row in rows {
            values[row * output + region] = share;
        }
    }
    Tensor::from_vec(values, (input, output), &candle_core::Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

fn reduce(x: &Tensor, axis: impl Dim, max: bool) -> Result<Tensor> {
    let axis = axis.to_index(x.shape(), "pooling over an axis")?;
    if x.elem_count() == 0 {
        return Err(shape_error("input of pooling over an axis", x.dims(), "a tensor that is not empty"));
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
                        *best = if value > *best || value.not_a_number() { value } else { *best };
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
