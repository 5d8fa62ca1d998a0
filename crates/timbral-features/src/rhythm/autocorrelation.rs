//! Power spectra of windowed pieces of an envelope, and the way back to autocorrelations.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, FftNum, RealFftPlanner, RealToComplex};

/// The plan of a linear (not circular) autocorrelation of pieces of up to `length` values.
#[derive(Clone)]
pub(super) struct Autocorrelation<T> {
    length: usize,
    n_fft: usize,
    forward: Arc<dyn RealToComplex<T>>,
    inverse: Arc<dyn ComplexToReal<T>>,
}

impl<T> fmt::Debug for Autocorrelation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Autocorrelation").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Working memory of an [`Autocorrelation`].
#[derive(Clone, Debug, Default)]
pub(super) struct AutocorrelationScratch<T> {
    piece: Vec<T>,
    spectrum: Vec<Complex<T>>,
    fft: Vec<Complex<T>>,
}

impl<T: FftNum + Default> Autocorrelation<T> {
    pub(super) fn new(length: usize) -> Self {
        // Twice the length less one, so that the circular correlation of the transform is the linear one at every lag kept.
        let n_fft = fast_even_length(2 * length - 1);
        let mut planner = RealFftPlanner::new();
        Self {
            length,
            n_fft,
            forward: planner.plan_fft_forward(n_fft),
            inverse: planner.plan_fft_inverse(n_fft),
        }
    }

    /// Number of bins of a power spectrum.
    pub(super) fn n_bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// Gives the spectrum of a piece that `fill` writes.
    pub(super) fn spectrum<'a>(
        &self,
        scratch: &'a mut AutocorrelationScratch<T>,
        fill: impl FnOnce(&mut [T]),
    ) -> &'a mut [Complex<T>] {
        let AutocorrelationScratch { piece, spectrum, fft } = scratch;
        piece.resize(self.n_fft, T::zero());
        spectrum.resize(self.n_bins(), Complex::default());
        fft.resize(self.forward.get_scratch_len().max(self.inverse.get_scratch_len()), Complex::default());
        let (head, tail) = piece.split_at_mut(self.length);
        fill(head);
        tail.fill(T::zero());
        let done = self.forward.process_with_scratch(piece, spectrum, fft);
        debug_assert!(done.is_ok(), "buffers have the planned lengths");
        spectrum
    }

    /// Turns the power spectrum in `scratch.spectrum` into the autocorrelation at lags `0..length`, times `n_fft`.
    pub(super) fn back<'a>(&self, scratch: &'a mut AutocorrelationScratch<T>) -> &'a [T] {
        let AutocorrelationScratch { piece, spectrum, fft } = scratch;
        let done = self.inverse.process_with_scratch(spectrum, piece, fft);
        debug_assert!(done.is_ok(), "buffers have the planned lengths, and powers are real");
        &piece[..self.length]
    }
}

/// The smallest even `2^a 3^b 5^c` that is at least `least`: the lengths that FFTs are fast at.
fn fast_even_length(least: usize) -> usize {
    let mut best = least.max(2).next_power_of_two();
    let mut five = 1;
    while five <= best {
        let mut three = five;
        while three <= best {
            let mut length = 2 * three;
            while length < least {
                length *= 2;
            }
            best = best.min(length);
            three *= 3;
        }
        five *= 5;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_lengths_are_even_smooth_and_smallest() {
        let smooth = |mut n: usize| {
            for p in [2, 3, 5] {
                while n.is_multiple_of(p) {
                    n /= p;
                }
            }
            n == 1
        };
        for least in 1..1500 {
            let slow = (least.max(2)..).find(|&n| n % 2 == 0 && smooth(n)).unwrap();
            assert_eq!(fast_even_length(least), slow);
        }
    }
}
