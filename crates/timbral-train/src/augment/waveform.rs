use std::f64::consts::PI;
use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};
use timbral_features::effects::{PitchShift, PitchShiftConfig, TimeStretch, TimeStretchConfig};
use timbral_features::stft::{Istft, IstftConfig};
use timbral_features::{FeaturePlan, Stft, StftConfig};

use super::draw::normal_pair;
use crate::TrainError;
use crate::rng::SeededRng;

/// Levels beyond this many dB cannot be meant; they count as this.
const LARGEST_DB: f64 = 200.0;
/// Where the slope of a tilt ends at the low side, in Hz: nothing below is audible.
const LOWEST_HZ: f64 = 20.0;
/// Bins of the transform over which a low pass falls.
const FALL_BINS: f64 = 4.0;

/// The spectrum of added noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoiseColor {
    /// The same power in every hertz, as electronics hiss. The default.
    #[default]
    White,
    /// The same power in every octave, as rain and crowds do about.
    Pink,
}

impl fmt::Display for NoiseColor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::White => "white",
            Self::Pink => "pink",
        })
    }
}

/// Makes samples louder by `db` decibels. They are not clipped.
pub fn gain(samples: &mut [f32], db: f64) {
    let factor = amplitude(db) as f32;
    samples.iter_mut().for_each(|sample| *sample *= factor);
}

/// Adds Gaussian noise whose power over the whole signal lies `snr_db` decibels below that of the signal, exactly. Silence
/// stays silence: it has no level to hold noise against.
///
/// # Errors
/// [`TrainError::Features`] if the noise cannot be coloured, which needs more memory than there is.
pub fn add_noise(
    samples: &mut [f32],
    snr_db: f64,
    color: NoiseColor,
    rng: &mut SeededRng,
) -> Result<(), TrainError> {
    let mut noise = Vec::with_capacity(samples.len() + 1);
    while noise.len() < samples.len() {
        let (a, b) = normal_pair(rng);
        noise.extend([a, b]);
    }
    noise.truncate(samples.len());
    if color == NoiseColor::Pink {
        // Below 1 / 2048 of the rate, the first bin of the transform, the spectrum is flat.
        noise = filter(&noise, |frequency| frequency.max(1.0 / 2048.0).powf(-0.5))?;
    }
    let (signal, unscaled) = (power(samples), power(&noise));
    if usable(signal) && usable(unscaled) {
        let scale = ((signal / unscaled).sqrt() * amplitude(-snr_db)) as f32;
        for (sample, noise) in samples.iter_mut().zip(&noise) {
            *sample += scale * noise;
        }
    }
    Ok(())
}

/// The signal `semitones` higher (or lower, if negative), of the same length: [`PitchShift`].
///
/// # Errors
/// [`TrainError::Features`] for samples that are not finite, or a shift of more than ten octaves.
pub fn pitch_shift(samples: &[f32], semitones: f64) -> Result<Vec<f32>, TrainError> {
    let config = PitchShiftConfig { n_steps: semitones, ..PitchShiftConfig::default() };
    Ok(PitchShift::new(config)?.compute(samples)?)
}

/// The signal `rate` times as fast at the same pitch, `round(samples / rate)` samples: [`TimeStretch`].
///
/// # Errors
/// [`TrainError::Features`] for samples that are not finite, or a rate that is not above 0.
pub fn time_stretch(samples: &[f32], rate: f64) -> Result<Vec<f32>, TrainError> {
    let config = TimeStretchConfig { rate, ..TimeStretchConfig::default() };
    Ok(TimeStretch::new(config)?.compute(samples)?)
}

/// Tilts the spectrum by `db_per_octave` around `pivot_hz`, whose level stays: what lies an octave above is louder by that
/// much, what lies an octave below softer. Frequencies below 20 Hz are treated as 20 Hz. No frequency is delayed.
///
/// # Errors
/// [`TrainError::Features`] for samples that are not finite.
pub fn equalizer_tilt(
    samples: &[f32],
    sample_rate: u32,
    db_per_octave: f64,
    pivot_hz: f64,
) -> Result<Vec<f32>, TrainError> {
    let pivot = pivot_hz.max(LOWEST_HZ);
    filter(samples, |frequency| {
        let hz = (frequency * f64::from(sample_rate)).max(LOWEST_HZ);
        amplitude(db_per_octave * (hz / pivot).log2())
    })
}

/// Takes away everything above `cutoff_hz`, as lossy codecs do at low bit rates: within 1/512 of the sample rate above it the
/// level falls to nothing. A cutoff at or above half the sample rate changes nothing. No frequency is delayed.
///
/// # Errors
/// [`TrainError::Features`] for samples that are not finite.
pub fn low_pass(samples: &[f32], sample_rate: u32, cutoff_hz: f64) -> Result<Vec<f32>, TrainError> {
    let cutoff = cutoff_hz.max(0.0) / f64::from(sample_rate.max(1));
    if cutoff >= 0.5 {
        return Ok(samples.to_vec());
    }
    let fall = FALL_BINS / StftConfig::default().n_fft as f64;
    filter(samples, |frequency| {
        let beyond = ((frequency - cutoff) / fall).clamp(0.0, 1.0);
        0.5 + 0.5 * (PI * beyond).cos()
    })
}

/// Keeps `length` samples from a random place. A signal that is not longer stays as it is.
pub fn random_crop(samples: &mut Vec<f32>, length: usize, rng: &mut SeededRng) {
    crop(samples, length, rng.random());
}

/// As [`random_crop`], from `place`, 0 for the start to 1 for the end.
pub(crate) fn crop(samples: &mut Vec<f32>, length: usize, place: f64) {
    let Some(spare) = samples.len().checked_sub(length) else {
        return;
    };
    // Every start is as likely as any other, for a place drawn evenly from [0, 1).
    let start = ((place * (spare + 1) as f64) as usize).min(spare);
    samples.drain(..start);
    samples.truncate(length);
}

/// Makes a signal `length` samples long: a longer one loses its end, a shorter one is repeated. Of no samples come zeros.
pub fn fit_length(samples: &mut Vec<f32>, length: usize) {
    let given = samples.len();
    if given == 0 {
        samples.resize(length, 0.0);
    }
    samples.truncate(length);
    while samples.len() < length {
        let more = (length - samples.len()).min(samples.len());
        samples.extend_from_within(..more);
    }
}

/// Mixes `other` into `samples` so that their powers differ by `ratio_db` (above 0 the first is the louder one). Uncorrelated
/// signals keep the power of the first. An `other` that is too short is repeated, one too long loses its end.
///
/// Gives the fraction of the first in the target of the mixture: that of its amplitude, `1 / (1 + 10^(-ratio_db / 20))` (Tokozume,
/// Ushiku and Harada, "Learning from between-class examples", 2018). Where either is silent nothing is mixed, and the fraction is 1.
pub fn mix_signals(samples: &mut [f32], other: &[f32], ratio_db: f64) -> f64 {
    let mut other = other.to_vec();
    fit_length(&mut other, samples.len());
    let (first, second) = (power(samples), power(&other));
    if !(usable(first) && usable(second)) {
        return 1.0;
    }
    let weaker = amplitude(-ratio_db);
    let whole = (1.0 + weaker * weaker).sqrt();
    let (keep, add) = (1.0 / whole, weaker * (first / second).sqrt() / whole);
    for (sample, other) in samples.iter_mut().zip(&other) {
        *sample = (keep * f64::from(*sample) + add * f64::from(*other)) as f32;
    }
    1.0 / (1.0 + weaker)
}

/// The factor of a level in dB; 1 for one that is no number.
fn amplitude(db: f64) -> f64 {
    if db.is_nan() {
        return 1.0;
    }
    10f64.powf(db.clamp(-LARGEST_DB, LARGEST_DB) / 20.0)
}

/// Mean square; 0 of no samples.
fn power(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    sum / samples.len().max(1) as f64
}

/// Whether levels can be held against this power.
fn usable(power: f64) -> bool {
    power > 0.0 && power.is_finite()
}

/// Multiplies the spectrum by `gain`, a function of the frequency in cycles a sample, in short overlapping frames.
fn filter(samples: &[f32], gain: impl Fn(f64) -> f64) -> Result<Vec<f32>, TrainError> {
    let config = StftConfig::default();
    let gains: Vec<f32> =
        (0..=config.n_fft / 2).map(|bin| gain(bin as f64 / config.n_fft as f64) as f32).collect();
    let mut transform = Stft::new(config.clone())?.compute(samples)?;
    for mut frame in transform.columns_mut() {
        for (value, gain) in frame.iter_mut().zip(&gains) {
            *value *= *gain;
        }
    }
    let inverse = Istft::new(IstftConfig { stft: config, length: Some(samples.len()) })?;
    Ok(inverse.compute(transform.view())?)
}
