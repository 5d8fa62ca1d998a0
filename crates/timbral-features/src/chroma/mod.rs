//! Pitch classes: where spectral peaks lie, how far a recording is from A440, and the energy of each of twelve classes.

mod pitch_track;
mod stft;
mod tuning;

pub use pitch_track::{PiptrackConfig, PiptrackReference, Pitches, piptrack};
pub(crate) use stft::normalize_frame;
pub use stft::{ChromaStft, ChromaStftConfig, ChromaStftScratch};
pub use tuning::{TuningConfig, estimate_tuning, pitch_tuning, tuning_of_spectrogram};
