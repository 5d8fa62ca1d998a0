use std::fmt;

use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};

use super::draw::{between, chance, log_between};
use super::waveform::{
    NoiseColor, add_noise, crop, equalizer_tilt, gain, low_pass, pitch_shift, time_stretch,
};
use crate::TrainError;
use crate::rng::SeededRng;

/// Random augmentation of the samples in training. All probabilities are 0 by default: nothing is changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveformAugmentation {
    /// Length of a crop from a random place in seconds; 0 keeps the whole. Training cuts its own crops
    /// ([`TrainConfig::crop_frames`](crate::TrainConfig::crop_frames)), and repeats shorter ones. Default: 0.
    pub crop_seconds: f64,
    /// Probability of a change of speed that keeps the pitch. Default: 0.
    pub stretch_probability: f64,
    /// How many times as fast or as slow at most, 1 to 4; the logarithm is drawn evenly. Default: 1.2.
    pub stretch: f64,
    /// Probability of a change of pitch that keeps the speed. Default: 0.
    pub pitch_probability: f64,
    /// The largest shift in semitones, 0 to 24, up or down; drawn evenly, between the keys as well. Default: 2.
    pub pitch_semitones: f64,
    /// Probability of a tilt of the spectrum. Default: 0.
    pub tilt_probability: f64,
    /// The steepest tilt in dB per octave, 0 to 12, up or down; drawn evenly. Default: 1.5.
    pub tilt_db_per_octave: f64,
    /// The frequency in Hz whose level a tilt keeps, 20 to 20 000. Default: 1000.
    pub tilt_pivot_hz: f64,
    /// Probability of a change of level. Default: 0.
    pub gain_probability: f64,
    /// The largest change in dB, 0 to 100, up or down; drawn evenly. Nothing is clipped. Default: 6.
    pub gain_db: f64,
    /// Probability of added noise. Default: 0.
    pub noise_probability: f64,
    /// Lowest and highest ratio of signal to noise in dB, -60 to 120; drawn evenly. Default: 10 to 40.
    pub noise_snr_db: [f64; 2],
    /// Fraction of the noises that are pink, 0 to 1; the others are white. Default: 0.5.
    pub noise_pink: f64,
    /// Probability of a low pass as that of a lossy codec. Default: 0.
    pub low_pass_probability: f64,
    /// Lowest and highest cutoff in Hz, 20 to 200 000; the logarithm is drawn evenly. Default: 3500 to 16 000.
    pub low_pass_hz: [f64; 2],
    /// Probability that training mixes another track of the step into a crop, each with its fraction of the target. Default: 0.
    pub mix_probability: f64,
    /// Lowest and highest ratio of the crop to the other in dB, -60 to 60; drawn evenly. Default: 0 to 20.
    pub mix_ratio_db: [f64; 2],
}

impl Default for WaveformAugmentation {
    fn default() -> Self {
        Self {
            crop_seconds: 0.0,
            stretch_probability: 0.0,
            stretch: 1.2,
            pitch_probability: 0.0,
            pitch_semitones: 2.0,
            tilt_probability: 0.0,
            tilt_db_per_octave: 1.5,
            tilt_pivot_hz: 1000.0,
            gain_probability: 0.0,
            gain_db: 6.0,
            noise_probability: 0.0,
            noise_snr_db: [10.0, 40.0],
            noise_pink: 0.5,
            low_pass_probability: 0.0,
            low_pass_hz: [3500.0, 16_000.0],
            mix_probability: 0.0,
            mix_ratio_db: [0.0, 20.0],
        }
    }
}

impl WaveformAugmentation {
    /// Checks every field.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the field, its value and the rule that it breaks.
    pub fn validate(&self) -> Result<(), TrainError> {
        for (field, value, low, high) in [
            ("crop_seconds", self.crop_seconds, 0.0, 86_400.0),
            ("stretch_probability", self.stretch_probability, 0.0, 1.0),
            ("stretch", self.stretch, 1.0, 4.0),
            ("pitch_probability", self.pitch_probability, 0.0, 1.0),
            ("pitch_semitones", self.pitch_semitones, 0.0, 24.0),
            ("tilt_probability", self.tilt_probability, 0.0, 1.0),
            ("tilt_db_per_octave", self.tilt_db_per_octave, 0.0, 12.0),
            ("tilt_pivot_hz", self.tilt_pivot_hz, 20.0, 20_000.0),
            ("gain_probability", self.gain_probability, 0.0, 1.0),
            ("gain_db", self.gain_db, 0.0, 100.0),
            ("noise_probability", self.noise_probability, 0.0, 1.0),
            ("noise_pink", self.noise_pink, 0.0, 1.0),
            ("low_pass_probability", self.low_pass_probability, 0.0, 1.0),
            ("mix_probability", self.mix_probability, 0.0, 1.0),
        ] {
            if !(low..=high).contains(&value) {
                let rule = format!("between {low} and {high}");
                return Err(TrainError::config(field, value, rule));
            }
        }
        for (field, [from, to], low, high) in [
            ("noise_snr_db", self.noise_snr_db, -60.0, 120.0),
            ("low_pass_hz", self.low_pass_hz, 20.0, 200_000.0),
            ("mix_ratio_db", self.mix_ratio_db, -60.0, 60.0),
        ] {
            if !((low..=to).contains(&from) && to <= high) {
                let rule = format!("a lower and a higher number between {low} and {high}");
                return Err(TrainError::config(field, format!("[{from}, {to}]"), rule));
            }
        }
        Ok(())
    }

    /// Whether anything may be changed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.crop_seconds > 0.0
            || [
                self.stretch_probability,
                self.pitch_probability,
                self.tilt_probability,
                self.gain_probability,
                self.noise_probability,
                self.low_pass_probability,
                self.mix_probability,
            ]
            .iter()
            .any(|probability| *probability > 0.0)
    }

    /// Draws what is to be done to one signal, in this order: crop, stretch, pitch, tilt, gain, noise, low pass. First what a
    /// player does, then what an acoustic space does, then what a codec does.
    ///
    /// Each change has random numbers of its own: turning one on or off leaves the others as they were.
    pub fn draw(&self, rng: &mut SeededRng) -> Vec<WaveformChange> {
        type Make = fn(&WaveformAugmentation, &mut SeededRng) -> WaveformChange;
        let makers: [(f64, Make); 7] = [
            (f64::from(self.crop_seconds > 0.0), |all, rng| WaveformChange::Crop {
                seconds: all.crop_seconds,
                place: rng.random(),
            }),
            (self.stretch_probability, |all, rng| WaveformChange::Stretch {
                rate: log_between([1.0 / all.stretch, all.stretch], rng),
            }),
            (self.pitch_probability, |all, rng| WaveformChange::Pitch {
                semitones: between([-all.pitch_semitones, all.pitch_semitones], rng),
            }),
            (self.tilt_probability, |all, rng| WaveformChange::Tilt {
                db_per_octave: between([-all.tilt_db_per_octave, all.tilt_db_per_octave], rng),
                pivot_hz: all.tilt_pivot_hz,
            }),
            (self.gain_probability, |all, rng| WaveformChange::Gain {
                db: between([-all.gain_db, all.gain_db], rng),
            }),
            (self.noise_probability, |all, rng| WaveformChange::Noise {
                snr_db: between(all.noise_snr_db, rng),
                color: if chance(all.noise_pink, rng) { NoiseColor::Pink } else { NoiseColor::White },
                seed: rng.next_u64(),
            }),
            (self.low_pass_probability, |all, rng| WaveformChange::LowPass {
                cutoff_hz: log_between(all.low_pass_hz, rng),
            }),
        ];
        let seed = rng.next_u64();
        (0..)
            .zip(makers)
            .filter_map(|(purpose, (probability, make))| {
                let mut rng = SeededRng::with_stream(seed, purpose);
                chance(probability, &mut rng).then(|| make(self, &mut rng))
            })
            .collect()
    }
}

/// One change of a signal, with all that was drawn for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum WaveformChange {
    /// A part of the signal.
    Crop {
        /// Its length.
        seconds: f64,
        /// Where it lies, 0 for the start to 1 for the end.
        place: f64,
    },
    /// Another speed, see [`time_stretch`].
    Stretch {
        /// How many times as fast.
        rate: f64,
    },
    /// Another pitch, see [`pitch_shift`].
    Pitch {
        /// How much higher.
        semitones: f64,
    },
    /// A tilted spectrum, see [`equalizer_tilt`].
    Tilt {
        /// The slope.
        db_per_octave: f64,
        /// The frequency whose level stays.
        pivot_hz: f64,
    },
    /// Another level, see [`gain`].
    Gain {
        /// How much louder.
        db: f64,
    },
    /// Added noise, see [`add_noise`].
    Noise {
        /// Power of the signal over that of the noise.
        snr_db: f64,
        /// Its spectrum.
        color: NoiseColor,
        /// Fixes its samples.
        seed: u64,
    },
    /// No high frequencies, see [`low_pass`].
    LowPass {
        /// The highest that is kept.
        cutoff_hz: f64,
    },
}

impl WaveformChange {
    /// Changes a signal.
    ///
    /// # Errors
    /// [`TrainError::Features`] for samples that are not finite, or a number that the change does not take.
    pub fn apply(&self, samples: &mut Vec<f32>, sample_rate: u32) -> Result<(), TrainError> {
        match *self {
            Self::Crop { seconds, place } => {
                let length = (seconds * f64::from(sample_rate)).round() as usize;
                crop(samples, length, place);
            }
            Self::Stretch { rate } => *samples = time_stretch(samples, rate)?,
            Self::Pitch { semitones } => *samples = pitch_shift(samples, semitones)?,
            Self::Tilt { db_per_octave, pivot_hz } => {
                *samples = equalizer_tilt(samples, sample_rate, db_per_octave, pivot_hz)?
            }
            Self::Gain { db } => gain(samples, db),
            Self::Noise { snr_db, color, seed } => {
                add_noise(samples, snr_db, color, &mut SeededRng::new(seed))?;
            }
            Self::LowPass { cutoff_hz } => *samples = low_pass(samples, sample_rate, cutoff_hz)?,
        }
        Ok(())
    }
}

impl fmt::Display for WaveformChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crop { seconds, place } => write!(f, "crop of {seconds} s at {:.1} %", 100.0 * place),
            Self::Stretch { rate } => write!(f, "{rate:.3} times as fast"),
            Self::Pitch { semitones } => write!(f, "{semitones:+.2} semitones"),
            Self::Tilt { db_per_octave, pivot_hz } => {
                write!(f, "{db_per_octave:+.2} dB per octave around {pivot_hz:.0} Hz")
            }
            Self::Gain { db } => write!(f, "{db:+.2} dB"),
            Self::Noise { snr_db, color, .. } => write!(f, "{color} noise at {snr_db:.1} dB"),
            Self::LowPass { cutoff_hz } => write!(f, "nothing above {cutoff_hz:.0} Hz"),
        }
    }
}

/// Draws changes and makes them; gives what was done. Stretch and crop change the length. The same generator state gives the
/// same change on any number of threads.
///
/// # Errors
/// [`TrainError::Config`] for settings that break a rule, [`TrainError::Features`] for samples that are not finite.
///
/// ```
/// use timbral_train::augment::{WaveformAugmentation, augment_waveform};
/// use timbral_train::SeededRng;
/// let mut samples: Vec<f32> = (0..22_050).map(|i| 0.5 * (i as f32 * 0.06).sin()).collect();
/// let settings = WaveformAugmentation { gain_probability: 1.0, noise_probability: 0.5, ..Default::default() };
/// let mut rng = SeededRng::new(7);
/// for change in augment_waveform(&mut samples, 22_050, &settings, &mut rng)? {
///     println!("{change}");
/// }
/// # Ok::<(), timbral_train::TrainError>(())
/// ```
pub fn augment_waveform(
    samples: &mut Vec<f32>,
    sample_rate: u32,
    settings: &WaveformAugmentation,
    rng: &mut SeededRng,
) -> Result<Vec<WaveformChange>, TrainError> {
    settings.validate()?;
    let changes = settings.draw(rng);
    for change in &changes {
        change.apply(samples, sample_rate)?;
    }
    Ok(changes)
}
