//! Note onsets: the onset strength envelope, its peaks, and their frames.
//!
//! [`OnsetEnvelope`] goes from samples to the envelope, [`onset_strength`] from a spectrogram in decibels. From the
//! envelope, [`onset_detect`] picks onsets and [`onset_backtrack`] moves them back to where the rise began; [`peak_pick`]
//! works on any curve. [`rhythm`](crate::rhythm) turns the same envelope into tempo and beats.
//!
//! ```
//! use timbral_features::onset::{OnsetEnvelope, OnsetEnvelopeConfig, PeakPickConfig, onset_detect};
//! let mut clicks = vec![0.0; 44_100];
//! clicks[11_025] = 1.0;
//! clicks[33_075] = 1.0;
//! let envelope = OnsetEnvelope::new(OnsetEnvelopeConfig::default())?.compute(&clicks)?;
//! let onsets = onset_detect(&envelope, &PeakPickConfig::for_onsets(22_050, 512), true)?;
//! assert_eq!(onsets.len(), 2);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod detect;
mod envelope;
mod peak_pick;
mod strength;

pub use detect::{onset_backtrack, onset_detect};
pub use envelope::{OnsetEnvelope, OnsetEnvelopeConfig};
pub use peak_pick::{PeakPickConfig, peak_pick};
pub(crate) use strength::{Detrend, maximum_filter, median};
pub use strength::{OnsetAggregate, OnsetStrengthConfig, onset_strength, onset_strength_multi};
