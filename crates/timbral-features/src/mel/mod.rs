//! Mel spectrograms, plain and in decibels.

mod log;
mod plain;

pub use log::{LogMelConfig, LogMelSpectrogram};
pub use plain::{MelConfig, MelScratch, MelSpectrogram};
