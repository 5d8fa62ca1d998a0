//! Adam with decoupled weight decay.

use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::state;
use crate::error::Error;
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
    /// Share of a weight that is taken off at each step, times the learning rate. Default: 0.01. It acts on parameters
    /// whose [`decay`](Parameter::decay) is set.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// AdamW (Loshchilov and Hutter 2019), step for step as PyTorch's.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: u64,
    parameters: Vec<Parameter>,
    moments: Vec<(Tensor, Tensor)>,
}

impl AdamW {
    /// An optimizer over `parameters`, at step 0.
    ///
    /// # Errors
    /// If a setting breaks its rule.
    pub fn new(parameters: Vec<Parameter>, config: AdamWConfig) -> Result<Self, Error> {
        for (what, value) in [("beta1", config.beta1), ("beta2", config.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::Config {
                    what,
                    given: value.to_string(),
                    rule: "it must lie within [0, 1)",
                });
            }
        }
        for (what, value) in [("epsilon", config.epsilon), ("weight_decay", config.weight_decay)] {
            if !(value.is_finite() && value >= 0.0) {
                let rule = "it must be finite and not negative";
                return Err(Error::Config {
                    what,
                    given: value.to_string(),
                    rule,
                });
            }
        }
        let mut moments = Vec::with_capacity(parameters.len());
        for parameter in &parameters {
            moments.push((parameter.var.zeros_like()?, parameter.var.zeros_like()?));
        }
        Ok(Self {
            config,
            steps: 0,
            parameters,
            moments,
        })
    }

    /// The parameters, in their order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Steps made so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves every parameter once.
    ///
    /// # Errors
    /// [`Error::MissingGradient`] if a parameter has none; nothing is moved then.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<(), Error> {
        crate::parameters::assert_all_have_gradients(&self.parameters, gradients)?;
        self.steps += 1;
        let AdamWConfig {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = self.config;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (correction1, correction2) = (1.0 - beta1.powi(steps), 1.0 - beta2.powi(steps));
        for (parameter, (mean, square)) in self.parameters.iter().zip(&mut self.moments) {
            let Some(gradient) = gradients.get(&parameter.var) else {
                continue;
            };
            let gradient = gradient.detach();
            let rate = learning_rate * parameter.learning_rate_scale;
            *mean = ((&*mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
            *square = ((&*square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
            let divisor = ((square.sqrt()? / correction2.sqrt())? + epsilon)?;
            let step = (mean.div(&divisor)? * (rate / correction1))?;
            let value = parameter.var.as_detached_tensor();
            let value = if parameter.decay {
                (value * (1.0 - rate * weight_decay))?
            } else {
                value
            };
            parameter.var.set(&value.sub(&step)?)?;
        }
        Ok(())
    }

    /// The state as named tensors, for checkpoints: `NAME.mean` and `NAME.square` for each parameter.
    #[must_use]
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let entries = self.parameters.iter().zip(&self.moments);
        entries
            .flat_map(|(parameter, (mean, square))| {
                let name = &parameter.name;
                [
                    (format!("{name}.mean"), mean.clone()),
                    (format!("{name}.square"), square.clone()),
                ]
            })
            .collect()
    }

    /// Takes up saved state.
    ///
    /// # Errors
    /// [`Error::State`] if names or shapes differ; nothing is changed then.
    pub fn load(&mut self, saved: &BTreeMap<String, Tensor>, steps: u64) -> Result<(), Error> {
        let mut moments = Vec::with_capacity(self.parameters.len());
        let mut known = Vec::new();
        for parameter in &self.parameters {
            moments.push((
                state::take(saved, parameter, "mean")?,
                state::take(saved, parameter, "square")?,
            ));
            known.extend([
                format!("{}.mean", parameter.name),
                format!("{}.square", parameter.name),
            ]);
        }
        state::check_count(saved, &known)?;
        (self.moments, self.steps) = (moments, steps);
        Ok(())
    }
}
