#![doc = include_str!("../README.md")]

mod atomic;
mod cache;
mod classic;
mod csv_table;
mod error;
mod groups;
mod inventory;
mod manifest;
mod metrics;
mod report;
mod rng;
mod search;
mod split;
mod store;
mod tables;
mod track;
mod training;

pub use cache::{CacheKey, FeatureCache};
pub use classic::{ClassicCrossValidation, cross_validate_classic, fit_classic};
pub use error::{Leak, TrainError};
pub use groups::GroupTable;
pub use inventory::{ClassInventory, Duplicate, FileReport, Inventory};
pub use manifest::{FMA_ARCHIVES, FmaSubset, LabelMap, Manifest, ManifestEntry, verify_archive};
pub use metrics::{
    BootstrapConfig, ClassScores, ConfusionMatrix, Interval, McNemar, Predictions, TrackPredictions,
    bootstrap, mcnemar,
};
pub use report::{ClassReport, Report, ReportSource};
pub use search::{
    ClassicSearch, Evaluate, Measured, NetworkSearch, Objective, RankedTrial, Scale, SearchConfig,
    SearchProgress, SearchTable, Setting, Space, Strategy, Trial, TrialResult, search,
};
pub use split::{Amount, Folds, HoldoutConfig, LeakySegmentSplit, Protocol, Split};
pub use store::{
    Extraction, ExtractionConfig, ExtractionSummary, FeatureRow, FileOutcome, Journal, TableFormat,
};
pub use tables::{FeatureTable, MelRow, MelTable};
pub use track::{Part, TrackInfo, sorted_labels};
pub use training::{
    Augmentation, CrossValidation, EpochMetrics, Member, MetricsFile, MetricsFolder, RunConfig, ScheduleKind,
    SpectrogramSet, TrainConfig, Trained, Trainer, augment, cross_validate, fit_ensemble, predict,
};
#[cfg(feature = "tensorboard")]
pub use training::{EventFile, EventFolder};

/// The examples of the project's README, compiled with the doctests of the crate that stands above the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct ReadmeExamples;
