use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong between a data set and a trained, measured model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The operating system cannot read or write.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file violates its format.
    #[error("{}{}: {message}", path.display(), line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where the format has lines.
        line: Option<u64>,
        /// What was found and what the rule is.
        message: String,
    },
    /// A setting breaks its rule.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The setting.
        field: String,
        /// The value that was given.
        given: String,
        /// The rule, completing "it must be ...".
        rule: String,
    },
    /// Values that belong together have different sizes, or a value lies outside its range.
    #[error("{what}: {given}; {rule}")]
    Shape {
        /// The values.
        what: &'static str,
        /// What was given.
        given: String,
        /// What must hold.
        rule: String,
    },
    /// A data set could not be read, split or tabulated.
    #[error("cannot prepare the data")]
    Data(#[from] timbral_data::DataError),
    /// Predictions could not be measured.
    #[error("cannot evaluate the predictions")]
    Eval(#[from] timbral_eval::EvalError),
    /// The training was stopped from outside.
    #[error("training was stopped")]
    Stopped,
    /// A network could not be trained: the loss or a gradient is not finite, or a layer rejected its input.
    #[error("cannot train the network")]
    Network(#[from] timbral_nn::NnError),
    /// A classic learner could not be fitted or applied.
    #[error("cannot fit or apply the classic learner")]
    Classic(#[from] timbral_classic::ClassicError),
    /// Features could not be planned or computed.
    #[error("cannot compute the features")]
    Features(#[from] timbral_features::FeatureError),
    /// A file could not be decoded.
    #[error("cannot decode the audio")]
    Decode(#[from] timbral_decode::DecodeError),
    /// Audio could not be turned into features.
    #[error("cannot compute the model's input")]
    Pipeline(#[from] timbral::Error),
    /// A model or checkpoint could not be built, read or written.
    #[error("cannot build, read or write the model")]
    Model(#[from] timbral_model::ModelError),
    /// The tensor library failed.
    #[error("the tensor library failed")]
    Tensor(#[from] candle_core::Error),
}

/// An error and its causes in one line, for tables that show what went wrong with a trial.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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

    pub(crate) fn config(field: impl Into<String>, given: impl ToString, rule: impl Into<String>) -> Self {
        Self::Config { field: field.into(), given: given.to_string(), rule: rule.into() }
    }

    pub(crate) fn shape(what: &'static str, given: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Shape { what, given: given.into(), rule: rule.into() }
    }
}
