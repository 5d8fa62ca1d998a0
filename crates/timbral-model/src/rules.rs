//! The rules of sizes that are read from strangers' files.

use crate::ModelError;

/// An error with `text` unless the rule holds.
pub(crate) fn rule(holds: bool, text: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Config(text())) }
}

/// The rules that the networks over log-mel spectrograms share.
pub(crate) fn check_bands(bands: usize, bands_per_group: usize) -> Result<(), ModelError> {
    rule((1..=1024).contains(&bands), || format!("{bands} bands, 1 to 1024 are allowed"))?;
    rule(bands_per_group > 0 && bands.is_multiple_of(bands_per_group), || {
        format!("{bands} bands do not divide into groups of {bands_per_group}")
    })
}

pub(crate) fn check_channels(channels: &[usize]) -> Result<(), ModelError> {
    rule((1..=12).contains(&channels.len()), || format!("{} blocks, 1 to 12 are allowed", channels.len()))?;
    rule(channels.iter().all(|c| (1..=4096).contains(c)), || {
        format!("channels {channels:?}, each must be 1 to 4096")
    })
}

pub(crate) fn check_fraction(name: &str, fraction: f64) -> Result<(), ModelError> {
    rule((0.0..1.0).contains(&fraction), || format!("{name} is {fraction}; it must be in [0, 1)"))
}

pub(crate) fn check_size(name: &str, size: usize, least: usize, most: usize) -> Result<(), ModelError> {
    rule((least..=most).contains(&size), || format!("{name} is {size}, {least} to {most} are allowed"))
}

pub(crate) fn check_crop(frames: usize) -> Result<(), ModelError> {
    rule(frames == 0 || (16..=65_536).contains(&frames), || {
        format!("crops of {frames} frames, 0 or 16 to 65536 are allowed")
    })
}

pub(crate) fn check_hidden(hidden: &[usize]) -> Result<(), ModelError> {
    rule(hidden.len() <= 16 && hidden.iter().all(|h| (1..=16_384).contains(h)), || {
        format!("hidden layers {hidden:?}, at most 16 of 1 to 16384 units")
    })
}
