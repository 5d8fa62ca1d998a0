mod bins;
mod boost;
mod forest;
mod grow;
mod split;

pub use boost::{GradientBoosting, GradientBoostingConfig};
pub use forest::{MaxFeatures, RandomForest, RandomForestConfig};
pub(crate) use forest::{Node as ForestNode, Tree as ForestTree};
pub(crate) use grow::{Node, RegressionTree};
