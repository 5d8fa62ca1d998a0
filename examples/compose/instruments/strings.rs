//! Strings: plucked (guitars, basses, banjo) and bowed (ensembles and fiddles).

use std::f64::consts::PI;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::band::detune;
use crate::filters::{Biquad, MovingLowPass};
use crate::sound::{Envelope, Glide, Note, Phase, RATE, decay, hertz, render, samples, white};

/// A plucked string after K. Karplus and A. Strong (1983), with the loss of D. Jaffe and J. Smith.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pluck {
    /// Highest frequency of the plectrum's blow at full velocity, in hertz: a thumb 1 000, a plectrum 6 000.
    pub(crate) bright: f64,
    /// Seconds in which the fundamental falls by 60 dB.
    pub(crate) sustain: f64,
    /// How dull each round trip makes the wave, 0 (steel) to 0.5 (gut, palm on the bridge).
    pub(crate) dull: f64,
    /// Where the string is plucked, as a fraction of its length: that harmonic is missing.
    pub(crate) position: f64,
    pub(crate) glide: Glide,
}

impl Pluck {
    pub(crate) const STEEL: Self = Self {
        bright: 5_500.0,
        sustain: 4.0,
        dull: 0.12,
        position: 0.14,
        glide: Glide { from: 0.0, seconds: 0.0, vibrato: 0.0 },
    };
    pub(crate) const BASS: Self =
        Self { bright: 1_500.0, sustain: 3.0, dull: 0.25, position: 0.2, ..Self::STEEL };
    /// A double bass: gut strings that sound briefly.
    pub(crate) const UPRIGHT: Self =
        Self { bright: 1_100.0, sustain: 1.5, dull: 0.42, position: 0.25, ..Self::STEEL };
    /// The side of the hand on the bridge.
    pub(crate) const PALM_MUTED: Self = Self { bright: 3_500.0, sustain: 0.35, dull: 0.4, ..Self::STEEL };

    pub(crate) fn note(&self, note: Note, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let bend = |t: f64| hertz(note.pitch + self.glide.semitones(t));
        let longest = RATE / hertz(note.pitch - self.glide.from.abs() - 1.0);
        let size = longest as usize + 8;
        let mut wave = vec![0.0; size];
        let mut blow = self.blow((RATE / bend(0.0)) as usize, note.velocity, rng).into_iter();
        let (held, muted) = (decay(self.sustain), decay(0.1));
        let end = samples(note.seconds);
        let (mut last, mut period) = (0.0, RATE / bend(0.0));
        let moves = self.glide.from != 0.0 || self.glide.vibrato != 0.0;
        let mut sound = Vec::with_capacity(end + samples(0.1));
        for i in 0..end + samples(0.1) {
            if moves {
                period = RATE / bend(i as f64 / RATE);
            }
            // The average of two samples delays by `dull` of a sample, the loop's own write by none.
            let delayed = cubic(&wave, i, period - self.dull);
            let lost = (1.0 - self.dull) * delayed + self.dull * last;
            last = delayed;
            let keep = if i < end { held } else { muted };
            let value = keep.powf(period) * lost + blow.next().unwrap_or(0.0);
            wave[i % size] = value;
            sound.push(value);
        }
        sound
    }

    /// One period of noise, dull as the blow is soft, less itself a little later: the comb of the place of plucking.
    fn blow(&self, period: usize, velocity: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut noise: Vec<f64> = (0..period).map(|_| 1.6 * white(rng)).collect();
        let cut = self.bright * (0.35 + 0.65 * velocity);
        Biquad::low_pass(cut, 0.6).run(&mut noise);
        let later = ((self.position * period as f64) as usize).max(1);
        (0..period).map(|i| noise[i] - if i >= later { 0.9 * noise[i - later] } else { 0.0 }).collect()
    }
}

/// The ring buffer `delay` samples before `now`, by Lagrange's cubic: a straight line would dull notes unequally.
fn cubic(ring: &[f64], now: usize, delay: f64) -> f64 {
    let (whole, x) = (delay as usize, delay.fract());
    let at = |back: usize| if back <= now { ring[(now - back) % ring.len()] } else { 0.0 };
    let (a, b, c, d) = (at(whole - 1), at(whole), at(whole + 1), at(whole + 2));
    let (p, q, r) = (x + 1.0, x - 1.0, x - 2.0);
    -a * x * q * r / 6.0 + b * p * q * r / 2.0 - c * p * x * r / 2.0 + d * p * x * q / 6.0
}

/// A chord strummed over some milliseconds.
pub(crate) fn strum(pitches: &[f64], up: bool, note: Note, string: &Pluck, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut sound = vec![0.0; samples(note.seconds + 0.3)];
    for (i, pitch) in pitches.iter().enumerate() {
        let turn = if up { pitches.len() - 1 - i } else { i };
        let pitch = *pitch + 12.0 * detune(rng, 2.0).log2();
        let tone = string.note(Note { pitch, ..note }, rng);
        for (sample, value) in sound.iter_mut().skip(samples(0.007 * turn as f64)).zip(tone) {
            *sample += value / (pitches.len() as f64).sqrt();
        }
    }
    sound
}

/// Resonances of a wooden box, for a whole part.
pub(crate) fn body(part: &mut [f64], low: f64) {
    Biquad::peak(low, 2.0, 5.0).run(part);
    Biquad::peak(2.1 * low, 3.0, 4.0).run(part);
    Biquad::peak(4.4 * low, 2.0, 3.0).run(part);
    Biquad::peak(2_400.0, 1.0, 3.0).run(part);
}

/// Bowed strings: `players` sawtooths, each with a pitch, a vibrato and a start of its own, and the hiss of the bow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bow {
    pub(crate) players: usize,
    pub(crate) shape: Envelope,
    pub(crate) glide: Glide,
}

impl Bow {
    pub(crate) fn note(&self, note: Note, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut desks: Vec<(f64, f64, Phase)> = (0..self.players)
            .map(|_| {
                let alone = self.players == 1;
                let cents = if alone { 2.0 } else { 7.0 };
                (
                    detune(rng, cents),
                    rng.random_range(0.0..0.25),
                    Phase::starting_at(rng.random_range(0.0..1.0)),
                )
            })
            .collect();
        let (mut filter, mut hiss) = (MovingLowPass::default(), Biquad::band_pass(2_800.0, 0.7));
        let gain = 0.8 / (self.players as f64).sqrt();
        render(self.shape.seconds(note), |t| {
            let tone: f64 = desks
                .iter_mut()
                .map(|(cents, offset, saw)| {
                    saw.saw(*cents * hertz(note.pitch + self.glide.semitones(t + *offset)))
                })
                .sum();
            let level = self.shape.level(note, t);
            // More weight on the bow makes the tone brighter, not only louder.
            let cut = 700.0 + 3_600.0 * note.velocity * level;
            let bow = 0.05 * hiss.next(white(rng));
            (gain * filter.next(tone, cut, 0.6) + bow) * level
        })
    }
}

/// Tapping on a muted string, as the scratches between funky chords.
pub(crate) fn scratch(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut wood = Biquad::band_pass(1_900.0, 1.4);
    render(0.05, |t| 2.0 * wood.next(white(rng)) * (-t / 0.014).exp() * (PI * t / 0.05).cos().max(0.0))
}
