//! What breathes: a saxophone, brass, and voices.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::band::detune;
use crate::filters::{Biquad, MovingLowPass};
use crate::sound::{Envelope, Glide, Note, Phase, hertz, render, white};

/// A tenor saxophone: a reed that opens with the breath, in a conical tube.
pub(crate) fn saxophone(note: Note, glide: Glide, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let shape = Envelope { attack: 0.03, decay: 0.25, sustain: 0.75, release: 0.04 };
    let mut reed = Phase::default();
    let (mut tube, mut air) = (MovingLowPass::default(), Biquad::band_pass(2_000.0, 0.5));
    let mut formants =
        [Biquad::peak(620.0, 1.6, 7.0), Biquad::peak(1_450.0, 1.8, 5.0), Biquad::peak(3_100.0, 2.0, 3.0)];
    render(shape.seconds(note), |t| {
        let level = shape.level(note, t);
        let tone = reed.pulse(hertz(note.pitch + glide.semitones(t)), 0.28);
        let breath = air.next(white(rng)) * (0.1 + 0.25 * (-t / 0.04).exp());
        let open = 500.0 + 3_400.0 * note.velocity * level;
        let sound = tube.next(tone + breath, open, 0.7);
        0.6 * level * formants.iter_mut().fold(sound, |x, filter| filter.next(x)).tanh()
    })
}

/// A brass section of three: bright while it is blown hard.
pub(crate) fn brass(note: Note, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let shape = Envelope { attack: 0.045, decay: 0.3, sustain: 0.7, release: 0.05 };
    let glide = Glide { from: -0.5, seconds: 0.06, vibrato: 0.08 };
    let mut players: Vec<(f64, Phase)> =
        (0..3).map(|_| (detune(rng, 8.0), Phase::starting_at(rng.random_range(0.0..1.0)))).collect();
    let (mut bell, mut horn) = (MovingLowPass::default(), Biquad::peak(1_200.0, 1.0, 4.0));
    render(shape.seconds(note), |t| {
        let level = shape.level(note, t);
        let pitch = hertz(note.pitch + glide.semitones(t));
        let tone: f64 = players.iter_mut().map(|(cents, lips)| lips.saw(*cents * pitch)).sum();
        0.4 * level * horn.next(bell.next(tone, 300.0 + 4_500.0 * note.velocity * level, 0.8))
    })
}

/// First three formants of a vowel, in hertz (G. Peterson and H. Barney, 1952).
pub(crate) type Vowel = [f64; 3];
pub(crate) const AH: Vowel = [730.0, 1_090.0, 2_440.0];
pub(crate) const OH: Vowel = [570.0, 840.0, 2_410.0];
pub(crate) const EH: Vowel = [530.0, 1_840.0, 2_480.0];
pub(crate) const EE: Vowel = [310.0, 2_200.0, 2_960.0];
pub(crate) const OO: Vowel = [320.0, 870.0, 2_240.0];

/// A singer: the sawtooth of the vocal folds through the formants of a vowel, after a breath of a consonant.
pub(crate) fn voice(note: Note, vowel: Vowel, glide: Glide, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let shape = Envelope { attack: 0.05, decay: 0.4, sustain: 0.8, release: 0.07 };
    let mut folds = Phase::default();
    let mut formants =
        [(vowel[0], 1.0, 5.0), (vowel[1], 0.6, 8.0), (vowel[2], 0.35, 11.0), (3_500.0, 0.2, 10.0)]
            .map(|(hertz, gain, q)| (gain, Biquad::band_pass(hertz, q)));
    let mut consonant = Biquad::high_pass(3_500.0, 0.7);
    render(shape.seconds(note), |t| {
        let source = folds.saw(hertz(note.pitch + glide.semitones(t))) + 0.06 * white(rng);
        let vowel: f64 = formants.iter_mut().map(|(gain, filter)| *gain * filter.next(source)).sum();
        let hiss = 0.15 * consonant.next(white(rng)) * (-t / 0.03).exp();
        1.6 * (vowel + 0.12 * source) * shape.level(note, t) + note.velocity * hiss
    })
}
