#![doc = include_str!("../README.md")]

mod activation;
mod attention;
mod blocks;
mod conv;
mod dropout;
mod error;
mod gemm;
mod gradcheck;
mod init;
mod linear;
mod loss;
mod math;
mod norm;
mod optim;
mod parameters;
mod pool;
mod product;
mod random;
mod real;
mod recurrent;
mod residual;
mod simd;
mod weighted;

pub use crate::activation::{Activation, log_softmax, relu, softmax};
pub use crate::attention::{
    AttentionPooling, LearnedPositions, MultiHeadAttention, attention_pooling, causal_mask,
    learned_positions, multi_head_attention, padding_mask, sinusoidal_positions,
};
pub use crate::blocks::{
    Embedding, PatchEmbedding, SpatialDropout, SqueezeExcitation, StochasticDepth, embedding,
    patch_embedding, spatial_dropout, squeeze_excitation, stochastic_depth,
};
pub use crate::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Padding, conv1d, conv2d, convolve2d};
pub use crate::dropout::{Dropout, TrainingClock, dropout};
pub use crate::error::Error;
pub use crate::gradcheck::{GradcheckConfig, gradcheck};
pub use crate::init::SeededInit;
pub use crate::linear::{Linear, LinearConfig, linear};
pub use crate::loss::{
    CrossEntropyConfig, Target, binary_cross_entropy, cross_entropy, distillation_loss, focal_loss,
};
pub use crate::norm::{
    BatchNorm, BatchNormConfig, GroupNorm, LayerNorm, RmsNorm, batch_norm_1d, batch_norm_2d, group_norm,
    layer_norm, rms_norm,
};
pub use crate::optim::{
    AdamW, AdamWConfig, ExponentialMovingAverage, Lion, LionConfig, Plateau, Schedule, Sgd, SgdConfig,
    add_gradients, clip_gradient_norm, clip_gradient_value, gradient_norm, scale_gradients,
};
pub use crate::parameters::{
    Parameter, assert_all_have_gradients, load_weights, named_variables, parameters,
};
pub use crate::pool::{
    Pool1dConfig, Pool2dConfig, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
    adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_over, max_pool1d, max_pool2d, mean_over,
};
pub use crate::recurrent::{Gru, Lstm, RecurrentConfig, gru, lstm};
pub use crate::residual::{ResidualBlock, ResidualBlockConfig, residual_block};
