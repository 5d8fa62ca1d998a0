#![doc = include_str!("../README.md")]

mod atomic;
pub mod bootstrap;
pub mod calibration;
pub mod comparison;
mod error;
pub mod mcnemar;
pub mod metrics;
pub mod open_set;
#[cfg(feature = "html")]
pub mod page;
pub mod predictions;
pub mod report;
mod rng;
mod table;

pub use bootstrap::{BootstrapConfig, Interval, bootstrap};
pub use calibration::Calibration;
pub use comparison::Comparison;
pub use error::EvalError;
pub use mcnemar::{McNemar, mcnemar};
pub use metrics::ConfusionMatrix;
pub use open_set::OpenSetReport;
pub use predictions::{Predictions, TrackPredictions};
pub use report::{Report, ReportSource};
pub use table::PredictionTable;
