//! Attention: multi-head layers, masks, positions, and pooling by attention.
//!
//! - [`MultiHeadAttention`] with [`causal_mask`] or [`padding_mask`], after [`LearnedPositions`] (a known largest length)
//!   or [`sinusoidal_positions`] (any length): the parts of a transformer, with
//!   [`LayerNorm`](crate::norm::LayerNorm).
//! - [`AttentionPooling`]: a sequence of any length to one vector, where the mean would bury a short event.

mod op;

use candle_core::{D, Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use self::op::AttentionOp;
use crate::activation::softmax;
use crate::error::{config_error, shape_error};
use crate::kernels::attention::{Attention, check_heads};
use crate::kernels::blocks::positions;
use crate::linear::{Linear, LinearConfig, linear};

/// Scaled dot-product attention in several heads (Vaswani et al. 2017), as PyTorch's
/// `nn.MultiheadAttention(batch_first=True)`.
///
/// Parameters: `in_proj_weight` (3 size, size), `in_proj_bias` (3 size), `out_proj.weight`, `out_proj.bias`.
#[derive(Debug, Clone)]
pub struct MultiHeadAttention {
    input: Linear,
    output: Linear,
    heads: usize,
}

/// A [`MultiHeadAttention`] of vectors of `size` in `heads`, drawn as PyTorch does (Glorot uniform for the input, zero biases).
///
/// # Errors
/// If `heads` does not divide `size`, or the variables have other shapes.
#[allow(clippy::cast_precision_loss, reason = "a size is far below 2^52")]
pub fn multi_head_attention(size: usize, heads: usize, vb: &VarBuilder<'_>) -> Result<MultiHeadAttention> {
    check_heads(size, heads)?;
    let bound = (6.0 / (4 * size) as f64).sqrt();
    let weight =
        vb.get_with_hints((3 * size, size), "in_proj_weight", Init::Uniform { lo: -bound, up: bound })?;
    let bias = vb.get_with_hints(3 * size, "in_proj_bias", Init::Const(0.0))?;
    let out = vb.pp("out_proj");
    let out_weight = out.get_with_hints((size, size), "weight", crate::conv::fan_in_uniform(size))?;
    let out_bias = out.get_with_hints(size, "bias", Init::Const(0.0))?;
    Ok(MultiHeadAttention {
        input: Linear::new(weight, Some(bias))?,
        output: Linear::new(out_weight, Some(out_bias))?,
        heads,
    })
}

impl MultiHeadAttention {
    /// Attends within `x` (batch, length, size). `mask` is added to the scores and must broadcast to
    /// (batch, heads, length, length): zero where a position may be seen, minus infinity where not.
    ///
    /// # Errors
    /// If the shapes do not fit.
    #[allow(clippy::cast_precision_loss, reason = "a size is far below 2^52")]
    pub fn attend(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let size = self.output.weight().dim(0)?;
        let &[batch, length, given] = x.dims() else {
            return Err(shape_error("shape of the input of attention", x.dims(), "(batch, length, size)"));
        };
        if given != size || batch == 0 || length == 0 {
            return Err(shape_error(
                "shape of the input of attention",
                x.dims(),
                format!("(batch, length, {size}), not empty"),
            ));
        }
        let width = size / self.heads;
        let parts = self.input.forward(x)?;
        // A mask that learns needs its gradient: the long way.
        if x.device().is_cpu() && !mask.is_some_and(Tensor::track_op) {
            let mask = match mask {
                Some(mask) if mask.dtype() != x.dtype() => {
                    return Err(shape_error(
                        "element type of the mask",
                        mask.dtype(),
                        format!("{:?}", x.dtype()),
                    ));
                }
                Some(mask) => {
                    mask.broadcast_as((batch, self.heads, length, length))?;
                    Some(mask.clone())
                }
                None => None,
            };
            let attention = Attention { batch, length, heads: self.heads, width };
            let op = AttentionOp { attention, mask };
            return self.output.forward(&parts.contiguous()?.apply_op1(op)?);
        }
        let parts = parts.reshape((batch, length, 3, self.heads, width))?.permute((2, 0, 3, 1, 4))?;
        let part = |index: usize| parts.narrow(0, index, 1)?.squeeze(0)?.contiguous();
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let scores = (query.matmul(&key.transpose(2, 3)?.contiguous()?)? * (1.0 / (width as f64).sqrt()))?;
        let scores = match mask {
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        };
        let seen = softmax(&scores, D::Minus1)?.matmul(&value)?;
        self.output.forward(&seen.transpose(1, 2)?.reshape((batch, length, size))?)
    }
}

impl Module for MultiHeadAttention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.attend(x, None)
    }
}

/// A mask that hides later positions: (length, length), zero on and below the diagonal and minus infinity above.
///
/// # Errors
/// If candle fails.
pub fn causal_mask(length: usize, like: &Tensor) -> Result<Tensor> {
    let value = |row: usize, column: usize| if column > row { f32::NEG_INFINITY } else { 0.0 };
    let values: Vec<f32> =
        (0..length).flat_map(|row| (0..length).map(move |column| value(row, column))).collect();
    Tensor::from_vec(values, (length, length), &candle_core::Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

/// A mask that hides the positions behind the end of each example: (batch, 1, 1, length), zero before `lengths[example]`
/// and minus infinity from there on. An example of length zero would have nothing to attend to.
///
/// # Errors
/// If there is no example, or a length is zero or above `length`.
pub fn padding_mask(lengths: &[usize], length: usize, like: &Tensor) -> Result<Tensor> {
    if lengths.is_empty() || lengths.iter().any(|&own| own == 0 || own > length) {
        return Err(config_error(
            "lengths, length",
            (lengths, length),
            "at least one length, each at least 1 and at most the common one",
        ));
    }
    let values: Vec<f32> = lengths
        .iter()
        .flat_map(|&own| (0..length).map(move |at| if at < own { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    Tensor::from_vec(values, (lengths.len(), 1, 1, length), &candle_core::Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

/// A learned vector for each position, added to the input.
///
/// Parameter: `weight` (length, size).
#[derive(Debug, Clone)]
pub struct LearnedPositions {
    weight: Tensor,
}

/// [`LearnedPositions`] for inputs of at most `length` vectors of `size`, drawn from a normal distribution with deviation
/// 0.02 as Dosovitskiy et al. (2021) do.
///
/// # Errors
/// If a size is zero or the variable has another shape.
pub fn learned_positions(length: usize, size: usize, vb: &VarBuilder<'_>) -> Result<LearnedPositions> {
    if length == 0 || size == 0 {
        return Err(config_error("length, size", (length, size), "at least 1 each"));
    }
    let init = Init::Randn { mean: 0.0, stdev: 0.02 };
    Ok(LearnedPositions { weight: vb.get_with_hints((length, size), "weight", init)? })
}

impl Module for LearnedPositions {
    /// (batch, length, size) to the same shape; the length may be smaller than that of the table.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (most, size) = self.weight.dims2()?;
        match x.dims() {
            &[_, length, given] if given == size && length > 0 && length <= most => {
                x.broadcast_add(&self.weight.narrow(0, 0, length)?)
            }
            dims => Err(shape_error(
                "shape of the input of learned positions",
                dims,
                format!("(batch, 1 to {most}, {size})"),
            )),
        }
    }
}

/// The sinusoids of Vaswani et al. (2017), (length, size): sines on even columns, cosines on odd ones, with wavelengths
/// from 2 pi to 10000 * 2 pi.
///
/// # Errors
/// If candle fails.
pub fn sinusoidal_positions(length: usize, size: usize, like: &Tensor) -> Result<Tensor> {
    let values = positions(length, size);
    Tensor::from_vec(values, (length, size), &candle_core::Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

/// The mean over time weighted by a learned score of each step: (batch, length, size) to (batch, size).
///
/// Parameters: `score.weight` (1, size), `score.bias` (1).
#[derive(Debug, Clone)]
pub struct AttentionPooling {
    score: Linear,
}

/// An [`AttentionPooling`] of vectors of `size`.
///
/// # Errors
/// If `size` is zero or the variables have other shapes.
pub fn attention_pooling(size: usize, vb: &VarBuilder<'_>) -> Result<AttentionPooling> {
    let config = LinearConfig { in_features: size, out_features: 1, bias: true };
    Ok(AttentionPooling { score: linear(config, vb.pp("score"))? })
}

impl Module for AttentionPooling {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weights = softmax(&self.score.forward(x)?, 1)?;
        weights.transpose(1, 2)?.matmul(&x.contiguous()?)?.squeeze(1)
    }
}
