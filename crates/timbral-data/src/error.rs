use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong between audio files and the tables and splits made of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
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
    /// A file needs more memory than is allowed.
    #[error("{}: {what} is {given}; it must be at most {limit}", path.display())]
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
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The setting.
        field: String,
        /// The value that was given.
        given: String,
        /// The rule, completing "it must be ...".
        rule: String,
    },
    /// Values that belong together differ in size, or a value is out of range.
    #[error("{what}: {given}; {rule}")]
    Shape {
        /// The values.
        what: &'static str,
        /// What was given.
        given: String,
        /// What must hold.
        rule: String,
    },
    /// A group or recording appears in two subsets of a split.
    #[error("the split leaks")]
    Leak(#[source] Box<Leak>),
    /// Features could not be planned or computed.
    #[error("cannot compute the features")]
    Features(#[from] timbral_features::FeatureError),
    /// A file could not be decoded.
    #[error("cannot decode the audio")]
    Decode(#[from] timbral_decode::DecodeError),
    /// Audio could not be cut into windows.
    #[error("cannot cut the audio into windows")]
    Segment(#[from] timbral_segment::SegmentError),
}

/// What appears in two subsets of a split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?} is in {first} (track {first_track}) and in {second} (track {second_track})")]
#[non_exhaustive]
pub struct Leak {
    /// What leaks: `group` or `recording`.
    pub kind: &'static str,
    /// Which one.
    pub name: String,
    /// One subset that holds it.
    pub first: String,
    /// A track of that subset.
    pub first_track: String,
    /// Another subset that holds it.
    pub second: String,
    /// A track of that subset.
    pub second_track: String,
}

/// An error and its causes in one line, for tables that show what went wrong with a file.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl DataError {
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
