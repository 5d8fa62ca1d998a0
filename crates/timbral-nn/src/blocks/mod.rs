//! Parts of networks made of several layers, and embeddings.
//!
//! - [`ResidualBlock`]: torchvision's `BasicBlock`, with squeeze-excitation and stochastic depth where asked for.
//! - [`SqueezeExcitation`]: a factor for each channel, for a few percent more weights.
//! - [`PatchEmbedding`]: the first layer of a transformer over images.
//! - [`Embedding`]: a table of vectors.
//! - [`StochasticDepth`] and [`SpatialDropout`]: regularisation of branches and of channels, where
//!   [`Dropout`](crate::dropout::Dropout) of single elements hides little.

mod residual;

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::activation::relu;
use crate::conv::{Conv2d, Conv2dConfig, conv2d};
use crate::dropout::{LayerRandom, TrainingClock, check_probability, mask};
use crate::error::{config_error, shape_error};
use crate::linear::{Linear, LinearConfig, linear};
use crate::pool::mean_over;

pub use self::residual::{ResidualBlock, ResidualBlockConfig, residual_block};

/// Sets whole channels to zero in training (Tompson et al. 2015), as PyTorch's `nn.Dropout2d`: neighbouring elements of
/// an image predict each other, so that dropping single ones hides little.
#[derive(Debug)]
pub struct SpatialDropout {
    probability: f64,
    random: LayerRandom,
}

/// A [`SpatialDropout`] that is named by the path of `vb`; it has no variables.
///
/// # Errors
/// If `probability` is not within [0, 1).
pub fn spatial_dropout(
    probability: f64,
    clock: &TrainingClock,
    vb: &VarBuilder<'_>,
) -> Result<SpatialDropout> {
    check_probability(probability)?;
    Ok(SpatialDropout { probability, random: LayerRandom::new(clock, vb.prefix()) })
}

impl ModuleT for SpatialDropout {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        drop_leading(x, train, 2, self.probability, &self.random)
    }
}

/// Sets whole examples to zero in training (Huang et al. 2016): put it at the end of a residual branch.
#[derive(Debug)]
pub struct StochasticDepth {
    probability: f64,
    random: LayerRandom,
}

/// A [`StochasticDepth`] that is named by the path of `vb`; it has no variables.
///
/// # Errors
/// If `probability` is not within [0, 1).
pub fn stochastic_depth(
    probability: f64,
    clock: &TrainingClock,
    vb: &VarBuilder<'_>,
) -> Result<StochasticDepth> {
    check_probability(probability)?;
    Ok(StochasticDepth { probability, random: LayerRandom::new(clock, vb.prefix()) })
}

impl ModuleT for StochasticDepth {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        drop_leading(x, train, 1, self.probability, &self.random)
    }
}

/// One mask value for each index of the first `axes` axes.
fn drop_leading(
    x: &Tensor,
    train: bool,
    axes: usize,
    probability: f64,
    random: &LayerRandom,
) -> Result<Tensor> {
    if !train || probability == 0.0 {
        return Ok(x.clone());
    }
    if x.rank() < axes {
        return Err(shape_error("shape of the input of dropout", x.dims(), format!("at least {axes} axes")));
    }
    let dims: Vec<usize> =
        x.dims().iter().enumerate().map(|(axis, &size)| if axis < axes { size } else { 1 }).collect();
    x.broadcast_mul(&mask(&mut random.next(), &dims, probability, x)?)
}

/// Scales each channel by a factor that is computed from the means of all channels (Hu et al. 2018).
///
/// Parameters: `reduce.weight`, `reduce.bias`, `expand.weight`, `expand.bias`.
#[derive(Debug, Clone)]
pub struct SqueezeExcitation {
    reduce: Linear,
    expand: Linear,
}

/// A [`SqueezeExcitation`] of `channels` with `hidden` units between; the paper takes `channels / 16`.
///
/// # Errors
/// If a size is zero or the variables have other shapes.
pub fn squeeze_excitation(channels: usize, hidden: usize, vb: &VarBuilder<'_>) -> Result<SqueezeExcitation> {
    let layer = |in_features, out_features, name| {
        linear(LinearConfig { in_features, out_features, bias: true }, vb.pp(name))
    };
    Ok(SqueezeExcitation {
        reduce: layer(channels, hidden, "reduce")?,
        expand: layer(hidden, channels, "expand")?,
    })
}

impl Module for SqueezeExcitation {
    /// (batch, channels, height, width) to the same shape.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, _, _) = x.dims4()?;
        let means = mean_over(&x.flatten_from(2)?, 2)?;
        let factors = candle_nn::ops::sigmoid(&self.expand.forward(&relu(&self.reduce.forward(&means)?)?)?)?;
        x.broadcast_mul(&factors.reshape((batch, channels, 1, 1))?)
    }
}

/// Cuts images into patches beside each other and maps each to a vector (Dosovitskiy et al. 2021).
///
/// Parameters: `proj.weight` (size, channels, height, width), `proj.bias` (size).
#[derive(Debug, Clone)]
pub struct PatchEmbedding(Conv2d);

/// A [`PatchEmbedding`] of patches of `patch` (height, width) elements into vectors of `size`.
///
/// # Errors
/// If a size is zero or the variables have other shapes.
pub fn patch_embedding(
    channels: usize,
    size: usize,
    patch: (usize, usize),
    vb: &VarBuilder<'_>,
) -> Result<PatchEmbedding> {
    let config = Conv2dConfig {
        in_channels: channels,
        out_channels: size,
        kernel: patch,
        stride: patch,
        ..Conv2dConfig::default()
    };
    Ok(PatchEmbedding(conv2d(config, vb.pp("proj"))?))
}

impl Module for PatchEmbedding {
    /// (batch, channels, height, width) to (batch, patches, size), patches row by row.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)?.flatten_from(2)?.transpose(1, 2)
    }
}

/// A table of vectors, as PyTorch's `nn.Embedding`.
///
/// Parameter: `weight` (count, size).
#[derive(Debug, Clone)]
pub struct Embedding {
    weight: Tensor,
}

/// An [`Embedding`] of `count` vectors of `size`, drawn from the standard normal distribution as PyTorch does.
///
/// # Errors
/// If a size is zero or the variable has another shape.
pub fn embedding(count: usize, size: usize, vb: &VarBuilder<'_>) -> Result<Embedding> {
    if count == 0 || size == 0 {
        return Err(config_error("count, size", (count, size), "at least 1 each"));
    }
    let weight = vb.get_with_hints((count, size), "weight", Init::Randn { mean: 0.0, stdev: 1.0 })?;
    Ok(Embedding { weight })
}

impl Module for Embedding {
    /// Indices of any shape to that shape with one axis of `size` more.
    fn forward(&self, indices: &Tensor) -> Result<Tensor> {
        let mut shape = indices.dims().to_vec();
        shape.push(self.weight.dim(1)?);
        self.weight.index_select(&indices.flatten_all()?, 0)?.reshape(shape)
    }
}
