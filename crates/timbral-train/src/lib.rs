#![doc = include_str!("../README.md")]

mod atomic;
mod cache;
mod csv_table;
mod error;
mod groups;
mod manifest;
mod metrics;
mod report;
mod rng;
mod split;
mod tables;
mod track;

pub use cache::{CacheKey, FeatureCache};
pub use error::{Leak, TrainError};
pub use groups::GroupTable;
pub use manifest::{Manifest, ManifestEntry};
pub use metrics::{
    BootstrapConfig, ClassScores, ConfusionMatrix, Interval, McNemar, Predictions, TrackPredictions,
    bootstrap, mcnemar,
};
pub use report::{ClassReport, Report, ReportSource};
pub use split::{Amount, Folds, HoldoutConfig, LeakySegmentSplit, Protocol, Split};
pub use tables::{FeatureTable, MelRow, MelTable};
pub use track::{Part, TrackInfo, sorted_labels};
