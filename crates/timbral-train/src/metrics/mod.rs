mod bootstrap;
mod calibration;
mod confusion;
mod mcnemar;
mod predictions;
pub(crate) mod ranking;

pub use bootstrap::{BootstrapConfig, Interval, bootstrap};
pub(crate) use bootstrap::{bootstrap_all, units_of};
pub use confusion::{ClassScores, ConfusionMatrix};
pub use mcnemar::{McNemar, mcnemar};
pub use predictions::{Predictions, TrackPredictions};
pub(crate) use ranking::Rankings;
