use std::io;
use std::path::PathBuf;

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file name asks for a format that is not drawn.
    #[error("cannot draw {}: its name must end in .svg or .png", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
    },
    /// Two inputs do not fit together.
    #[error("{what}: {given} given; {rule}")]
    Shape {
        /// Which inputs.
        what: &'static str,
        /// What was given.
        given: String,
        /// What they must be.
        rule: &'static str,
    },
    /// A picture is asked for that is too small to be seen or too large to be held.
    #[error("{what} is {given}; it must be between {low} and {high}")]
    Limit {
        /// Which quantity.
        what: &'static str,
        /// What was given.
        given: u64,
        /// The smallest that is drawn.
        low: u64,
        /// The largest that is drawn.
        high: u64,
    },
    /// The PNG encoder rejected the picture.
    #[error("cannot encode the picture as PNG: {reason}")]
    Encode {
        /// What the encoder said.
        reason: String,
    },
}

impl PlotError {
    /// An error if `given` things are to be drawn with `wanted` labels or the like.
    pub(crate) fn check_count(
        what: &'static str,
        given: usize,
        wanted: usize,
        rule: &'static str,
    ) -> Result<(), Self> {
        if given == wanted {
            return Ok(());
        }
        Err(Self::Shape { what, given: format!("{given} for {wanted}"), rule })
    }
}
