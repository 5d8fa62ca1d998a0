//! Conversions between units of frequency, time and loudness.

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
