//! Pooling with right gradients.

mod global;
mod window;

pub use self::global::{adaptive_avg_pool1d, adaptive_avg_pool2d, max_over, mean_over};
pub use self::window::{
    Pool1dConfig, Pool2dConfig, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_pool1d,
    max_pool2d,
};

/// The positions of region `index` of adaptive pooling: regions cover the input and overlap where it does not divide.
fn region(index: usize, input: usize, output: usize) -> std::ops::Range<usize> {
    index * input / output..((index + 1) * input).div_ceil(output)
}
