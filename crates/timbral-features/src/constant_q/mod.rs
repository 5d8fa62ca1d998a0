//! Constant-Q and variable-Q transforms, and what is made of them: chroma, CENS, tonnetz.

mod basis;
mod cens;
mod chroma;
mod config;
mod decimate;
mod fold;
mod intervals;
mod octaves;
mod pseudo;
mod tonnetz;
mod vqt;

pub use cens::{ChromaCens, ChromaCensConfig};
pub use chroma::{ChromaCqt, ChromaCqtConfig, ChromaVqt, ChromaVqtConfig, CqtMode};
pub use config::{CqtConfig, VqtConfig};
pub use fold::FoldConfig;
pub use intervals::{Intervals, interval_frequencies};
pub use octaves::CqtScratch;
pub use pseudo::{HybridCqt, PseudoCqt};
pub use tonnetz::tonnetz;
pub use vqt::{Cqt, Vqt};
