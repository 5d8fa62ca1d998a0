//! Normalisation layers.

mod batch;
mod batch_op;

pub use self::batch::{BatchNorm, BatchNormConfig, batch_norm_1d, batch_norm_2d};
