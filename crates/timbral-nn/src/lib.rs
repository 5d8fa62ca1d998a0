#![cfg_attr(feature = "candle", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "candle"),
    doc = "Forward kernels of neural networks on plain slices; layers on tensors come with the feature `candle`."
)]

mod error;
pub mod kernels;

#[cfg(feature = "candle")]
mod activation;
#[cfg(feature = "candle")]
mod attention;
#[cfg(feature = "candle")]
mod blocks;
#[cfg(feature = "candle")]
mod conv;
#[cfg(feature = "candle")]
mod custom_op;
#[cfg(feature = "candle")]
mod dropout;
#[cfg(feature = "candle")]
mod dtype;
#[cfg(feature = "candle")]
mod gradcheck;
#[cfg(feature = "candle")]
mod init;
#[cfg(feature = "candle")]
mod linear;
#[cfg(feature = "candle")]
mod loss;
#[cfg(feature = "candle")]
mod matrix;
#[cfg(feature = "candle")]
mod norm;
#[cfg(feature = "candle")]
mod optim;
#[cfg(feature = "candle")]
mod parameters;
#[cfg(feature = "candle")]
mod pool;
#[cfg(feature = "candle")]
mod random;
#[cfg(feature = "candle")]
mod recurrent;
#[cfg(feature = "candle")]
mod residual;

pub use crate::error::NnError;

#[cfg(feature = "candle")]
pub use crate::{
    activation::{Activation, log_softmax, relu, softmax},
    attention::{
        AttentionPooling, LearnedPositions, MultiHeadAttention, attention_pooling, causal_mask,
        learned_positions, multi_head_attention, padding_mask, sinusoidal_positions,
    },
    blocks::{
        Embedding, PatchEmbedding, SpatialDropout, SqueezeExcitation, StochasticDepth, embedding,
        patch_embedding, spatial_dropout, squeeze_excitation, stochastic_depth,
    },
    conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Padding, conv1d, conv2d, convolve2d},
    dropout::{Dropout, TrainingClock, dropout},
    gradcheck::{GradcheckConfig, gradcheck},
    init::SeededInit,
    linear::{Linear, LinearConfig, linear},
    loss::{CrossEntropyConfig, Target, binary_cross_entropy, cross_entropy, distillation_loss, focal_loss},
    norm::{
        BatchNorm, BatchNormConfig, GroupNorm, LayerNorm, RmsNorm, batch_norm_1d, batch_norm_2d, group_norm,
        layer_norm, rms_norm,
    },
    optim::{
        AdamW, AdamWConfig, ExponentialMovingAverage, Lion, LionConfig, Plateau, Schedule, Sgd, SgdConfig,
        add_gradients, clip_gradient_norm, clip_gradient_value, gradient_norm, scale_gradients,
    },
    parameters::{Parameter, assert_all_have_gradients, load_weights, named_variables, parameters},
    pool::{
        Pool1dConfig, Pool2dConfig, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
        adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_over, max_pool1d, max_pool2d, mean_over,
    },
    recurrent::{Gru, Lstm, RecurrentConfig, gru, lstm},
    residual::{ResidualBlock, ResidualBlockConfig, residual_block},
};
