//! Training of networks on log-mel spectrograms and waveforms.

mod ahead;
mod averaging;
mod batch;
mod checkpoint;
mod config;
mod cross_validation;
mod data;
mod evaluation;
mod history;
mod log;
mod loss;
mod named;
mod optimizer;
mod overrides;
mod run_config;
mod runs;
mod schedule;
mod sources;
mod state;
mod statistics;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod tracks;
mod trainer;

pub use config::TrainConfig;
pub(crate) use cross_validation::run_all;
pub use cross_validation::{
    CrossValidation, Member, MemberPredictions, cross_validate, cross_validate_unchecked, fit_ensemble,
    fit_ensemble_validated,
};
pub use data::SpectrogramSet;
pub use evaluation::predict;
pub use history::{EpochMetrics, MetricsFile, MetricsFolder};
pub use log::RunLog;
pub use loss::{Distillation, FocalParameters, LossKind};
pub use optimizer::{AdamParameters, LionParameters, OptimizerKind, SgdParameters};
pub(crate) use overrides::{nearest, set_in, with_nearest};
pub use run_config::RunConfig;
pub use runs::RunSummary;
pub use schedule::{
    CosineRestartsParameters, OneCycleParameters, PlateauParameters, ScheduleKind, StepParameters,
    WarmupCosineParameters,
};
pub use statistics::statistics_table;
#[cfg(feature = "tensorboard")]
pub use tensorboard::{EventFile, EventFolder};
pub use tracks::{TrainingTracks, Validation};
pub(crate) use trainer::canonical;
pub use trainer::{Trained, Trainer};
