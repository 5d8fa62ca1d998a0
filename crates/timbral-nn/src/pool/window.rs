//! Maximum and mean over sliding windows, and the maximum over regions.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::conv::{Axis, Padding, axes};
use crate::error::{config_error, shape_error};
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};

/// Settings of [`max_pool2d`] and [`avg_pool2d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool2dConfig {
    /// Window size (height, width). Default: (2, 2).
    pub kernel: (usize, usize),
    /// Step between windows (height, width). Default: (2, 2); usually equal to the kernel.
    pub stride: (usize, usize),
    /// Elements added on both sides (height, width), at most half the kernel: minus infinity for the maximum, zeros that
    /// count for the mean. Default: (0, 0).
    pub padding: (usize, usize),
}

impl Default for Pool2dConfig {
    fn default() -> Self {
        Self::tiled((2, 2))
    }
}

impl Pool2dConfig {
    /// Windows of the given size beside each other.
    #[must_use]
    pub fn tiled(kernel: (usize, usize)) -> Self {
        Self { kernel, stride: kernel, padding: (0, 0) }
    }
}

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

/// Settings of [`max_pool1d`] and [`avg_pool1d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool1dConfig {
    /// Window size. Default: 2.
    pub kernel: usize,
    /// Step between windows. Default: 2; usually equal to the kernel.
    pub stride: usize,
    /// Elements added on both sides, as of [`Pool2dConfig::padding`]. Default: 0.
    pub padding: usize,
}

impl Default for Pool1dConfig {
    fn default() -> Self {
        Self { kernel: 2, stride: 2, padding: 0 }
    }
}

impl Pool1dConfig {
    fn flat(self) -> Pool2dConfig {
        Pool2dConfig { kernel: (1, self.kernel), stride: (1, self.stride), padding: (0, self.padding) }
    }
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
        return Err(shape_error("input of pooling", x.dims(), "(batch, channels, length)"));
    }
    x.unsqueeze(2)
}

/// The maximum of each of `size` (height, width) regions of `x` (batch, channels, height, width), as PyTorch's
/// `adaptive_max_pool2d`, with the regions of [`adaptive_avg_pool2d`](crate::adaptive_avg_pool2d).
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is empty, or a size is zero.
pub fn adaptive_max_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    if x.elem_count() == 0 || size.0 == 0 || size.1 == 0 {
        return Err(shape_error(
            "adaptive pooling",
            (x.dims(), size),
            "an input that is not empty, and sizes of at least 1",
        ));
    }
    let regions = |input, output| Windows::Regions { input, output };
    x.contiguous()?.apply_op1(Pool {
        shape: (batch, channels),
        height: regions(height, size.0),
        width: regions(width, size.1),
        max: true,
    })
}

/// The maximum of each of `size` regions of `x` (batch, channels, length), as [`adaptive_max_pool2d`].
///
/// # Errors
/// If `x` has another rank, is not f32 or f64, or is empty, or `size` is zero.
pub fn adaptive_max_pool1d(x: &Tensor, size: usize) -> Result<Tensor> {
    adaptive_max_pool2d(&flat(x)?, (1, size))?.squeeze(2)
}

fn pool(x: &Tensor, config: Pool2dConfig, max: bool) -> Result<Tensor> {
    let &[batch, channels, height, width] = x.dims() else {
        return Err(shape_error("input of pooling", x.dims(), "(batch, channels, height, width)"));
    };
    let Pool2dConfig { kernel, stride, padding } = config;
    if padding.0 > kernel.0 / 2 || padding.1 > kernel.1 / 2 {
        return Err(config_error("padding", padding, "it may be at most half the kernel"));
    }
    let padding = Padding::Symmetric(padding.0, padding.1);
    let (height, width) = axes((height, width), kernel, stride, (1, 1), padding)?;
    x.contiguous()?.apply_op1(Pool {
        shape: (batch, channels),
        height: Windows::Sliding(height),
        width: Windows::Sliding(width),
        max,
    })
}

#[derive(Debug)]
struct Pool {
    shape: (usize, usize),
    height: Windows,
    width: Windows,
    max: bool,
}

/// The windows along one axis.
#[derive(Debug, Clone, Copy)]
enum Windows {
    Sliding(Axis),
    /// As many regions as outputs that cover the input.
    Regions {
        input: usize,
        output: usize,
    },
}

impl Windows {
    fn input(&self) -> usize {
        match *self {
            Self::Sliding(Axis { input, .. }) | Self::Regions { input, .. } => input,
        }
    }

    fn output(&self) -> usize {
        match *self {
            Self::Sliding(Axis { output, .. }) | Self::Regions { output, .. } => output,
        }
    }

    /// Elements of a window, padding included.
    fn size(&self) -> usize {
        match *self {
            Self::Sliding(axis) => axis.kernel,
            Self::Regions { input, output } => input.div_ceil(output),
        }
    }

    /// The input positions of window `index`, without padding.
    fn covered(&self, index: usize) -> std::ops::Range<usize> {
        match *self {
            Self::Sliding(axis) => {
                let start = index * axis.stride;
                let end = (start + axis.kernel).saturating_sub(axis.before).min(axis.input);
                start.saturating_sub(axis.before).min(end)..end
            }
            Self::Regions { input, output } => super::region(index, input, output),
        }
    }
}

impl Pool {
    fn in_plane(&self) -> usize {
        self.height.input() * self.width.input()
    }

    fn out_plane(&self) -> usize {
        self.height.output() * self.width.output()
    }

    /// The index of the first maximum of a window.
    fn winner<T: Real>(&self, plane: &[T], row: usize, column: usize) -> usize {
        let columns = self.width.covered(column);
        let rows = self.height.covered(row);
        let mut winner = rows.start * self.width.input() + columns.start;
        let mut best = plane[winner];
        for y in rows {
            for x in columns.clone() {
                let index = y * self.width.input() + x;
                let value = plane[index];
                // A value that is not a number wins, as in PyTorch.
                if value > best || (value.not_a_number() && !best.not_a_number()) {
                    (best, winner) = (value, index);
                }
            }
        }
        winner
    }

    fn windows(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let width = self.width.output();
        (0..self.height.output()).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }

    fn factor<T: Real>(&self) -> T {
        let count = u32::try_from(self.height.size() * self.width.size()).unwrap_or(u32::MAX);
        T::of(1.0 / f64::from(count))
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); self.shape.0 * self.shape.1 * self.out_plane()];
        let factor = self.factor::<T>();
        out.par_chunks_mut(self.out_plane()).with_min_len(8).zip(x.par_chunks(self.in_plane())).for_each(
            |(out, plane)| {
                for (y, (row, column)) in out.iter_mut().zip(self.windows()) {
                    if self.max {
                        *y = plane[self.winner(plane, row, column)];
                    } else {
                        let columns = self.width.covered(column);
                        for line in self.height.covered(row) {
                            let start = line * self.width.input();
                            *y +=
                                plane[start + columns.start..start + columns.end].iter().copied().sum::<T>();
                        }
                        *y *= factor;
                    }
                }
            },
        );
        out
    }

    fn backward<T: Real>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let mut dx = vec![T::default(); x.len()];
        let factor = self.factor::<T>();
        dx.par_chunks_mut(self.in_plane())
            .with_min_len(8)
            .zip(x.par_chunks(self.in_plane()))
            .zip(grad.par_chunks(self.out_plane()))
            .for_each(|((dx, plane), grad)| {
                for (&grad, (row, column)) in grad.iter().zip(self.windows()) {
                    if self.max {
                        dx[self.winner(plane, row, column)] += grad;
                    } else {
                        let columns = self.width.covered(column);
                        for line in self.height.covered(row) {
                            let start = line * self.width.input();
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

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        if self.max { "timbral-max-pool2d" } else { "timbral-avg-pool2d" }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "pooling", T => {
            let out = self.forward::<T>(slice(x, layout)?);
            let shape = (self.shape.0, self.shape.1, self.height.output(), self.width.output());
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
