//! Constant-Q and variable-Q transforms, and what is made of them: chroma, CENS, tonnetz.

mod basis;
mod chroma;
mod config;
mod decimate;
mod intervals;
mod pseudo;
mod tonnetz;
mod vqt;

pub(crate) use chroma::magnitudes;
pub use chroma::{
    ChromaCens, ChromaCensConfig, ChromaCqt, ChromaCqtConfig, ChromaVqt, ChromaVqtConfig, CqtMode, FoldConfig,
};
pub use config::{CqtConfig, VqtConfig};
pub use intervals::{Intervals, interval_frequencies};
pub use pseudo::{HybridCqt, PseudoCqt};
pub use tonnetz::tonnetz;
pub use vqt::{Cqt, CqtScratch, Vqt};
