#![doc = include_str!("../README.md")]

mod atomic;
mod augment;
mod cache;
mod classic;
mod comparison;
mod csv_table;
mod error;
mod groups;
mod inventory;
mod manifest;
mod metrics;
mod open_set;
#[cfg(feature = "html")]
mod page;
mod report;
mod rng;
mod search;
mod split;
mod statistics;
mod store;
mod tables;
mod track;
mod training;

pub use augment::{
    Augmentation, CutMixBox, CutMixShape, NoiseColor, WaveformAugmentation, WaveformChange, add_noise,
    augment, augment_waveform, equalizer_tilt, fit_length, gain, low_pass, mix_signals, mixup, pitch_shift,
    random_crop, roll_bands, time_stretch,
};
pub use cache::{CacheKey, FeatureCache};
pub use classic::{ClassicCrossValidation, cross_validate_classic, fit_classic};
pub use comparison::{
    CompareConfig, Comparison, ComparisonRow, ComparisonTable, Contestant, FoldProtocol, QuotedResult,
    compare,
};
pub use error::{Leak, TrainError};
pub use groups::GroupTable;
pub use inventory::{ClassInventory, Duplicate, FileReport, Inventory};
pub use manifest::{FMA_ARCHIVES, FmaSubset, LabelMap, Manifest, ManifestEntry, verify_archive};
pub use metrics::{
    BootstrapConfig, ClassScores, ConfusionMatrix, Interval, McNemar, Predictions, TrackPredictions,
    bootstrap, mcnemar,
};
pub use open_set::{
    Calibration, OpenSetReport, RiskCoverage, ScoredAnswer, energy_score, fit_level_distance, fpr_at_tpr,
    open_set_auroc, open_set_reports, risk_coverage, threshold_keeping,
};
#[cfg(feature = "html")]
pub use page::{EvaluationPage, HtmlPage, LabelledRows, model_facts};
pub use report::{ClassReport, Report, ReportSource, RunSummary};
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
    AdamParameters, CosineRestartsParameters, CrossValidation, Distillation, EpochMetrics, FocalParameters,
    LionParameters, LossKind, Member, MetricsFile, MetricsFolder, OneCycleParameters, OptimizerKind,
    PlateauParameters, RunConfig, RunLog, ScheduleKind, SgdParameters, SpectrogramSet, StepParameters,
    TrainConfig, Trained, Trainer, TrainingTracks, Validation, WarmupCosineParameters, cross_validate,
    fit_ensemble, fit_ensemble_validated, predict,
};
#[cfg(feature = "tensorboard")]
pub use training::{EventFile, EventFolder};

/// The examples of the project's README, compiled with the doctests of the crate that stands above the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct ReadmeExamples;
