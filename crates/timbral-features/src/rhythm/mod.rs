//! Tempo and beats from an onset envelope (`librosa.beat` and `librosa.feature.rhythm`).
//!
//! | take | for |
//! |---|---|
//! | [`beat_track`] | tempo and the frames of the beats, for a steady tempo |
//! | [`plp`] | a pulse curve that follows a changing tempo |
//! | [`Tempo`] | beats per minute only, for the whole signal or for each frame |
//! | [`Tempogram`], [`FourierTempogram`] | periodicity over time, as autocorrelation or as spectrum |
//! | [`tempogram_ratio`] | a tempogram at multiples of the tempo: the metre |
//!
//! ```
//! use timbral_features::rhythm::{Tempo, TempoConfig};
//! // An onset every 21.53 frames of 512 samples at 22 050 Hz: 120 beats per minute.
//! let envelope: Vec<f32> = (0..860).map(|t| if (t as f32 % 21.53) < 1.0 { 1.0 } else { 0.0 }).collect();
//! let bpm = Tempo::new(TempoConfig::default())?.compute(&envelope)?;
//! assert!((bpm - 120.0).abs() < 4.0);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

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

/// Rejects a sample rate or a hop of zero.
fn check_rate(sample_rate: u32, hop_length: usize) -> Result<(), FeatureError> {
    if sample_rate == 0 {
        return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
    }
    if hop_length == 0 {
        return Err(FeatureError::config("hop_length", "0", "at least 1"));
    }
    Ok(())
}

/// Rejects a setting that is not finite and above zero.
fn check_positive(parameter: &'static str, value: f64) -> Result<(), FeatureError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(FeatureError::config(parameter, value, "finite and above 0"))
    }
}

/// The tempo of an autocorrelation lag in beats per minute; infinite for lag 0.
fn lag_to_bpm(lag: usize, sample_rate: u32, hop_length: usize) -> f64 {
    60.0 * f64::from(sample_rate) / (hop_length as f64 * lag as f64)
}
