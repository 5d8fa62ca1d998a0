use std::path::PathBuf;

/// What can go wrong with a model or its file, sorted by who is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file could not be read or written.
    #[error("model file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The bytes are no model file: broken safetensors, a missing or broken header, a value that is not finite.
    #[error("not a timbral model: {0}")]
    Malformed(String),
    /// The file is a model, of a kind or schema that this version does not read.
    #[error("model not supported: {0}")]
    Unsupported(String),
    /// A size is beyond what this crate accepts.
    #[error("{what} is {given}, the limit is {limit}")]
    Limit {
        /// What was measured.
        what: &'static str,
        /// Its value.
        given: u64,
        /// The largest value accepted.
        limit: u64,
    },
    /// A configuration breaks a rule, which the message states.
    #[error("architecture: {0}")]
    Config(String),
    /// An input or a stored tensor has another shape than the architecture asks for.
    #[error("shape: {0}")]
    Shape(String),
    /// The tensor library failed.
    #[error("tensor library: {0}")]
    Tensor(#[from] candle_core::Error),
}
