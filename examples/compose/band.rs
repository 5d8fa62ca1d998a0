//! Sequencing: the clock of a piece, players who are a little early or late, and the parts they record.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::sound::samples;

/// Where the beats of a piece lie in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Beats per minute.
    pub(crate) tempo: f64,
    /// Where in the `unit` the second half begins: 0.5 is straight, 2/3 a triplet.
    pub(crate) swing: f64,
    /// What is divided unevenly, in beats: 1 swings the eighths, 0.5 the sixteenths.
    pub(crate) unit: f64,
    /// How far the tempo breathes over a phrase of 16 beats, in beats.
    pub(crate) rubato: f64,
}

impl Clock {
    pub(crate) fn straight(tempo: f64) -> Self {
        Self { tempo, swing: 0.5, unit: 1.0, rubato: 0.0 }
    }

    fn seconds(&self, beat: f64) -> f64 {
        let (whole, part) = ((beat / self.unit).floor(), (beat / self.unit).fract());
        let part = if part < 0.5 {
            2.0 * part * self.swing
        } else {
            self.swing + (2.0 * part - 1.0) * (1.0 - self.swing)
        };
        // Late at the end of a phrase, in time again at the beginning of the next.
        let breath = self.rubato * (1.0 - (std::f64::consts::TAU * beat / 16.0).cos());
        60.0 / self.tempo * ((whole + part) * self.unit + breath)
    }
}

/// The players of a piece and the length of what they play.
#[derive(Debug)]
pub(crate) struct Band {
    pub(crate) rng: ChaCha8Rng,
    clock: Clock,
    seconds: f64,
    /// Largest distance of a stroke from its beat, in seconds.
    looseness: f64,
}

/// What one instrument, or a group with effects in common, has recorded.
pub(crate) type Part = Vec<f64>;

impl Band {
    pub(crate) fn new(seed: u64, seconds: f64, clock: Clock, looseness: f64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), clock, seconds, looseness }
    }

    /// Bars of four beats that begin before the piece ends.
    pub(crate) fn bars(&self) -> usize {
        (self.seconds * self.clock.tempo / 240.0).ceil() as usize
    }

    /// Seconds of so many beats at the mean tempo.
    pub(crate) fn length(&self, beats: f64) -> f64 {
        beats * 60.0 / self.clock.tempo
    }

    /// Seconds from one beat to another that is `beats` later, in the time that breathes.
    pub(crate) fn lasting(&self, beat: f64, beats: f64) -> f64 {
        self.clock.seconds(beat + beats) - self.clock.seconds(beat)
    }

    pub(crate) fn part(&self) -> Part {
        vec![0.0; samples(self.seconds)]
    }

    /// Records a sound at a beat, about as hard as asked: the instrument is given the velocity and the noise.
    pub(crate) fn play(
        &mut self,
        part: &mut Part,
        beat: f64,
        velocity: f64,
        instrument: impl FnOnce(f64, &mut ChaCha8Rng) -> Vec<f64>,
    ) {
        let late = self.looseness * self.rng.random_range(-1.0..1.0);
        let velocity = (velocity * self.rng.random_range(0.88..1.08)).min(1.0);
        let start = samples(self.clock.seconds(beat) + late);
        if start >= part.len() {
            return;
        }
        let sound = instrument(velocity, &mut self.rng);
        for (sample, value) in part.iter_mut().skip(start).zip(&sound) {
            *sample += velocity * value;
        }
    }

    /// Plays a bar of a pattern: `X` an accent, `x` a stroke, `o` a ghost note, anything else rests.
    pub(crate) fn bar(
        &mut self,
        part: &mut Part,
        bar: usize,
        pattern: &str,
        mut instrument: impl FnMut(f64, &mut ChaCha8Rng) -> Vec<f64>,
    ) {
        let step = 4.0 / pattern.len() as f64;
        for (i, stroke) in pattern.bytes().enumerate() {
            let velocity = match stroke {
                b'X' => 0.95,
                b'x' => 0.7,
                b'o' => 0.35,
                _ => continue,
            };
            self.play(part, 4.0 * bar as f64 + step * i as f64, velocity, &mut instrument);
        }
    }
}

/// A random whole number below `end`, for choices of a player.
pub(crate) fn choose(band: &mut Band, end: usize) -> usize {
    band.rng.random_range(0..end)
}

/// A few cents that no two players share, as a factor of the frequency.
pub(crate) fn detune(rng: &mut ChaCha8Rng, cents: f64) -> f64 {
    (rng.random_range(-cents..cents) / 1_200.0).exp2()
}
