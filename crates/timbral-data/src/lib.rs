#![doc = include_str!("../README.md")]

mod atomic;
pub mod cache;
pub mod csv_table;
mod error;
pub mod groups;
pub mod inventory;
pub mod manifest;
pub mod npy;
mod rng;
pub mod split;
pub mod store;
pub mod tables;
pub mod track;

pub use cache::{CacheKey, FeatureCache};
pub use error::{DataError, Leak};
pub use groups::GroupTable;
pub use inventory::Inventory;
pub use manifest::{LabelMap, Manifest, ManifestEntry};
pub use split::{Folds, Split};
pub use store::{Extraction, ExtractionConfig, TableFormat};
pub use tables::{FeatureTable, MelTable};
pub use track::{Part, TrackInfo};
