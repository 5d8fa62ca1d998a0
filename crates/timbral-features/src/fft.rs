//! The Fourier transform of real frames.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::simd::dispatch;

/// Bins taken apart at a time, one AVX register of each part.
const LANES: usize = 8;

/// A planned transform of `n` real values to `n / 2 + 1` bins.
///
/// Even lengths are transformed as half as many complex values, `z[j] = x[2 j] + i x[2 j + 1]`, whose bins `k` and
/// `n / 2 - k` are then taken apart: with `e = (z[k] + conj z[n/2 - k]) / 2` and
/// `p = -i / 2 exp(-2 pi i k / n) (z[k] - conj z[n/2 - k])` they are `e + p` and `conj(e - p)`. (Sorensen, Jones,
/// Heideman, Burrus, "Real-valued fast Fourier transform algorithms", IEEE Transactions on Acoustics, Speech, and Signal
/// Processing 35(6), 1987.) `realfft` does the same without vector instructions, which takes longer than the transform.
#[derive(Clone)]
pub(crate) struct RealFft {
    length: usize,
    method: Method,
}

#[derive(Clone)]
enum Method {
    Even {
        half: Arc<dyn Fft<f32>>,
        /// The factors of the lower half of the bins.
        re: Vec<f32>,
        im: Vec<f32>,
    },
    Odd(Arc<dyn RealToComplex<f32>>),
}

impl fmt::Debug for RealFft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealFft").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Working memory of a [`RealFft`].
#[derive(Clone, Debug, Default)]
pub(crate) struct RealFftScratch {
    pairs: Vec<Complex32>,
    real: Vec<f32>,
    work: Vec<Complex32>,
}

impl RealFft {
    /// A plan for frames of at least one value.
    pub(crate) fn new(length: usize) -> Self {
        let method = if length.is_multiple_of(2) {
            let half = FftPlanner::new().plan_fft_forward(length / 2);
            let angle = |k: usize| std::f64::consts::TAU * k as f64 / length as f64;
            let pairs = 0..(length / 2).div_ceil(2);
            Method::Even {
                half,
                re: pairs.clone().map(|k| (-0.5 * angle(k).sin()) as f32).collect(),
                im: pairs.map(|k| (-0.5 * angle(k).cos()) as f32).collect(),
            }
        } else {
            Method::Odd(RealFftPlanner::new().plan_fft_forward(length))
        };
        Self { length, method }
    }

    /// Number of bins, `length / 2 + 1`.
    pub(crate) fn n_bins(&self) -> usize {
        self.length / 2 + 1
    }

    /// Sizes the buffers, which may have served another plan; does nothing when they fit already.
    pub(crate) fn prepare(&self, scratch: &mut RealFftScratch) {
        match &self.method {
            Method::Even { half, .. } => {
                scratch.pairs.resize(self.length / 2, Complex32::default());
                let work = half.get_outofplace_scratch_len();
                scratch.work.resize(work, Complex32::default());
            }
            Method::Odd(fft) => {
                scratch.real.resize(self.length, 0.0);
                scratch.work.resize(fft.get_scratch_len(), Complex32::default());
            }
        }
    }

    /// The transform of `frame`, value by value multiplied by `window`, written to `bins`. All have the planned lengths.
    pub(crate) fn windowed(
        &self,
        frame: &[f32],
        window: &[f32],
        bins: &mut [Complex32],
        scratch: &mut RealFftScratch,
    ) {
        self.prepare(scratch);
        let RealFftScratch { pairs, real, work } = scratch;
        match &self.method {
            Method::Even { half, re, im } => {
                dispatch!(multiply_pairs(frame, window, pairs));
                half.process_outofplace_with_scratch(pairs, &mut bins[..self.length / 2], work);
                dispatch!(take_apart(re, im, bins));
            }
            Method::Odd(fft) => {
                for ((to, x), w) in real.iter_mut().zip(frame).zip(window) {
                    *to = x * w;
                }
                let done = fft.process_with_scratch(real, bins, work);
                debug_assert!(done.is_ok(), "buffers have the planned lengths");
            }
        }
    }

    /// The transform of `frame`, written to `bins`. Both have the planned lengths.
    pub(crate) fn transform(&self, frame: &[f32], bins: &mut [Complex32], scratch: &mut RealFftScratch) {
        self.prepare(scratch);
        let RealFftScratch { pairs, real, work } = scratch;
        match &self.method {
            Method::Even { half, re, im } => {
                for (pair, &[even, odd]) in pairs.iter_mut().zip(frame.as_chunks::<2>().0) {
                    *pair = Complex32::new(even, odd);
                }
                half.process_outofplace_with_scratch(pairs, &mut bins[..self.length / 2], work);
                dispatch!(take_apart(re, im, bins));
            }
            Method::Odd(fft) => {
                real.copy_from_slice(frame);
                let done = fft.process_with_scratch(real, bins, work);
                debug_assert!(done.is_ok(), "buffers have the planned lengths");
            }
        }
    }
}

/// Products of values at even places become real parts, those at odd places imaginary parts.
#[inline(always)]
fn multiply_pairs(frame: &[f32], window: &[f32], pairs: &mut [Complex32]) {
    const VALUES: usize = 2 * LANES;
    let (chunks, rest) = pairs.as_chunks_mut::<LANES>();
    let (frames, frame_rest) = frame.as_chunks::<VALUES>();
    let (windows, window_rest) = window.as_chunks::<VALUES>();
    for ((pairs, x), w) in chunks.iter_mut().zip(frames).zip(windows) {
        let mut products = [0.0f32; VALUES];
        for i in 0..VALUES {
            products[i] = x[i] * w[i];
        }
        for i in 0..LANES {
            pairs[i] = Complex32::new(products[2 * i], products[2 * i + 1]);
        }
    }
    let values = frame_rest.as_chunks::<2>().0.iter().zip(window_rest.as_chunks::<2>().0);
    for (pair, (x, w)) in rest.iter_mut().zip(values) {
        *pair = Complex32::new(x[0] * w[0], x[1] * w[1]);
    }
}

/// Turns the transform of pairs, with space for one bin behind it, into the bins of the real values, in place.
#[inline(always)]
fn take_apart(re: &[f32], im: &[f32], bins: &mut [Complex32]) {
    let last = bins.len() - 1;
    // The transform has a period of as many bins, so the first is also the one behind the last.
    bins[last] = bins[0];
    let (lower, upper) = bins.split_at_mut(re.len());
    if last.is_multiple_of(2)
        && let Some(middle) = upper.first_mut()
    {
        *middle = middle.conj();
    }
    let (_, upper) = upper.split_at_mut(upper.len() - lower.len());
    let (lower, lower_rest) = lower.as_chunks_mut::<LANES>();
    let (upper_rest, upper) = upper.as_rchunks_mut::<LANES>();
    let (re, re_rest) = re.as_chunks::<LANES>();
    let (im, im_rest) = im.as_chunks::<LANES>();
    let pairs = lower.iter_mut().zip(upper.iter_mut().rev());
    for ((low, high), (re, im)) in pairs.zip(re.iter().zip(im)) {
        let (mut low_re, mut low_im) = ([0.0f32; LANES], [0.0f32; LANES]);
        let (mut high_re, mut high_im) = ([0.0f32; LANES], [0.0f32; LANES]);
        for i in 0..LANES {
            (low_re[i], low_im[i]) = (low[i].re, low[i].im);
        }
        for i in 0..LANES {
            (high_re[i], high_im[i]) = (high[LANES - 1 - i].re, high[LANES - 1 - i].im);
        }
        for i in 0..LANES {
            let low = Complex32::new(low_re[i], low_im[i]);
            let high = Complex32::new(high_re[i], high_im[i]);
            let (a, b) = pair(low, high, re[i], im[i]);
            (low_re[i], low_im[i], high_re[i], high_im[i]) = (a.re, a.im, b.re, b.im);
        }
        for i in 0..LANES {
            low[i] = Complex32::new(low_re[i], low_im[i]);
        }
        for i in 0..LANES {
            high[LANES - 1 - i] = Complex32::new(high_re[i], high_im[i]);
        }
    }
    let pairs = lower_rest.iter_mut().zip(upper_rest.iter_mut().rev());
    for ((low, high), (re, im)) in pairs.zip(re_rest.iter().zip(im_rest)) {
        (*low, *high) = pair(*low, *high, *re, *im);
    }
}

/// A bin of the lower half and its mirror image.
#[inline(always)]
fn pair(low: Complex32, high: Complex32, re: f32, im: f32) -> (Complex32, Complex32) {
    let even = Complex32::new(0.5 * (low.re + high.re), 0.5 * (low.im - high.im));
    let odd = Complex32::new(low.re - high.re, low.im + high.im);
    let turned = Complex32::new(re * odd.re - im * odd.im, re * odd.im + im * odd.re);
    (
        Complex32::new(even.re + turned.re, even.im + turned.im),
        Complex32::new(even.re - turned.re, turned.im - even.im),
    )
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn equals_the_definition_at_every_length() {
        let mut scratch = RealFftScratch::default();
        for n in (1..70).chain([96, 128, 250, 1000]) {
            let fft = RealFft::new(n);
            let frame: Vec<f32> = (0..n).map(|i| (i as f32 * 1.3).sin() + 0.2).collect();
            let window: Vec<f32> = (0..n).map(|i| (i as f32 * 0.1).cos()).collect();
            let product: Vec<f32> = frame.iter().zip(&window).map(|(x, w)| x * w).collect();
            let mut bins = vec![Complex32::default(); fft.n_bins()];
            fft.windowed(&frame, &window, &mut bins, &mut scratch);
            for (k, bin) in bins.iter().enumerate() {
                let (mut re, mut im) = (0.0, 0.0);
                for (j, x) in product.iter().enumerate() {
                    let angle = -TAU * (k * j % n) as f64 / n as f64;
                    re += f64::from(*x) * angle.cos();
                    im += f64::from(*x) * angle.sin();
                }
                let error = (f64::from(bin.re) - re).hypot(f64::from(bin.im) - im);
                assert!(error < 3e-7 * n as f64, "{n} {k}: {error}");
            }
            let mut again = bins.clone();
            fft.transform(&product, &mut again, &mut scratch);
            assert_eq!(bins, again);
        }
    }
}
