mod bins;
mod boost;
mod forest;
mod grow;
mod split;

pub use boost::{GradientBoosting, GradientBoostingParameters};
pub use forest::{MaxFeatures, RandomForest, RandomForestParameters};
