use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong between a data set and a trained, measured model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The operating system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not say what its format promises.
    #[error("{}{}: {message}", path.display(), line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where the format has lines.
        line: Option<u64>,
        /// What was found and what the rule is.
        message: String,
    },
    /// A file asks for more memory than is allowed.
    #[error("{}: {what} is {given}, but at most {limit} is allowed", path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// Its size.
        given: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// A setting breaks its rule.
    #[error("{field} is {given}, but {rule}")]
    Config {
        /// The setting.
        field: &'static str,
        /// The value that was given.
        given: String,
        /// The rule that it breaks.
        rule: String,
    },
    /// Values that belong together have different sizes, or a value lies outside its range.
    #[error("{what}: {given}, but {rule}")]
    Shape {
        /// The values.
        what: &'static str,
        /// What was given.
        given: String,
        /// What the rule is.
        rule: String,
    },
    /// Something known from training would be tested on.
    #[error("leak: {0}")]
    Leak(Box<Leak>),
    /// The training was stopped from outside.
    #[error("training was stopped")]
    Stopped,
    /// A network could not be trained: the loss or a gradient is not finite, or a layer refused its input.
    #[error(transparent)]
    Network(#[from] timbral_nn::Error),
    /// A classic learner could not be fitted or applied.
    #[error(transparent)]
    Classic(#[from] timbral_classic::ClassicError),
    /// A set of features could not be planned or computed.
    #[error(transparent)]
    Features(#[from] timbral_features::FeatureError),
    /// A file could not be decoded.
    #[error(transparent)]
    Decode(#[from] timbral_decode::DecodeError),
    /// Audio could not be turned into features.
    #[error(transparent)]
    Pipeline(#[from] timbral::Error),
    /// A model or checkpoint could not be built, read or written.
    #[error(transparent)]
    Model(#[from] timbral_model::ModelError),
    /// A picture could not be drawn.
    #[cfg(feature = "html")]
    #[error(transparent)]
    Plot(#[from] timbral_plot::PlotError),
    /// The tensor library failed.
    #[error("tensor library: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// What lies in two parts of a split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?} lies in {first} (track {first_track}) and in {second} (track {second_track})")]
#[non_exhaustive]
pub struct Leak {
    /// What is shared: `group` or `recording`.
    pub kind: &'static str,
    /// Which one.
    pub name: String,
    /// One part of the split that holds it.
    pub first: String,
    /// A track of that part.
    pub first_track: String,
    /// Another part that holds it.
    pub second: String,
    /// A track of that part.
    pub second_track: String,
}

impl TrainError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn malformed(path: &Path, message: impl Into<String>) -> Self {
        Self::malformed_at(path, None, message)
    }

    pub(crate) fn malformed_at(path: &Path, line: Option<u64>, message: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), line, message: message.into() }
    }

    pub(crate) fn config(field: &'static str, given: impl ToString, rule: impl Into<String>) -> Self {
        Self::Config { field, given: given.to_string(), rule: rule.into() }
    }

    pub(crate) fn shape(what: &'static str, given: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Shape { what, given: given.into(), rule: rule.into() }
    }
}
