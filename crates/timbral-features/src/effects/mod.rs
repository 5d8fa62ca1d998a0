//! Effects from samples to samples: separation, stretching, trimming, emphasis, and sound from magnitudes.
//!
//! | take | for |
//! |---|---|
//! | [`Separation`] | the harmonic and the percussive part of a recording |
//! | [`TimeStretch`], [`PitchShift`] | another tempo at the same pitch, and the reverse |
//! | [`trim`], [`split`] | the ranges that are not silent |
//! | [`preemphasis`], [`deemphasis`] | a first-order filter that raises high frequencies, and its inverse |
//! | [`GriffinLim`] | samples from magnitudes without phases |
//! | [`phase_vocoder`] | the spectra behind [`TimeStretch`] |
//!
//! ```
//! use timbral_features::effects::{SilenceConfig, trim};
//! let mut samples = vec![0.0; 22_050];
//! samples[8000..12_000].iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32 * 0.1).sin());
//! let range = trim(&samples, &SilenceConfig::default())?;
//! assert!(range.start > 5000 && range.end < 15_000);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod emphasis;
mod griffin_lim;
mod separation;
mod silence;
mod stretch;
mod vocoder;

pub use emphasis::{DEFAULT_EMPHASIS, deemphasis, preemphasis};
pub use griffin_lim::{GriffinLim, GriffinLimConfig};
pub use separation::{Separation, SeparationConfig};
pub use silence::{SilenceConfig, split, trim};
pub use stretch::{PitchShift, PitchShiftConfig, TimeStretch, TimeStretchConfig};
pub use vocoder::phase_vocoder;
