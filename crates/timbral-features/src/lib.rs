#![doc = include_str!("../README.md")]
mod error;
mod resample;
pub use error::FeatureError;
pub use resample::{ResampleConfig, ResampleScratch, ResampleType, Resampler, resample};
