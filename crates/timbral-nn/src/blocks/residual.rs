//! A residual block.

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;

use crate::activation::relu;
use crate::blocks::{SqueezeExcitation, StochasticDepth, squeeze_excitation, stochastic_depth};
use crate::conv::{Conv2d, Conv2dConfig, Padding, conv2d};
use crate::dropout::TrainingClock;
use crate::norm::{BatchNorm, BatchNormConfig, batch_norm_2d};

/// Settings of a [`ResidualBlock`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualBlockConfig {
    /// Channels of the input. Default: 1.
    pub in_channels: usize,
    /// Channels of the output. Default: 1.
    pub out_channels: usize,
    /// Step of the first convolution, for both axes. Default: 1.
    pub stride: usize,
    /// Hidden units of squeeze-excitation at the end of the branch, if there is one. Default: none.
    pub excitation: Option<usize>,
    /// Chance that training leaves out the branch of an example, within [0, 1). Default: 0.
    pub left_out: f64,
}

impl Default for ResidualBlockConfig {
    fn default() -> Self {
        Self { in_channels: 1, out_channels: 1, stride: 1, excitation: None, left_out: 0.0 }
    }
}

/// Two 3x3 convolutions with batch normalisation, whose result is added to the input before the last ReLU (He et al.
/// 2016), as torchvision's `BasicBlock`. Where the shape changes, the input goes through a 1x1 convolution and a
/// normalisation.
///
/// Parameters, by torchvision's names: `conv1.weight`, `bn1.*`, `conv2.weight`, `bn2.*`, and `downsample.0.weight`,
/// `downsample.1.*` where the shape changes; `excitation.*` as of [`SqueezeExcitation`].
#[derive(Debug)]
pub struct ResidualBlock {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    excitation: Option<SqueezeExcitation>,
    depth: StochasticDepth,
    shortcut: Option<(Conv2d, BatchNorm)>,
}

/// A [`ResidualBlock`] with variables below the path of `vb`, which also names its random numbers.
///
/// # Errors
/// If a setting breaks its rule or the variables have other shapes.
pub fn residual_block(
    config: ResidualBlockConfig,
    clock: &TrainingClock,
    vb: &VarBuilder<'_>,
) -> Result<ResidualBlock> {
    let ResidualBlockConfig { in_channels, out_channels, stride, excitation, left_out } = config;
    let conv = |in_channels, kernel: usize, stride, name| {
        let config = Conv2dConfig {
            in_channels,
            out_channels,
            kernel: (kernel, kernel),
            stride: (stride, stride),
            padding: Padding::Symmetric(kernel / 2, kernel / 2),
            bias: false, // a normalisation follows
            ..Conv2dConfig::default()
        };
        conv2d(config, vb.pp(name))
    };
    let norm = |name| {
        let config = BatchNormConfig { channels: out_channels, ..BatchNormConfig::default() };
        batch_norm_2d(config, vb.pp(name))
    };
    Ok(ResidualBlock {
        conv1: conv(in_channels, 3, stride, "conv1")?,
        norm1: norm("bn1")?,
        conv2: conv(out_channels, 3, 1, "conv2")?,
        norm2: norm("bn2")?,
        excitation: excitation
            .map(|hidden| squeeze_excitation(out_channels, hidden, &vb.pp("excitation")))
            .transpose()?,
        depth: stochastic_depth(left_out, clock, &vb.pp("depth"))?,
        shortcut: if stride != 1 || in_channels != out_channels {
            Some((conv(in_channels, 1, stride, "downsample.0")?, norm("downsample.1")?))
        } else {
            None
        },
    })
}

impl ModuleT for ResidualBlock {
    /// (batch, in_channels, height, width) to (batch, out_channels, height / stride, width / stride), rounded up.
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.norm1.forward_relu_t(&self.conv1.forward(x)?, train)?;
        let y = self.norm2.forward_t(&self.conv2.forward(&y)?, train)?;
        let y = match &self.excitation {
            Some(excitation) => excitation.forward(&y)?,
            None => y,
        };
        let y = self.depth.forward_t(&y, train)?;
        let straight = match &self.shortcut {
            Some((conv, norm)) => norm.forward_t(&conv.forward(x)?, train)?,
            None => x.clone(),
        };
        relu(&(y + straight)?)
    }
}
