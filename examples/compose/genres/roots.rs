//! Blues and country.

use crate::band::{Band, Clock, Part};
use crate::desk::Desk;
use crate::effects::amplifier;
use crate::instruments::drums::{Kick, Snare, hat, ride, shaker};
use crate::instruments::keys::piano;
use crate::instruments::strings::{Bow, Pluck, body, strum};
use crate::sound::{Envelope, Glide, Note};

const TWELVE_BARS: [f64; 12] = [0.0, 5.0, 0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 7.0, 5.0, 0.0, 7.0];

/// Calls of the guitar, two bars each: beat, pitch, beats, where the string is bent from (half steps).
const LICKS: [&[(f64, f64, f64, f64)]; 3] = [
    &[
        (0.5, 72.0, 0.5, -1.0),
        (1.0, 74.0, 1.0, -2.0),
        (2.0, 72.0, 0.5, 0.0),
        (2.5, 69.0, 0.5, 0.0),
        (3.0, 67.0, 0.5, 0.0),
        (3.5, 69.0, 1.8, 0.0),
    ],
    &[
        (0.0, 76.0, 1.0, -2.0),
        (1.0, 76.0, 0.5, -2.0),
        (1.5, 74.0, 0.5, 0.0),
        (2.0, 72.0, 0.5, -0.5),
        (2.5, 69.0, 1.0, 0.0),
        (4.0, 72.0, 0.5, -0.7),
        (4.5, 69.0, 1.2, 0.0),
    ],
    &[
        (0.5, 69.0, 0.5, 0.0),
        (1.0, 72.0, 0.5, -1.0),
        (1.5, 74.0, 0.5, 0.0),
        (2.0, 75.0, 0.5, -1.0),
        (2.5, 74.0, 0.5, 0.0),
        (3.0, 72.0, 0.5, 0.0),
        (3.5, 69.0, 2.0, 0.0),
    ],
];

/// Twelve bars of shuffle: boogie on the low strings, calls of a lead guitar that the piano answers.
pub(crate) fn blues(seed: u64, seconds: f64) -> Part {
    let clock = Clock { swing: 0.66, ..Clock::straight(100.0) };
    let mut band = Band::new(seed, seconds, clock, 0.009);
    let (mut boogie, mut lead, mut keys, mut bass) = (band.part(), band.part(), band.part(), band.part());
    let (mut drums, mut cymbals) = (band.part(), band.part());
    let kick = Kick { hertz: 58.0, decay: 0.11, click: 0.3 };
    let snare = Snare { hertz: 195.0, wires: 0.8, decay: 0.12 };
    for bar in 0..band.bars() {
        let root = 45.0 + TWELVE_BARS[bar % 12] - if TWELVE_BARS[bar % 12] > 6.0 { 12.0 } else { 0.0 };
        let beat = 4.0 * bar as f64;
        for (eighth, above) in [7.0, 7.0, 9.0, 9.0, 7.0, 7.0, 9.0, 10.0].into_iter().enumerate() {
            let seconds = band.length(if eighth % 2 == 0 { 0.55 } else { 0.3 });
            let accent = if eighth % 2 == 0 { 0.8 } else { 0.55 };
            band.play(&mut boogie, beat + 0.5 * eighth as f64, accent, |velocity, rng| {
                let string = Pluck { dull: 0.25, bright: 3_500.0, ..Pluck::STEEL };
                strum(&[root, root + above], false, Note { pitch: root, seconds, velocity }, &string, rng)
            });
        }
        let line = if bar % 2 == 0 { [0.0, 4.0, 7.0, 9.0] } else { [10.0, 9.0, 7.0, 4.0] };
        for (quarter, above) in line.into_iter().enumerate() {
            let seconds = band.length(0.85);
            band.play(&mut bass, beat + quarter as f64, 0.85, |velocity, rng| {
                Pluck::BASS.note(Note { pitch: root - 12.0 + above, seconds, velocity }, rng)
            });
        }
        if bar % 2 == 0 {
            for (at, pitch, beats, from) in LICKS[bar / 2 % 3].iter().copied() {
                let string = Pluck { glide: Glide { from, seconds: 0.2, vibrato: 0.35 }, ..Pluck::STEEL };
                let seconds = band.length(beats);
                band.play(&mut lead, beat + at, 0.85, |velocity, rng| {
                    string.note(Note { pitch, seconds, velocity }, rng)
                });
            }
        } else {
            // Triplets high on the piano, the seventh chord of the bar.
            for step in 5..11 {
                let seconds = band.length(0.3);
                for above in [16.0, 22.0, 24.0] {
                    // The triplets are written out: the clock has swung only the eighths.
                    let at = beat + f64::from(step / 3) + [0.0, 0.2525, 0.505][step as usize % 3];
                    band.play(&mut keys, at, 0.65, |velocity, rng| {
                        piano(Note { pitch: root + above, seconds, velocity }, rng)
                    });
                }
            }
        }
        band.bar(&mut drums, bar, "X...x.o.", |v, rng| kick.hit(v, rng));
        band.bar(&mut drums, bar, "..X...Xo", |v, rng| snare.hit(v, rng));
        band.bar(&mut cymbals, bar, "XoXoXoXo", |_, rng| ride(rng));
    }
    amplifier(&mut boogie, 1.6);
    amplifier(&mut lead, 5.0);
    let mut desk = Desk::new(band.part());
    desk.add(boogie, 0.4, 0.15);
    desk.add(lead, 0.8, 0.3);
    desk.add(keys, 0.4, 0.2);
    desk.add(bass, 0.55, 0.03);
    desk.add(drums, 0.4, 0.2);
    desk.add(cymbals, 0.14, 0.2);
    desk.mix(1.0, 3_500.0, 0.8)
}

/// Root and open chord of each bar of the country song: G, C, G, D, G, C, D, G.
const OPEN: [(f64, [f64; 5]); 8] = {
    let g = (43.0, [50.0, 55.0, 59.0, 62.0, 67.0]);
    let c = (48.0, [52.0, 55.0, 60.0, 64.0, 67.0]);
    let d = (50.0, [50.0, 57.0, 62.0, 66.0, 69.0]);
    [g, c, g, d, g, c, d, g]
};
/// The fiddle tune in eighths, 0 holds the note before.
const TUNE: [u8; 64] = [
    74, 0, 76, 74, 71, 0, 67, 69, 72, 0, 76, 0, 79, 76, 74, 72, 71, 0, 74, 0, 71, 69, 67, 0, 69, 0, 0, 66,
    62, 0, 64, 66, 67, 0, 71, 74, 79, 0, 78, 76, 76, 0, 72, 76, 79, 0, 0, 76, 74, 0, 72, 71, 69, 66, 69, 72,
    71, 69, 67, 0, 0, 0, 71, 72,
];

/// Boom-chick: the bass alternates root and fifth on 1 and 3, the guitar is strummed on 2 and 4.
pub(crate) fn country(seed: u64, seconds: f64) -> Part {
    let mut band = Band::new(seed, seconds, Clock { swing: 0.54, ..Clock::straight(126.0) }, 0.008);
    let (mut guitar, mut banjo, mut fiddle, mut bass) = (band.part(), band.part(), band.part(), band.part());
    let (mut drums, mut brushes) = (band.part(), band.part());
    let kick = Kick { hertz: 60.0, decay: 0.09, click: 0.2 };
    let snare = Snare { hertz: 200.0, wires: 0.7, decay: 0.07 };
    let bow = Bow {
        players: 1,
        shape: Envelope { attack: 0.035, decay: 0.4, sustain: 0.8, release: 0.06 },
        glide: Glide { from: -0.7, seconds: 0.07, vibrato: 0.18 },
    };
    for bar in 0..band.bars() {
        let (root, chord) = OPEN[bar % 8];
        let beat = 4.0 * bar as f64;
        let (short, half) = (band.length(0.7), band.length(1.7));
        for (at, up) in [(0.0, 0.0), (2.0, if root > 45.0 { -5.0 } else { 7.0 })] {
            band.play(&mut bass, beat + at, 0.9, |velocity, rng| {
                Pluck::UPRIGHT.note(Note { pitch: root - 12.0 + up, seconds: half, velocity }, rng)
            });
            band.play(&mut guitar, beat + at, 0.6, |velocity, rng| {
                Pluck::STEEL.note(Note { pitch: root + up, seconds: half, velocity }, rng)
            });
        }
        for (pattern, up) in [("..X...X.", false), ("...o...o", true)] {
            band.bar(&mut guitar, bar, pattern, |velocity, rng| {
                strum(&chord, up, Note { pitch: root, seconds: short, velocity }, &Pluck::STEEL, rng)
            });
        }
        let roll = [2, 3, 4, 2, 3, 4, 2, 4];
        for (eighth, string) in roll.into_iter().enumerate() {
            let seconds = band.length(0.5);
            let banjo_string =
                Pluck { sustain: 0.8, bright: 7_000.0, position: 0.08, dull: 0.2, ..Pluck::STEEL };
            band.play(&mut banjo, beat + 0.5 * eighth as f64, 0.7, |velocity, rng| {
                banjo_string.note(Note { pitch: chord[string] + 12.0, seconds, velocity }, rng)
            });
        }
        for eighth in 0..8 {
            let tune = &TUNE[(8 * bar + eighth) % 64..];
            if tune[0] > 0 {
                let held = 1 + tune[1..].iter().take_while(|pitch| **pitch == 0).count();
                let seconds = band.length(0.5 * held as f64 * 0.95);
                let pitch = f64::from(tune[0]);
                band.play(&mut fiddle, beat + 0.5 * eighth as f64, 0.85, |velocity, rng| {
                    bow.note(Note { pitch, seconds, velocity }, rng)
                });
            }
        }
        band.bar(&mut drums, bar, "X...X...", |v, rng| kick.hit(v, rng));
        band.bar(&mut drums, bar, "ooXoooXo", |v, rng| snare.hit(v, rng));
        band.bar(&mut brushes, bar, "oxoxoxox", |_, rng| shaker(0.12, rng));
        band.bar(&mut brushes, bar, "..x...x.", |_, rng| hat(0.02, rng));
    }
    body(&mut guitar, 105.0);
    body(&mut banjo, 420.0);
    body(&mut fiddle, 280.0);
    body(&mut bass, 95.0);
    let mut desk = Desk::new(band.part());
    desk.add(guitar, 0.6, 0.15);
    desk.add(banjo, 0.3, 0.15);
    desk.add(fiddle, 0.6, 0.3);
    desk.add(bass, 0.55, 0.03);
    desk.add(drums, 0.25, 0.15);
    desk.add(brushes, 0.1, 0.1);
    desk.mix(0.9, 4_500.0, 0.7)
}
