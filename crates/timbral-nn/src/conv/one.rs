//! One-dimensional convolution, as a two-dimensional one of height one.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

use super::{Conv2dConfig, Padding, convolve2d, fan_in_uniform, weight_shape};

/// Settings of a [`Conv1d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1dConfig {
    /// Channels of the input. Default: 1.
    pub in_channels: usize,
    /// Channels of the output. Default: 1.
    pub out_channels: usize,
    /// Kernel size. Default: 3.
    pub kernel: usize,
    /// Step between windows. Default: 1.
    pub stride: usize,
    /// Zeros before and after; `None` keeps the size at stride 1 (`same`). Default: `Some((0, 0))`. A causal
    /// convolution has `Some((dilation * (kernel - 1), 0))`.
    pub padding: Option<(usize, usize)>,
    /// Distance between the taps of the kernel. Default: 1.
    pub dilation: usize,
    /// Groups of channels that do not see each other. Default: 1.
    pub groups: usize,
    /// Whether a bias is added. Default: true.
    pub bias: bool,
}

impl Default for Conv1dConfig {
    fn default() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            kernel: 3,
            stride: 1,
            padding: Some((0, 0)),
            dilation: 1,
            groups: 1,
            bias: true,
        }
    }
}

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
    let Conv1dConfig { in_channels, out_channels, kernel, stride, padding, dilation, groups, bias } = config;
    let padding = match padding {
        Some((left, right)) => Padding::Explicit { top: 0, bottom: 0, left, right },
        None => Padding::Same,
    };
    let config = Conv2dConfig {
        in_channels,
        out_channels,
        kernel: (1, kernel),
        stride: (1, stride),
        padding,
        dilation: (1, dilation),
        groups,
        bias,
    };
    let [out, group_in, _, kernel] = weight_shape(&config)?;
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
