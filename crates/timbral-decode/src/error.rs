//! What can go wrong, sorted by who is at fault.

use std::io;
use std::path::PathBuf;

use crate::audio::Warning;

/// Why a source could not be decoded. Every message names the source and, where a rule was broken, the value and the rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The source could not be opened or read.
    #[error("cannot read {name}")]
    Io {
        /// The path, or what stands for it where there is none.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The source has no bytes.
    #[error("{name} is empty (0 bytes)")]
    Empty {
        /// The path, or what stands for it where there is none.
        name: String,
    },
    /// The bytes are of no format or codec that this crate decodes.
    #[error("{name}: {reason}")]
    Unsupported {
        /// The path, or what stands for it where there is none.
        name: String,
        /// What was found.
        reason: String,
    },
    /// The format is known, but its cargo feature is off in this build.
    #[error(
        "{name} is {format}, which is off in this build; enable the feature `{feature}` of timbral-decode"
    )]
    FeatureDisabled {
        /// The path, or what stands for it where there is none.
        name: String,
        /// The container or codec found.
        format: &'static str,
        /// The cargo feature that decodes it.
        feature: &'static str,
    },
    /// The container needs to seek, and the source cannot.
    #[error("{name}: {reason}; the source cannot seek, so save it to a file or pass its bytes")]
    Unseekable {
        /// The path, or what stands for it where there is none.
        name: String,
        /// What needs a seek.
        reason: String,
    },
    /// The bytes contradict their format.
    #[error("{name} is corrupt: {reason}")]
    Malformed {
        /// The path, or what stands for it where there is none.
        name: String,
        /// Which rule is broken.
        reason: String,
    },
    /// The source was read to its end, or the excerpt to its own, and held no sample.
    #[error("{name} has no audio: {reason}")]
    NoAudio {
        /// The path, or what stands for it where there is none.
        name: String,
        /// Why there is none.
        reason: String,
    },
    /// A limit of [`DecodeConfig`](crate::DecodeConfig) was exceeded.
    #[error("{name}: {value} exceeds the limit of {limit} (`DecodeConfig::{option}`)")]
    Limit {
        /// The path, or what stands for it where there is none.
        name: String,
        /// The field of `DecodeConfig` that holds the limit.
        option: &'static str,
        /// What the source has, with its unit.
        value: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// Corruption that would be a warning, under [`DecodeConfig::strict`](crate::DecodeConfig::strict).
    #[error("{name}: {warning}")]
    Damaged {
        /// The path, or what stands for it where there is none.
        name: String,
        /// The corruption.
        warning: Warning,
    },
    /// A setting breaks its rule.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The field of the configuration.
        field: String,
        /// The value that was given.
        given: String,
        /// What it must be.
        rule: String,
    },
    /// The samples do not fit into a WAV file.
    #[error("cannot write {}: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Which rule of the format they break.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl DecodeError {
    pub(crate) fn config(field: &str, given: impl Into<String>, rule: &str) -> Self {
        Self::Config { field: field.to_owned(), given: given.into(), rule: rule.to_owned() }
    }
}
