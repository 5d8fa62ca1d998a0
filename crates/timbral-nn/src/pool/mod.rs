//! Pooling with right gradients.

mod global;
mod window;

pub use self::global::{max_over, mean_over};
pub use self::window::{
    Pool1dConfig, Pool2dConfig, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
    adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d,
};
