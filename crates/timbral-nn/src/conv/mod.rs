//! Convolution of one and two dimensions.
//!
//! [`conv2d`] and [`conv1d`] make layers of any stride, padding, dilation and number of groups; with as many groups as
//! channels they are depthwise. [`convolve2d`] is the operation for weights of your own. Stride one goes straight over the
//! padded image, other strides by columns of patches.

mod direct;
mod fold;
mod one;
mod op;

use candle_core::{Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};

pub use self::one::{Conv1d, conv1d};
use self::op::Convolution;
use crate::custom_op;
use crate::error::{config_error, shape_error};
use crate::kernels::conv::{Axis, Geometry};
pub use crate::kernels::{Conv1dConfig, Conv2dConfig, Padding};

/// A two-dimensional cross-correlation over (batch, channels, height, width), as PyTorch's `nn.Conv2d`.
///
/// Parameters: `weight` (out, in / groups, height, width) and `bias` (out).
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// A layer from ready tensors.
    ///
    /// # Errors
    /// If the shapes do not follow from `config`.
    pub fn new(weight: Tensor, bias: Option<Tensor>, config: Conv2dConfig) -> Result<Self> {
        let expected = config.weight_shape()?;
        if weight.dims() != expected {
            return Err(shape_error("shape of the weight", weight.dims(), format!("{expected:?}")));
        }
        if bias.is_some() != config.bias
            || bias.as_ref().is_some_and(|bias| bias.dims() != [config.out_channels])
        {
            let given = bias.as_ref().map(|bias| bias.dims().to_vec());
            return Err(shape_error(
                "shape of the bias",
                given,
                "[out_channels] if config.bias is set, else none",
            ));
        }
        Ok(Self { weight, bias, config })
    }

    /// The kernel, shape (out, in / groups, height, width).
    #[must_use]
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, shape (out), if there is one.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Conv2dConfig {
        &self.config
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        convolve2d(x, &self.weight, self.bias.as_ref(), &self.config)
    }
}

/// A [`Conv2d`] with variables `weight` and `bias`, drawn as PyTorch does: uniform within `1 / sqrt(fan in)`.
///
/// # Errors
/// If a setting breaks its rule or the variables have other shapes.
pub fn conv2d(config: Conv2dConfig, vb: VarBuilder<'_>) -> Result<Conv2d> {
    let shape = config.weight_shape()?;
    let init = fan_in_uniform(shape[1..].iter().product());
    let weight = vb.get_with_hints(&shape[..], "weight", init)?;
    let bias = if config.bias { Some(vb.get_with_hints(config.out_channels, "bias", init)?) } else { None };
    Conv2d::new(weight, bias, config)
}

/// PyTorch's initialisation of convolutions and linear layers: uniform within `1 / sqrt(fan in)`.
#[allow(clippy::cast_precision_loss, reason = "a fan-in is far below 2^52")]
pub(crate) fn fan_in_uniform(fan_in: usize) -> Init {
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// Convolves `x` (batch, channels, height, width) with `weight` (out, in / groups, height, width) and adds `bias`.
///
/// On the CPU in f32 and f64 this is an own operation: blocks of patches as columns, one matrix product for each, images
/// in parallel. The result does not depend on the number of threads. The gradient of `x` is not computed where
/// nobody needs it. Elsewhere candle's own convolution is called, which takes one stride and one dilation for both axes.
///
/// `in_channels`, `out_channels`, `kernel` and `bias` of `config` are not read: the tensors have them.
///
/// # Errors
/// If shapes do not fit each other or the settings.
pub fn convolve2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
) -> Result<Tensor> {
    let geometry = Geometry::new(x.dims(), weight.dims(), config)?;
    if let Some(bias) = bias
        && bias.dims() != [geometry.out_channels]
    {
        return Err(shape_error("shape of the bias", bias.dims(), format!("[{}]", geometry.out_channels)));
    }
    if !x.device().is_cpu() {
        return on_device(x, weight, bias, config, &geometry);
    }
    if x.dtype() != weight.dtype() || bias.is_some_and(|bias| bias.dtype() != x.dtype()) {
        return Err(shape_error("element type of the weight", weight.dtype(), format!("{:?}", x.dtype())));
    }
    let (op, bias) = (Convolution::new(geometry), bias.map(Tensor::contiguous).transpose()?);
    custom_op::apply(op, &x.contiguous()?, &weight.contiguous()?, bias.as_ref())
}

fn on_device(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
    geometry: &Geometry,
) -> Result<Tensor> {
    let (stride, dilation) = (config.stride, config.dilation);
    if stride.0 != stride.1 || dilation.0 != dilation.1 {
        return Err(config_error(
            "stride and dilation",
            (stride, dilation),
            "the same on both axes, away from the CPU",
        ));
    }
    // Padded or cropped to exactly what the windows cover: candle's gradient fails where the axes leave other remainders.
    let cover = |axis: &Axis| (axis.output - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
    let mut x = x.clone();
    for (dim, axis) in [(2, &geometry.height), (3, &geometry.width)] {
        let covered = cover(axis);
        let after = covered.saturating_sub(axis.before + axis.input);
        x = x.pad_with_zeros(dim, axis.before, after)?.narrow(dim, 0, covered)?;
    }
    let y = x.conv2d(weight, 0, stride.0, dilation.0, config.groups)?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, geometry.out_channels, 1, 1))?),
        None => Ok(y),
    }
}
