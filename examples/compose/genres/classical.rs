//! An adagio for string orchestra: a long melody over a bass that walks in octaves, as in the airs of the baroque.

use crate::band::{Band, Clock, Part};
use crate::desk::Desk;
use crate::instruments::strings::{Bow, body};
use crate::sound::{Envelope, Glide, Note};

/// Bass and inner voices, two chords a bar, as MIDI numbers.
const CHORDS: [(f64, [f64; 3]); 16] = [
    (50.0, [57.0, 62.0, 66.0]),
    (49.0, [57.0, 62.0, 66.0]),
    (47.0, [59.0, 62.0, 66.0]),
    (45.0, [59.0, 62.0, 66.0]),
    (43.0, [59.0, 62.0, 67.0]),
    (44.0, [59.0, 62.0, 64.0]),
    (45.0, [57.0, 61.0, 64.0]),
    (43.0, [57.0, 61.0, 64.0]),
    (42.0, [57.0, 62.0, 69.0]),
    (43.0, [59.0, 62.0, 67.0]),
    (40.0, [59.0, 64.0, 67.0]),
    (45.0, [57.0, 61.0, 67.0]),
    (50.0, [57.0, 62.0, 66.0]),
    (47.0, [59.0, 62.0, 66.0]),
    (40.0, [59.0, 64.0, 67.0]),
    (45.0, [57.0, 61.0, 64.0]),
];

/// The first violins: pitch and beats.
const MELODY: [(f64, f64); 37] = [
    (78.0, 4.0),
    (78.0, 1.0),
    (83.0, 0.5),
    (79.0, 0.5),
    (78.0, 0.5),
    (76.0, 0.5),
    (74.0, 0.5),
    (73.0, 0.5),
    (74.0, 1.5),
    (71.0, 0.5),
    (76.0, 2.0),
    (76.0, 1.0),
    (81.0, 0.5),
    (79.0, 0.5),
    (78.0, 0.5),
    (76.0, 0.5),
    (73.0, 0.5),
    (71.0, 0.5),
    (69.0, 1.0),
    (78.0, 1.0),
    (74.0, 0.5),
    (71.0, 0.5),
    (79.0, 1.0),
    (76.0, 1.0),
    (79.0, 0.5),
    (78.0, 0.5),
    (76.0, 0.5),
    (74.0, 0.5),
    (73.0, 1.0),
    (74.0, 2.5),
    (76.0, 0.5),
    (78.0, 1.0),
    (79.0, 2.0),
    (78.0, 0.5),
    (76.0, 0.5),
    (73.0, 0.5),
    (74.0, 0.5),
];

pub(crate) fn adagio(seed: u64, seconds: f64) -> Part {
    let clock = Clock { rubato: 0.35, ..Clock::straight(63.0) };
    let mut band = Band::new(seed, seconds, clock, 0.012);
    let (mut violins, mut inner, mut basses) = (band.part(), band.part(), band.part());
    let singing = Envelope { attack: 0.14, decay: 1.5, sustain: 0.8, release: 0.22 };
    let first =
        Bow { players: 6, shape: singing, glide: Glide { from: -0.15, seconds: 0.12, vibrato: 0.22 } };
    let second = Bow { players: 4, shape: Envelope { attack: 0.22, ..singing }, glide: Glide::vibrato(0.14) };
    let low = Bow {
        players: 3,
        shape: Envelope { attack: 0.06, decay: 0.5, sustain: 0.5, release: 0.16 },
        glide: Glide::vibrato(0.08),
    };

    let end = 4.0 * band.bars() as f64;
    let mut beat = 0.0;
    for (pitch, beats) in MELODY.into_iter().cycle() {
        if beat >= end {
            break;
        }
        // A little longer than written: one bow takes over from the other.
        let length = 1.02 * band.lasting(beat, beats);
        band.play(&mut violins, beat, swell(beat), |velocity, rng| {
            first.note(Note { pitch, seconds: length, velocity }, rng)
        });
        beat += beats;
    }
    for half in 0..2 * band.bars() {
        let (bass, chord) = CHORDS[half % CHORDS.len()];
        let beat = 2.0 * half as f64;
        let length = band.lasting(beat, 2.0);
        for pitch in chord {
            band.play(&mut inner, beat, 0.8 * swell(beat), |velocity, rng| {
                second.note(Note { pitch, seconds: length, velocity }, rng)
            });
        }
        // The bass steps up an octave and back, in eighths.
        for (eighth, up) in [0.0, 0.0, 12.0, 12.0].into_iter().enumerate() {
            let length = band.length(0.42);
            let at = beat + 0.5 * eighth as f64;
            band.play(&mut basses, at, 0.85 * swell(at), |velocity, rng| {
                low.note(Note { pitch: bass + up, seconds: length, velocity }, rng)
            });
        }
    }
    body(&mut violins, 290.0);
    body(&mut inner, 220.0);
    body(&mut basses, 110.0);
    let mut desk = Desk::new(band.part());
    desk.add(violins, 0.8, 0.55);
    desk.add(inner, 0.5, 0.6);
    desk.add(basses, 0.5, 0.4);
    desk.mix(2.6, 3_200.0, 0.3)
}

/// Every phrase of four bars rises and dies away.
fn swell(beat: f64) -> f64 {
    0.4 + 0.5 * (std::f64::consts::PI * (beat / 16.0).fract()).sin()
}
