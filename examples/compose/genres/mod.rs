//! The pieces, one per genre.

mod bass;
mod classical;
mod dance;
mod jazz;
mod riffs;
mod roots;

use clap::ValueEnum;

use crate::effects::master;

/// The genres of the shipped model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Genre {
    Blues,
    Classical,
    Country,
    Disco,
    Hiphop,
    Jazz,
    Metal,
    Pop,
    Reggae,
    Rock,
}

impl Genre {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blues => "blues",
            Self::Classical => "classical",
            Self::Country => "country",
            Self::Disco => "disco",
            Self::Hiphop => "hiphop",
            Self::Jazz => "jazz",
            Self::Metal => "metal",
            Self::Pop => "pop",
            Self::Reggae => "reggae",
            Self::Rock => "rock",
        }
    }

    /// What is played, for `--list`.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Blues => "12-bar shuffle in A: electric guitar with bends, piano, bass, drums",
            Self::Classical => "adagio for string orchestra in D major",
            Self::Country => "boom-chick in G: acoustic guitar, fiddle, banjo, upright bass, brushes",
            Self::Disco => "four on the floor in A minor: octave bass, strings, brass, scratched guitar",
            Self::Hiphop => "swung sixteenths in C minor: drum machine, sub bass, sampled keys, vinyl",
            Self::Jazz => "swing in F: tenor saxophone, piano, walking bass, ride cymbal",
            Self::Metal => "palm-muted gallop in E: two distorted guitars, double bass drum",
            Self::Pop => "four chords in C: synthesisers, electric piano, voice, claps",
            Self::Reggae => "one drop in A minor: off-beat guitar and organ, deep bass, echo",
            Self::Rock => "power chords in A: two overdriven guitars, bass, organ, drums",
        }
    }

    /// The finished record: mono samples at 22 050 Hz.
    pub(crate) fn compose(self, seed: u64, seconds: f64) -> Vec<f32> {
        let (mix, loudness) = match self {
            Self::Blues => (roots::blues(seed, seconds), -16.0),
            Self::Classical => (classical::adagio(seed, seconds), -18.0),
            Self::Country => (roots::country(seed, seconds), -16.0),
            Self::Disco => (dance::disco(seed, seconds), -15.0),
            Self::Hiphop => (bass::hiphop(seed, seconds), -15.0),
            Self::Jazz => (jazz::swing(seed, seconds), -17.0),
            Self::Metal => (riffs::metal(seed, seconds), -14.0),
            Self::Pop => (dance::pop(seed, seconds), -15.0),
            Self::Reggae => (bass::reggae(seed, seconds), -16.0),
            Self::Rock => (riffs::rock(seed, seconds), -15.0),
        };
        master(mix, loudness)
    }
}

/// The notes of a chord as one sound.
fn sum(pitches: &[f64], mut note: impl FnMut(f64) -> Vec<f64>) -> Vec<f64> {
    let mut sound: Vec<f64> = Vec::new();
    for pitch in pitches {
        let tone = note(*pitch);
        sound.resize(sound.len().max(tone.len()), 0.0);
        sound.iter_mut().zip(&tone).for_each(|(sum, value)| *sum += value / (pitches.len() as f64).sqrt());
    }
    sound
}
