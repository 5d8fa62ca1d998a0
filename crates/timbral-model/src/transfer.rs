use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_fraction, check_hidden};
use crate::{Architecture, Input, ModelError};

/// Path of the trunk's weights: what stands before their names in the model file.
pub(crate) const TRUNK: &str = "trunk";

/// A trained network with a new head of dense layers.
///
/// A frozen trunk runs as in inference, running statistics and all: its weights stay bit for bit, and no gradient is
/// computed for it. Its weights come from a model file by
/// [`ModelFile::trunk_tensors`](crate::ModelFile::trunk_tensors).
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
    /// Fraction of the features and of each hidden layer set to zero in training, in `[0, 1)`. Default: 0.3.
    #[serde(default = "usual_dropout")]
    pub dropout: f64,
}

fn yes() -> bool {
    true
}

fn usual_dropout() -> f64 {
    0.3
}

impl TransferConfig {
    /// A frozen trunk with one new dense layer.
    #[must_use]
    pub fn new(trunk: Architecture) -> Self {
        Self { trunk: Box::new(trunk), frozen: true, hidden: Vec::new(), dropout: usual_dropout() }
    }

    /// Checks the sizes of the head and the trunk.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken, [`ModelError::Limit`] for a trunk that is too large.
    pub fn validate(&self) -> Result<(), ModelError> {
        check_hidden(&self.hidden)?;
        check_fraction("dropout", self.dropout)?;
        self.trunk.validate()
    }

    /// The layers above the trunk's `width` features.
    pub(crate) fn head(&self, width: usize) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::Features { columns: width });
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph.dense_layers(&self.hidden, self.dropout);
        graph
    }
}
