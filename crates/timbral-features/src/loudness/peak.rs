//! True peak: the largest value between the samples.

use crate::resample::{Kaiser, sinc};

/// Sample values around each point in between that are weighed.
const TAPS: usize = 24;

/// The largest magnitude of a signal interpolated to at least 192 kHz, as ITU-R BS.1770 annex 2 asks.
#[derive(Clone, Debug)]
pub(super) struct TruePeak {
    /// Taps of each point between two samples.
    phases: Vec<[f64; TAPS]>,
    recent: [f64; TAPS],
    peak: f64,
}

impl TruePeak {
    pub(super) fn new(sample_rate: u32) -> Self {
        let factor = match sample_rate {
            0..96_000 => 4,
            96_000..192_000 => 2,
            _ => 1,
        };
        let window = Kaiser::for_attenuation(80.0);
        let half = (TAPS / 2) as f64;
        let phases = (1..factor)
            .map(|phase| {
                let at = half - 1.0 + f64::from(phase) / f64::from(factor);
                let mut taps: [f64; TAPS] = std::array::from_fn(|i| {
                    let distance = i as f64 - at;
                    sinc(distance) * window.at(distance / half)
                });
                let sum: f64 = taps.iter().sum();
                taps.iter_mut().for_each(|tap| *tap /= sum);
                taps
            })
            .collect();
        Self { phases, recent: [0.0; TAPS], peak: 0.0 }
    }

    #[inline]
    pub(super) fn push(&mut self, sample: f64) {
        self.recent.copy_within(1.., 0);
        self.recent[TAPS - 1] = sample;
        self.peak = self.peak.max(sample.abs());
        for taps in &self.phases {
            let mut lanes = [0.0; 4];
            for (x, w) in self.recent.as_chunks::<4>().0.iter().zip(taps.as_chunks::<4>().0) {
                for i in 0..4 {
                    lanes[i] += x[i] * w[i];
                }
            }
            self.peak = self.peak.max(((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])).abs());
        }
    }

    /// The peak if the signal ended here: what is still to come lies between the last samples and silence.
    pub(super) fn peak(&self) -> f64 {
        let mut rest = self.clone();
        for _ in 0..TAPS / 2 {
            rest.push(0.0);
        }
        rest.peak
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn finds_the_crest_between_samples() {
        for rate in [22_050, 48_000, 96_000] {
            // A quarter of the rate, sampled 45 degrees off its crests: samples reach 0.7071 only.
            let mut meter = TruePeak::new(rate);
            for n in 0..2000 {
                let fade = (f64::from(n) / 200.0).min(1.0);
                meter.push(fade * 0.5 * (TAU * (0.25 * f64::from(n) + 0.125)).sin());
            }
            let db = 20.0 * (meter.peak() / 0.5).log10();
            assert!((-0.4..0.2).contains(&db), "{rate}: {db}");
        }
    }
}
