use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_features::log_mel_statistics::{LogMelStatistics, LogMelStatisticsConfig};
use timbral_nn::{BatchNorm, Dropout, Linear, TrainingClock, batch_norm_1d, dropout, linear, relu};

use crate::statistics::statistics;
use crate::summary::Walker;
use crate::trunk::{dense, norm};
use crate::{ModelError, Trunk};

/// Sizes of a [`StatisticsNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsNetConfig {
    /// The statistics that the network sees.
    pub statistics: LogMelStatisticsConfig,
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
                return Err(ModelError::Config(format!("dropout {dropout}, it must be in [0, 1)")));
            }
        }
        Ok(())
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let width = self.statistics.len();
        walker.reshape("statistics", "statistics over time", &[width]);
        walker.batch_norm("scaler", false);
        walker.reshape("input_dropout", "dropout", &[width]);
        for (i, &units) in self.hidden.iter().enumerate() {
            walker.linear(&format!("hidden{i}"), units, "dense, ReLU");
            walker.reshape("dropout", "dropout", &[units]);
        }
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
}

impl StatisticsNet {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a configuration that breaks its rules, [`ModelError::Shape`] when `vb` lacks a weight
    /// or holds it in another shape.
    pub fn new(
        config: &StatisticsNetConfig,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let statistics = LogMelStatistics::new(config.statistics.clone())?;
        Self::layers(config, statistics, clock, &vb).map_err(|e| ModelError::Shape(e.to_string()))
    }

    fn layers(
        config: &StatisticsNetConfig,
        statistics: LogMelStatistics,
        clock: &TrainingClock,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let mut width = config.statistics.len();
        let scaler = batch_norm_1d(norm(width), vb.pp("scaler"))?;
        let mut hidden = Vec::with_capacity(config.hidden.len());
        for (i, &units) in config.hidden.iter().enumerate() {
            hidden.push(linear(dense(width, units), vb.pp(format!("hidden{i}")))?);
            width = units;
        }
        Ok(Self {
            statistics,
            scaler,
            input_dropout: dropout(config.input_dropout, clock, &vb.pp("input_dropout"))?,
            hidden,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for StatisticsNet {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.scaler.forward_t(&statistics(&self.statistics, x)?, train)?;
        let mut x = self.input_dropout.forward_t(&x, train)?;
        for layer in &self.hidden {
            x = self.dropout.forward_t(&relu(&layer.forward(&x)?)?, train)?;
        }
        Ok(x)
    }

    fn crop_frames(&self) -> usize {
        0
    }
}
