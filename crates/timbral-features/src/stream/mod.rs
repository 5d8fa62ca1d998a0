//! Features of signals that arrive in pieces.

mod engine;
mod plans;
mod source;
mod stage;

pub use engine::FeatureStream;
pub use plans::StreamPlan;
pub use stage::{DeltaStream, FrameSink, FrameStage, OnsetStream};
