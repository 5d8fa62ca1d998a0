//! Convolution of stride one straight from the padded image: no columns are built.
//!
//! The padded image is one line of memory. With rows `stride` elements apart, output `p = y * stride + x` is the sum over
//! taps of `weight[tap] * line[offset[tap] + p]`: vectors of neighbouring outputs need vectors of neighbouring inputs only.
//! The positions between the end of one output row and the start of the next are computed too, and dropped. The gradient
//! of the input is a convolution of the padded output gradient with the flipped kernel; the gradient of the weight is a
//! product of lines, `sum over p of grad[p] * line[offset[tap] + p]`.

use pulp::{Simd, WithSimd};

use super::geometry::{Axis, Geometry};
use crate::real::Real;
use crate::simd;

/// Zeros behind each plane, so that whole vectors may be read past its end.
const SLACK: usize = 32;

/// Sizes of the padded images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Distance of rows, in input and output gradient alike.
    stride: usize,
    /// Elements of a padded input plane, and of a padded plane of the output gradient.
    in_plane: usize,
    out_plane: usize,
    /// Zeros above and to the left of the output gradient.
    margin: (usize, usize),
}

impl Plan {
    /// The plan of a convolution, if it can be done this way on this machine.
    pub(super) fn new(geometry: &Geometry) -> Option<Self> {
        let (height, width) = (&geometry.height, &geometry.width);
        let reach = |axis: &Axis| (axis.kernel - 1) * axis.dilation;
        let padded = |axis: &Axis| axis.output + reach(axis);
        if height.stride != 1 || width.stride != 1 || !simd::has_fused() {
            return None;
        }
        // More padding than the kernel reaches would need a negative margin.
        let margin = (reach(height).checked_sub(height.before)?, reach(width).checked_sub(width.before)?);
        let (rows, columns) = (height.input + reach(height), width.input + reach(width));
        if padded(height) < height.input || padded(width) < width.input {
            return None;
        }
        let stride = columns.max(padded(width));
        let plane = |rows: usize| rows.checked_mul(stride)?.checked_add(SLACK);
        let (in_plane, out_plane) = (plane(padded(height))?, plane(rows)?);
        in_plane.checked_mul(geometry.in_channels)?.checked_add(SLACK)?;
        out_plane.checked_mul(geometry.out_channels)?.checked_add(SLACK)?;
        Some(Self { stride, in_plane, out_plane, margin })
    }

    /// Writes the input planes of one image with zeros around them.
    pub(super) fn pad_input<T: Real>(&self, geometry: &Geometry, image: &[T], padded: &mut Vec<T>) {
        let (height, width) = (&geometry.height, &geometry.width);
        let corner = height.before * self.stride + width.before;
        pad(image, (height.input, width.input), self.in_plane, self.stride, corner, padded);
    }

    /// Writes the planes of the output gradient of one image with zeros around them.
    pub(super) fn pad_gradient<T: Real>(&self, geometry: &Geometry, grad: &[T], padded: &mut Vec<T>) {
        let corner = self.margin.0 * self.stride + self.margin.1;
        pad(
            grad,
            (geometry.height.output, geometry.width.output),
            self.out_plane,
            self.stride,
            corner,
            padded,
        );
    }

    fn offsets(&self, geometry: &Geometry, channels: usize, plane: usize) -> Vec<usize> {
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

fn pad<T: Real>(
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

/// A convolution of one group with its weights packed for the kernel.
pub(super) struct Kernel<T> {
    offsets: Vec<usize>,
    /// Weights of `tile` outputs side by side for each tap; the last tile may be narrower.
    panels: Vec<T>,
    tile: usize,
    outputs: usize,
    /// First element of the group in the padded image, and the sizes of the output plane.
    base: usize,
    stride: usize,
    height: usize,
    width: usize,
}

/// Outputs whose sums are kept in registers at once: the number with the least estimated time.
fn tile_size(outputs: usize) -> usize {
    let cost = |tile: usize| {
        let one = |tile: usize| if tile == 0 { 0 } else { (2 * tile).max(8) + 1 };
        outputs / tile * one(tile) + one(outputs % tile)
    };
    let tiles: &[usize] = if simd::many_registers() { &[8, 7, 6, 5, 4] } else { &[6, 5, 4] };
    tiles.iter().copied().min_by_key(|&tile| cost(tile)).unwrap_or(6)
}

impl<T: Real> Kernel<T> {
    fn pack(outputs: usize, taps: usize, weight: impl Fn(usize, usize) -> T) -> (usize, Vec<T>) {
        let tile = tile_size(outputs);
        let mut panels = Vec::with_capacity(outputs * taps);
        for start in (0..outputs).step_by(tile) {
            for tap in 0..taps {
                panels.extend((start..(start + tile).min(outputs)).map(|output| weight(output, tap)));
            }
        }
        (tile, panels)
    }

    /// The forward convolution of each group.
    pub(super) fn forward(plan: &Plan, geometry: &Geometry, weight: &[T]) -> Vec<Self> {
        let (outputs, taps) = (geometry.group_out(), geometry.taps());
        let offsets = plan.offsets(geometry, geometry.group_in(), plan.in_plane);
        let groups = weight.chunks_exact(outputs * taps).enumerate();
        groups
            .map(|(group, weight)| {
                let (tile, panels) = Self::pack(outputs, taps, |output, tap| weight[output * taps + tap]);
                Self {
                    offsets: offsets.clone(),
                    panels,
                    tile,
                    outputs,
                    base: group * geometry.group_in() * plan.in_plane,
                    stride: plan.stride,
                    height: geometry.height.output,
                    width: geometry.width.output,
                }
            })
            .collect()
    }

    /// The convolution of the output gradient with the flipped kernel, for each group.
    pub(super) fn backward(plan: &Plan, geometry: &Geometry, weight: &[T]) -> Vec<Self> {
        let (inputs, taps) = (geometry.group_in(), geometry.taps());
        let (outputs, window) = (geometry.group_out(), geometry.height.kernel * geometry.width.kernel);
        let offsets = plan.offsets(geometry, outputs, plan.out_plane);
        let groups = weight.chunks_exact(outputs * taps).enumerate();
        groups
            .map(|(group, weight)| {
                let (tile, panels) = Self::pack(inputs, outputs * window, |input, tap| {
                    weight[tap / window * taps + input * window + (window - 1 - tap % window)]
                });
                Self {
                    offsets: offsets.clone(),
                    panels,
                    tile,
                    outputs: inputs,
                    base: group * outputs * plan.out_plane,
                    stride: plan.stride,
                    height: geometry.height.input,
                    width: geometry.width.input,
                }
            })
            .collect()
    }

    /// Output planes that one task may compute by itself: a whole number of tiles.
    pub(super) fn planes_per_task(&self) -> usize {
        2 * self.tile
    }

    /// Computes the outputs from `first` on, as many as `out` has planes. `first` is a multiple of the tile.
    pub(super) fn run(&self, padded: &[T], bias: Option<&[T]>, first: usize, out: &mut [T]) {
        let line = &padded[self.base..];
        simd::best(Run { kernel: self, line, bias, first, out });
    }
}

struct Run<'a, T> {
    kernel: &'a Kernel<T>,
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
        let (taps, plane, step) = (kernel.offsets.len(), height * width, 2 * T::lanes::<S>());
        let length = (height - 1) * stride + width;
        let last = first + out.len() / plane;
        for start in (0..length).step_by(step) {
            let line = &line[start..];
            let place = Place { start, count: step.min(length - start), stride, width, plane };
            for output in (first..last).step_by(kernel.tile) {
                let rows = kernel.tile.min(kernel.outputs - output);
                let panel = &kernel.panels[output * taps..(output + rows) * taps];
                let out = &mut out[(output - first) * plane..];
                let bias = bias.map_or(&[][..], |bias| &bias[output..]);
                macro_rules! rows {
                    ($($count:literal)*) => {
                        match rows {
                            $($count => {
                                let sums = tile::<T, S, $count>(simd, line, &kernel.offsets, panel, bias);
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

/// Adds the weight gradient of one image to `sums`.
pub(super) fn weight_gradient<T: Real>(
    plan: &Plan,
    geometry: &Geometry,
    padded: &[T],
    padded_grad: &[T],
    sums: &mut [T],
) {
    let offsets = plan.offsets(geometry, geometry.group_in(), plan.in_plane);
    let (inputs, outputs) = (geometry.group_in() * plan.in_plane, geometry.group_out() * plan.out_plane);
    let corner = plan.margin.0 * plan.stride + plan.margin.1;
    for (group, sums) in sums.chunks_exact_mut(geometry.group_out() * geometry.taps()).enumerate() {
        simd::best(WeightGradient {
            line: &padded[group * inputs..],
            grad: &padded_grad[group * outputs + corner..],
            offsets: &offsets,
            plane: plan.out_plane,
            length: (geometry.height.output - 1) * plan.stride + geometry.width.output,
            sums,
        });
    }
}

struct WeightGradient<'a, T> {
    line: &'a [T],
    grad: &'a [T],
    offsets: &'a [usize],
    plane: usize,
    length: usize,
    sums: &'a mut [T],
}

impl<T: Real> WithSimd for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { line, grad, offsets, plane, length, sums } = self;
        let taps = offsets.len();
        // The slack behind a plane is zero, so whole vectors add nothing.
        let length = length.next_multiple_of(T::lanes::<S>());
        let outputs = sums.len() / taps;
        let most = if simd::many_registers() { GRADIENTS } else { 4 };
        for output in (0..outputs).step_by(most) {
            let rows = (outputs - output).min(most);
            let grads: [&[T]; GRADIENTS] =
                std::array::from_fn(|row| &grad[(output + row.min(rows - 1)) * plane..][..length]);
            let sums = &mut sums[output * taps..(output + rows) * taps];
            for (index, offsets) in offsets.chunks(3).enumerate() {
                let last = offsets.len() - 1;
                let line = |tap: usize| &line[offsets[tap.min(last)]..][..length];
                let lines = [line(0), line(1), line(2)];
                macro_rules! rows {
                    ($($count:literal)*) => {
                        match rows {
                            $($count => dots::<T, S, $count>(simd, &grads, lines),)*
                            _ => dots::<T, S, GRADIENTS>(simd, &grads, lines),
                        }
                    };
                }
                let products = rows!(1 2 3 4 5 6 7);
                for (sums, products) in sums.chunks_exact_mut(taps).zip(products) {
                    for (sum, product) in sums[3 * index..].iter_mut().take(offsets.len()).zip(products) {
                        *sum += product;
                    }
                }
            }
        }
    }
}

/// The largest number of gradient lines taken at once.
const GRADIENTS: usize = 8;

/// The products of `ROWS` gradient lines with three input lines.
#[inline(always)]
fn dots<T: Real, S: Simd, const ROWS: usize>(
    simd: S,
    grads: &[&[T]; GRADIENTS],
    lines: [&[T]; 3],
) -> [[T; 3]; GRADIENTS] {
    let zero = T::splat(simd, T::default());
    let mut sums = [[zero; 3]; ROWS];
    let [a, b, c] = [T::vectors::<S>(lines[0]), T::vectors::<S>(lines[1]), T::vectors::<S>(lines[2])];
    let count = a.len();
    let mut rows: [&[T::Vector<S>]; ROWS] = [&[]; ROWS];
    for (row, grad) in rows.iter_mut().zip(grads) {
        *row = &T::vectors::<S>(grad)[..count];
    }
    let (b, c) = (&b[..count], &c[..count]);
    for step in 0..count {
        let x = [a[step], b[step], c[step]];
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let grad = row[step];
            for (sum, &x) in sums.iter_mut().zip(&x) {
                *sum = T::mul_add(simd, grad, x, *sum);
            }
        }
    }
    let mut out = [[T::default(); 3]; GRADIENTS];
    // Loops, not `map`: a closure that is not inlined would lose the vector instructions.
    for (out, sums) in out.iter_mut().zip(&sums) {
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out = T::reduce(simd, sum);
        }
    }
    out
}
