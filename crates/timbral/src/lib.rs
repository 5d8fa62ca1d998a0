#![doc = include_str!("../README.md")]

mod batch;
mod classifier;
mod error;
mod front_end;
mod level;
mod verdict;

pub use classifier::Classifier;
pub use error::Error;
#[cfg(feature = "candle")]
pub use front_end::batch_tensor;
pub use front_end::{FeatureWindow, FrontEnd, FrontEndPlan, WaveformConfig, WindowFeatures, batch};
pub use level::SILENCE_DBFS;
pub use verdict::{Score, UNKNOWN, Verdict, WindowVerdict};
