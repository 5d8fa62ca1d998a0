//! Loss functions on logits.
//!
//! | to train | take |
//! |---|---|
//! | a classifier of exclusive classes | [`cross_entropy`], with label smoothing, class weights or soft targets |
//! | the same where a few hard examples matter | [`focal_loss`] |
//! | labels that do not exclude each other | [`binary_cross_entropy`] |
//! | a small network after a large one | [`distillation_loss`] |
//!
//! All take logits, never probabilities: the softmax or sigmoid is inside, where it cannot overflow.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use timbral_nn::loss::{CrossEntropyConfig, Target, cross_entropy};
//!
//! let logits = Tensor::new(&[[2f32, 0.], [0., 0.]], &Device::Cpu)?;
//! let loss = cross_entropy(&logits, Target::Classes(&[0, 1]), &CrossEntropyConfig::default())?;
//! let expected = ((1. + (-2f32).exp()).ln() + 2f32.ln()) / 2.;
//! assert!((loss.to_scalar::<f32>()? - expected).abs() < 1e-6);
//! # Ok::<(), candle_core::Error>(())
//! ```

mod binary;
mod cross_entropy;
mod distillation;
mod focal;

pub use self::binary::binary_cross_entropy;
pub use self::cross_entropy::{CrossEntropyConfig, Target, cross_entropy};
pub use self::distillation::distillation_loss;
pub use self::focal::focal_loss;
