//! Loud guitars: metal and rock.

use crate::band::{Band, Clock, Part};
use crate::desk::Desk;
use crate::effects::amplifier;
use crate::filters::Biquad;
use crate::instruments::drums::{Kick, Snare, crash, hat, ride, tom};
use crate::instruments::keys::organ;
use crate::instruments::strings::{Pluck, strum};
use crate::sound::{Glide, Note};

const KICK: Kick = Kick { hertz: 52.0, decay: 0.09, click: 1.0 };
const SNARE: Snare = Snare { hertz: 185.0, wires: 0.9, decay: 0.13 };

/// Sixteenths of four bars of metal: `m` the palm-muted low E, letters a power chord so many half steps above it.
const GALLOP: [&str; 4] = ["A.mmm.mmC.mmB.mm", "A.mmm.mmmmmmD.C.", "A.mmm.mmC.mmB.mm", "F...E...mmmmB.B."];

/// Two guitars, each with its own hands and its own amplifier, play the riff; the drummer has two feet.
pub(crate) fn metal(seed: u64, seconds: f64) -> Part {
    let mut band = Band::new(seed, seconds, Clock::straight(172.0), 0.003);
    let (mut guitars, mut bass) = ([band.part(), band.part()], band.part());
    let (mut kick, mut snare, mut cymbals, mut lead) = (band.part(), band.part(), band.part(), band.part());
    for bar in 0..band.bars() {
        let riff = GALLOP[bar % 4].as_bytes();
        for (step, &stroke) in riff.iter().enumerate().filter(|(_, stroke)| **stroke != b'.') {
            let beat = 4.0 * bar as f64 + 0.25 * step as f64;
            let rests = riff[step + 1..].iter().take_while(|stroke| **stroke == b'.').count();
            let length = band.length(0.25 * (1.0 + rests as f64) * 0.96);
            let (string, root) = match stroke {
                b'm' => (Pluck::PALM_MUTED, 40.0),
                letter => (Pluck::STEEL, 40.0 + f64::from(letter - b'A')),
            };
            for guitar in &mut guitars {
                band.play(guitar, beat, 0.9, |velocity, rng| {
                    let note = Note { pitch: root, seconds: length, velocity };
                    strum(&[root, root + 7.0, root + 12.0], false, note, &string, rng)
                });
            }
            band.play(&mut bass, beat, 0.9, |velocity, rng| {
                let string = Pluck { bright: 3_000.0, ..Pluck::BASS };
                string.note(Note { pitch: root - 12.0, seconds: length, velocity }, rng)
            });
        }
        let feet = if bar % 4 == 3 { "X.x.X.x.XxxxXxxx" } else { "XxxxXxxxXxxxXxxx" };
        band.bar(&mut kick, bar, feet, |v, rng| KICK.hit(v, rng));
        band.bar(&mut snare, bar, "....X.......X...", |v, rng| SNARE.hit(v, rng));
        band.bar(
            &mut cymbals,
            bar,
            if bar % 2 == 0 { "X...x...x...x..." } else { "x...x...x...x..." },
            |_, rng| ride(rng),
        );
        if bar % 2 == 0 {
            band.play(&mut cymbals, 4.0 * bar as f64, 1.0, |_, rng| crash(rng));
        }
        if bar % 8 >= 4 {
            tremolo(&mut band, &mut lead, bar);
        }
    }
    for guitar in &mut guitars {
        amplifier(guitar, 26.0);
        // The scooped middle of the genre.
        Biquad::peak(550.0, 0.8, -5.0).run(guitar);
    }
    amplifier(&mut lead, 18.0);
    Biquad::high_pass(45.0, 0.8).run(&mut bass);
    let [left, right] = guitars;
    let mut desk = Desk::new(band.part());
    desk.add(left, 0.7, 0.06);
    desk.add(right, 0.7, 0.06);
    desk.add(bass, 0.45, 0.0);
    desk.add(kick, 0.5, 0.05);
    desk.add(snare, 0.4, 0.25);
    desk.add(cymbals, 0.22, 0.15);
    desk.add(lead, 0.45, 0.25);
    desk.mix(0.8, 5_000.0, 1.4)
}

/// Repeated sixteenths high on the neck, along E Phrygian.
fn tremolo(band: &mut Band, lead: &mut Part, bar: usize) {
    let line = [[76.0, 79.0], [77.0, 76.0], [74.0, 77.0], [72.0, 71.0]][bar % 4];
    for (half, pitch) in line.into_iter().enumerate() {
        for step in 0..8 {
            let beat = 4.0 * bar as f64 + 2.0 * half as f64 + 0.25 * f64::from(step);
            let seconds = band.length(0.24);
            band.play(lead, beat, 0.8, |velocity, rng| {
                Pluck::STEEL.note(Note { pitch, seconds, velocity }, rng)
            });
        }
    }
}

/// Root of each bar of the rock song: two of A, two of D, then G, D, A, E.
const SONG: [f64; 8] = [45.0, 45.0, 50.0, 50.0, 43.0, 50.0, 45.0, 40.0];
/// The solo: beat within four bars, pitch, beats, bend in half steps.
const SOLO: [(f64, f64, f64, f64); 14] = [
    (0.0, 76.0, 1.5, -2.0),
    (1.5, 74.0, 0.5, 0.0),
    (2.0, 72.0, 0.5, 0.0),
    (2.5, 69.0, 1.0, 0.0),
    (4.0, 72.0, 0.5, 0.0),
    (4.5, 74.0, 1.5, -2.0),
    (6.0, 72.0, 0.5, 0.0),
    (6.5, 69.0, 1.5, 0.0),
    (8.5, 79.0, 0.5, 0.0),
    (9.0, 81.0, 2.0, -2.0),
    (11.0, 79.0, 0.5, 0.0),
    (11.5, 76.0, 1.0, 0.0),
    (13.0, 74.0, 1.0, -1.0),
    (14.0, 69.0, 2.0, 0.0),
];

pub(crate) fn rock(seed: u64, seconds: f64) -> Part {
    let mut band = Band::new(seed, seconds, Clock::straight(124.0), 0.006);
    let (mut guitars, mut bass) = ([band.part(), band.part()], band.part());
    let (mut kick, mut snare, mut cymbals) = (band.part(), band.part(), band.part());
    let (mut keys, mut lead) = (band.part(), band.part());
    for bar in 0..band.bars() {
        let root = SONG[bar % SONG.len()];
        let beat = 4.0 * bar as f64;
        let (short, eighth) = (band.length(0.42), band.length(0.46));
        band.bar(&mut guitars[0], bar, "X.xxxxX.", |velocity, rng| {
            let note = Note { pitch: root, seconds: eighth, velocity };
            strum(&[root, root + 7.0, root + 12.0], false, note, &Pluck::STEEL, rng)
        });
        band.bar(&mut guitars[1], bar, "X...X.x.", |velocity, rng| {
            let note = Note { pitch: root, seconds: 2.5 * short, velocity };
            strum(&[root + 12.0, root + 16.0, root + 19.0], false, note, &Pluck::STEEL, rng)
        });
        band.bar(&mut bass, bar, "XxxxXxxx", |velocity, rng| {
            let string = Pluck { bright: 2_500.0, ..Pluck::BASS };
            string.note(Note { pitch: root - 12.0, seconds: short, velocity }, rng)
        });
        band.bar(&mut kick, bar, "X...x.X.", |v, rng| KICK.hit(v, rng));
        band.bar(&mut snare, bar, "..X...X.", |v, rng| SNARE.hit(v, rng));
        if bar % 4 == 3 {
            for (step, hertz) in [160.0, 160.0, 120.0, 90.0].into_iter().enumerate() {
                band.play(&mut snare, beat + 3.0 + 0.25 * step as f64, 0.8, |_, rng| tom(hertz, rng));
            }
        }
        band.bar(&mut cymbals, bar, "XxXxXxXx", |_, rng| hat(0.09, rng));
        if bar % 4 == 0 {
            band.play(&mut cymbals, beat, 1.0, |_, rng| crash(rng));
        }
        let whole = band.length(3.9);
        for pitch in [root + 12.0, root + 19.0, root + 24.0] {
            band.play(&mut keys, beat, 0.7, |velocity, rng| {
                organ(Note { pitch, seconds: whole, velocity }, &[0.8, 0.5, 0.8, 0.4, 0.0, 0.2], rng)
            });
        }
        if bar % 4 == 0 && bar >= 4 {
            for (at, pitch, beats, from) in SOLO {
                let string = Pluck { glide: Glide { from, seconds: 0.18, vibrato: 0.3 }, ..Pluck::STEEL };
                let seconds = band.length(beats);
                band.play(&mut lead, beat + at, 0.9, |velocity, rng| {
                    string.note(Note { pitch, seconds, velocity }, rng)
                });
            }
        }
    }
    for guitar in &mut guitars {
        amplifier(guitar, 7.0);
    }
    amplifier(&mut lead, 12.0);
    let [left, right] = guitars;
    let mut desk = Desk::new(band.part());
    desk.add(left, 0.6, 0.1);
    desk.add(right, 0.45, 0.15);
    desk.add(bass, 0.5, 0.0);
    desk.add(kick, 0.45, 0.05);
    desk.add(snare, 0.45, 0.3);
    desk.add(cymbals, 0.2, 0.15);
    desk.add(keys, 0.2, 0.2);
    desk.add(lead, 0.55, 0.3);
    desk.mix(1.0, 4_500.0, 1.2)
}
