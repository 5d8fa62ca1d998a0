//! Band-limited change of rate by a ratio of small integers: overlap-save filtering in the frequency domain.
//!
//! A block of `n_in` samples is transformed, weighted by the filter's response, cut (or filled with zeros) to the
//! `n_out` samples that cover the same time at the other rate, and transformed back. The filter has linear phase and no
//! delay; its stop band begins at the lower of the two Nyquist frequencies, so cutting the spectrum there loses nothing.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, FftNum, RealFftPlanner, RealToComplex};

use super::kaiser::{Kaiser, kaiser_half_length, sinc};

/// Where the pass band ends, as a fraction of the lower Nyquist frequency; the stop band begins at 1.
/// Chosen so that the middle of the transition, and with it the impulse response, is that of soxr.
pub(crate) const PASS_BAND: f64 = 0.913_76;

/// The plan for one ratio `up / down`.
#[derive(Clone)]
pub(crate) struct SpectralStage<T> {
    up: usize,
    down: usize,
    /// Blocks hold `down * units` input and `up * units` output samples.
    units: usize,
    /// Units at each end of a block that the filter's circular tail spoils.
    overlap: usize,
    forward: Arc<dyn RealToComplex<T>>,
    inverse: Arc<dyn ComplexToReal<T>>,
    response: Vec<T>,
}

impl<T> fmt::Debug for SpectralStage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpectralStage")
            .field("up", &self.up)
            .field("down", &self.down)
            .field("units", &self.units)
            .field("overlap", &self.overlap)
            .finish_non_exhaustive()
    }
}

/// Buffers of one [`SpectralStage`].
#[derive(Debug, Clone, Default)]
pub(crate) struct SpectralScratch<T> {
    input: Vec<T>,
    spectrum: Vec<Complex<T>>,
    narrow: Vec<Complex<T>>,
    output: Vec<T>,
    work: Vec<Complex<T>>,
}

impl<T: FftNum + Default> SpectralStage<T> {
    /// `band` is the width of what is kept, as a fraction of the input's Nyquist frequency; at most
    /// `min(1, up / down)`. `attenuation` is that of the stop band in dB.
    pub(crate) fn new(up: usize, down: usize, band: f64, attenuation: f64) -> Self {
        let width = 0.5 * band * (1.0 - PASS_BAND);
        let cutoff = band * 0.5 * (1.0 + PASS_BAND);
        let half = kaiser_half_length(attenuation, width);
        Self::designed(up, down, cutoff, half as f64, Kaiser::for_attenuation(attenuation))
    }

    /// With a filter of its own: a sinc that is cut off at a fraction of the input's Nyquist frequency, in a window over
    /// `half` input samples to both sides, of which it need not be a whole number.
    pub(crate) fn designed(up: usize, down: usize, cutoff: f64, half: f64, window: Kaiser) -> Self {
        let reach = half.ceil() as usize;
        let overlap = reach.div_ceil(down);
        // Sixteen overlaps a block waste an eighth of the work; a floor keeps short filters out of tiny transforms.
        let mut units = (16 * overlap).next_power_of_two();
        while units * up.max(down) < 2048 {
            units *= 2;
        }
        let (n_in, n_out) = (down * units, up * units);
        let design = RealFftPlanner::<f64>::new().plan_fft_forward(n_in);
        let mut planner = RealFftPlanner::<T>::new();
        let forward = planner.plan_fft_forward(n_in);
        let inverse = planner.plan_fft_inverse(n_out);

        let tap = |n: usize| sinc(cutoff * n as f64) * window.at(n as f64 / half);
        let mut taps = vec![0.0; n_in];
        taps[0] = tap(0);
        for n in 1..reach.min(n_in / 2) {
            let value = tap(n);
            taps[n] = value;
            taps[n_in - n] = value;
        }
        let gain = 1.0 / (taps.iter().sum::<f64>() * n_in as f64);
        let mut spectrum = design.make_output_vec();
        // The lengths are the plan's own, so the transform cannot refuse them.
        let _ = design.process(&mut taps, &mut spectrum);
        let kept = n_in.min(n_out) / 2;
        let response = spectrum[..kept].iter().map(|c| convert(c.re * gain)).collect();
        Self { up, down, units, overlap, forward, inverse, response }
    }

    pub(crate) fn scratch(&self) -> SpectralScratch<T> {
        let mut scratch = SpectralScratch::default();
        self.prepare(&mut scratch);
        scratch
    }

    /// Sizes the buffers, which may have served another plan; does nothing when they fit already.
    fn prepare(&self, scratch: &mut SpectralScratch<T>) {
        let work = self.forward.get_scratch_len().max(self.inverse.get_scratch_len());
        scratch.input.resize(self.forward.len(), T::zero());
        scratch.spectrum.resize(self.forward.len() / 2 + 1, Complex::default());
        scratch.narrow.resize(self.inverse.len() / 2 + 1, Complex::default());
        scratch.output.resize(self.inverse.len(), T::zero());
        scratch.work.resize(work, Complex::default());
    }

    /// Writes the signal at the new rate. Outside of `samples` it is zero.
    pub(crate) fn process(&self, samples: &[f32], out: &mut [T], scratch: &mut SpectralScratch<T>) {
        self.prepare(scratch);
        let fresh = self.units - 2 * self.overlap;
        for (block, chunk) in out.chunks_mut(fresh * self.up).enumerate() {
            let start = (block * fresh * self.down) as i64 - (self.overlap * self.down) as i64;
            fill(&mut scratch.input, samples, start);
            let _ = self.forward.process_with_scratch(
                &mut scratch.input,
                &mut scratch.spectrum,
                &mut scratch.work[..self.forward.get_scratch_len()],
            );
            scratch.narrow.fill(Complex::default());
            for ((narrow, wide), gain) in scratch.narrow.iter_mut().zip(&scratch.spectrum).zip(&self.response)
            {
                *narrow = wide * gain;
            }
            let _ = self.inverse.process_with_scratch(
                &mut scratch.narrow,
                &mut scratch.output,
                &mut scratch.work[..self.inverse.get_scratch_len()],
            );
            let from = self.overlap * self.up;
            chunk.copy_from_slice(&scratch.output[from..from + chunk.len()]);
        }
    }
}

/// A number in the precision of the transform.
fn convert<T: FftNum>(x: f64) -> T {
    T::from_f64(x).unwrap_or_else(T::zero)
}

/// Copies `samples[start..]` into `block`, zeros where there are none.
fn fill<T: FftNum>(block: &mut [T], samples: &[f32], start: i64) {
    let length = block.len() as i64;
    let first = (-start).clamp(0, length) as usize;
    let last = (samples.len() as i64 - start).clamp(first as i64, length) as usize;
    block[..first].fill(T::zero());
    block[last..].fill(T::zero());
    if first < last {
        let from = (start + first as i64) as usize;
        for (value, &sample) in block[first..last].iter_mut().zip(&samples[from..]) {
            *value = convert(sample.into());
        }
    }
}
