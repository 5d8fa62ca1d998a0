#![doc = include_str!("../README.md")]

mod config;
mod error;
mod placement;
mod segmenter;
mod stream;
mod window;

pub use config::{Cut, LastWindow, MAX_WINDOW_SAMPLES, SegmentConfig, Span};
pub use error::SegmentError;
pub use placement::{Placement, Placements};
pub use segmenter::{Segmenter, Windows};
pub use stream::StreamSegmenter;
pub use window::Window;
