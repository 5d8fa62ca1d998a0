use std::fmt;
use std::path::PathBuf;

use timbral_classic::ClassicError;
use timbral_features::FeatureError;
use timbral_nn::NnError;

/// What can go wrong with a model or its file, sorted by who is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The bytes are not a model file: broken safetensors, a missing or broken header, a value that is not finite.
    #[error("the model file is malformed: {0}")]
    Malformed(String),
    /// The file is a model, of a kind or schema that this version does not read.
    #[error("the model is not supported: {0}")]
    Unsupported(String),
    /// A size is beyond what this crate accepts.
    #[error("{what} is {given}; it must be at most {limit}")]
    Limit {
        /// What was measured.
        what: &'static str,
        /// Its value.
        given: u64,
        /// The largest value accepted.
        limit: u64,
    },
    /// A setting breaks a rule.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The setting.
        field: String,
        /// What was given.
        given: String,
        /// The rule, completing "it must be".
        rule: String,
    },
    /// An input or a stored tensor has another shape or type than the architecture asks for.
    #[error("{what} is {given}; it must be {rule}")]
    Shape {
        /// What has the shape.
        what: String,
        /// What was given.
        given: String,
        /// What is needed, completing "it must be".
        rule: String,
    },
    /// The architecture asks for a tensor that the file does not hold.
    #[error("tensor {name} is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// The file holds a tensor that the architecture does not ask for.
    #[error("tensor {name} belongs to no part of the architecture")]
    UnusedTensor {
        /// Its name.
        name: String,
    },
    /// A layer cannot be computed.
    #[error("cannot compute the layer {name}")]
    Layer {
        /// Its path.
        name: String,
        /// The cause.
        source: NnError,
    },
    /// The log-mel statistics cannot be computed.
    #[error("cannot compute the log-mel statistics")]
    Statistics(#[source] FeatureError),
    /// A classic model cannot be put together or applied.
    #[error("cannot apply the classic model")]
    Classic(#[from] ClassicError),
    /// candle failed.
    #[cfg(feature = "candle")]
    #[error("a tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}

impl From<FeatureError> for ModelError {
    fn from(error: FeatureError) -> Self {
        Self::Statistics(error)
    }
}

impl ModelError {
    pub(crate) fn config(field: impl Into<String>, given: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self::Config { field: field.into(), given: given.to_string(), rule: rule.into() }
    }

    pub(crate) fn shape(what: impl Into<String>, given: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self::Shape { what: what.into(), given: given.to_string(), rule: rule.into() }
    }
}

/// An error of the setting unless the rule holds.
pub(crate) fn rule(
    holds: bool,
    field: &str,
    given: impl fmt::Display,
    rule: impl Into<String>,
) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::config(field, given, rule)) }
}

pub(crate) fn between(field: &str, given: usize, least: usize, most: usize) -> Result<(), ModelError> {
    rule((least..=most).contains(&given), field, given, format!("between {least} and {most}"))
}

pub(crate) fn at_least(field: &str, given: usize, least: usize) -> Result<(), ModelError> {
    rule(given >= least, field, given, format!("at least {least}"))
}

/// A fraction that training sets to zero or leaves out.
pub(crate) fn check_fraction(field: &str, given: f64) -> Result<(), ModelError> {
    rule((0.0..1.0).contains(&given), field, given, "at least 0 and below 1")
}

/// The rules that the networks over log-mel spectrograms share.
pub(crate) fn check_bands(bands: usize, bands_per_group: usize) -> Result<(), ModelError> {
    between("bands", bands, 1, 1024)?;
    let divides = bands_per_group > 0 && bands.is_multiple_of(bands_per_group);
    rule(divides, "bands_per_group", bands_per_group, format!("a divisor of the {bands} bands"))
}

pub(crate) fn check_channels(channels: &[usize]) -> Result<(), ModelError> {
    between("number of channels", channels.len(), 1, 12)?;
    let holds = channels.iter().all(|c| (1..=4096).contains(c));
    rule(holds, "channels", format!("{channels:?}"), "between 1 and 4096 each")
}

pub(crate) fn check_hidden(hidden: &[usize]) -> Result<(), ModelError> {
    let holds = hidden.len() <= 16 && hidden.iter().all(|h| (1..=16_384).contains(h));
    rule(holds, "hidden", format!("{hidden:?}"), "at most 16 layers of 1 to 16384 units")
}

pub(crate) fn check_crop(frames: usize) -> Result<(), ModelError> {
    let holds = frames == 0 || (16..=65_536).contains(&frames);
    rule(holds, "crop_frames", frames, "0 or between 16 and 65536")
}
