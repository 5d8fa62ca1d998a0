//! Stochastic gradient descent with momentum.

use candle_core::backprop::GradStore;

use super::state::{Slots, check_not_negative, check_share, slot_methods};
use crate::error::NnError;
use crate::parameters::Parameter;

/// Settings of [`Sgd`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SgdConfig {
    /// Fraction of the last step that is kept, within [0, 1). Default: 0.
    pub momentum: f64,
    /// Whether to look ahead by one momentum step (Nesterov). Default: false.
    pub nesterov: bool,
    /// Fraction of a weight that is added to its gradient, for parameters whose [`decay`](Parameter::decay) is set. Default: 0.
    pub weight_decay: f64,
}

/// Stochastic gradient descent, step for step as PyTorch's `SGD` without dampening.
#[derive(Debug)]
pub struct Sgd {
    config: SgdConfig,
    slots: Slots<1>,
}

slot_methods!(Sgd, "`NAME.momentum` for each parameter.");

impl Sgd {
    /// An optimizer over `parameters`, at step 0.
    ///
    /// # Errors
    /// If a setting breaks its rule.
    pub fn new(parameters: Vec<Parameter>, config: SgdConfig) -> Result<Self, NnError> {
        check_share("momentum", config.momentum)?;
        check_not_negative("weight_decay", config.weight_decay)?;
        Ok(Self { config, slots: Slots::new(parameters, ["momentum"])? })
    }

    /// Moves every parameter once.
    ///
    /// # Errors
    /// [`NnError::MissingGradient`] if a parameter has none; nothing is moved then.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<(), NnError> {
        let SgdConfig { momentum, nesterov, weight_decay } = self.config;
        self.slots.step(gradients, |parameter, value, mut gradient, [velocity]| {
            let rate = learning_rate * parameter.learning_rate_scale;
            if parameter.decay && weight_decay > 0.0 {
                gradient = (gradient + (&value * weight_decay)?)?;
            }
            if momentum > 0.0 {
                // The first velocity is the gradient itself, as the slot starts at zero.
                *velocity = ((&*velocity * momentum)? + &gradient)?;
                gradient = if nesterov { (gradient + (&*velocity * momentum)?)? } else { velocity.clone() };
            }
            value - (gradient * rate)?
        })
    }
}
