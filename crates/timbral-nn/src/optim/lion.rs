//! Lion: the sign of an interpolated momentum.

use candle_core::backprop::GradStore;

use super::state::{Slots, check_not_negative, check_share, slot_methods};
use crate::error::NnError;
use crate::parameters::Parameter;

/// Settings of [`Lion`]; the defaults are the paper's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LionConfig {
    /// Fraction of the momentum in the direction of a step, within [0, 1). Default: 0.9.
    pub beta1: f64,
    /// Decay of the momentum, within [0, 1). Default: 0.99.
    pub beta2: f64,
    /// Decoupled weight decay of parameters whose [`decay`](Parameter::decay) is set. Default: 0.
    pub weight_decay: f64,
}

impl Default for LionConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

/// Lion (Chen et al. 2023). Its learning rate is usually a third to a tenth of AdamW's.
#[derive(Debug)]
pub struct Lion {
    config: LionConfig,
    slots: Slots<1>,
}

slot_methods!(Lion, "`NAME.momentum` for each parameter.");

impl Lion {
    /// An optimizer over `parameters`, at step 0.
    ///
    /// # Errors
    /// If a setting breaks its rule.
    pub fn new(parameters: Vec<Parameter>, config: LionConfig) -> Result<Self, NnError> {
        check_share("beta1", config.beta1)?;
        check_share("beta2", config.beta2)?;
        check_not_negative("weight_decay", config.weight_decay)?;
        Ok(Self { config, slots: Slots::new(parameters, ["momentum"])? })
    }

    /// Moves every parameter once.
    ///
    /// # Errors
    /// [`NnError::MissingGradient`] if a parameter has none; nothing is moved then.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<(), NnError> {
        let LionConfig { beta1, beta2, weight_decay } = self.config;
        self.slots.step(gradients, |parameter, mut value, gradient, [momentum]| {
            let rate = learning_rate * parameter.learning_rate_scale;
            if parameter.decay && weight_decay > 0.0 {
                value = (value * (1.0 - rate * weight_decay))?;
            }
            let direction = ((&*momentum * beta1)? + (&gradient * (1.0 - beta1))?)?.sign()?;
            *momentum = ((&*momentum * beta2)? + (gradient * (1.0 - beta2))?)?;
            value - (direction * rate)?
        })
    }
}
