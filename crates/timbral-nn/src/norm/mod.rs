//! Normalisation layers.

mod batch;
mod batch_op;
mod rows;
mod rows_op;

pub use self::batch::{BatchNorm, BatchNormConfig, batch_norm_1d, batch_norm_2d};
pub use self::rows::{GroupNorm, LayerNorm, RmsNorm, group_norm, layer_norm, rms_norm};
