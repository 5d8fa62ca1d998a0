use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{
    BatchNorm, BatchNormConfig, Dropout, Linear, LinearConfig, TrainingClock, batch_norm_1d, dropout, linear,
    relu,
};

use crate::ModelError;
use crate::statistics::{LogMelStatistics, StatisticsConfig};

/// Sizes of a [`StatisticsNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsNetConfig {
    /// The statistics that the network sees.
    pub statistics: StatisticsConfig,
    /// Units of the hidden layers; none leaves multinomial logistic regression. Default: one layer of 96.
    pub hidden: Vec<usize>,
    /// Share of the statistics set to zero in training, in `[0, 1)`. Default: 0.7.
    pub input_dropout: f64,
    /// Share of each hidden layer set to zero in training, in `[0, 1)`. Default: 0.5.
    pub dropout: f64,
}

impl Default for StatisticsNetConfig {
    fn default() -> Self {
        Self {
            statistics: StatisticsConfig::default(),
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
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        self.statistics.validate()?;
        if self.hidden.len() > 16 || self.hidden.iter().any(|h| !(1..=16_384).contains(h)) {
            let given = &self.hidden;
            return Err(ModelError::Config(format!(
                "hidden layers {given:?}, at most 16 of 1 to 16384 units"
            )));
        }
        for dropout in [self.input_dropout, self.dropout] {
            if !(0.0..1.0).contains(&dropout) {
                return Err(ModelError::Config(format!(
                    "dropout {dropout}, it must be in [0, 1)"
                )));
            }
        }
        Ok(())
    }
}

/// A dense network over [`LogMelStatistics`]: batch normalisation as a scaler, then dense layers with ReLU and dropout.
#[derive(Debug)]
pub struct StatisticsNet {
    statistics: LogMelStatistics,
    scaler: BatchNorm,
    input_dropout: Dropout,
    hidden: Vec<Linear>,
    dropout: Dropout,
    output: Linear,
}

impl StatisticsNet {
    /// Builds the network for `classes` outputs with the weights of `vb`.
    ///
    /// # Errors
    /// [`ModelError::Config`] for sizes that break a rule, [`ModelError::Shape`] when `vb` lacks a weight or holds it in
    /// another shape.
    pub fn new(
        config: &StatisticsNetConfig,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let statistics = LogMelStatistics::new(&config.statistics)?;
        Self::with_statistics(config, statistics, classes, clock, vb)
            .map_err(|e| ModelError::Shape(e.to_string()))
    }

    fn with_statistics(
        config: &StatisticsNetConfig,
        statistics: LogMelStatistics,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let mut width = config.statistics.len();
        let scaler = BatchNormConfig {
            channels: width,
            ..BatchNormConfig::default()
        };
        let scaler = batch_norm_1d(scaler, vb.pp("scaler"))?;
        let mut dense = |units: usize, vb: VarBuilder<'_>| {
            let layer = linear(
                LinearConfig {
                    in_features: width,
                    out_features: units,
                    bias: true,
                },
                vb,
            );
            width = units;
            layer
        };
        let mut hidden = Vec::with_capacity(config.hidden.len());
        for (i, &units) in config.hidden.iter().enumerate() {
            hidden.push(dense(units, vb.pp(format!("hidden{i}")))?);
        }
        Ok(Self {
            statistics,
            scaler,
            input_dropout: dropout(config.input_dropout, clock, &vb.pp("input_dropout"))?,
            output: dense(classes, vb.pp("output"))?,
            hidden,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl ModuleT for StatisticsNet {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.scaler.forward_t(&self.statistics.forward(x)?, train)?;
        let mut x = self.input_dropout.forward_t(&x, train)?;
        for layer in &self.hidden {
            x = self.dropout.forward_t(&relu(&layer.forward(&x)?)?, train)?;
        }
        self.output.forward(&x)
    }
}
