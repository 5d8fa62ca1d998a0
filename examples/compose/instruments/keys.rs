//! Keyboards: piano, electric piano, organ, and a synthesiser.

use std::f64::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::band::detune;
use crate::filters::{Biquad, MovingLowPass};
use crate::sound::{Envelope, Note, Phase, RATE, decay, hertz, render, samples, white};

/// A piano: two strings per note of stretched partials, which fall fast at first and then slowly (G. Weinreich, 1977).
pub(crate) fn piano(note: Note, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let base = hertz(note.pitch);
    let stiffness = 2.5e-4 * ((note.pitch - 48.0) / 18.0).exp2();
    let damper = 0.12;
    let mut sound = vec![0.0; samples(note.seconds + 3.0 * damper)];
    for string in [1.0, detune(rng, 1.2)] {
        for k in 1..=26 {
            let k = f64::from(k);
            let frequency = string * k * base * (1.0 + stiffness * k * k).sqrt();
            if frequency > 10_000.0 {
                break;
            }
            // The hammer strikes at 1/8 of the string, and a soft blow leaves out the upper partials.
            let strike = (std::f64::consts::PI * k / 8.3).sin().abs() + 0.05;
            let felt = (-k * base / (900.0 + 3_800.0 * note.velocity * note.velocity)).exp();
            let level = 0.75 * strike * felt / k.powf(0.35);
            let seconds = 9.0 * (-(note.pitch - 40.0) / 28.0).exp2() / (1.0 + 0.12 * k);
            partial(&mut sound, frequency, level, seconds, rng.random_range(0.0..1.0));
        }
    }
    let mut knock = Biquad::band_pass(350.0, 0.8);
    for (i, sample) in sound.iter_mut().enumerate() {
        let t = i as f64 / RATE;
        let released = (t - note.seconds).max(0.0);
        let wood = 0.5 * note.velocity * knock.next(white(rng)) * (-t / 0.012).exp();
        *sample = (*sample + wood) * (t / 0.0015).min(1.0) * (-released / (0.35 * damper)).exp();
    }
    sound
}

/// Adds a sine that falls in two stages, by turning a vector instead of computing a sine for every sample.
fn partial(sound: &mut [f64], hertz: f64, level: f64, seconds: f64, phase: f64) {
    let (turn, start) = (TAU * hertz / RATE, TAU * phase);
    let (cos, sin) = (turn.cos(), turn.sin());
    let (mut x, mut y) = (start.cos(), start.sin());
    let (mut fast, mut slow) = (0.75 * level, 0.25 * level);
    let (fast_keep, slow_keep) = (decay(0.4 * seconds), decay(1.8 * seconds));
    for sample in sound {
        *sample += y * (fast + slow);
        (x, y) = (x * cos - y * sin, x * sin + y * cos);
        fast *= fast_keep;
        slow *= slow_keep;
        if fast + slow < 1e-5 {
            break;
        }
    }
}

/// A tine piano: sines that modulate the phase of sines (J. Chowning, 1973), with the tremolo of its cabinet.
pub(crate) fn electric_piano(note: Note, _: &mut ChaCha8Rng) -> Vec<f64> {
    let base = hertz(note.pitch);
    let shape = Envelope { attack: 0.002, decay: 1.1, sustain: 0.05, release: 0.09 };
    render(shape.seconds(note), |t| {
        let bark = 1.3 * note.velocity * (-t / 0.5).exp() * (TAU * base * t).sin();
        let tine = 0.9 * note.velocity * (-t / 0.09).exp() * (TAU * 14.0 * base * t).sin();
        let tremolo = 1.0 - 0.12 * (1.0 + (TAU * 4.6 * t).sin());
        let body = (TAU * base * t + bark).sin() + 0.3 * (TAU * base * t + tine).sin();
        0.7 * body * tremolo * shape.level(note, t)
    })
}

/// A drawbar organ through a rotating loudspeaker.
pub(crate) fn organ(note: Note, drawbars: &[f64; 6], rng: &mut ChaCha8Rng) -> Vec<f64> {
    const FEET: [f64; 6] = [0.5, 1.5, 1.0, 2.0, 3.0, 4.0];
    let base = hertz(note.pitch);
    let shape = Envelope { attack: 0.006, decay: 1.0, sustain: 1.0, release: 0.015 };
    let mut wheels = FEET.map(|foot| (foot, Phase::default()));
    let mut key = Biquad::band_pass(2_200.0, 0.8);
    render(shape.seconds(note), |t| {
        let rotation = (TAU * 6.2 * t).sin();
        let tone: f64 = wheels
            .iter_mut()
            .zip(drawbars)
            .map(|((foot, wheel), level)| level * wheel.sine(*foot * base * (1.0 + 0.003 * rotation)))
            .sum();
        let click = 0.5 * key.next(white(rng)) * (-t / 0.004).exp();
        (0.4 * tone * (1.0 + 0.15 * rotation) + click) * shape.level(note, t)
    })
}

/// A polyphonic synthesiser: detuned sawtooths behind a low-pass that closes from `open` to `closed` hertz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Synthesiser {
    pub(crate) shape: Envelope,
    pub(crate) open: f64,
    pub(crate) closed: f64,
    pub(crate) seconds: f64,
    pub(crate) cents: f64,
}

impl Synthesiser {
    pub(crate) fn note(&self, note: Note, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut saws: Vec<(f64, Phase)> = (0..4)
            .map(|_| {
                (detune(rng, self.cents) * hertz(note.pitch), Phase::starting_at(rng.random_range(0.0..1.0)))
            })
            .collect();
        let mut filter = MovingLowPass::default();
        render(self.shape.seconds(note), |t| {
            let tone: f64 = saws.iter_mut().map(|(hertz, saw)| saw.saw(*hertz)).sum();
            let cut = self.closed + (self.open - self.closed) * note.velocity * (-t / self.seconds).exp();
            0.35 * filter.next(tone, cut, 0.9) * self.shape.level(note, t)
        })
    }
}

/// The sub bass of a drum machine: a sine with a little second and third harmonic, so that small loudspeakers know it.
pub(crate) fn sub_bass(note: Note, _: &mut ChaCha8Rng) -> Vec<f64> {
    let shape = Envelope { attack: 0.006, decay: 0.9, sustain: 0.5, release: 0.04 };
    let mut wave = Phase::default();
    render(shape.seconds(note), |t| (1.6 * wave.sine(hertz(note.pitch)) + 0.12).tanh() * shape.level(note, t))
}
