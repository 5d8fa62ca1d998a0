//! Tempo and beats: what a listener's foot would do, from an onset envelope.

mod autocorrelation;
mod beat;
mod fourier;
mod plp;
mod ratio;
mod tempo;
mod tempogram;

pub use beat::{BeatTempo, BeatTrackConfig, Beats, beat_track};
pub use fourier::{FourierTempogram, FourierTempogramConfig};
pub use plp::{PlpConfig, plp};
pub use ratio::{TempogramRatioConfig, tempogram_ratio};
pub use tempo::{Tempo, TempoConfig};
pub use tempogram::{Tempogram, TempogramConfig, TempogramScratch};

use crate::error::FeatureError;

/// Refuses a sample rate or a hop of zero.
fn check_rate(sample_rate: u32, hop_length: usize) -> Result<(), FeatureError> {
    if sample_rate == 0 {
        return Err(FeatureError::config("sample_rate", "0 Hz given, must be above 0"));
    }
    if hop_length == 0 {
        return Err(FeatureError::config("hop_length", "0 given, frames advance by at least one sample"));
    }
    Ok(())
}

/// Refuses a parameter that is not finite and above zero.
fn check_positive(parameter: &'static str, value: f64) -> Result<(), FeatureError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(FeatureError::config(parameter, format!("{value} given, must be finite and above 0")))
    }
}

/// The tempo of an autocorrelation lag in beats per minute; infinite for lag 0.
fn lag_to_bpm(lag: usize, sample_rate: u32, hop_length: usize) -> f64 {
    60.0 * f64::from(sample_rate) / (hop_length as f64 * lag as f64)
}
