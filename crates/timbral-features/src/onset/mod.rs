//! Note onsets: envelopes, peaks and times.

mod detect;
mod envelope;
mod peak_pick;
mod strength;

pub use detect::{onset_backtrack, onset_detect};
pub use envelope::{OnsetEnvelope, OnsetEnvelopeConfig};
pub use peak_pick::{PeakPickConfig, peak_pick};
pub(crate) use strength::{Detrend, maximum_filter, median};
pub use strength::{OnsetAggregate, OnsetStrengthConfig, onset_strength, onset_strength_multi};
