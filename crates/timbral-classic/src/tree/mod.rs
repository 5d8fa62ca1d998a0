mod bins;
mod boost;
mod forest;
mod grow;
mod split;

pub use boost::{GradientBoosting, GradientBoostingParameters};
pub use forest::{MaxFeatures, RandomForest, RandomForestParameters};
pub(crate) use forest::{Node as ForestNode, Tree as ForestTree};
pub(crate) use grow::{Node, RegressionTree};
