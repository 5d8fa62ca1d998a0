//! Self-similarity and segmentation.

mod agglomerative;
mod enhance;
mod lag;
mod recurrence;

pub use agglomerative::agglomerative;
pub use enhance::{PathEnhanceConfig, diagonal_filter, path_enhance};
pub use lag::{lag_to_recurrence, recurrence_to_lag};
pub use recurrence::{
    Bandwidth, CrossSimilarityConfig, RecurrenceConfig, RecurrenceMode, cross_similarity, recurrence_matrix,
};
