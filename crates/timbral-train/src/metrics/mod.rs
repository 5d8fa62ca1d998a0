mod bootstrap;
mod calibration;
mod confusion;
mod mcnemar;
mod predictions;
pub(crate) mod ranking;

pub use bootstrap::{BootstrapConfig, Interval, bootstrap};
pub use confusion::{ClassScores, ConfusionMatrix};
pub use mcnemar::{McNemar, mcnemar};
pub use predictions::{Predictions, TrackPredictions};
