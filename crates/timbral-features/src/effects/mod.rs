//! Effects on signals.

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
