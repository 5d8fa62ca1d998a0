//! Oscillators, noise and envelopes at the rate at which the studio works.
//!
//! Everything is computed in `f64`: the mathematical functions of two systems differ in the last bit, which 16-bit samples
//! then never show, so that a piece has the same bytes everywhere.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Twice the rate of the files: distortion and pitched drums need the octave above before they are filtered.
pub(crate) const RATE: f64 = 44_100.0;

/// What a player is asked for: a MIDI pitch, seconds until the release, and how hard (0 to 1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) pitch: f64,
    pub(crate) seconds: f64,
    pub(crate) velocity: f64,
}

pub(crate) fn samples(seconds: f64) -> usize {
    (seconds.max(0.0) * RATE) as usize
}

pub(crate) fn hertz(pitch: f64) -> f64 {
    440.0 * ((pitch - 69.0) / 12.0).exp2()
}

/// Factor per sample of a level that falls by 60 dB in `seconds`.
pub(crate) fn decay(seconds: f64) -> f64 {
    0.001f64.powf(1.0 / (seconds * RATE))
}

pub(crate) fn white(rng: &mut ChaCha8Rng) -> f64 {
    rng.random_range(-1.0..1.0)
}

/// A sound of `seconds` from a function of the seconds since its start.
pub(crate) fn render(seconds: f64, mut at: impl FnMut(f64) -> f64) -> Vec<f64> {
    (0..samples(seconds)).map(|i| at(i as f64 / RATE)).collect()
}

/// Phase of an oscillator, in cycles.
#[derive(Debug, Default)]
pub(crate) struct Phase(f64);

impl Phase {
    pub(crate) fn starting_at(cycles: f64) -> Self {
        Self(cycles)
    }

    pub(crate) fn sine(&mut self, hertz: f64) -> f64 {
        self.advance(hertz / RATE);
        (std::f64::consts::TAU * self.0).sin()
    }

    /// A sawtooth whose jump is rounded over two samples (PolyBLEP, Välimäki and Huovilainen 2007): hardly any aliases.
    pub(crate) fn saw(&mut self, hertz: f64) -> f64 {
        let step = hertz / RATE;
        self.advance(step);
        2.0 * self.0 - 1.0 - rounding(self.0, step)
    }

    /// A pulse that is high for the fraction `width` of each cycle: the difference of two sawtooths.
    pub(crate) fn pulse(&mut self, hertz: f64, width: f64) -> f64 {
        let step = hertz / RATE;
        self.advance(step);
        let later = (self.0 + 1.0 - width).fract();
        let saw = |phase: f64| 2.0 * phase - 1.0 - rounding(phase, step);
        saw(self.0) - saw(later) + 1.0 - 2.0 * width
    }

    fn advance(&mut self, step: f64) {
        self.0 = (self.0 + step).fract();
    }
}

fn rounding(phase: f64, step: f64) -> f64 {
    if phase < step {
        let x = phase / step;
        2.0 * x - x * x - 1.0
    } else if phase > 1.0 - step {
        let x = (phase - 1.0) / step;
        x * x + 2.0 * x + 1.0
    } else {
        0.0
    }
}

/// Level of a note over time: linear attack, exponential fall to `sustain`, exponential release.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) attack: f64,
    pub(crate) decay: f64,
    pub(crate) sustain: f64,
    pub(crate) release: f64,
}

impl Envelope {
    /// Length of the sound, release included.
    pub(crate) fn seconds(&self, note: Note) -> f64 {
        note.seconds + 2.0 * self.release
    }

    pub(crate) fn level(&self, note: Note, t: f64) -> f64 {
        let held = |t: f64| {
            let fall = (-(t - self.attack).max(0.0) / self.decay).exp();
            (t / self.attack).min(1.0) * (self.sustain + (1.0 - self.sustain) * fall)
        };
        if t < note.seconds {
            return held(t);
        }
        let x = (t - note.seconds) / (2.0 * self.release);
        held(note.seconds) * (-3.0 * x).exp() * (1.0 - x).max(0.0)
    }
}

/// How the pitch of a note moves, in semitones: it comes from `from` within about `seconds`, then vibrates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Glide {
    pub(crate) from: f64,
    pub(crate) seconds: f64,
    pub(crate) vibrato: f64,
}

impl Glide {
    pub(crate) fn vibrato(depth: f64) -> Self {
        Self { vibrato: depth, ..Self::default() }
    }

    pub(crate) fn semitones(&self, t: f64) -> f64 {
        let bend = if self.seconds > 0.0 { self.from * (-3.0 * t / self.seconds).exp() } else { 0.0 };
        // Players let a note settle before they vibrate it.
        let depth = self.vibrato * ((t - 0.15) / 0.3).clamp(0.0, 1.0);
        bend + depth * (std::f64::consts::TAU * 5.4 * t).sin()
    }
}
