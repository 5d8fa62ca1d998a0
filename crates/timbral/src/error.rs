use std::path::PathBuf;

use timbral_decode::DecodeError;
use timbral_features::FeatureError;
use timbral_model::ModelError;
use timbral_segment::SegmentError;

/// What can go wrong between a file and its genre, by the room where it went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The audio could not be decoded; the cause names the file and the reason.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The windows of the front end are impossible.
    #[error("windows")]
    Segment(#[from] SegmentError),
    /// The features of the front end are impossible, or the samples are not finite.
    #[error("features")]
    Features(#[from] FeatureError),
    /// The model could not be read or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model's front end is not one that this version builds.
    #[error("front end of the model: {0}")]
    FrontEnd(String),
    /// The sound is too short to say anything about it.
    #[error("{what} is too short: {seconds:.3} s were given, the model needs {needed:.3} s")]
    TooShort {
        /// The file, or what else was given.
        what: String,
        /// Its length.
        seconds: f64,
        /// The least length.
        needed: f64,
    },
    /// There is no sound: every sample has the same value.
    #[error("{what} is silent: there is nothing to classify")]
    Silent {
        /// The file, or what else was given.
        what: String,
    },
    /// A folder could not be listed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Worker threads could not be started.
    #[error("threads: {0}")]
    Threads(String),
}
