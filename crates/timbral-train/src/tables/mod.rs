mod features;
mod mel;
mod npz;

pub use features::FeatureTable;
pub use mel::{MelRow, MelTable};
