//! Front ends of well-known models and programs, number for number.

mod musicnn;
mod speech;
mod whisper;

pub use musicnn::{MusicnnMel, MusicnnMelConfig};
pub use speech::{SpeechFeatures, SpeechFeaturesConfig, SpeechMfccConfig, speech_delta};
pub use whisper::{WhisperMel, WhisperMelConfig};
