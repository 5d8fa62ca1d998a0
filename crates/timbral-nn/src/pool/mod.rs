//! Pooling with right gradients.

mod global;
mod window;

pub use self::global::{adaptive_avg_pool2d, max_over, mean_over};
pub use self::window::{Pool2dConfig, avg_pool2d, max_pool2d};
