//! Maximum and mean over sliding windows, and the maximum over regions.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::error::shape_error;
use crate::kernels::pool::Pool;
pub use crate::kernels::{Pool1dConfig, Pool2dConfig};

/// The maximum of each window of `x` (batch, channels, height, width), as PyTorch's `max_pool2d`.
///
/// What remains at the bottom and right after the last whole window is left out. The gradient goes to the first of equal
/// maxima.
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is smaller than a window.
pub fn max_pool2d(x: &Tensor, config: Pool2dConfig) -> Result<Tensor> {
    pool(x, config, true)
}

/// The mean of each window of `x` (batch, channels, height, width), as PyTorch's `avg_pool2d`: padding counts as zeros.
///
/// What remains at the bottom and right after the last whole window is left out.
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is smaller than a window.
pub fn avg_pool2d(x: &Tensor, config: Pool2dConfig) -> Result<Tensor> {
    pool(x, config, false)
}

/// The maximum of each window of `x` (batch, channels, length), as [`max_pool2d`].
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is smaller than a window.
pub fn max_pool1d(x: &Tensor, config: Pool1dConfig) -> Result<Tensor> {
    pool(&flat(x)?, config.flat(), true)?.squeeze(2)
}

/// The mean of each window of `x` (batch, channels, length), as [`avg_pool2d`].
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is smaller than a window.
pub fn avg_pool1d(x: &Tensor, config: Pool1dConfig) -> Result<Tensor> {
    pool(&flat(x)?, config.flat(), false)?.squeeze(2)
}

/// (batch, channels, length) as images of height one.
pub(super) fn flat(x: &Tensor) -> Result<Tensor> {
    if x.rank() != 3 {
        return Err(shape_error("shape of the input of pooling", x.dims(), "(batch, channels, length)"));
    }
    x.unsqueeze(2)
}

/// The maximum of each of `size` (height, width) regions of `x` (batch, channels, height, width), as PyTorch's
/// `adaptive_max_pool2d`, with the regions of [`adaptive_avg_pool2d`].
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is empty, or a size is zero.
pub fn adaptive_max_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    apply(x, Pool::adaptive(x.dims(), size, true)?)
}

/// The maximum of each of `size` regions of `x` (batch, channels, length), as [`adaptive_max_pool2d`].
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is empty, or `size` is zero.
pub fn adaptive_max_pool1d(x: &Tensor, size: usize) -> Result<Tensor> {
    adaptive_max_pool2d(&flat(x)?, (1, size))?.squeeze(2)
}

/// The mean of each of `size` (height, width) regions of `x` (batch, channels, height, width), as PyTorch's
/// `adaptive_avg_pool2d`: region i of n reaches from `floor(i * input / n)` to `ceil((i + 1) * input / n)`.
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is empty, or a size is zero.
pub fn adaptive_avg_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    apply(x, Pool::adaptive(x.dims(), size, false)?)
}

/// The mean of each of `size` regions of `x` (batch, channels, length), as [`adaptive_avg_pool2d`].
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is empty, or `size` is zero.
pub fn adaptive_avg_pool1d(x: &Tensor, size: usize) -> Result<Tensor> {
    adaptive_avg_pool2d(&flat(x)?, (1, size))?.squeeze(2)
}

fn pool(x: &Tensor, config: Pool2dConfig, max: bool) -> Result<Tensor> {
    apply(x, Pool::sliding(x.dims(), config, max)?)
}

fn apply(x: &Tensor, pool: Pool) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Windows { pool, batch: x.dim(0)? })
}

/// The pooling as candle's custom operation.
#[derive(Debug)]
struct Windows {
    pool: Pool,
    batch: usize,
}

impl Windows {
    fn backward<T: Element>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let pool = &self.pool;
        let mut dx = vec![T::default(); x.len()];
        dx.par_chunks_mut(pool.in_plane())
            .with_min_len(8)
            .zip(x.par_chunks(pool.in_plane()))
            .zip(grad.par_chunks(pool.out_plane()))
            .for_each(|((dx, plane), grad)| {
                for (&grad, (row, column)) in grad.iter().zip(pool.windows()) {
                    if pool.max {
                        dx[pool.winner(plane, row, column)] += grad;
                    } else {
                        let factor: T = pool.factor(row, column);
                        let columns = pool.width.covered(column);
                        for line in pool.height.covered(row) {
                            let start = line * pool.width.input();
                            for dx in &mut dx[start + columns.start..start + columns.end] {
                                *dx += grad * factor;
                            }
                        }
                    }
                }
            });
        dx
    }
}

impl CustomOp1 for Windows {
    fn name(&self) -> &'static str {
        if self.pool.max { "timbral-max-pool2d" } else { "timbral-avg-pool2d" }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "pooling", T => {
            let out = self.pool.forward::<T>(slice(x, layout)?);
            let (planes, height, width) =
                (self.pool.planes, self.pool.height.output(), self.pool.width.output());
            let shape = (self.batch, planes / self.batch.max(1), height, width);
            Ok((storage(out), shape.into()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "pooling", T => {
            let dx = with_slice::<T, _>(x, |x| with_slice(grad, |grad| Ok(self.backward(x, grad))))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
