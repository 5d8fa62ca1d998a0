//! Filters: biquads after R. Bristow-Johnson's cookbook, and a state-variable filter whose cut-off may move.

use std::f64::consts::{PI, TAU};

use crate::sound::RATE;

#[derive(Clone, Debug)]
pub(crate) struct Biquad {
    forward: [f64; 3],
    back: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn new(forward: [f64; 3], back: [f64; 3]) -> Self {
        let a0 = back[0];
        Self { forward: forward.map(|b| b / a0), back: [back[1] / a0, back[2] / a0], state: [0.0; 2] }
    }

    pub(crate) fn low_pass(hertz: f64, q: f64) -> Self {
        let (cos, alpha) = corner(hertz, q);
        let b = (1.0 - cos) / 2.0;
        Self::new([b, 2.0 * b, b], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    pub(crate) fn high_pass(hertz: f64, q: f64) -> Self {
        let (cos, alpha) = corner(hertz, q);
        let b = (1.0 + cos) / 2.0;
        Self::new([b, -2.0 * b, b], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Gain 1 at the centre.
    pub(crate) fn band_pass(hertz: f64, q: f64) -> Self {
        let (cos, alpha) = corner(hertz, q);
        Self::new([alpha, 0.0, -alpha], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    pub(crate) fn peak(hertz: f64, q: f64, decibels: f64) -> Self {
        let (cos, alpha) = corner(hertz, q);
        let a = 10f64.powf(decibels / 40.0);
        Self::new(
            [1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a],
            [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a],
        )
    }

    pub(crate) fn high_shelf(hertz: f64, decibels: f64) -> Self {
        let (cos, alpha) = corner(hertz, 0.707);
        let a = 10f64.powf(decibels / 40.0);
        let root = 2.0 * a.sqrt() * alpha;
        Self::new(
            [
                a * (a + 1.0 + (a - 1.0) * cos + root),
                -2.0 * a * (a - 1.0 + (a + 1.0) * cos),
                a * (a + 1.0 + (a - 1.0) * cos - root),
            ],
            [
                a + 1.0 - (a - 1.0) * cos + root,
                2.0 * (a - 1.0 - (a + 1.0) * cos),
                a + 1.0 - (a - 1.0) * cos - root,
            ],
        )
    }

    pub(crate) fn next(&mut self, x: f64) -> f64 {
        let y = self.forward[0] * x + self.state[0];
        self.state[0] = self.forward[1] * x - self.back[0] * y + self.state[1];
        self.state[1] = self.forward[2] * x - self.back[1] * y;
        y
    }

    pub(crate) fn run(mut self, samples: &mut [f64]) {
        for sample in samples {
            *sample = self.next(*sample);
        }
    }
}

fn corner(hertz: f64, q: f64) -> (f64, f64) {
    let w = TAU * hertz / RATE;
    (w.cos(), w.sin() / (2.0 * q))
}

/// Low-pass of 12 dB per octave whose cut-off may move every sample (V. Zavalishin, The Art of VA Filter Design).
#[derive(Debug, Default)]
pub(crate) struct MovingLowPass {
    state: [f64; 2],
}

impl MovingLowPass {
    pub(crate) fn next(&mut self, x: f64, hertz: f64, q: f64) -> f64 {
        let g = (PI * hertz.clamp(20.0, 0.45 * RATE) / RATE).tan();
        let k = 1.0 / q;
        let band = (g * (x - self.state[1]) + self.state[0]) / (1.0 + g * (g + k));
        let low = self.state[1] + g * band;
        self.state = [2.0 * band - self.state[0], 2.0 * low - self.state[1]];
        low
    }
}
