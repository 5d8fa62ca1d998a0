use timbral_decode::DecodeError;
use timbral_features::FeatureError;
use timbral_model::ModelError;
use timbral_segment::SegmentError;

/// What can go wrong between a file and its genre, by the crate where it went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The audio cannot be decoded; the cause names the file and the reason.
    #[error("cannot decode the audio")]
    Decode(#[from] DecodeError),
    /// The windows of the front end are impossible.
    #[error("cannot plan the windows of the front end")]
    Segment(#[from] SegmentError),
    /// The features of the front end are impossible, or the samples are not finite.
    #[error("cannot compute the features of the front end")]
    Features(#[from] FeatureError),
    /// The model cannot be read or run.
    #[error("cannot read or run the model")]
    Model(#[from] ModelError),
    /// The model's front end is not one that this version builds.
    #[error("the front end of the model cannot be built: {0}")]
    FrontEnd(String),
    /// The sound is too short to say anything about it.
    #[error("{what} is {seconds:.3} s long; it must be at least {needed:.3} s for the model")]
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
    /// Worker threads cannot be started.
    #[error("cannot start the worker threads: {0}")]
    Threads(String),
}
