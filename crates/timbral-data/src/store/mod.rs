//! The feature store: features of audio files as a table on disk.

mod extraction;
mod journal;
#[cfg(feature = "parquet")]
mod parquet;
mod table;

pub use extraction::{Extraction, ExtractionConfig, FeatureRow};
pub use journal::{ExtractionSummary, FileOutcome, Journal};
#[cfg(feature = "parquet")]
pub(crate) use parquet::read as read_parquet;
pub use table::TableFormat;
