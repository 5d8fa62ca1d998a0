mod bins;
mod boost;
mod forest;
mod grow;

pub use boost::{GradientBoosting, GradientBoostingParameters};
pub use forest::{MaxFeatures, RandomForest, RandomForestParameters};
