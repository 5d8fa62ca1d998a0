//! Training of networks on log-mel spectrograms.

mod augment;
mod checkpoint;
mod config;
mod cross_validation;
mod data;
mod history;
mod overrides;
mod run_config;
mod sources;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod trainer;

pub use augment::{Augmentation, augment};
pub use config::{ScheduleKind, TrainConfig};
pub(crate) use cross_validation::run_all;
pub use cross_validation::{CrossValidation, Member, cross_validate, fit_ensemble};
pub use data::SpectrogramSet;
pub use history::{EpochMetrics, MetricsFile, MetricsFolder};
pub(crate) use overrides::{nearest, set_in, with_nearest};
pub use run_config::RunConfig;
#[cfg(feature = "tensorboard")]
pub use tensorboard::{EventFile, EventFolder};
pub use trainer::{Trained, Trainer, predict};
