//! Features of signals that arrive in pieces, with the same bits as from the whole signal.
//!
//! [`StreamPlan::stream`] turns a plan that looks at single frames into a [`FeatureStream`]; stages that keep a memory
//! ([`DeltaStream`], [`OnsetStream`], [`PcenStream`](crate::pcen::PcenStream)) follow by `then`. What looks at the whole
//! signal, such as `top_db`, cannot be streamed, and the error says why.
//!
//! ```
//! use timbral_features::stream::StreamPlan;
//! use timbral_features::{MelConfig, MelSpectrogram};
//! let mut stream = MelSpectrogram::new(MelConfig::default())?.stream()?;
//! for chunk in [[0.1; 480]; 10] {
//!     stream.push(&chunk)?;
//! }
//! stream.finish()?;
//! assert_eq!(stream.frames_ready(), 10);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod engine;
mod plans;
mod source;
mod stage;

pub use engine::FeatureStream;
pub use plans::StreamPlan;
pub use stage::{DeltaStream, FrameSink, FrameStage, OnsetStream};
