//! Forward kernels on plain `&[f32]` slices, without candle: what inference needs of each layer.
//!
//! The layers on tensors run the same code, so that a network gives the same numbers on either way. Use this module to
//! serve a trained network where candle is too much: on a server that starts fast, in a browser, in a small program.
//!
//! - A **plan** (`Conv2dPlan`, `LinearPlan`, `BatchNormPlan`, `GruPlan`, ..) is a layer with weights: made once from a
//!   config and weights in PyTorch's shapes, which it checks and puts in the order in which its loops read them. `forward`
//!   takes the elements of a row-major tensor and its shape.
//! - **Functions** do what has no weights: [`relu`] and [`Activation`], [`softmax`], pooling, [`mean_over`] and
//!   [`max_over`], [`matmul`], positions.
//!
//! Images are (batch, channels, height, width), sequences (batch, length, size), both row-major. Every length is checked
//! against the shape; a slice that does not fit is a [`NnError::Shape`]. Work is shared among the threads of the current
//! rayon pool, and no result depends on their number. Where there are no threads, as in a browser, all is done on the
//! calling one.
//!
//! ```
//! use timbral_nn::kernels::{
//!     BatchNormConfig, BatchNormPlan, BatchNormWeights, Conv2dConfig, Conv2dPlan, Padding, max_over,
//! };
//!
//! let config = Conv2dConfig { padding: Padding::Same, bias: false, ..Conv2dConfig::default() };
//! let conv = Conv2dPlan::new(config, &[0., 0., 0., 0., 2., 0., 0., 0., 0.], None)?;
//! let weights = BatchNormWeights { weight: &[1.], bias: &[0.], running_mean: &[1.], running_var: &[1.] };
//! let norm = BatchNormPlan::new(BatchNormConfig { epsilon: 0., ..BatchNormConfig::default() }, weights)?;
//!
//! let image = [1., 2., 3., 4.];
//! let shape = [1, 1, 2, 2];
//! let y = norm.forward_relu_max_pool(&conv.forward(&image, shape)?, shape, (1, 2))?;
//! assert_eq!(y, [3., 7.]);
//! assert_eq!(max_over(&y, &[1, 1, 2], 2)?, [7.]);
//! # Ok::<(), timbral_nn::NnError>(())
//! ```

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod batch_norm;
pub(crate) mod blocks;
pub(crate) mod conv;
mod linear;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod pool;
pub(crate) mod real;
pub(crate) mod recurrent;
pub(crate) mod row_norm;
pub(crate) mod simd;
pub(crate) mod softmax;

pub use self::activation::{Activation, relu};
pub use self::attention::{AttentionPoolingPlan, MultiHeadAttentionPlan, MultiHeadAttentionWeights};
pub use self::batch_norm::{BatchNormConfig, BatchNormPlan, BatchNormWeights};
pub use self::blocks::{
    PatchEmbeddingPlan, SqueezeExcitationPlan, SqueezeExcitationWeights, add_positions, sinusoidal_positions,
};
pub use self::conv::{Conv1dConfig, Conv1dPlan, Conv2dConfig, Conv2dPlan, Padding};
pub use self::linear::{LinearConfig, LinearPlan};
pub use self::matmul::matmul;
pub use self::pool::{
    Pool1dConfig, Pool2dConfig, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
    adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_over, max_pool1d, max_pool2d, mean_over,
};
pub use self::recurrent::{DirectionWeights, GruPlan, LstmPlan, RecurrentConfig};
pub use self::row_norm::{GroupNormPlan, LayerNormPlan, RmsNormPlan};
pub use self::softmax::{log_softmax, softmax};
use crate::NnError;

/// The product of the sizes of a shape.
pub(crate) fn volume(shape: &[usize]) -> Result<usize, NnError> {
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .ok_or_else(|| NnError::shape("shape", shape, "small enough for its product to be counted"))
}

/// Checks that a slice has the length of its shape.
pub(crate) fn check_length(what: &str, values: &[f32], shape: &[usize]) -> Result<(), NnError> {
    let length = volume(shape)?;
    if values.len() == length {
        return Ok(());
    }
    Err(NnError::shape(what, values.len(), format!("{length}, the product of {shape:?}")))
}
