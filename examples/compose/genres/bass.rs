//! Music that lives from the bass: hip-hop and reggae.

use super::sum;
use crate::band::{Band, Clock, Part};
use crate::desk::Desk;
use crate::effects::echo;
use crate::filters::Biquad;
use crate::instruments::drums::{Kick, Snare, clap, hat, rim, shaker, tom, vinyl};
use crate::instruments::keys::{electric_piano, organ, sub_bass};
use crate::instruments::strings::{Pluck, strum};
use crate::instruments::winds::{AH, EH, OH, voice};
use crate::sound::{Glide, Note};

/// A loop of two bars from an old record: beat, pitch, beats.
const SAMPLE: [(f64, [f64; 4], f64); 4] = [
    (0.0, [60.0, 63.0, 67.0, 70.0], 1.4),
    (1.5, [60.0, 63.0, 67.0, 70.0], 0.5),
    (2.5, [58.0, 62.0, 65.0, 72.0], 1.4),
    (4.0, [56.0, 60.0, 63.0, 67.0], 3.0),
];

pub(crate) fn hiphop(seed: u64, seconds: f64) -> Part {
    let clock = Clock { swing: 0.58, unit: 0.5, ..Clock::straight(90.0) };
    let mut band = Band::new(seed, seconds, clock, 0.006);
    let (mut kick_part, mut snares, mut hats) = (band.part(), band.part(), band.part());
    let (mut bass, mut loop_part, mut chops) = (band.part(), band.part(), band.part());
    let kick = Kick { hertz: 48.0, decay: 0.16, click: 0.6 };
    let snare = Snare { hertz: 175.0, wires: 1.0, decay: 0.12 };
    for bar in 0..band.bars() {
        let beat = 4.0 * bar as f64;
        let feet = if bar % 2 == 0 { "X......x..X....." } else { "X..x...x..X..x.." };
        band.bar(&mut kick_part, bar, feet, |v, rng| kick.hit(v, rng));
        band.bar(&mut snares, bar, "....X..o....X...", |v, rng| snare.hit(v, rng));
        band.bar(&mut snares, bar, "....x.......x...", |_, rng| clap(rng));
        band.bar(&mut hats, bar, "x.xox.xxx.xox.x.", |_, rng| hat(0.025, rng));
        let low = if bar % 2 == 0 {
            [(0.0, 36.0, 1.4), (1.75, 36.0, 0.5), (2.5, 34.0, 1.2)]
        } else {
            [(0.0, 32.0, 1.4), (1.75, 32.0, 0.4), (2.5, 43.0, 1.2)]
        };
        for (at, pitch, beats) in low {
            let seconds = band.length(beats);
            band.play(&mut bass, beat + at, 0.9, |velocity, rng| {
                sub_bass(Note { pitch, seconds, velocity }, rng)
            });
        }
        if bar % 2 == 0 {
            for (at, chord, beats) in SAMPLE {
                let seconds = band.length(beats);
                band.play(&mut loop_part, beat + at, 0.8, |velocity, rng| {
                    sum(&chord, |pitch| electric_piano(Note { pitch, seconds, velocity }, rng))
                });
            }
            for (at, pitch, vowel) in [(3.5, 67.0, AH), (5.5, 70.0, OH), (6.0, 67.0, AH)] {
                let glide = Glide { from: 2.0, seconds: 0.1, vibrato: 0.0 };
                let seconds = band.length(0.3);
                band.play(&mut chops, beat + at, 0.8, |velocity, rng| {
                    voice(Note { pitch, seconds, velocity }, vowel, glide, rng)
                });
            }
        }
    }
    // A sample of a record: neither lows nor highs, and its dust.
    Biquad::high_pass(180.0, 0.7).run(&mut loop_part);
    Biquad::low_pass(2_800.0, 0.7).run(&mut loop_part);
    Biquad::low_pass(3_500.0, 0.7).run(&mut chops);
    let mut dust = band.part();
    band.play(&mut dust, 0.0, 1.0, |_, rng| vinyl(seconds, rng));
    let mut desk = Desk::new(band.part());
    desk.add(kick_part, 0.9, 0.02);
    desk.add(snares, 0.55, 0.12);
    desk.add(hats, 0.16, 0.03);
    desk.add(bass, 0.8, 0.0);
    desk.add(loop_part, 0.35, 0.15);
    desk.add(chops, 0.25, 0.3);
    desk.add(dust, 0.03, 0.0);
    desk.mix(0.7, 3_500.0, 1.2)
}

const REGGAE: [(f64, [f64; 3]); 4] = [
    (33.0, [64.0, 69.0, 72.0]),
    (33.0, [64.0, 69.0, 72.0]),
    (38.0, [65.0, 69.0, 74.0]),
    (31.0, [62.0, 67.0, 71.0]),
];

pub(crate) fn reggae(seed: u64, seconds: f64) -> Part {
    let clock = Clock { swing: 0.58, unit: 0.5, ..Clock::straight(74.0) };
    let mut band = Band::new(seed, seconds, clock, 0.007);
    let (mut drums, mut hats, mut bass) = (band.part(), band.part(), band.part());
    let (mut skank, mut bubble, mut singer) = (band.part(), band.part(), band.part());
    let kick = Kick { hertz: 56.0, decay: 0.13, click: 0.3 };
    for bar in 0..band.bars() {
        let (root, chord) = REGGAE[bar % 4];
        let beat = 4.0 * bar as f64;
        // One drop: nothing on the first beat, drum and rim together on the third.
        band.bar(&mut drums, bar, "..X...X.", |v, rng| kick.hit(v, rng));
        band.bar(&mut drums, bar, "....x..o..x.x.o.", |_, rng| rim(rng));
        band.bar(&mut hats, bar, "xoxxxoxoxoxxxoxo", |_, rng| hat(0.022, rng));
        band.bar(&mut hats, bar, "o.o.o.o.", |_, rng| shaker(0.1, rng));
        if bar % 4 == 3 {
            for (step, hertz) in [230.0, 230.0, 170.0].into_iter().enumerate() {
                band.play(&mut drums, beat + 3.25 + 0.25 * step as f64, 0.7, |_, rng| tom(hertz, rng));
            }
        }
        for (at, up, beats) in
            [(0.5, 0.0, 0.45), (1.0, 0.0, 0.45), (1.75, 7.0, 0.4), (2.25, 3.0, 0.25), (2.5, 0.0, 0.9)]
        {
            let seconds = band.length(beats);
            let up = if up == 3.0 && bar % 4 == 3 { 4.0 } else { up };
            band.play(&mut bass, beat + at, 0.9, |velocity, rng| {
                let string = Pluck { bright: 700.0, dull: 0.35, ..Pluck::BASS };
                string.note(Note { pitch: root + up, seconds, velocity }, rng)
            });
        }
        let chop = band.length(0.14);
        band.bar(&mut skank, bar, "..X...X...X...X.", |velocity, rng| {
            strum(&chord, true, Note { pitch: root, seconds: chop, velocity }, &Pluck::STEEL, rng)
        });
        let hand = band.length(0.2);
        band.bar(&mut bubble, bar, ".ox..ox..ox..ox.", |velocity, rng| {
            sum(&chord, |pitch| {
                organ(
                    Note { pitch: pitch - 12.0, seconds: hand, velocity },
                    &[0.8, 0.0, 1.0, 0.3, 0.0, 0.0],
                    rng,
                )
            })
        });
        let line = [(0.0, 69.0, 0.5, OH), (0.5, 72.0, 0.5, AH), (1.0, 71.0, 0.5, EH), (1.5, 69.0, 1.5, AH)];
        if bar % 2 == 1 {
            for (at, pitch, beats, vowel) in line {
                let glide = Glide { from: -1.5, seconds: 0.15, vibrato: 0.35 };
                let seconds = band.length(beats);
                band.play(&mut singer, beat + at, 0.8, |velocity, rng| {
                    voice(Note { pitch: pitch - 7.0, seconds, velocity }, vowel, glide, rng)
                });
            }
        }
    }
    Biquad::high_pass(300.0, 0.7).run(&mut skank);
    echo(&mut skank, band.length(0.75), 0.35);
    echo(&mut singer, band.length(0.75), 0.3);
    let mut desk = Desk::new(band.part());
    desk.add(drums, 0.45, 0.15);
    desk.add(hats, 0.14, 0.08);
    desk.add(bass, 0.95, 0.0);
    desk.add(skank, 0.4, 0.2);
    desk.add(bubble, 0.28, 0.12);
    desk.add(singer, 0.4, 0.3);
    desk.mix(1.2, 3_500.0, 0.8)
}
