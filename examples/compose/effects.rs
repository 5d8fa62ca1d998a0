//! What stands between the instruments and the record: amplifiers, chorus, echo, reverb, and the mastering chain.

use std::f64::consts::TAU;

use crate::filters::Biquad;
use crate::sound::{RATE, decay, samples};

/// A guitar amplifier: the valve clips on one side before the other, the loudspeaker passes little above 5 kHz.
pub(crate) fn amplifier(signal: &mut [f64], drive: f64) {
    // Bass into the clipper makes mud; the amplifier cuts it before and the loudspeaker gives some back.
    Biquad::high_pass(110.0, 0.7).run(signal);
    Biquad::peak(900.0, 0.6, 4.0).run(signal);
    for sample in &mut *signal {
        *sample = (drive * *sample + 0.15).tanh() - 0.15f64.tanh();
    }
    Biquad::high_pass(75.0, 0.9).run(signal);
    Biquad::peak(140.0, 1.0, 4.0).run(signal);
    Biquad::peak(2_600.0, 1.2, 4.0).run(signal);
    Biquad::low_pass(4_800.0, 0.9).run(signal);
    Biquad::low_pass(5_600.0, 0.6).run(signal);
}

/// Adds copies whose delay swings by some milliseconds.
pub(crate) fn chorus(signal: &mut [f64], depth: f64) {
    let dry = signal.to_vec();
    for (i, sample) in signal.iter_mut().enumerate() {
        let t = i as f64 / RATE;
        for (rate, offset) in [(0.53, 0.0), (0.71, 0.4)] {
            let delay = RATE * (0.014 + 0.004 * (TAU * (rate * t + offset)).sin());
            *sample += depth * between(&dry, i as f64 - delay);
        }
        *sample /= 1.0 + depth;
    }
}

fn between(signal: &[f64], at: f64) -> f64 {
    if at < 0.0 {
        return 0.0;
    }
    let (i, part) = (at as usize, at.fract());
    signal[i] * (1.0 - part) + signal.get(i + 1).unwrap_or(&0.0) * part
}

/// A tape echo: every repeat is quieter and darker.
pub(crate) fn echo(signal: &mut [f64], seconds: f64, feedback: f64) {
    let delay = samples(seconds);
    let mut tape = Biquad::band_pass(900.0, 0.5);
    for i in delay..signal.len() {
        signal[i] += feedback * tape.next(signal[i - delay]);
    }
}

/// Reverberation alone, without the direct sound: eight delay lines that feed each other (J.-M. Jot, 1991).
///
/// `seconds` is the time to fall by 60 dB; walls swallow what lies above `bright` hertz sooner.
pub(crate) fn reverb(signal: &[f64], seconds: f64, bright: f64) -> Vec<f64> {
    // Mutually prime, so that the echoes of no two lines ever fall together.
    const LENGTHS: [usize; 8] = [1_327, 1_511, 1_733, 1_933, 2_203, 2_411, 2_617, 2_909];
    let before = samples(0.018);
    let keep = 1.0 - (-TAU * bright / RATE).exp();
    let mut lines = LENGTHS.map(|length| vec![0.0; length]);
    let gains = LENGTHS.map(|length| decay(seconds).powi(length as i32));
    let mut dull = [0.0; 8];
    (0..signal.len())
        .map(|i| {
            let input = if i < before { 0.0 } else { signal[i - before] };
            let mut taps = [0.0; 8];
            for (k, line) in lines.iter().enumerate() {
                dull[k] += keep * (line[i % line.len()] - dull[k]);
                taps[k] = gains[k] * dull[k];
            }
            // A reflection of the vector of taps (Householder): it mixes all lines and keeps their energy.
            let mean = taps.iter().sum::<f64>() / 4.0;
            for (k, line) in lines.iter_mut().enumerate() {
                let slot = i % line.len();
                line[slot] = taps[k] - mean + input;
            }
            taps.iter().enumerate().map(|(k, tap)| if k % 2 == 0 { *tap } else { -tap }).sum::<f64>() / 4.0
        })
        .collect()
}

/// Turns down what is louder than `threshold` (RMS, linear) by `ratio`; `attack` and `release` in seconds.
pub(crate) fn compress(signal: &mut [f64], threshold: f64, ratio: f64, attack: f64, release: f64) {
    let (rise, fall) = ((-1.0 / (attack * RATE)).exp(), (-1.0 / (release * RATE)).exp());
    let mut power: f64 = 0.0;
    for sample in signal {
        let now = *sample * *sample;
        let keep = if now > power { rise } else { fall };
        power = keep * power + (1.0 - keep) * now;
        let over = power.sqrt() / threshold;
        if over > 1.0 {
            *sample *= over.powf(1.0 / ratio - 1.0);
        }
    }
}

/// Gentle saturation of a bus, of unit gain for quiet signals.
pub(crate) fn saturate(signal: &mut [f64], drive: f64) {
    for sample in signal {
        *sample = (drive * *sample).tanh() / drive;
    }
}

/// The record of a mix: at the loudness asked for (LUFS), without a click at its ends, at half the rate.
pub(crate) fn master(mut mix: Vec<f64>, loudness: f64) -> Vec<f32> {
    Biquad::high_pass(28.0, 0.7).run(&mut mix);
    let gain = 10f64.powf((loudness - self::loudness(&mix)) / 20.0);
    let (ends, length) = (samples(0.01), mix.len());
    let fade = samples(1.2);
    for (i, sample) in mix.iter_mut().enumerate() {
        let edges = (i as f64 / ends as f64).min((length - i) as f64 / fade as f64).min(1.0);
        *sample *= gain * edges * edges;
    }
    limit(&mut mix, 0.88);
    // Two steep low-passes at 9.9 kHz leave next to nothing to alias when every other sample goes.
    for q in [0.54, 1.31, 0.54, 1.31] {
        Biquad::low_pass(9_900.0, q).run(&mut mix);
    }
    mix.iter().step_by(2).map(|sample| *sample as f32).collect()
}

/// Look-ahead limiter: no sample beyond `ceiling`, and no audible corner in the gain.
fn limit(signal: &mut [f64], ceiling: f64) {
    let ahead = samples(0.004);
    let need: Vec<f64> = signal.iter().map(|sample| (ceiling / sample.abs()).min(1.0)).collect();
    let release = (-1.0 / (0.08 * RATE)).exp();
    let mut gain: f64 = 1.0;
    let lowest = |i: usize| need[i..(i + ahead).min(need.len())].iter().copied().fold(1.0, f64::min);
    for (i, sample) in signal.iter_mut().enumerate() {
        let target = lowest(i);
        gain = if target < gain { gain + (target - gain) * 0.05 } else { 1.0 - (1.0 - gain) * release };
        *sample *= gain.min(need[i]);
    }
}

/// Integrated loudness in LUFS (ITU-R BS.1770), without the gates, as these pieces have no silence.
fn loudness(mix: &[f64]) -> f64 {
    let mut weighted = mix.to_vec();
    Biquad::high_shelf(1_500.0, 4.0).run(&mut weighted);
    Biquad::high_pass(38.0, 0.5).run(&mut weighted);
    let power = weighted.iter().map(|x| x * x).sum::<f64>() / weighted.len().max(1) as f64;
    -0.691 + 10.0 * power.max(1e-12).log10()
}
