//! Statistics over time of log-mel spectrograms: fixed-length rows for classic models and dense networks.
//!
//! [`LogMelStatistics`] turns a spectrogram of any length into one row; [`level_contour`] summarises how its level moves,
//! in seven values that separate speech from music.
//!
//! ```
//! use ndarray::Array2;
//! use timbral_features::log_mel_statistics::{LogMelStatistics, LogMelStatisticsConfig};
//!
//! let plan = LogMelStatistics::new(LogMelStatisticsConfig::default())?;
//! let spectrogram = Array2::from_shape_fn((128, 400), |(band, frame)| -((band + frame) as f32 % 80.0));
//! assert_eq!(plan.compute(spectrogram.view())?.len(), plan.config().len());
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod config;
mod contour;
mod covariance;
mod moments;
mod plan;
mod texture;

pub use config::LogMelStatisticsConfig;
pub use contour::{CONTOUR_VALUES, level_contour};
pub use plan::LogMelStatistics;
