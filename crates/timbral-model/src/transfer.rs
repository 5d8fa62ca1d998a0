use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{Dropout, Linear, TrainingClock, dropout, linear, relu};

use crate::summary::Walker;
use crate::trunk::{check_share, cropped_features, dense, rule};
use crate::{Architecture, ModelError, Trunk};

/// Path of the trunk's weights: what stands before their names in the model file.
pub(crate) const TRUNK: &str = "trunk";

/// A trained network with a new head; see [`Transfer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferConfig {
    /// The network whose features are taken, without its last layer.
    pub trunk: Box<Architecture>,
    /// Whether the trunk keeps its weights. Default: true.
    #[serde(default = "yes")]
    pub frozen: bool,
    /// Units of dense layers between the features and the last layer. Default: none.
    #[serde(default)]
    pub hidden: Vec<usize>,
    /// Share of the features and of each hidden layer set to zero in training, in `[0, 1)`. Default: 0.3.
    #[serde(default = "share")]
    pub dropout: f64,
}

fn yes() -> bool {
    true
}

fn share() -> f64 {
    0.3
}

impl TransferConfig {
    /// A frozen trunk with one new dense layer.
    #[must_use]
    pub fn new(trunk: Architecture) -> Self {
        Self { trunk: Box::new(trunk), frozen: true, hidden: Vec::new(), dropout: share() }
    }

    /// Checks the sizes of the head and the trunk.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken, [`ModelError::Limit`] for a trunk that is too large.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        rule(self.hidden.len() <= 16 && self.hidden.iter().all(|h| (1..=16_384).contains(h)), || {
            format!("hidden layers {:?}, at most 16 of 1 to 16384 units", self.hidden)
        })?;
        check_share("dropout", self.dropout)?;
        self.trunk.validate()
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        walker.within(TRUNK, |walker| self.trunk.walk(walker));
        let width = walker.width();
        walker.reshape("dropout", "dropout", &[width]);
        for (i, &units) in self.hidden.iter().enumerate() {
            walker.linear(&format!("hidden{i}"), units, "dense, ReLU");
            walker.reshape("dropout", "dropout", &[units]);
        }
    }
}

/// Features of a trained network, frozen or trained on, below a new head of dense layers.
///
/// A frozen trunk runs as in inference, running statistics and all: its weights stay bit for bit, and no gradient is
/// computed for it. Its weights come from a model file by
/// [`ModelFile::trunk_tensors`](crate::ModelFile::trunk_tensors).
#[derive(Debug)]
pub struct Transfer {
    trunk: Box<dyn Trunk>,
    frozen: bool,
    hidden: Vec<Linear>,
    dropout: Dropout,
}

impl Transfer {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a configuration that breaks its rules, [`ModelError::Shape`] when `vb` lacks a weight
    /// or holds it in another shape.
    pub fn new(
        config: &TransferConfig,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let trunk = config.trunk.build_trunk(clock, vb.pp(TRUNK))?;
        let mut width = config.trunk.feature_width();
        let mut hidden = Vec::with_capacity(config.hidden.len());
        let shape = |e: candle_core::Error| ModelError::Shape(e.to_string());
        for (i, &units) in config.hidden.iter().enumerate() {
            hidden.push(linear(dense(width, units), vb.pp(format!("hidden{i}"))).map_err(shape)?);
            width = units;
        }
        Ok(Self {
            trunk,
            frozen: config.frozen,
            hidden,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout")).map_err(shape)?,
        })
    }
}

impl Trunk for Transfer {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let features = cropped_features(self.trunk.as_ref(), x, train && !self.frozen)?;
        let features = if self.frozen { features.detach() } else { features };
        let mut x = self.dropout.forward_t(&features, train)?;
        for layer in &self.hidden {
            x = self.dropout.forward_t(&relu(&layer.forward(&x)?)?, train)?;
        }
        Ok(x)
    }

    fn crop_frames(&self) -> usize {
        self.trunk.crop_frames()
    }
}
