use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_fraction, check_hidden};
use timbral_features::log_mel_statistics::LogMelStatisticsConfig;

use crate::{Input, ModelError};

/// A dense network over [`LogMelStatistics`](timbral_features::log_mel_statistics::LogMelStatistics): batch normalisation as a scaler, then dense layers with ReLU and dropout.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsNetConfig {
    /// The statistics that the network sees.
    pub statistics: LogMelStatisticsConfig,
    /// Units of the hidden layers; none leaves multinomial logistic regression. Default: one layer of 96.
    pub hidden: Vec<usize>,
    /// Fraction of the statistics set to zero in training, in `[0, 1)`. Default: 0.7.
    pub input_dropout: f64,
    /// Fraction of each hidden layer set to zero in training, in `[0, 1)`. Default: 0.5.
    pub dropout: f64,
}

impl Default for StatisticsNetConfig {
    fn default() -> Self {
        Self {
            statistics: LogMelStatisticsConfig::default(),
            hidden: vec![96],
            input_dropout: 0.7,
            dropout: 0.5,
        }
    }
}

impl StatisticsNetConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.statistics.validate()?;
        check_hidden(&self.hidden)?;
        check_fraction("input_dropout", self.input_dropout)?;
        check_fraction("dropout", self.dropout)
    }

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::LogMel { bands: self.statistics.bands });
        graph.push("statistics", Op::Statistics(self.statistics.clone()));
        graph.push("scaler", Op::BatchNorm { relu: false });
        graph.push("input_dropout", Op::Dropout { probability: self.input_dropout });
        graph.dense_layers(&self.hidden, self.dropout);
        graph
    }
}
