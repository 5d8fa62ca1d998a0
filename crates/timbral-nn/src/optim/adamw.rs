//! Adam, with weight decay decoupled or not.

use candle_core::backprop::GradStore;

use super::state::{Slots, check_not_negative, check_share, slot_methods};
use crate::error::NnError;
use crate::parameters::Parameter;

/// Settings of [`AdamW`]; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients, within [0, 1). Default: 0.9.
    pub beta1: f64,
    /// Decay of the mean of squared gradients, within [0, 1). Default: 0.999.
    pub beta2: f64,
    /// Added to the root of the squared mean. Default: 1e-8.
    pub epsilon: f64,
    /// Weight decay of parameters whose [`decay`](Parameter::decay) is set. Default: 0.01.
    pub weight_decay: f64,
    /// Whether the decay acts on the weights by themselves (AdamW) or is added to the gradient (PyTorch's `Adam`).
    /// Default: true.
    pub decoupled: bool,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, decoupled: true }
    }
}

/// AdamW (Loshchilov and Hutter 2019), step for step as PyTorch's; with `decoupled: false` Adam (Kingma and Ba 2015).
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    slots: Slots<2>,
}

slot_methods!(AdamW, "`NAME.mean` and `NAME.square` for each parameter.");

impl AdamW {
    /// An optimizer over `parameters`, at step 0.
    ///
    /// # Errors
    /// If a setting breaks its rule.
    pub fn new(parameters: Vec<Parameter>, config: AdamWConfig) -> Result<Self, NnError> {
        check_share("beta1", config.beta1)?;
        check_share("beta2", config.beta2)?;
        check_not_negative("epsilon", config.epsilon)?;
        check_not_negative("weight_decay", config.weight_decay)?;
        Ok(Self { config, slots: Slots::new(parameters, ["mean", "square"])? })
    }

    /// Moves every parameter once.
    ///
    /// # Errors
    /// [`NnError::MissingGradient`] if a parameter has none; nothing is moved then.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<(), NnError> {
        let AdamWConfig { beta1, beta2, epsilon, weight_decay, decoupled } = self.config;
        let steps = i32::try_from(self.slots.steps + 1).unwrap_or(i32::MAX);
        let (correction1, correction2) = (1.0 - beta1.powi(steps), 1.0 - beta2.powi(steps));
        self.slots.step(gradients, |parameter, mut value, mut gradient, [mean, square]| {
            let rate = learning_rate * parameter.learning_rate_scale;
            if parameter.decay && weight_decay > 0.0 {
                if decoupled {
                    value = (value * (1.0 - rate * weight_decay))?;
                } else {
                    gradient = (gradient + (&value * weight_decay)?)?;
                }
            }
            *mean = ((&*mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
            *square = ((&*square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
            let divisor = ((square.sqrt()? / correction2.sqrt())? + epsilon)?;
            value - (mean.div(&divisor)? * (rate / correction1))?
        })
    }
}
