use std::path::PathBuf;

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
    /// The bytes are no model file: broken safetensors, a missing or broken header, a value that is not finite.
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
    /// An input or a stored tensor has another shape than the architecture asks for.
    #[error("the shapes do not fit: {0}")]
    Shape(String),
    /// A layer cannot be computed, or its weights have other shapes.
    #[error("cannot compute a layer")]
    Layer(#[from] timbral_nn::NnError),
    /// The settings of log-mel statistics break a rule, or the statistics cannot be computed.
    #[error("cannot compute the log-mel statistics")]
    Statistics(#[from] timbral_features::FeatureError),
    /// A classic model cannot be put together or applied.
    #[error("cannot apply the classic model")]
    Classic(#[from] timbral_classic::ClassicError),
    /// The tensor library failed.
    #[cfg(feature = "candle")]
    #[error("a tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}

impl ModelError {
    pub(crate) fn config(
        field: impl Into<String>,
        given: impl std::fmt::Display,
        rule: impl Into<String>,
    ) -> Self {
        Self::Config { field: field.into(), given: given.to_string(), rule: rule.into() }
    }
}
