use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong when predictions are read, measured and reported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
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
    /// A classic learner that scales, projects or calibrates could not be fitted.
    #[error("cannot fit")]
    Classic(#[from] timbral_classic::ClassicError),
    /// A figure could not be drawn.
    #[cfg(feature = "html")]
    #[error("cannot draw the figure")]
    Plot(#[from] timbral_plot::PlotError),
}

impl EvalError {
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
