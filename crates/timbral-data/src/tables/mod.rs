//! Tables on disk: features of tracks or windows, and quantised log-mel spectrograms.

mod features;
mod mel;

pub use features::FeatureTable;
pub use mel::{MelRow, MelTable};
