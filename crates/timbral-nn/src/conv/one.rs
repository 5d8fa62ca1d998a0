//! One-dimensional convolution, as a two-dimensional one of height one.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

use super::{Conv1dConfig, Conv2dConfig, convolve2d, fan_in_uniform};

/// A cross-correlation over (batch, channels, length), as PyTorch's `nn.Conv1d`.
///
/// Parameters: `weight` (out, in / groups, kernel) and `bias` (out).
#[derive(Debug, Clone)]
pub struct Conv1d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
}

/// A [`Conv1d`] with variables `weight` and `bias`, drawn as PyTorch does: uniform within `1 / sqrt(fan in)`.
///
/// # Errors
/// If a setting breaks its rule or the variables have other shapes.
pub fn conv1d(config: Conv1dConfig, vb: VarBuilder<'_>) -> Result<Conv1d> {
    let bias = config.bias;
    let config = config.flat();
    let [out, group_in, _, kernel] = config.weight_shape()?;
    let init = fan_in_uniform(group_in.saturating_mul(kernel));
    let weight = vb.get_with_hints((out, group_in, kernel), "weight", init)?;
    let bias = if bias { Some(vb.get_with_hints(out, "bias", init)?) } else { None };
    Ok(Conv1d { weight, bias, config })
}

impl Module for Conv1d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        convolve2d(&x.unsqueeze(2)?, &self.weight.unsqueeze(2)?, self.bias.as_ref(), &self.config)?.squeeze(2)
    }
}
