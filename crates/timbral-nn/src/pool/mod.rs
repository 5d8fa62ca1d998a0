//! Pooling with right gradients.
//!
//! - [`max_pool2d`], [`avg_pool2d`] and their 1-D forms: sliding windows, with stride and padding.
//! - [`adaptive_avg_pool2d`], [`adaptive_max_pool2d`] and their 1-D forms: any input to a fixed size.
//! - [`mean_over`], [`max_over`]: a whole axis, which is dropped.
//!
//! A maximum that several elements share sends its gradient to the first of them.

mod global;
mod window;

pub use self::global::{max_over, mean_over};
pub use self::window::{
    Pool1dConfig, Pool2dConfig, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
    adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d,
};
