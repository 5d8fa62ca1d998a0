//! Fundamental frequency, spectral peaks and tuning.
//!
//! | take | for |
//! |---|---|
//! | [`Pyin`] | one melody: frequency, whether the frame is voiced, and how probable that is |
//! | [`Yin`] | the same at a fraction of the cost, without a decision on voicing |
//! | [`piptrack`] | every peak of a spectrogram, for polyphonic sound |
//! | [`estimate_tuning`] | how far a recording is from A440, in fractions of a bin |
//!
//! ```
//! use timbral_features::pitch::{Yin, YinConfig};
//! let a4: Vec<f32> = (0..22_050).map(|i| (i as f32 * std::f32::consts::TAU * 440.0 / 22_050.0).sin()).collect();
//! let f0 = Yin::new(YinConfig::default())?.compute(&a4)?;
//! assert!((f0[20] - 440.0).abs() < 1.0);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod beta;
mod difference;
mod piptrack;
mod pyin;
mod tuning;
mod yin;

pub use difference::PitchScratch;
pub(crate) use piptrack::check_spectrogram;
pub use piptrack::{PiptrackConfig, PiptrackReference, Pitches, piptrack};
pub use pyin::{PitchTrack, Pyin, PyinConfig};
pub(crate) use tuning::tuning_of_checked;
pub use tuning::{TuningConfig, estimate_tuning, pitch_tuning, tuning_of_spectrogram};
pub use yin::{Yin, YinConfig};
