//! The median filter of `scipy.ndimage` in mode `reflect`.

use std::fmt;

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use super::network::{Op, Program};
use crate::error::FeatureError;
use crate::shape::frame_major;
use crate::simd::dispatch;

/// Signals filtered side by side by one instruction of the network.
const LANES: usize = 32;
/// Elements of a row that are turned at a time: one line of cache.
const TILE: usize = 16;
/// The longest kernel; the network of a longer one would take gigabytes.
const MAX_KERNEL: usize = 1 << 15;

/// A planned median filter along one axis.
#[derive(Clone)]
pub(crate) struct SlidingMedian {
    kernel: usize,
    program: Program,
}

impl fmt::Debug for SlidingMedian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlidingMedian").field("kernel", &self.kernel).finish_non_exhaustive()
    }
}

/// The index inside `0..len` that mode `reflect` (`b a | a b c | c b`) puts at `position`.
pub(crate) fn reflect(position: isize, len: usize) -> usize {
    let len = len as isize;
    let folded = position.rem_euclid(2 * len);
    (if folded < len { folded } else { 2 * len - 1 - folded }) as usize
}

impl SlidingMedian {
    pub(crate) fn new(kernel: usize) -> Result<Self, FeatureError> {
        if kernel == 0 {
            return Err(FeatureError::config("kernel_size", "0", "at least 1"));
        }
        if kernel > MAX_KERNEL {
            return Err(FeatureError::Limit {
                what: "the kernel of a median filter",
                requested: kernel as u64,
                maximum: MAX_KERNEL as u64,
            });
        }
        Ok(Self { kernel, program: Program::median(kernel) })
    }

    /// Filters along the rows' index: `input` and `output` hold `input.len() / width` rows of `width` elements, and
    /// `output[row]` is the median of the `kernel` rows around `row`.
    pub(crate) fn filter_rows(&self, input: &[f32], width: usize, output: &mut [f32]) {
        if width == 0 || input.is_empty() {
            return;
        }
        let rows = input.len() / width;
        let outputs = self.program.outputs;
        let sources = self.sources(rows, width);
        let mut wires = vec![[0.0_f32; LANES]; self.program.wires];
        dispatch!({
            for column in (0..width).step_by(LANES) {
                let lanes = LANES.min(width - column);
                for first in (0..rows).step_by(outputs) {
                    let count = outputs.min(rows - first);
                    let block = Block { first, count, column, lanes, width };
                    run(&self.program.ops, &mut wires, input, &sources[first..], block, output);
                }
            }
        });
    }

    /// Filters inside the rows: `output[row][i]` is the median of the `kernel` elements around `input[row][i]`.
    ///
    /// Rows are turned in groups, so that the network works on neighbouring memory.
    pub(crate) fn filter_columns(&self, input: &[f32], width: usize, output: &mut [f32]) {
        if width == 0 || input.is_empty() {
            return;
        }
        let sources = self.sources(width, LANES);
        let mut wires = vec![[0.0_f32; LANES]; self.program.wires];
        let mut turned = vec![0.0_f32; width * LANES];
        let mut filtered = vec![0.0_f32; width * LANES];
        dispatch!({
            for (rows, out) in input.chunks(width * LANES).zip(output.chunks_mut(width * LANES)) {
                for tile in (0..width).step_by(TILE) {
                    let columns = TILE.min(width - tile);
                    for (lane, row) in rows.chunks_exact(width).enumerate() {
                        for (i, &value) in row[tile..tile + columns].iter().enumerate() {
                            turned[(tile + i) * LANES + lane] = value;
                        }
                    }
                }
                for first in (0..width).step_by(self.program.outputs) {
                    let count = self.program.outputs.min(width - first);
                    let block = Block { first, count, column: 0, lanes: LANES, width: LANES };
                    run(&self.program.ops, &mut wires, &turned, &sources[first..], block, &mut filtered);
                }
                for tile in (0..width).step_by(TILE) {
                    let columns = TILE.min(width - tile);
                    for (lane, row) in out.chunks_exact_mut(width).enumerate() {
                        for (i, value) in row[tile..tile + columns].iter_mut().enumerate() {
                            *value = filtered[(tile + i) * LANES + lane];
                        }
                    }
                }
            }
        });
    }

    /// Where in memory each row is that a block can read, so that the inner loop knows no edges.
    fn sources(&self, rows: usize, width: usize) -> Vec<usize> {
        let reach = (self.kernel / 2) as isize;
        (0..(rows.next_multiple_of(self.program.outputs) + self.kernel) as isize)
            .map(|position| reflect(position - reach, rows) * width)
            .collect()
    }
}

#[derive(Clone, Copy)]
struct Block {
    first: usize,
    count: usize,
    column: usize,
    lanes: usize,
    width: usize,
}

#[inline(always)]
fn run(
    ops: &[Op],
    wires: &mut [[f32; LANES]],
    input: &[f32],
    sources: &[usize],
    block: Block,
    output: &mut [f32],
) {
    let Block { first, count, column, lanes, width } = block;
    for &op in ops {
        match op {
            Op::Load { wire, offset } => {
                let from = sources[offset as usize] + column;
                if lanes == LANES {
                    wires[wire as usize].copy_from_slice(&input[from..from + LANES]);
                } else {
                    wires[wire as usize][..lanes].copy_from_slice(&input[from..from + lanes]);
                }
            }
            Op::Copy { to, from } => wires[to as usize] = wires[from as usize],
            Op::Exchange { low, high } => {
                let (a, b) = (wires[low as usize], wires[high as usize]);
                wires[low as usize] = minimum(a, b);
                wires[high as usize] = maximum(a, b);
            }
            Op::Min { low, high } => {
                wires[low as usize] = minimum(wires[low as usize], wires[high as usize]);
            }
            Op::Max { low, high } => {
                wires[high as usize] = maximum(wires[low as usize], wires[high as usize]);
            }
            Op::Store { wire, output: window } => {
                let row = window as usize;
                if row < count {
                    let to = (first + row) * width + column;
                    output[to..to + lanes].copy_from_slice(&wires[wire as usize][..lanes]);
                }
            }
        }
    }
}

#[inline(always)]
fn minimum(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
    std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
}

#[inline(always)]
fn maximum(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
    std::array::from_fn(|i| if a[i] < b[i] { b[i] } else { a[i] })
}

/// Replaces each element by the median of the `size.0 x size.1` elements around it, as `scipy.ndimage.median_filter`
/// does in mode `reflect` (`d c b a | a b c d | d c b a`).
///
/// An even size is centred at `size / 2`, so the window reaches one further towards the start, and the median of an
/// even number of elements is the upper middle one. Windows of one row or one column, such as those of [`Hpss`](crate::decompose::Hpss),
/// go through a network whose cost hardly depends on the size; others are sorted one by one.
///
/// # Errors
///
/// [`FeatureError::Config`] if a size is 0, [`FeatureError::Limit`] if it exceeds 32 768, [`FeatureError::NonFinite`]
/// if an element is NaN or infinite.
pub fn median_filter(array: ArrayView2<'_, f32>, size: (usize, usize)) -> Result<Array2<f32>, FeatureError> {
    let (n_bins, n_frames) = array.dim();
    let frames = frames_of(&array)?;
    let along_bins = SlidingMedian::new(size.0)?;
    let along_frames = SlidingMedian::new(size.1)?;
    if frames.is_empty() {
        return frame_major(n_bins, n_frames);
    }
    let filtered = match size {
        (1, _) => {
            let mut filtered = vec![0.0; frames.len()];
            along_frames.filter_rows(&frames, n_bins, &mut filtered);
            filtered
        }
        (_, 1) => {
            let mut filtered = vec![0.0; frames.len()];
            along_bins.filter_columns(&frames, n_bins, &mut filtered);
            filtered
        }
        _ => rectangle(&frames, n_bins, n_frames, size),
    };
    from_frames(n_bins, n_frames, filtered)
}

/// The elements, bins of each frame side by side.
pub(crate) fn frames_of(array: &ArrayView2<'_, f32>) -> Result<Vec<f32>, FeatureError> {
    let frames = match array.t().to_slice() {
        Some(frames) => frames.to_vec(),
        None => array.t().iter().copied().collect(),
    };
    crate::error::check_finite("spectrogram", &frames)?;
    Ok(frames)
}

/// The inverse of [`frames_of`].
pub(crate) fn from_frames(
    n_bins: usize,
    n_frames: usize,
    frames: Vec<f32>,
) -> Result<Array2<f32>, FeatureError> {
    Array2::from_shape_vec((n_bins, n_frames).f(), frames).map_err(|e| FeatureError::Input(e.to_string()))
}

fn rectangle(frames: &[f32], n_bins: usize, n_frames: usize, size: (usize, usize)) -> Vec<f32> {
    let mut window = Vec::with_capacity(size.0.saturating_mul(size.1).min(1 << 20));
    let mut out = Vec::with_capacity(frames.len());
    for t in 0..n_frames as isize {
        for f in 0..n_bins as isize {
            window.clear();
            for dt in 0..size.1 as isize {
                let row = reflect(t + dt - (size.1 / 2) as isize, n_frames) * n_bins;
                window.extend(
                    (0..size.0 as isize)
                        .map(|df| frames[row + reflect(f + df - (size.0 / 2) as isize, n_bins)]),
                );
            }
            let middle = window.len() / 2;
            out.push(*window.select_nth_unstable_by(middle, f32::total_cmp).1);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn noise(n_bins: usize, n_frames: usize, seed: u64) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_simple_fn((n_bins, n_frames), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Few distinct values: ties are common.
            ((state >> 58) as f32) * 0.25
        })
    }

    fn slow(array: &Array2<f32>, size: (usize, usize)) -> Array2<f32> {
        let (n_bins, n_frames) = array.dim();
        let frames = frames_of(&array.view()).unwrap();
        Array2::from_shape_vec((n_frames, n_bins), rectangle(&frames, n_bins, n_frames, size))
            .unwrap()
            .reversed_axes()
    }

    #[test]
    fn lines_equal_sorting_each_window() {
        for kernel in [1, 2, 3, 5, 8, 17, 30, 31, 64, 101] {
            for dim in [(1, 1), (1, 40), (40, 1), (37, 45), (70, 5)] {
                let array = noise(dim.0, dim.1, kernel as u64);
                for size in [(1, kernel), (kernel, 1)] {
                    assert_eq!(
                        median_filter(array.view(), size).unwrap(),
                        slow(&array, size),
                        "{dim:?} {size:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_long_kernel_equals_sorting() {
        let array = noise(3, 50, 9);
        assert_eq!(median_filter(array.view(), (1, 1001)).unwrap(), slow(&array, (1, 1001)));
    }

    #[test]
    fn even_windows_reach_left_and_take_the_upper_middle() {
        let array = ndarray::array![[1.0_f32, 5.0, 2.0, 9.0]];
        assert_eq!(median_filter(array.view(), (1, 2)).unwrap(), ndarray::array![[1.0, 5.0, 5.0, 9.0]]);
    }

    #[test]
    fn faults_are_errors() {
        let array = noise(4, 4, 1);
        assert!(median_filter(array.view(), (0, 1)).is_err());
        assert!(median_filter(array.view(), (1, usize::MAX)).is_err());
        assert!(median_filter(ndarray::array![[f32::NAN]].view(), (1, 3)).is_err());
        assert_eq!(median_filter(Array2::<f32>::zeros((0, 5)).view(), (1, 3)).unwrap().dim(), (0, 5));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn any_rectangle(
            bins in 1_usize..40, frames in 1_usize..40, a in 1_usize..9, b in 1_usize..9, seed in any::<u64>(),
        ) {
            let array = noise(bins, frames, seed);
            prop_assert_eq!(median_filter(array.view(), (a, b)).unwrap(), slow(&array, (a, b)));
        }
    }
}
