//! Drums and cymbals: falling sines for skins, filtered noise for snares, inharmonic squares for metal.

use rand_chacha::ChaCha8Rng;

use crate::filters::Biquad;
use crate::sound::{Phase, render, white};

/// A bass drum: the skin's pitch falls to `hertz`; the beater clicks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kick {
    pub(crate) hertz: f64,
    pub(crate) decay: f64,
    pub(crate) click: f64,
}

impl Kick {
    pub(crate) fn hit(&self, _: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (mut skin, mut beater) = (Phase::default(), Biquad::band_pass(3_200.0, 0.6));
        render(5.0 * self.decay, |t| {
            let hertz = self.hertz * (1.0 + 2.6 * (-t / 0.018).exp());
            let click = beater.next(white(rng)) * (-t / 0.004).exp();
            (skin.sine(hertz) * (-t / self.decay).exp() + self.click * click) * (t / 0.001).min(1.0)
        })
    }
}

/// A snare drum: two modes of the skin and the rattle of the wires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snare {
    pub(crate) hertz: f64,
    pub(crate) wires: f64,
    pub(crate) decay: f64,
}

impl Snare {
    pub(crate) fn hit(&self, velocity: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (mut low, mut high) = (Phase::default(), Phase::default());
        let mut wires = [Biquad::high_pass(900.0, 0.7), Biquad::low_pass(5_000.0 + 4_000.0 * velocity, 0.7)];
        render(5.0 * self.decay, |t| {
            let fall = 1.0 + 0.4 * (-t / 0.01).exp();
            let skin = low.sine(self.hertz * fall) + 0.6 * high.sine(1.78 * self.hertz * fall);
            let rattle = wires.iter_mut().fold(white(rng), |x, filter| filter.next(x));
            0.6 * skin * (-t / (0.5 * self.decay)).exp() + self.wires * rattle * (-t / self.decay).exp()
        })
    }
}

/// A tom-tom of the given pitch.
pub(crate) fn tom(hertz: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (mut skin, mut attack) = (Phase::default(), Biquad::low_pass(2_500.0, 0.7));
    render(0.6, |t| {
        let tone = skin.sine(hertz * (1.0 + 0.5 * (-t / 0.03).exp())) * (-t / 0.14).exp();
        tone + 0.5 * attack.next(white(rng)) * (-t / 0.01).exp()
    })
}

/// Hands: a few claps within 30 ms, then their reverberation.
pub(crate) fn clap(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut hands = [Biquad::band_pass(1_300.0, 1.1), Biquad::high_pass(500.0, 0.7)];
    render(0.4, |t| {
        let burst = if t < 0.03 { (-(t % 0.01) / 0.004).exp() } else { (-(t - 0.03) / 0.06).exp() };
        2.2 * burst * hands.iter_mut().fold(white(rng), |x, filter| filter.next(x))
    })
}

/// The stick across the rim.
pub(crate) fn rim(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (mut wood, mut shell) = (Biquad::band_pass(1_750.0, 5.0), Phase::default());
    render(0.12, |t| {
        5.0 * wood.next(white(rng) * (-t / 0.004).exp()) + 0.5 * shell.sine(420.0) * (-t / 0.015).exp()
    })
}

/// A hi-hat; `decay` of 0.02 is closed, of 0.2 open.
pub(crate) fn hat(decay: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    cymbal(5.0 * decay, 5_200.0, 0.5, rng, |t| (-t / decay).exp())
}

/// A shaker or a brush: noise that swells.
pub(crate) fn shaker(seconds: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut grain = Biquad::band_pass(5_500.0, 0.7);
    render(seconds, |t| grain.next(white(rng)) * (std::f64::consts::PI * t / seconds).sin().powi(2))
}

/// A ride cymbal: the ping of the stick over a wash.
pub(crate) fn ride(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut ping = [(3_150.0, Phase::default()), (4_420.0, Phase::default()), (5_870.0, Phase::default())];
    let mut sound = cymbal(1.1, 3_600.0, 0.35, rng, |t| 0.5 * (-t / 0.3).exp() + 0.5 * (-t / 0.03).exp());
    for (i, sample) in sound.iter_mut().enumerate() {
        let t = i as f64 / crate::sound::RATE;
        let tone: f64 = ping.iter_mut().map(|(hertz, phase)| phase.sine(*hertz)).sum();
        *sample += 0.12 * tone * (-t / 0.12).exp();
    }
    sound
}

pub(crate) fn crash(rng: &mut ChaCha8Rng) -> Vec<f64> {
    cymbal(2.6, 2_400.0, 0.8, rng, |t| (t / 0.004).min(1.0) * (-t / 0.7).exp())
}

/// Six squares of inharmonic pitches, as drum machines make metal, and noise.
fn cymbal(
    seconds: f64,
    above: f64,
    noise: f64,
    rng: &mut ChaCha8Rng,
    level: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let mut metal = [205.3, 304.4, 369.6, 522.7, 540.0, 800.0].map(|hertz| (2.1 * hertz, Phase::default()));
    let mut filters = [Biquad::high_pass(above, 0.8), Biquad::high_pass(above, 0.6)];
    render(seconds, |t| {
        let ring: f64 = metal.iter_mut().map(|(hertz, phase)| phase.pulse(*hertz, 0.5)).sum();
        let plate = 0.3 * (1.0 - noise) * ring + noise * white(rng);
        filters.iter_mut().fold(plate, |x, filter| filter.next(x)) * level(t)
    })
}

/// Dust and scratches of a vinyl record, for `seconds`.
pub(crate) fn vinyl(seconds: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (mut dust, mut hiss) = (Biquad::band_pass(2_500.0, 0.8), Biquad::low_pass(4_000.0, 0.7));
    render(seconds, |_| {
        let click = if white(rng) > 0.9994 { white(rng) } else { 0.0 };
        3.0 * dust.next(click) + 0.012 * hiss.next(white(rng))
    })
}
