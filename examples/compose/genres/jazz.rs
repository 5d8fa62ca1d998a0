//! A quartet that swings: the saxophone improvises over ii-V-I while bass and ride cymbal keep time.

use rand::Rng;

use crate::band::{Band, Clock, Part, choose};
use crate::desk::Desk;
use crate::instruments::drums::{Kick, Snare, hat, ride};
use crate::instruments::keys::piano;
use crate::instruments::strings::{Pluck, body};
use crate::instruments::winds::saxophone;
use crate::sound::{Glide, Note};

/// Root of the bass, the pianist's left hand without it, and the scale of the soloist, one chord a bar.
struct Chord {
    root: f64,
    third: f64,
    voicing: [f64; 4],
    scale: [f64; 7],
}

const MINOR: [f64; 7] = [0.0, 2.0, 3.0, 5.0, 7.0, 9.0, 10.0];
const DOMINANT: [f64; 7] = [0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 10.0];
const MAJOR: [f64; 7] = [0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0];
/// With lowered ninth and thirteenth, where the next chord is minor.
const ALTERED: [f64; 7] = [0.0, 1.0, 4.0, 5.0, 7.0, 8.0, 10.0];

const CHANGES: [Chord; 8] = [
    Chord { root: 43.0, third: 3.0, voicing: [58.0, 62.0, 65.0, 69.0], scale: MINOR },
    Chord { root: 36.0, third: 4.0, voicing: [58.0, 62.0, 64.0, 69.0], scale: DOMINANT },
    Chord { root: 41.0, third: 4.0, voicing: [57.0, 60.0, 64.0, 67.0], scale: MAJOR },
    Chord { root: 38.0, third: 4.0, voicing: [54.0, 60.0, 63.0, 65.0], scale: ALTERED },
    Chord { root: 43.0, third: 3.0, voicing: [58.0, 62.0, 65.0, 69.0], scale: MINOR },
    Chord { root: 36.0, third: 4.0, voicing: [58.0, 62.0, 64.0, 69.0], scale: DOMINANT },
    Chord { root: 45.0, third: 3.0, voicing: [55.0, 60.0, 64.0, 67.0], scale: MINOR },
    Chord { root: 38.0, third: 4.0, voicing: [54.0, 60.0, 63.0, 65.0], scale: ALTERED },
];

/// Where a phrase has notes, in eighths of a bar; one letter rests.
const PHRASES: [&str; 6] = ["xxxxxxx.", ".xxxxxxx", "x.xxx.x.", "xxx.x...", "..xxxxxx", "x...xxxx"];
/// When the pianist answers, in eighths.
const COMPING: [&str; 4] = ["x..x....", "...x...x", ".x....x.", "x......x"];

pub(crate) fn swing(seed: u64, seconds: f64) -> Part {
    let clock = Clock { swing: 0.63, ..Clock::straight(164.0) };
    let mut band = Band::new(seed, seconds, clock, 0.007);
    let (mut horn, mut keys, mut bass) = (band.part(), band.part(), band.part());
    let (mut cymbals, mut drums) = (band.part(), band.part());
    let kick = Kick { hertz: 62.0, decay: 0.1, click: 0.1 };
    let snare = Snare { hertz: 210.0, wires: 0.5, decay: 0.09 };
    let mut degree = 9;
    for bar in 0..band.bars() {
        let chord = &CHANGES[bar % CHANGES.len()];
        let next = &CHANGES[(bar + 1) % CHANGES.len()];
        band.bar(&mut cymbals, bar, "X.x.XoX.", |_, rng| ride(rng));
        band.bar(&mut cymbals, bar, "..x...x.", |_, rng| hat(0.025, rng));
        band.bar(&mut drums, bar, "o.o.o.o.", |v, rng| kick.hit(v, rng));
        let ghost = ["...o....", ".....o.o", "........", "..o....x"][choose(&mut band, 4)];
        band.bar(&mut drums, bar, ghost, |v, rng| snare.hit(v, rng));
        walk(&mut band, &mut bass, bar, chord, next);
        let length = band.length(0.45);
        let rhythm = COMPING[choose(&mut band, COMPING.len())];
        band.bar(&mut keys, bar, rhythm, |velocity, rng| {
            let hands = chord.voicing.map(|pitch| piano(Note { pitch, seconds: length, velocity }, rng));
            (0..hands[0].len())
                .map(|i| hands.iter().map(|hand| hand.get(i).unwrap_or(&0.0)).sum::<f64>() / 2.0)
                .collect()
        });
        // Four bars of phrases, the last of them left to the piano.
        if bar % 4 != 3 {
            solo(&mut band, &mut horn, bar, chord, &mut degree);
        }
    }
    body(&mut bass, 95.0);
    let mut desk = Desk::new(band.part());
    desk.add(horn, 0.75, 0.3);
    desk.add(keys, 0.5, 0.25);
    desk.add(bass, 0.65, 0.08);
    desk.add(cymbals, 0.16, 0.2);
    desk.add(drums, 0.16, 0.25);
    desk.mix(0.9, 3_500.0, 0.5)
}

/// Four quarters: the root, two notes of the chord, and a half step into the next root.
fn walk(band: &mut Band, bass: &mut Part, bar: usize, chord: &Chord, next: &Chord) {
    let middle = [[chord.third, 7.0], [7.0, chord.third], [2.0, chord.third], [12.0, 7.0]][choose(band, 4)];
    let side = if choose(band, 2) == 0 { 1.0 } else { -1.0 };
    let line = [chord.root, chord.root + middle[0], chord.root + middle[1], next.root + side];
    for (quarter, pitch) in line.into_iter().enumerate() {
        let seconds = band.length(0.9);
        band.play(bass, (4 * bar + quarter) as f64, 0.85, |velocity, rng| {
            Pluck::UPRIGHT.note(Note { pitch, seconds, velocity }, rng)
        });
    }
}

/// Eighths that walk along the scale of the chord and turn round at the ends of the horn.
fn solo(band: &mut Band, horn: &mut Part, bar: usize, chord: &Chord, degree: &mut i32) {
    let phrase = PHRASES[choose(band, PHRASES.len())].as_bytes();
    let mut direction = if choose(band, 2) == 0 { 1 } else { -1 };
    for eighth in (0..8).filter(|eighth| phrase[*eighth] == b'x') {
        let leap = if band.rng.random_bool(0.2) { 2 } else { 1 };
        *degree += direction * leap;
        // On the beat stands a note of the chord, which are the even degrees.
        if eighth % 2 == 0 && *degree % 2 != 0 {
            *degree += direction;
        }
        if *degree > 14 {
            direction = -1;
        } else if *degree < 5 {
            direction = 1;
        } else if band.rng.random_bool(0.15) {
            direction = -direction;
        }
        let octave = f64::from(degree.div_euclid(7));
        // Roots between 53 and 64, whatever octave the bass is in.
        let root = 53.0 + (chord.root - 53.0).rem_euclid(12.0);
        let pitch = root - 12.0 + 12.0 * octave + chord.scale[degree.rem_euclid(7) as usize];
        let last = phrase.get(eighth + 1) != Some(&b'x');
        let seconds = band.length(if last { 0.9 } else { 0.46 });
        let accent = if eighth % 2 == 1 { 0.85 } else { 0.7 };
        let glide = if last { Glide { from: -0.6, seconds: 0.08, vibrato: 0.3 } } else { Glide::default() };
        band.play(horn, 4.0 * bar as f64 + 0.5 * eighth as f64, accent, |velocity, rng| {
            saxophone(Note { pitch, seconds, velocity }, glide, rng)
        });
    }
}
