//! Writes the demo song: a disco tune of our own for drums, bass, strings and electric piano, synthesised here.
//!
//! The same command always writes the same bytes.

use std::f32::consts::TAU;
use std::path::PathBuf;

use clap::Parser;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const RATE: f32 = 22_050.0;
const BEAT: f32 = 60.0 / 120.0;
const BARS: usize = 12;
/// Root of the bass and the notes above it, as MIDI numbers, one chord a bar: a minor, F, C, G.
const CHORDS: [(f32, [f32; 3]); 4] = [
    (33.0, [57.0, 60.0, 64.0]),
    (29.0, [57.0, 60.0, 65.0]),
    (36.0, [55.0, 60.0, 64.0]),
    (31.0, [55.0, 59.0, 62.0]),
];
/// Melody of four bars in eighths; 0 rests.
const MELODY: [u8; 32] = [
    76, 0, 76, 74, 72, 0, 69, 72, 77, 0, 77, 76, 74, 0, 72, 0, 79, 0, 76, 79, 81, 79, 76, 72, 74, 0, 71, 74,
    79, 0, 0, 0,
];

/// Write the demo song as a WAV file.
#[derive(Parser)]
#[command(version, after_help = "Example:\n  cargo run --release -p compose --example compose -- demo.wav")]
struct Arguments {
    /// WAV file to write.
    output: PathBuf,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let song = song();
        let audio =
            timbral_decode::Audio { samples: song, sample_rate: RATE as u32, channels: 1, warnings: vec![] };
        timbral_decode::write_wav(&arguments.output, &audio, timbral_decode::WavFormat::Int16)?;
        Ok(())
    })
}

fn song() -> Vec<f32> {
    let seconds = BARS as f32 * 4.0 * BEAT + 1.5;
    let mut song = vec![0.0; (seconds * RATE) as usize];
    let mut noise = ChaCha8Rng::seed_from_u64(1977);
    for bar in 0..BARS {
        let (root, chord) = CHORDS[bar % 4];
        let start = bar as f32 * 4.0 * BEAT;
        for beat in 0..4 {
            let time = start + beat as f32 * BEAT;
            mix(&mut song, time, 0.3, kick);
            if beat % 2 == 1 {
                mix(&mut song, time, 0.2, |t| snare(t, noise.random_range(-1.0..1.0)));
            }
            // The open hi-hat between the beats is what makes it disco.
            let mut last = 0.0;
            mix(&mut song, time + BEAT / 2.0, 0.16, |t| {
                let white: f32 = noise.random_range(-1.0..1.0);
                let high = white - last;
                last = white;
                0.13 * high * (-t * 22.0).exp()
            });
            for half in 0..2 {
                let octave = 12.0 * half as f32;
                mix(&mut song, time + half as f32 * BEAT / 2.0, 0.24, |t| bass(t, hertz(root + octave)));
            }
            if bar >= 2 {
                for note in chord {
                    mix(&mut song, time + BEAT / 2.0, 0.5, |t| piano(t, hertz(note)));
                }
            }
        }
        if bar >= 4 {
            for note in chord {
                mix(&mut song, start, 4.0 * BEAT, |t| strings(t, hertz(note + 12.0)));
            }
            for (eighth, &note) in
                MELODY[bar % 4 * 8..][..8].iter().enumerate().filter(|(_, note)| **note > 0)
            {
                let time = start + eighth as f32 * BEAT / 2.0;
                mix(&mut song, time, 0.6, |t| 1.6 * piano(t, hertz(f32::from(note))));
            }
        }
    }
    let peak = song.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    song.iter().map(|s| 0.9 * s / peak).collect()
}

/// Adds an instrument from `start` on for `length` seconds; it is a function of the seconds since its start.
fn mix(song: &mut [f32], start: f32, length: f32, mut instrument: impl FnMut(f32) -> f32) {
    let from = (start * RATE) as usize;
    for (i, sample) in song.iter_mut().skip(from).take((length * RATE) as usize).enumerate() {
        let t = i as f32 / RATE;
        // A few milliseconds of fade, so that no note ends in a click.
        *sample += instrument(t) * ((length - t) * 200.0).min(1.0);
    }
}

fn hertz(note: f32) -> f32 {
    440.0 * ((note - 69.0) / 12.0).exp2()
}

fn kick(t: f32) -> f32 {
    // The pitch falls from 170 to 50 Hz; this is the phase of that fall.
    let phase = 50.0 * t + 120.0 * (1.0 - (-t * 30.0).exp()) / 30.0;
    0.9 * (TAU * phase).sin() * (-t * 14.0).exp()
}

fn snare(t: f32, noise: f32) -> f32 {
    0.3 * noise * (-t * 20.0).exp() + 0.25 * (TAU * 190.0 * t).sin() * (-t * 30.0).exp()
}

/// A band-limited sawtooth whose harmonics fade at their own pace, as a filter that closes.
fn saw(t: f32, hertz: f32, harmonics: usize, closing: f32) -> f32 {
    (1..=harmonics)
        .map(|k| k as f32)
        .filter(|k| k * hertz < RATE / 2.0)
        .map(|k| (TAU * k * hertz * t).sin() / k * (-t * closing * k).exp())
        .sum()
}

fn bass(t: f32, hertz: f32) -> f32 {
    0.4 * saw(t, hertz, 10, 1.2) * (t * 300.0).min(1.0)
}

fn strings(t: f32, hertz: f32) -> f32 {
    let vibrato = 0.004 * (TAU * 5.5 * t).sin();
    let pair = saw(t + vibrato / 30.0, hertz * 1.003, 12, 0.0) + saw(t, hertz * 0.997, 12, 0.0);
    0.035 * pair * (t * 4.0).min(1.0)
}

/// Two sines, one modulating the phase of the other (Chowning 1973), as in the electric pianos of the time.
fn piano(t: f32, hertz: f32) -> f32 {
    let modulation = 1.6 * (-t * 9.0).exp() * (TAU * 14.0 * hertz * t).sin();
    0.12 * ((TAU * hertz * t).sin() + 0.4 * (TAU * hertz * t + modulation).sin()) * (-t * 5.0).exp()
}
