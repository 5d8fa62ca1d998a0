#![cfg_attr(feature = "candle", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "candle"),
    doc = "Forward kernels of neural networks on plain slices; layers on tensors come with the feature `candle`."
)]

mod error;
pub mod kernels;

#[cfg(feature = "candle")]
pub mod activation;
#[cfg(feature = "candle")]
pub mod attention;
#[cfg(feature = "candle")]
pub mod blocks;
#[cfg(feature = "candle")]
pub mod conv;
#[cfg(feature = "candle")]
mod custom_op;
#[cfg(feature = "candle")]
pub mod dropout;
#[cfg(feature = "candle")]
mod dtype;
#[cfg(feature = "candle")]
pub mod gradcheck;
#[cfg(feature = "candle")]
pub mod init;
#[cfg(feature = "candle")]
pub mod linear;
#[cfg(feature = "candle")]
pub mod loss;
#[cfg(feature = "candle")]
mod matrix;
#[cfg(feature = "candle")]
pub mod norm;
#[cfg(feature = "candle")]
pub mod optim;
#[cfg(feature = "candle")]
pub mod parameters;
#[cfg(feature = "candle")]
pub mod pool;
#[cfg(feature = "candle")]
mod random;
#[cfg(feature = "candle")]
pub mod recurrent;

pub use crate::error::NnError;

#[cfg(feature = "candle")]
pub use crate::{
    activation::{Activation, relu, softmax},
    conv::{Conv2d, Conv2dConfig, Padding, conv2d},
    dropout::{Dropout, TrainingClock, dropout},
    init::SeededInit,
    linear::{Linear, LinearConfig, linear},
    loss::{CrossEntropyConfig, Target, cross_entropy},
    norm::{BatchNorm, BatchNormConfig, batch_norm_1d, batch_norm_2d},
    optim::{AdamW, AdamWConfig},
    parameters::{named_variables, parameters},
    pool::{max_over, mean_over},
};
