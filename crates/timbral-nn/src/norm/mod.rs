//! Normalisation layers.
//!
//! | layer | normalises | take it |
//! |---|---|---|
//! | [`BatchNorm`] | each channel over the batch | in convolutional networks with batches of eight and more; with [`forward_relu_t`](BatchNorm::forward_relu_t) and [`forward_relu_max_pool_t`](BatchNorm::forward_relu_max_pool_t) what follows costs no pass over memory of its own |
//! | [`GroupNorm`] | groups of channels of each example | in convolutional networks with small batches |
//! | [`LayerNorm`] | the last axis | in transformers and over sequences |
//! | [`RmsNorm`] | the last axis around zero | there too; it is cheaper, and as good in most |

mod batch;
mod batch_op;
mod rows;
mod rows_op;

pub use self::batch::{BatchNorm, BatchNormConfig, batch_norm_1d, batch_norm_2d};
pub use self::rows::{GroupNorm, LayerNorm, RmsNorm, group_norm, layer_norm, rms_norm};
