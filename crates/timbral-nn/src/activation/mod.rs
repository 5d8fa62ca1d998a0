//! Element-wise activations and the softmax family, each with its own backward pass.
//!
//! [`Activation`] names eleven functions and is a `Module`; [`relu`], [`softmax`] and [`log_softmax`] are functions.
//! For a loss take the logits as they are: the functions of [`loss`](crate::loss) have the softmax inside.

mod op;
mod softmax;

use candle_core::{Module, Result, Tensor};

pub use self::softmax::{log_softmax, softmax};
pub use crate::kernels::Activation;

impl Module for Activation {
    /// # Errors
    /// If `x` is not f32 or f64 on the CPU, or a factor is not finite.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check()?;
        if !x.device().is_cpu() {
            return on_device(*self, x);
        }
        x.contiguous()?.apply_op1(op::Elementwise(*self))
    }
}

/// The same from candle's operations, for other devices.
fn on_device(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Relu => x.relu(),
        Activation::LeakyRelu(slope) => candle_nn::ops::leaky_relu(x, slope),
        Activation::Elu(factor) => x.elu(factor),
        Activation::Gelu => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
        Activation::Silu => x.silu(),
        Activation::Sigmoid => candle_nn::ops::sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Softplus => softplus(x),
        Activation::Mish => x.mul(&softplus(x)?.tanh()?),
        Activation::HardSwish => x.mul(&((x + 3.0)?.clamp(0.0, 6.0)? / 6.0)?),
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
