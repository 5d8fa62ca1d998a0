//! Maximum and mean over sliding windows, over regions and over whole axes.

use rayon::prelude::*;

use super::conv::{Axis, Padding, axes};
use super::real::Real;
use super::{check_length, volume};
use crate::NnError;

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
    /// The same windows over images of height one.
    pub(crate) fn flat(self) -> Pool2dConfig {
        Pool2dConfig { kernel: (1, self.kernel), stride: (1, self.stride), padding: (0, self.padding) }
    }
}

/// The positions of region `index` of adaptive pooling: regions cover the input and overlap where it does not divide.
fn region(index: usize, input: usize, output: usize) -> std::ops::Range<usize> {
    index * input / output..((index + 1) * input).div_ceil(output)
}

#[derive(Debug)]
pub(crate) struct Pool {
    /// Planes: batch times channels.
    pub(crate) planes: usize,
    pub(crate) height: Windows,
    pub(crate) width: Windows,
    /// The maximum of each window, else the mean.
    pub(crate) max: bool,
}

/// The windows along one axis.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Windows {
    Sliding(Axis),
    /// As many regions as outputs that cover the input.
    Regions {
        input: usize,
        output: usize,
    },
}

impl Windows {
    pub(crate) fn input(&self) -> usize {
        match *self {
            Self::Sliding(Axis { input, .. }) | Self::Regions { input, .. } => input,
        }
    }

    pub(crate) fn output(&self) -> usize {
        match *self {
            Self::Sliding(Axis { output, .. }) | Self::Regions { output, .. } => output,
        }
    }

    /// Elements of window `index`; padding counts.
    fn size(&self, index: usize) -> usize {
        match *self {
            Self::Sliding(axis) => axis.kernel,
            Self::Regions { input, output } => region(index, input, output).len(),
        }
    }

    /// The input positions of window `index`, without padding.
    pub(crate) fn covered(&self, index: usize) -> std::ops::Range<usize> {
        match *self {
            Self::Sliding(axis) => {
                let start = index * axis.stride;
                let end = (start + axis.kernel).saturating_sub(axis.before).min(axis.input);
                start.saturating_sub(axis.before).min(end)..end
            }
            Self::Regions { input, output } => region(index, input, output),
        }
    }
}

impl Pool {
    pub(crate) fn in_plane(&self) -> usize {
        self.height.input() * self.width.input()
    }

    pub(crate) fn out_plane(&self) -> usize {
        self.height.output() * self.width.output()
    }

    /// The index of the first maximum of a window.
    pub(crate) fn winner<T: Real>(&self, plane: &[T], row: usize, column: usize) -> usize {
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

    pub(crate) fn windows(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let width = self.width.output();
        (0..self.height.output()).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }

    /// One over the elements of a window.
    pub(crate) fn factor<T: Real>(&self, row: usize, column: usize) -> T {
        let count = u32::try_from(self.height.size(row) * self.width.size(column)).unwrap_or(u32::MAX);
        T::of(1.0 / f64::from(count))
    }

    /// Planes in parallel.
    pub(crate) fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); self.planes * self.out_plane()];
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
                        *y *= self.factor(row, column);
                    }
                }
            },
        );
        out
    }

    /// Sliding windows over (batch, channels, height, width).
    pub(crate) fn sliding(shape: &[usize], config: Pool2dConfig, max: bool) -> Result<Self, NnError> {
        let &[batch, channels, height, width] = shape else {
            return Err(NnError::shape(
                "shape of the input of pooling",
                shape,
                "(batch, channels, height, width)",
            ));
        };
        let Pool2dConfig { kernel, stride, padding } = config;
        if padding.0 > kernel.0 / 2 || padding.1 > kernel.1 / 2 {
            return Err(NnError::config("padding", padding, "at most half the kernel"));
        }
        let padding = Padding::Symmetric(padding.0, padding.1);
        let (height, width) = axes((height, width), kernel, stride, (1, 1), padding)?;
        Ok(Self {
            planes: volume(&[batch, channels])?,
            height: Windows::Sliding(height),
            width: Windows::Sliding(width),
            max,
        })
    }

    /// As many regions as asked for over (batch, channels, height, width).
    pub(crate) fn adaptive(shape: &[usize], size: (usize, usize), max: bool) -> Result<Self, NnError> {
        let &[batch, channels, height, width] = shape else {
            return Err(NnError::shape(
                "shape of the input of pooling",
                shape,
                "(batch, channels, height, width)",
            ));
        };
        if shape.contains(&0) {
            return Err(NnError::shape("shape of the input of pooling", shape, "not empty"));
        }
        if size.0 == 0 || size.1 == 0 {
            return Err(NnError::config("size of adaptive pooling", size, "at least 1 on both axes"));
        }
        let regions = |input, output| Windows::Regions { input, output };
        Ok(Self {
            planes: volume(&[batch, channels])?,
            height: regions(height, size.0),
            width: regions(width, size.1),
            max,
        })
    }
}

/// Mean or maximum over one axis of (outer, length, inner).
pub(crate) fn reduce<T: Real>(x: &[T], length: usize, inner: usize, max: bool) -> Vec<T> {
    let mut out = vec![T::default(); x.len() / length];
    for (out, block) in out.chunks_exact_mut(inner).zip(x.chunks_exact(length * inner)) {
        if max {
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
            let factor = mean_factor::<T>(length);
            for sum in out {
                *sum *= factor;
            }
        }
    }
    out
}

#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
pub(crate) fn mean_factor<T: Real>(length: usize) -> T {
    T::of(1.0 / length as f64)
}

fn along(x: &[f32], shape: &[usize], axis: usize, max: bool) -> Result<Vec<f32>, NnError> {
    check_length("length of the input", x, shape)?;
    if axis >= shape.len() || x.is_empty() {
        return Err(NnError::shape("shape of the input", shape, format!("not empty, with an axis {axis}")));
    }
    Ok(reduce(x, shape[axis], shape[axis + 1..].iter().product(), max))
}

/// Computes the mean over one axis, which is dropped.
///
/// # Errors
/// [`NnError::Shape`] if there is no such axis, or `x` is empty or has not the length of its shape.
pub fn mean_over(x: &[f32], shape: &[usize], axis: usize) -> Result<Vec<f32>, NnError> {
    along(x, shape, axis, false)
}

/// Computes the maximum over one axis, which is dropped.
///
/// # Errors
/// [`NnError::Shape`] if there is no such axis, or `x` is empty or has not the length of its shape.
pub fn max_over(x: &[f32], shape: &[usize], axis: usize) -> Result<Vec<f32>, NnError> {
    along(x, shape, axis, true)
}

/// A pooled tensor and its shape.
type Pooled<const N: usize> = (Vec<f32>, [usize; N]);

fn run(x: &[f32], shape: [usize; 4], pool: &Pool) -> Result<Pooled<4>, NnError> {
    check_length("length of the input", x, &shape)?;
    let [batch, channels, _, _] = shape;
    Ok((pool.forward(x), [batch, channels, pool.height.output(), pool.width.output()]))
}

/// (batch, channels, length) as images of height one.
fn flat([batch, channels, length]: [usize; 3]) -> [usize; 4] {
    [batch, channels, 1, length]
}

fn unflat((x, [batch, channels, _, length]): Pooled<4>) -> Pooled<3> {
    (x, [batch, channels, length])
}

/// Computes the maximum of each window of (batch, channels, height, width); returns it with its shape.
///
/// What remains at the bottom and right after the last whole window is left out.
///
/// # Errors
/// [`NnError::Config`] if a setting breaks its rule, [`NnError::Shape`] if `x` has not the length of its shape or is
/// smaller than a window.
pub fn max_pool2d(
    x: &[f32],
    shape: [usize; 4],
    config: Pool2dConfig,
) -> Result<(Vec<f32>, [usize; 4]), NnError> {
    run(x, shape, &Pool::sliding(&shape, config, true)?)
}

/// Computes the mean of each window of (batch, channels, height, width), padding as zeros; returns it with its shape.
///
/// What remains at the bottom and right after the last whole window is left out.
///
/// # Errors
/// As [`max_pool2d`].
pub fn avg_pool2d(
    x: &[f32],
    shape: [usize; 4],
    config: Pool2dConfig,
) -> Result<(Vec<f32>, [usize; 4]), NnError> {
    run(x, shape, &Pool::sliding(&shape, config, false)?)
}

/// Computes the maximum of each window of (batch, channels, length); returns it with its shape.
///
/// # Errors
/// As [`max_pool2d`].
pub fn max_pool1d(
    x: &[f32],
    shape: [usize; 3],
    config: Pool1dConfig,
) -> Result<(Vec<f32>, [usize; 3]), NnError> {
    max_pool2d(x, flat(shape), config.flat()).map(unflat)
}

/// Computes the mean of each window of (batch, channels, length), padding as zeros; returns it with its shape.
///
/// # Errors
/// As [`max_pool2d`].
pub fn avg_pool1d(
    x: &[f32],
    shape: [usize; 3],
    config: Pool1dConfig,
) -> Result<(Vec<f32>, [usize; 3]), NnError> {
    avg_pool2d(x, flat(shape), config.flat()).map(unflat)
}

/// Computes the mean of each of `size` (height, width) regions of (batch, channels, height, width), as PyTorch's
/// `adaptive_avg_pool2d`: region i of n reaches from `floor(i * input / n)` to `ceil((i + 1) * input / n)`.
///
/// # Errors
/// [`NnError::Config`] if a size is zero, [`NnError::Shape`] if `x` is empty or has not the length of its shape.
pub fn adaptive_avg_pool2d(x: &[f32], shape: [usize; 4], size: (usize, usize)) -> Result<Vec<f32>, NnError> {
    Ok(run(x, shape, &Pool::adaptive(&shape, size, false)?)?.0)
}

/// Computes the maximum of each of `size` (height, width) regions of (batch, channels, height, width), with the regions of
/// [`adaptive_avg_pool2d`].
///
/// # Errors
/// As [`adaptive_avg_pool2d`].
pub fn adaptive_max_pool2d(x: &[f32], shape: [usize; 4], size: (usize, usize)) -> Result<Vec<f32>, NnError> {
    Ok(run(x, shape, &Pool::adaptive(&shape, size, true)?)?.0)
}

/// Computes the mean of each of `size` regions of (batch, channels, length), as [`adaptive_avg_pool2d`].
///
/// # Errors
/// As [`adaptive_avg_pool2d`].
pub fn adaptive_avg_pool1d(x: &[f32], shape: [usize; 3], size: usize) -> Result<Vec<f32>, NnError> {
    adaptive_avg_pool2d(x, flat(shape), (1, size))
}

/// Computes the maximum of each of `size` regions of (batch, channels, length), as [`adaptive_max_pool2d`].
///
/// # Errors
/// As [`adaptive_avg_pool2d`].
pub fn adaptive_max_pool1d(x: &[f32], shape: [usize; 3], size: usize) -> Result<Vec<f32>, NnError> {
    adaptive_max_pool2d(x, flat(shape), (1, size))
}
