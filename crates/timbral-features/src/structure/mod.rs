//! Musical structure: self-similarity, its enhancement, and boundaries of sections (`librosa.segment`).
//!
//! librosa calls this module `segment`; here it has another name because the crate `timbral-segment` cuts signals into
//! windows.
//!
//! [`recurrence_matrix`] compares the frames of one recording, [`cross_similarity`] those of two; [`path_enhance`]
//! brings out diagonals, that is repetitions; [`recurrence_to_lag`] and [`lag_to_recurrence`] turn them into lines.
//! [`agglomerative`] needs no matrix: it divides features into `k` sections.
//!
//! ```
//! use ndarray::Array2;
//! use timbral_features::structure::agglomerative;
//! let features = Array2::from_shape_fn((3, 30), |(row, t)| if (t < 12) == (row == 0) { 1.0 } else { 0.0 });
//! assert_eq!(agglomerative(features.view(), 2)?, [0, 12]);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

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
