//! Music to dance to: disco and pop.

use super::sum;
use crate::band::{Band, Clock, Part};
use crate::desk::Desk;
use crate::effects::{chorus, compress, echo};
use crate::filters::Biquad;
use crate::instruments::drums::{Kick, Snare, clap, crash, hat};
use crate::instruments::keys::{Synthesiser, electric_piano, piano};
use crate::instruments::strings::{Bow, Pluck, scratch, strum};
use crate::instruments::winds::{AH, EE, EH, OH, OO, Vowel, brass, voice};
use crate::sound::{Envelope, Glide, Note};

/// Root of the bass and the notes above it, one chord a bar.
type Changes = [(f64, [f64; 4]); 4];

const DISCO: Changes = [
    (33.0, [57.0, 60.0, 64.0, 67.0]),
    (38.0, [57.0, 60.0, 62.0, 65.0]),
    (31.0, [55.0, 59.0, 62.0, 65.0]),
    (36.0, [55.0, 59.0, 60.0, 64.0]),
];
/// Strings over four bars: beat, pitch, beats.
const STRINGS: [(f64, f64, f64); 13] = [
    (0.0, 76.0, 1.5),
    (1.5, 74.0, 0.5),
    (2.0, 72.0, 0.5),
    (2.5, 74.0, 0.5),
    (3.0, 76.0, 1.0),
    (4.0, 77.0, 3.0),
    (7.0, 76.0, 0.5),
    (7.5, 74.0, 0.5),
    (8.0, 79.0, 2.5),
    (10.5, 77.0, 0.5),
    (11.0, 74.0, 1.0),
    (12.0, 76.0, 2.5),
    (15.0, 71.0, 1.0),
];

pub(crate) fn disco(seed: u64, seconds: f64) -> Part {
    let mut band = Band::new(seed, seconds, Clock::straight(118.0), 0.004);
    let (mut kick_part, mut snares, mut hats) = (band.part(), band.part(), band.part());
    let (mut bass, mut guitar, mut violins, mut horns, mut keys) =
        (band.part(), band.part(), band.part(), band.part(), band.part());
    let kick = Kick { hertz: 55.0, decay: 0.1, click: 0.5 };
    let snare = Snare { hertz: 190.0, wires: 0.8, decay: 0.11 };
    let bow = Bow {
        players: 6,
        shape: Envelope { attack: 0.06, decay: 0.8, sustain: 0.8, release: 0.12 },
        glide: Glide { from: -0.5, seconds: 0.08, vibrato: 0.2 },
    };
    for bar in 0..band.bars() {
        let (root, chord) = DISCO[bar % 4];
        let beat = 4.0 * bar as f64;
        band.bar(&mut kick_part, bar, "XXXX", |v, rng| kick.hit(v, rng));
        band.bar(&mut snares, bar, ".X.X", |v, rng| snare.hit(v, rng));
        band.bar(&mut snares, bar, ".x.x", |_, rng| clap(rng));
        // The open hi-hat between the beats is what makes it disco.
        band.bar(&mut hats, bar, "..X...X...X...X.", |_, rng| hat(0.11, rng));
        band.bar(&mut hats, bar, "xo.oxo.oxo.oxo.o", |_, rng| hat(0.018, rng));
        if bar % 4 == 0 {
            band.play(&mut hats, beat, 0.9, |_, rng| crash(rng));
        }
        let short = band.length(0.4);
        for (eighth, up) in [0.0, 12.0, 0.0, 12.0, 0.0, 12.0, 7.0, 12.0].into_iter().enumerate() {
            band.play(&mut bass, beat + 0.5 * eighth as f64, 0.85, |velocity, rng| {
                let string = Pluck { bright: 2_400.0, ..Pluck::BASS };
                string.note(Note { pitch: root + up, seconds: short, velocity }, rng)
            });
        }
        let chop = band.length(0.16);
        band.bar(&mut guitar, bar, "x..x..x.x..x.xx.", |velocity, rng| {
            let pitches = [chord[1] + 12.0, chord[2] + 12.0, chord[3] + 12.0];
            strum(&pitches, false, Note { pitch: root, seconds: chop, velocity }, &Pluck::STEEL, rng)
        });
        band.bar(&mut guitar, bar, ".oo.oo.o.oo.o..o", |_, rng| scratch(rng));
        let stab = band.length(0.8);
        band.bar(&mut keys, bar, "x..x..x.", |velocity, rng| {
            sum(&chord, |pitch| electric_piano(Note { pitch, seconds: stab, velocity }, rng))
        });
        if bar % 4 == 3 {
            for (at, up) in [(2.0, 0.0), (2.75, 0.0), (3.5, 2.0)] {
                for pitch in &chord[1..] {
                    let seconds = band.length(0.35);
                    band.play(&mut horns, beat + at, 0.9, |velocity, rng| {
                        brass(Note { pitch: pitch + up, seconds, velocity }, rng)
                    });
                }
            }
        }
        if bar % 4 == 0 {
            for (at, pitch, beats) in STRINGS {
                let seconds = band.length(beats);
                for octave in [0.0, -12.0] {
                    band.play(&mut violins, beat + at, 0.8, |velocity, rng| {
                        bow.note(Note { pitch: pitch + octave, seconds, velocity }, rng)
                    });
                }
            }
        }
    }
    Biquad::high_pass(350.0, 0.7).run(&mut guitar);
    chorus(&mut keys, 0.6);
    compress(&mut bass, 0.2, 4.0, 0.005, 0.1);
    let mut desk = Desk::new(band.part());
    desk.add(kick_part, 0.75, 0.02);
    desk.add(snares, 0.4, 0.2);
    desk.add(hats, 0.32, 0.08);
    desk.add(bass, 0.6, 0.0);
    desk.add(guitar, 0.35, 0.15);
    desk.add(keys, 0.3, 0.15);
    desk.add(violins, 0.5, 0.4);
    desk.add(horns, 0.35, 0.3);
    desk.mix(1.4, 5_000.0, 1.0)
}

const POP: Changes = [
    (36.0, [60.0, 64.0, 67.0, 72.0]),
    (31.0, [59.0, 62.0, 67.0, 71.0]),
    (33.0, [60.0, 64.0, 69.0, 72.0]),
    (29.0, [60.0, 65.0, 69.0, 72.0]),
];
/// The sung line over four bars: beat, pitch, beats, vowel.
const HOOK: [(f64, f64, f64, Vowel); 14] = [
    (0.0, 67.0, 0.5, AH),
    (0.5, 72.0, 1.0, OH),
    (1.5, 71.0, 0.5, EH),
    (2.0, 72.0, 1.5, EE),
    (4.0, 74.0, 1.0, AH),
    (5.0, 71.0, 0.5, OO),
    (5.5, 67.0, 1.5, OH),
    (8.0, 69.0, 0.5, EH),
    (8.5, 72.0, 1.0, AH),
    (9.5, 74.0, 0.5, EE),
    (10.0, 76.0, 1.8, AH),
    (12.0, 77.0, 1.0, OO),
    (13.0, 76.0, 0.5, EH),
    (13.5, 72.0, 2.0, AH),
];

pub(crate) fn pop(seed: u64, seconds: f64) -> Part {
    let mut band = Band::new(seed, seconds, Clock::straight(112.0), 0.003);
    let (mut kick_part, mut snares, mut hats) = (band.part(), band.part(), band.part());
    let (mut bass, mut pad, mut pluck, mut keys, mut singer) =
        (band.part(), band.part(), band.part(), band.part(), band.part());
    let kick = Kick { hertz: 50.0, decay: 0.14, click: 0.5 };
    let snare = Snare { hertz: 200.0, wires: 0.9, decay: 0.12 };
    let slow = Envelope { attack: 0.08, decay: 1.0, sustain: 0.8, release: 0.2 };
    let quick = Envelope { attack: 0.002, decay: 0.12, sustain: 0.1, release: 0.06 };
    let warm = Synthesiser { shape: slow, open: 2_600.0, closed: 1_400.0, seconds: 1.2, cents: 12.0 };
    let bright = Synthesiser { shape: quick, open: 7_000.0, closed: 700.0, seconds: 0.1, cents: 6.0 };
    let low = Synthesiser { shape: quick, open: 1_500.0, closed: 250.0, seconds: 0.15, cents: 3.0 };
    for bar in 0..band.bars() {
        let (root, chord) = POP[bar % 4];
        let beat = 4.0 * bar as f64;
        band.bar(&mut kick_part, bar, "X.....x.X.x.....", |v, rng| kick.hit(v, rng));
        band.bar(&mut snares, bar, ".X.X", |v, rng| snare.hit(v, rng));
        band.bar(&mut snares, bar, ".X.X", |_, rng| clap(rng));
        band.bar(&mut hats, bar, "xoxoxoxoxoxoxoxo", |_, rng| hat(0.02, rng));
        let (short, whole) = (band.length(0.4), band.length(3.95));
        band.bar(&mut bass, bar, "XxxxXxxx", |velocity, rng| {
            low.note(Note { pitch: root, seconds: short, velocity }, rng)
        });
        band.play(&mut pad, beat, 0.7, |velocity, rng| {
            sum(&chord, |pitch| warm.note(Note { pitch, seconds: whole, velocity }, rng))
        });
        for (sixteenth, tone) in [0, 2, 1, 3, 2, 1, 0, 2, 3, 1, 2, 0, 1, 2, 3, 2].into_iter().enumerate() {
            let seconds = band.length(0.22);
            band.play(&mut pluck, beat + 0.25 * sixteenth as f64, 0.7, |velocity, rng| {
                bright.note(Note { pitch: chord[tone] + 12.0, seconds, velocity }, rng)
            });
        }
        let held = band.length(1.4);
        band.bar(&mut keys, bar, "X..x..x.", |velocity, rng| {
            sum(&chord, |pitch| piano(Note { pitch, seconds: held, velocity }, rng))
        });
        if bar % 4 == 0 {
            for (at, pitch, beats, vowel) in HOOK {
                let seconds = band.length(beats * 0.95);
                let glide = Glide { from: -1.0, seconds: 0.1, vibrato: 0.3 };
                // Doubled, as singers are in the studio.
                for _ in 0..2 {
                    band.play(&mut singer, beat + at, 0.85, |velocity, rng| {
                        voice(Note { pitch, seconds, velocity }, vowel, glide, rng)
                    });
                }
            }
        }
    }
    chorus(&mut pad, 0.8);
    echo(&mut pluck, band.length(0.75), 0.4);
    let mut desk = Desk::new(band.part());
    desk.add(kick_part, 0.65, 0.02);
    desk.add(snares, 0.42, 0.3);
    desk.add(hats, 0.14, 0.1);
    desk.add(bass, 0.55, 0.0);
    desk.add(pad, 0.35, 0.3);
    desk.add(pluck, 0.25, 0.3);
    desk.add(keys, 0.3, 0.2);
    desk.add(singer, 0.75, 0.35);
    desk.mix(1.6, 6_000.0, 1.0)
}
