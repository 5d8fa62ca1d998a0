//! What can go wrong, sorted by who is at fault.

use std::io;

use crate::audio::Warning;

/// Why a source was not decoded. Every message names the source, the reason and, where a rule was broken, the rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The source could not be opened or read.
    #[error("{name}: cannot be read")]
    Io {
        /// The path, or what stands for it where there is none.
        name: String,
        /// What the operating system or the reader said.
        source: io::Error,
    },
    /// The source has no bytes.
    #[error("{name}: the file is empty (0 bytes)")]
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
    #[error("{name}: {format} is off in this build; enable the feature `{feature}` of timbral-decode")]
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
    #[error("{name}: damaged or not what it seems: {reason}")]
    Malformed {
        /// The path, or what stands for it where there is none.
        name: String,
        /// Which rule is broken.
        reason: String,
    },
    /// The source was read to its end, or the excerpt to its own, and held no sample.
    #[error("{name}: no audio: {reason}")]
    NoAudio {
        /// The path, or what stands for it where there is none.
        name: String,
        /// Why there is none.
        reason: String,
    },
    /// A limit of [`DecodeOptions`](crate::DecodeOptions) was exceeded.
    #[error("{name}: {value} is over the limit of {limit} (`DecodeOptions::{option}`)")]
    Limit {
        /// The path, or what stands for it where there is none.
        name: String,
        /// The field of `DecodeOptions` that holds the limit.
        option: &'static str,
        /// What the source has, with its unit.
        value: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// Damage that would be a warning, under [`DecodeOptions::strict`](crate::DecodeOptions::strict).
    #[error("{name}: {warning}")]
    Damaged {
        /// The path, or what stands for it where there is none.
        name: String,
        /// The damage.
        warning: Warning,
    },
    /// An option has no meaning.
    #[error("`DecodeOptions::{option}` is {given}: {rule}")]
    Config {
        /// The field.
        option: &'static str,
        /// Its value.
        given: String,
        /// What it must be.
        rule: &'static str,
    },
    /// Samples could not be written.
    #[error("{path}: cannot be written: {reason}")]
    Write {
        /// Where to.
        path: String,
        /// Why not.
        reason: String,
    },
}
