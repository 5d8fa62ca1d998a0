//! Layer, root-mean-square and group normalisation: each row by itself, in training and inference alike.

use candle_core::{Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::rows_op::RowNorms;
use crate::custom_op;
use crate::error::shape_error;
use crate::kernels::row_norm::{RowNorm, check, check_groups};

/// Normalises over the last axis (Ba et al. 2016), as PyTorch's `nn.LayerNorm` of one size.
///
/// Parameters: `weight` and `bias` (size).
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// A [`LayerNorm`] over a last axis of `size` elements; PyTorch's default for `epsilon` is 1e-5.
///
/// # Errors
/// If `size` is zero, `epsilon` is negative or not finite, or the variables have other shapes.
pub fn layer_norm(size: usize, epsilon: f64, vb: VarBuilder<'_>) -> Result<LayerNorm> {
    check(size, epsilon)?;
    let weight = vb.get_with_hints(size, "weight", Init::Const(1.0))?;
    Ok(LayerNorm { weight, bias: vb.get_with_hints(size, "bias", Init::Const(0.0))?, epsilon })
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rows(x, &self.weight, Some(&self.bias), self.epsilon)
    }
}

/// Divides by the root of the mean square over the last axis (Zhang and Sennrich 2019), as PyTorch's `nn.RMSNorm`.
///
/// Parameter: `weight` (size).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Tensor,
    epsilon: f64,
}

/// A [`RmsNorm`] over a last axis of `size` elements.
///
/// # Errors
/// If `size` is zero, `epsilon` is negative or not finite, or the variable has another shape.
pub fn rms_norm(size: usize, epsilon: f64, vb: VarBuilder<'_>) -> Result<RmsNorm> {
    check(size, epsilon)?;
    Ok(RmsNorm { weight: vb.get_with_hints(size, "weight", Init::Const(1.0))?, epsilon })
}

impl Module for RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rows(x, &self.weight, None, self.epsilon)
    }
}

/// Normalises groups of channels over all their elements (Wu and He 2018), as PyTorch's `nn.GroupNorm`.
///
/// Parameters: `weight` and `bias` (channels). The input is (batch, channels, ..).
#[derive(Debug, Clone)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    epsilon: f64,
}

/// A [`GroupNorm`] of `channels` in `groups`.
///
/// # Errors
/// If `groups` does not divide `channels`, `epsilon` is negative or not finite, or the variables have other shapes.
pub fn group_norm(groups: usize, channels: usize, epsilon: f64, vb: VarBuilder<'_>) -> Result<GroupNorm> {
    check_groups(groups, channels, epsilon)?;
    let weight = vb.get_with_hints(channels, "weight", Init::Const(1.0))?;
    Ok(GroupNorm { weight, bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?, groups, epsilon })
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channels = self.weight.elem_count();
        if x.rank() < 2 || x.dim(1)? != channels || x.elem_count() == 0 {
            return Err(shape_error(
                "shape of the input of group normalisation",
                x.dims(),
                format!("(batch, {channels}, ..)"),
            ));
        }
        if x.device().is_cpu() {
            let op = RowNorm {
                segments: channels / self.groups,
                span: x.dims()[2..].iter().product(),
                center: true,
                epsilon: self.epsilon,
            };
            return apply(x, &self.weight, Some(&self.bias), op);
        }
        let mut shape = vec![1; x.rank()];
        shape[1] = channels;
        normalise(&x.reshape((x.dim(0)? * self.groups, ()))?, true, self.epsilon)?
            .reshape(x.shape())?
            .broadcast_mul(&self.weight.reshape(shape.as_slice())?)?
            .broadcast_add(&self.bias.reshape(shape.as_slice())?)
    }
}

/// Normalises over the last axis: with a bias around the mean, without around zero.
fn rows(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
    let size = weight.elem_count();
    if x.dims().last() != Some(&size) || x.elem_count() == 0 {
        return Err(shape_error(
            "shape of the input of normalisation",
            x.dims(),
            format!("{size} on the last axis, not empty"),
        ));
    }
    if x.device().is_cpu() {
        let op = RowNorm { segments: size, span: 1, center: bias.is_some(), epsilon };
        return apply(x, weight, bias, op);
    }
    let y = normalise(x, bias.is_some(), epsilon)?.broadcast_mul(weight)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

fn apply(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, op: RowNorm) -> Result<Tensor> {
    if x.dtype() != weight.dtype() {
        return Err(shape_error("element type of the input", x.dtype(), format!("{:?}", weight.dtype())));
    }
    let bias = bias.map(Tensor::contiguous).transpose()?;
    custom_op::apply(RowNorms(op), &x.contiguous()?, &weight.contiguous()?, bias.as_ref())
}

/// The same from candle's operations, for other devices.
fn normalise(x: &Tensor, center: bool, epsilon: f64) -> Result<Tensor> {
    let last = candle_core::D::Minus1;
    let x = if center { x.broadcast_sub(&x.mean_keepdim(last)?)? } else { x.clone() };
    let scale = (x.sqr()?.mean_keepdim(last)? + epsilon)?.sqrt()?;
    x.broadcast_div(&scale)
}
