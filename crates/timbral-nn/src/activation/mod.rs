//! Element-wise activations and the softmax family, each with its own backward pass.

mod op;
mod softmax;

use candle_core::{Module, Result, Tensor};

pub(crate) use self::softmax::softmax_row;
pub use self::softmax::{log_softmax, softmax};
use crate::error::config_error;

/// Elements that one task takes; smaller tensors stay on the calling thread.
const GRAIN: usize = 16 * 1024;

/// An element-wise activation, with PyTorch's formulas and one pass over memory each way.
///
/// On the CPU in f32 the exponential is a polynomial with an error of a few units in the last place.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use timbral_nn::Activation;
///
/// let x = Tensor::new(&[-1f64, 0., 2.], &Device::Cpu)?;
/// assert_eq!(Activation::Relu.forward(&x)?.to_vec1::<f64>()?, [0., 0., 2.]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`; the gradient at zero is zero.
    Relu,
    /// `x` above zero, else this slope times `x`. PyTorch's default is 0.01.
    LeakyRelu(f64),
    /// `x` above zero, else this factor times `exp(x) - 1` (Clevert et al. 2016). PyTorch's default is 1.
    Elu(f64),
    /// `x * Phi(x)` with the normal distribution function Phi (Hendrycks and Gimpel 2016).
    Gelu,
    /// The same with a hyperbolic tangent in place of Phi, as PyTorch's `approximate="tanh"`.
    GeluTanh,
    /// `x * sigmoid(x)`, also called swish (Elfwing et al. 2018).
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x * tanh(softplus(x))` (Misra 2020).
    Mish,
    /// `x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
}

impl Module for Activation {
    /// # Errors
    /// If `x` is not f32 or f64 on the CPU, or a factor is not finite.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Self::LeakyRelu(factor) | Self::Elu(factor) = *self
            && !factor.is_finite()
        {
            return Err(config_error("factor of an activation", factor, "it must be finite"));
        }
        if !x.device().is_cpu() {
            return self.on_device(x);
        }
        x.contiguous()?.apply_op1(op::Elementwise(*self))
    }
}

impl Activation {
    /// The same from candle's operations, for other devices.
    fn on_device(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Relu => x.relu(),
            Self::LeakyRelu(slope) => candle_nn::ops::leaky_relu(x, slope),
            Self::Elu(factor) => x.elu(factor),
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Silu => x.silu(),
            Self::Sigmoid => candle_nn::ops::sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Softplus => softplus(x),
            Self::Mish => x.mul(&softplus(x)?.tanh()?),
            Self::HardSwish => x.mul(&((x + 3.0)?.clamp(0.0, 6.0)? / 6.0)?),
        }
    }
}

/// `max(x, 0) + ln(1 + exp(-|x|))`: no overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// `max(x, 0)`; the gradient at zero is zero.
///
/// # Errors
/// If `x` is not f32 or f64 on the CPU.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    Activation::Relu.forward(x)
}
