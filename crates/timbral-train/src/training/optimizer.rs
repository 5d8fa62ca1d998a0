use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use serde::{Deserialize, Serialize};
use timbral_nn::optim::{Lion, LionConfig, Sgd, SgdConfig};
use timbral_nn::parameters::Parameter;
use timbral_nn::{AdamW, AdamWConfig};

use super::config::TrainConfig;
use crate::TrainError;

/// Optimizer. In a file a name, `"adamw"`, or a table, `{ type = "sgd", momentum = 0.9, nesterov = true }`.
///
/// Weight decay is a field of the training, and acts on matrices and kernels only: neither biases nor the scales and
/// shifts of normalisations decay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OptimizerKind {
    /// Adam whose weight decay acts on the weights by themselves (Loshchilov and Hutter 2019).
    #[serde(rename = "adamw")]
    AdamW(AdamParameters),
    /// Adam (Kingma and Ba 2015); weight decay is added to the gradient.
    Adam(AdamParameters),
    /// Stochastic gradient descent with momentum; weight decay is added to the gradient. Its learning rate is usually ten
    /// to a hundred times Adam's.
    Sgd(SgdParameters),
    /// The sign of a momentum (Chen et al. 2023). Its learning rate is usually a third to a tenth of AdamW's, and its weight
    /// decay as many times larger.
    Lion(LionParameters),
}

impl Default for OptimizerKind {
    fn default() -> Self {
        Self::AdamW(AdamParameters::default())
    }
}

/// Settings of [`OptimizerKind::AdamW`] and [`OptimizerKind::Adam`]; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamParameters {
    /// Decay of the mean of gradients, in `[0, 1)`. Default: 0.9.
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in `[0, 1)`. Default: 0.999.
    pub beta2: f64,
    /// Added to the root of the squared mean. Default: 1e-8.
    pub epsilon: f64,
}

impl Default for AdamParameters {
    fn default() -> Self {
        let AdamWConfig { beta1, beta2, epsilon, .. } = AdamWConfig::default();
        Self { beta1, beta2, epsilon }
    }
}

/// Settings of [`OptimizerKind::Sgd`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdParameters {
    /// Fraction of the last step that is kept, in `[0, 1)`. Default: 0.9.
    pub momentum: f64,
    /// Whether to look ahead by one step (Nesterov). Default: false.
    pub nesterov: bool,
}

impl Default for SgdParameters {
    fn default() -> Self {
        Self { momentum: 0.9, nesterov: false }
    }
}

/// Settings of [`OptimizerKind::Lion`]; the defaults are the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LionParameters {
    /// Fraction of the momentum in the direction of a step, in `[0, 1)`. Default: 0.9.
    pub beta1: f64,
    /// Decay of the momentum, in `[0, 1)`. Default: 0.99.
    pub beta2: f64,
}

impl Default for LionParameters {
    fn default() -> Self {
        let LionConfig { beta1, beta2, .. } = LionConfig::default();
        Self { beta1, beta2 }
    }
}

/// The optimizer of a run in progress.
#[derive(Debug)]
pub(super) enum Optimizer {
    Adam(AdamW),
    Sgd(Sgd),
    Lion(Lion),
}

impl Optimizer {
    /// The optimizer of `config` over `parameters`, at its first step.
    pub(super) fn new(config: &TrainConfig, parameters: Vec<Parameter>) -> Result<Self, TrainError> {
        let weight_decay = config.weight_decay;
        let adam = |p: AdamParameters, decoupled| AdamWConfig {
            beta1: p.beta1,
            beta2: p.beta2,
            epsilon: p.epsilon,
            weight_decay,
            decoupled,
        };
        Ok(match config.optimizer {
            OptimizerKind::AdamW(p) => Self::Adam(AdamW::new(parameters, adam(p, true))?),
            OptimizerKind::Adam(p) => Self::Adam(AdamW::new(parameters, adam(p, false))?),
            OptimizerKind::Sgd(p) => {
                let config = SgdConfig { momentum: p.momentum, nesterov: p.nesterov, weight_decay };
                Self::Sgd(Sgd::new(parameters, config)?)
            }
            OptimizerKind::Lion(p) => {
                let config = LionConfig { beta1: p.beta1, beta2: p.beta2, weight_decay };
                Self::Lion(Lion::new(parameters, config)?)
            }
        })
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        match self {
            Self::Adam(optimizer) => optimizer.parameters(),
            Self::Sgd(optimizer) => optimizer.parameters(),
            Self::Lion(optimizer) => optimizer.parameters(),
        }
    }

    pub(super) fn step(&mut self, gradients: &GradStore, rate: f64) -> Result<(), TrainError> {
        match self {
            Self::Adam(optimizer) => optimizer.step(gradients, rate)?,
            Self::Sgd(optimizer) => optimizer.step(gradients, rate)?,
            Self::Lion(optimizer) => optimizer.step(gradients, rate)?,
        }
        Ok(())
    }

    /// Moments by name, for checkpoints.
    pub(super) fn state(&self) -> BTreeMap<String, Tensor> {
        match self {
            Self::Adam(optimizer) => optimizer.state(),
            Self::Sgd(optimizer) => optimizer.state(),
            Self::Lion(optimizer) => optimizer.state(),
        }
    }

    pub(super) fn load(&mut self, saved: &BTreeMap<String, Tensor>, steps: u64) -> Result<(), TrainError> {
        match self {
            Self::Adam(optimizer) => optimizer.load(saved, steps)?,
            Self::Sgd(optimizer) => optimizer.load(saved, steps)?,
            Self::Lion(optimizer) => optimizer.load(saved, steps)?,
        }
        Ok(())
    }
}
