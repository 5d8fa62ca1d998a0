//! Conversions between units of frequency, pitch, time and loudness.
//!
//! Frequencies and times are `f64`, whatever the features are computed in. Functions of one number are plain; those
//! that can fail, because a note has no such name, return a `Result`.
//!
//! ```
//! use timbral_features::convert::{NoteStyle, frames_to_time, hz_to_mel, hz_to_note};
//! assert_eq!(hz_to_note(440.0, NoteStyle::default())?, "A4");
//! assert!((hz_to_mel(1000.0, false) - 15.0).abs() < 1e-12);
//! assert!((frames_to_time(43, 22_050.0, 512, None) - 0.998).abs() < 1e-3);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod frequency;
mod notes;
mod time;
mod weighting;

pub use frequency::{
    a4_to_tuning, cqt_frequencies, fft_frequencies, fourier_tempo_frequencies, hz_to_mel, hz_to_midi,
    hz_to_octs, mel_frequencies, mel_to_hz, midi_to_hz, octs_to_hz, tempo_frequencies, tuning_to_a4,
};
pub use notes::{NoteStyle, hz_to_note, midi_to_note, note_to_midi};
pub use time::{
    frames_to_samples, frames_to_time, samples_to_frames, samples_to_time, time_to_frames, time_to_samples,
};
pub use weighting::{Weighting, a_weighting, b_weighting, c_weighting, d_weighting};
