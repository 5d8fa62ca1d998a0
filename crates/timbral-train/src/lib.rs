#![doc = include_str!("../README.md")]

mod atomic;
mod augment;
mod classic;
mod comparison;
mod distance;
mod error;
mod model_card;
mod rejection;
mod rng;
mod search;
mod training;

pub use augment::{
    Augmentation, CutMixBox, CutMixShape, NoiseColor, WaveformAugmentation, WaveformChange, add_noise,
    augment, augment_waveform, equalizer_tilt, fit_length, gain, low_pass, mix_signals, mixup, pitch_shift,
    random_crop, roll_bands, time_stretch,
};
pub use classic::{ClassicCrossValidation, cross_validate_classic, fit_classic};
pub use comparison::{Candidate, CompareConfig, FoldProtocol, compare};
pub use distance::fit_level_distance;
pub use error::TrainError;
pub use model_card::model_card;
pub use rejection::{ModelCalibration, ScoredAnswer, open_set_reports};
pub use search::{
    ClassicSearch, Evaluate, Measured, NetworkSearch, Objective, RankedTrial, Scale, SearchConfig,
    SearchProgress, SearchTable, Setting, Space, Strategy, Trial, TrialResult, search,
};
pub use training::{
    AdamParameters, CosineRestartsParameters, CrossValidation, Distillation, EpochMetrics, FocalParameters,
    LionParameters, LossKind, Member, MetricsFile, MetricsFolder, OneCycleParameters, OptimizerKind,
    PlateauParameters, RunConfig, RunLog, RunSummary, ScheduleKind, SgdParameters, SpectrogramSet,
    StepParameters, TrainConfig, Trained, Trainer, TrainingTracks, Validation, WarmupCosineParameters,
    cross_validate, fit_ensemble, fit_ensemble_validated, predict, statistics_table,
};
#[cfg(feature = "tensorboard")]
pub use training::{EventFile, EventFolder};

/// The examples of the project's README, compiled with the doctests of the crate that stands above the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct ReadmeExamples;

// Names that moved to timbral-data and timbral-eval, until every program takes them from there.
#[doc(hidden)]
pub use rejection::ModelCalibration as Calibration;
#[doc(hidden)]
pub use timbral_data::{
    CacheKey, DataError, Extraction, ExtractionConfig, FeatureCache, FeatureTable, Folds, GroupTable,
    Inventory, LabelMap, Leak, Manifest, ManifestEntry, MelTable, Part, Split, TableFormat, TrackInfo,
    inventory::{ClassInventory, Duplicate, FileReport},
    manifest::{FMA_ARCHIVES, FmaSubset, verify_archive},
    split::{Amount, HoldoutConfig, LeakySegmentSplit, Protocol},
    store::{ExtractionSummary, FeatureRow, FileOutcome, Journal},
    tables::MelRow,
    track::sorted_labels,
};
#[cfg(feature = "html")]
#[doc(hidden)]
pub use timbral_eval::page::{EvaluationPage, HtmlPage, LabelledRows};
#[doc(hidden)]
pub use timbral_eval::{
    BootstrapConfig, Comparison, ConfusionMatrix, EvalError, Interval, McNemar, OpenSetReport, Predictions,
    Report, ReportSource, TrackPredictions, bootstrap,
    comparison::{Baseline, ComparisonRow, ComparisonTable},
    mcnemar,
    metrics::ClassScores,
    open_set::{RiskCoverage, energy_score, fpr_at_tpr, open_set_auroc, risk_coverage, threshold_at_tpr},
    report::ClassReport,
};
