//! Interpolation at arbitrary times of a signal that fills at most half of its band.
//!
//! Because the signal is oversampled by two, the filter may fall from its pass band below a quarter of the rate to its
//! stop band below three quarters: some twenty taps suffice. They are tabulated at a number of phases and interpolated
//! between them by cubics.

use super::kaiser::{Kaiser, kaiser_half_length, sinc};

/// Phases in the table; the cubic between them errs by less than 1e-9.
const PHASES: usize = 256;

/// The middle of the transition, as a fraction of the Nyquist frequency; the one that soxr was measured to use.
const CUTOFF: f64 = 0.908;

/// A table of windowed-sinc taps.
#[derive(Debug, Clone)]
pub(crate) struct Interpolator {
    half: usize,
    /// Row `i` holds the `2 * half` taps of phase `(i - 1) / PHASES`; one row more below 0 and two above 1.
    table: Vec<f64>,
}

impl Interpolator {
    pub(crate) fn new(attenuation: f64) -> Self {
        let half = kaiser_half_length(attenuation, 0.45);
        let window = Kaiser::for_attenuation(attenuation);
        let row = |phase: f64| {
            (0..2 * half).map(move |k| {
                let distance = (k as f64 - (half as f64 - 1.0)) - phase;
                sinc(CUTOFF * distance) * window.at(distance / half as f64)
            })
        };
        let gain = 1.0 / row(0.5).sum::<f64>();
        let table = (0..PHASES + 3)
            .flat_map(|i| row((i as f64 - 1.0) / PHASES as f64))
            .map(|tap| tap * gain)
            .collect();
        Self { half, table }
    }

    /// Samples needed on either side of a position.
    pub(crate) fn reach(&self) -> usize {
        self.half
    }

    /// The signal at `position`, which lies at least [`reach`](Self::reach) samples from both ends.
    pub(crate) fn at(&self, signal: &[f64], position: f64) -> f64 {
        let whole = position.floor();
        let phase = (position - whole) * PHASES as f64;
        let index = (phase as usize).min(PHASES - 1);
        let x = phase - index as f64;
        // Lagrange cubic through the phases at -1, 0, 1, 2.
        let weights = [
            -x * (x - 1.0) * (x - 2.0) / 6.0,
            (x + 1.0) * (x - 1.0) * (x - 2.0) / 2.0,
            -(x + 1.0) * x * (x - 2.0) / 2.0,
            (x + 1.0) * x * (x - 1.0) / 6.0,
        ];
        let width = 2 * self.half;
        let from = whole as usize + 1 - self.half;
        let samples = &signal[from..from + width];
        let rows = &self.table[index * width..(index + 4) * width];
        let (first, rest) = rows.split_at(width);
        let (second, rest) = rest.split_at(width);
        let (third, fourth) = rest.split_at(width);
        let mut sums = [0.0; 4];
        for ((((&s, &a), &b), &c), &d) in samples.iter().zip(first).zip(second).zip(third).zip(fourth) {
            sums[0] += s * a;
            sums[1] += s * b;
            sums[2] += s * c;
            sums[3] += s * d;
        }
        sums.iter().zip(&weights).map(|(s, w)| s * w).sum()
    }
}
