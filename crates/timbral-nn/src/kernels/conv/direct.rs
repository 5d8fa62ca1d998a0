//! Convolution of stride one straight from the padded image: no columns are built.
//!
//! The padded image is one line of memory. With rows `stride` elements apart, output `p = y * stride + x` is the sum over
//! taps of `weight[tap] * line[offset[tap] + p]`: vectors of neighbouring outputs need vectors of neighbouring inputs only.
//! The positions between the end of one output row and the start of the next are computed too, and dropped: a few percent
//! more products, for which no vector is ever put together from two rows.

use pulp::{Simd, WithSimd};

use super::Conv2dConfig;
use super::geometry::{Axis, Geometry};
use crate::kernels::real::Real;
use crate::kernels::simd;

/// Zeros behind each plane, so that whole vectors may be read past its end.
pub(crate) const SLACK: usize = 32;

/// How far the taps of a kernel reach beyond the first.
pub(crate) fn reach(axis: &Axis) -> usize {
    (axis.kernel - 1) * axis.dilation
}

/// Sizes of the padded images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Distance of rows, in input and output gradient alike.
    pub(crate) stride: usize,
    /// Elements of a padded input plane.
    pub(crate) in_plane: usize,
}

impl Plan {
    /// Whether convolutions with these settings are done this way on this machine. The other way is faster where vectors
    /// do not multiply and add in one step.
    pub(crate) fn applies(config: &Conv2dConfig) -> bool {
        config.stride == (1, 1) && simd::has_fused()
    }

    /// The plan of a convolution, if it can be done this way on this machine.
    pub(crate) fn new(geometry: &Geometry) -> Option<Self> {
        let (height, width) = (&geometry.height, &geometry.width);
        if height.stride != 1 || width.stride != 1 || !simd::has_fused() {
            return None;
        }
        let padded = |axis: &Axis| axis.output + reach(axis);
        let stride = (width.input + reach(width)).max(padded(width));
        // More padding than the kernel reaches leaves the image off the corner of what is read.
        let rows = padded(height).max(height.input.checked_add(height.before)?);
        let stride = stride.max(width.input.checked_add(width.before)?);
        let in_plane = rows.checked_mul(stride)?.checked_add(SLACK)?;
        in_plane.checked_mul(geometry.in_channels)?.checked_add(SLACK)?;
        Some(Self { stride, in_plane })
    }

    /// Writes the input planes of one image with zeros around them.
    pub(crate) fn pad_input<T: Real>(&self, geometry: &Geometry, image: &[T], padded: &mut Vec<T>) {
        let (height, width) = (&geometry.height, &geometry.width);
        let corner = height.before * self.stride + width.before;
        pad(image, (height.input, width.input), self.in_plane, self.stride, corner, padded);
    }

    /// Where the taps of the kernel lie in `channels` planes, `plane` elements apart.
    pub(crate) fn offsets(&self, geometry: &Geometry, channels: usize, plane: usize) -> Vec<usize> {
        let (height, width) = (&geometry.height, &geometry.width);
        let mut offsets = Vec::with_capacity(channels * height.kernel * width.kernel);
        for channel in 0..channels {
            for ky in 0..height.kernel {
                for kx in 0..width.kernel {
                    offsets.push(channel * plane + ky * height.dilation * self.stride + kx * width.dilation);
                }
            }
        }
        offsets
    }
}

pub(crate) fn pad<T: Real>(
    image: &[T],
    (rows, columns): (usize, usize),
    plane: usize,
    stride: usize,
    corner: usize,
    padded: &mut Vec<T>,
) {
    let planes = image.len() / (rows * columns);
    padded.clear();
    padded.resize(planes * plane + SLACK, T::default());
    for (source, target) in image.chunks_exact(rows * columns).zip(padded.chunks_exact_mut(plane)) {
        for (source, target) in source.chunks_exact(columns).zip(target[corner..].chunks_mut(stride)) {
            target[..columns].copy_from_slice(source);
        }
    }
}

/// Outputs whose sums are kept in registers at once: the number with the least estimated time. A tile of `n` rows takes
/// `2 n` multiply-adds a tap, but not less than the 8 that wait for each other's results, and a load.
fn tile_size(outputs: usize) -> usize {
    let cost = |tile: usize| {
        let one = |tile: usize| if tile == 0 { 0 } else { (2 * tile).max(8) + 1 };
        outputs / tile * one(tile) + one(outputs % tile)
    };
    let tiles: &[usize] = if simd::many_registers() { &[8, 7, 6, 5, 4] } else { &[6, 5, 4] };
    tiles.iter().copied().min_by_key(|&tile| cost(tile)).unwrap_or(6)
}

/// The weights of one group, in the order in which tiles read them.
#[derive(Debug, Clone)]
pub(crate) struct Panels<T> {
    /// Weights of `tile` outputs side by side for each tap; the last tile may be narrower.
    values: Vec<T>,
    tile: usize,
    outputs: usize,
    taps: usize,
}

impl<T: Real> Panels<T> {
    pub(crate) fn pack(outputs: usize, taps: usize, weight: impl Fn(usize, usize) -> T) -> Self {
        let tile = tile_size(outputs);
        let mut values = Vec::with_capacity(outputs * taps);
        for start in (0..outputs).step_by(tile) {
            for tap in 0..taps {
                values.extend((start..(start + tile).min(outputs)).map(|output| weight(output, tap)));
            }
        }
        Self { values, tile, outputs, taps }
    }

    /// The panels of each group of a weight (groups * outputs, taps).
    pub(crate) fn groups(weight: &[T], outputs: usize, taps: usize) -> Vec<Self> {
        let groups = weight.chunks_exact(outputs * taps);
        groups.map(|weight| Self::pack(outputs, taps, |output, tap| weight[output * taps + tap])).collect()
    }

    /// Output planes that one task may compute by itself: a whole number of tiles.
    pub(crate) fn planes_per_task(&self) -> usize {
        2 * self.tile
    }
}

/// A convolution of one group over padded planes.
pub(crate) struct Kernel<'a, T> {
    pub(crate) panels: &'a Panels<T>,
    pub(crate) offsets: &'a [usize],
    /// First element of the group in the padded image.
    pub(crate) base: usize,
    /// Distance of padded rows, and the sizes of the output plane.
    pub(crate) stride: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl<T: Real> Kernel<'_, T> {
    /// Computes the outputs from `first` on, as many as `out` has planes. `first` is a multiple of the tile.
    pub(crate) fn run(&self, padded: &[T], bias: Option<&[T]>, first: usize, out: &mut [T]) {
        let line = &padded[self.base..];
        simd::best(Run { kernel: self, line, bias, first, out });
    }
}

struct Run<'a, T> {
    kernel: &'a Kernel<'a, T>,
    line: &'a [T],
    bias: Option<&'a [T]>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { kernel, line, bias, first, out } = self;
        let (height, width, stride) = (kernel.height, kernel.width, kernel.stride);
        let Panels { values, tile: most, outputs, taps } = kernel.panels;
        let (plane, step) = (height * width, 2 * T::lanes::<S>());
        let length = (height - 1) * stride + width;
        let last = first + out.len() / plane;
        for start in (0..length).step_by(step) {
            let line = &line[start..];
            let place = Place { start, count: step.min(length - start), stride, width, plane };
            for output in (first..last).step_by(*most) {
                let rows = (*most).min(outputs - output);
                let panel = &values[output * taps..(output + rows) * taps];
                let out = &mut out[(output - first) * plane..];
                let bias = bias.map_or(&[][..], |bias| &bias[output..]);
                macro_rules! rows {
                    ($($count:literal)*) => {
                        match rows {
                            $($count => {
                                let sums = tile::<T, S, $count>(simd, line, kernel.offsets, panel, bias);
                                place.store(simd, sums, out);
                            })*
                            _ => {}
                        }
                    };
                }
                rows!(1 2 3 4 5 6 7 8);
            }
        }
    }
}

/// The sums of `ROWS` outputs over two vectors of neighbouring positions.
#[inline(always)]
fn tile<T: Real, S: Simd, const ROWS: usize>(
    simd: S,
    line: &[T],
    offsets: &[usize],
    panel: &[T],
    bias: &[T],
) -> [[T::Vector<S>; 2]; ROWS] {
    let width = 2 * T::lanes::<S>();
    let mut sums = [[T::splat(simd, T::default()); 2]; ROWS];
    for (sums, &bias) in sums.iter_mut().zip(bias) {
        *sums = [T::splat(simd, bias); 2];
    }
    let (weights, _) = panel.as_chunks::<ROWS>();
    for (weights, &offset) in weights.iter().zip(offsets) {
        let &[low, high] = T::vectors::<S>(&line[offset..offset + width]) else {
            break;
        };
        for (sums, &weight) in sums.iter_mut().zip(weights) {
            let weight = T::splat(simd, weight);
            sums[0] = T::mul_add(simd, weight, low, sums[0]);
            sums[1] = T::mul_add(simd, weight, high, sums[1]);
        }
    }
    sums
}

/// Where the results of a tile belong.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    count: usize,
    stride: usize,
    width: usize,
    plane: usize,
}

impl Place {
    #[inline(always)]
    fn store<T: Real, S: Simd, const ROWS: usize>(
        self,
        _: S,
        sums: [[T::Vector<S>; 2]; ROWS],
        out: &mut [T],
    ) {
        let step = 2 * T::lanes::<S>();
        let (row, column) = (self.start / self.stride, self.start % self.stride);
        if self.count == step && column + step <= self.width {
            let start = row * self.width + column;
            for (index, sums) in sums.iter().enumerate() {
                let target = &mut out[index * self.plane + start..][..step];
                if let [low, high] = T::vectors_mut::<S>(target) {
                    (*low, *high) = (sums[0], sums[1]);
                }
            }
            return;
        }
        let mut buffer = [T::default(); 2 * SLACK];
        for (index, sums) in sums.iter().enumerate() {
            if let [low, high] = T::vectors_mut::<S>(&mut buffer[..step]) {
                (*low, *high) = (sums[0], sums[1]);
            }
            let (mut row, mut column, mut done) = (row, column, 0);
            while done < self.count {
                let run = (self.stride - column).min(self.count - done);
                if column < self.width {
                    let length = run.min(self.width - column);
                    let start = index * self.plane + row * self.width + column;
                    out[start..start + length].copy_from_slice(&buffer[done..done + length]);
                }
                (row, column, done) = (row + 1, 0, done + run);
            }
        }
    }
}
