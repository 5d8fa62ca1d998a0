//! The rules of sizes that are read from strangers' files.

use std::fmt::Display;

use crate::ModelError;

/// An error of the setting unless the rule, which completes "it must be", holds.
pub(crate) fn rule(
    holds: bool,
    field: &str,
    given: impl Display,
    rule: impl FnOnce() -> String,
) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::config(field, given, rule())) }
}

/// The rules that the networks over log-mel spectrograms share.
pub(crate) fn check_bands(bands: usize, bands_per_group: usize) -> Result<(), ModelError> {
    check_size("bands", bands, 1, 1024)?;
    check_divides("bands_per_group", bands_per_group, bands, "bands")
}

/// That a size divides another.
pub(crate) fn check_divides(field: &str, size: usize, whole: usize, of: &str) -> Result<(), ModelError> {
    rule(size > 0 && whole.is_multiple_of(size), field, size, || format!("a divisor of {whole}, the {of}"))
}

pub(crate) fn check_channels(channels: &[usize]) -> Result<(), ModelError> {
    check_size("number of channels", channels.len(), 1, 12)?;
    let holds = channels.iter().all(|c| (1..=4096).contains(c));
    rule(holds, "channels", format!("{channels:?}"), || "between 1 and 4096 each".into())
}

pub(crate) fn check_fraction(name: &str, fraction: f64) -> Result<(), ModelError> {
    rule((0.0..1.0).contains(&fraction), name, fraction, || "at least 0 and below 1".into())
}

pub(crate) fn check_size(name: &str, size: usize, least: usize, most: usize) -> Result<(), ModelError> {
    rule((least..=most).contains(&size), name, size, || format!("between {least} and {most}"))
}

pub(crate) fn check_crop(frames: usize) -> Result<(), ModelError> {
    let holds = frames == 0 || (16..=65_536).contains(&frames);
    rule(holds, "crop_frames", frames, || "0 or between 16 and 65536".into())
}

pub(crate) fn check_hidden(hidden: &[usize]) -> Result<(), ModelError> {
    let holds = hidden.len() <= 16 && hidden.iter().all(|h| (1..=16_384).contains(h));
    rule(holds, "hidden", format!("{hidden:?}"), || "at most 16 layers of 1 to 16384 units".into())
}
