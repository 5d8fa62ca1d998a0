use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_nn::VarMap;
use timbral_nn::optim::ExponentialMovingAverage;

use super::config::TrainConfig;
use crate::TrainError;

/// The average of the weights that a run keeps beside them, where its configuration asks for one.
#[derive(Debug)]
pub(super) struct Averaging {
    average: ExponentialMovingAverage,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Moved after each step.
    Exponential,
    /// The mean over the passes that come after this many.
    Passes { after: usize },
}

impl Averaging {
    pub(super) fn new(config: &TrainConfig, map: &VarMap) -> Result<Option<Self>, TrainError> {
        let (average, kind) = if config.ema > 0.0 {
            (ExponentialMovingAverage::new(map, config.ema)?, Kind::Exponential)
        } else if config.swa > 0.0 {
            let averaged = (config.swa * config.epochs as f64).round().max(1.0) as usize;
            let after = config.epochs.saturating_sub(averaged);
            (ExponentialMovingAverage::uniform(map)?, Kind::Passes { after })
        } else {
            return Ok(None);
        };
        Ok(Some(Self { average, kind }))
    }

    /// To be called after each step.
    pub(super) fn after_step(&mut self) -> Result<(), TrainError> {
        if self.kind == Kind::Exponential {
            self.average.update()?;
        }
        Ok(())
    }

    /// To be called after each pass, with the number of those done.
    pub(super) fn after_pass(&mut self, passes: usize) -> Result<(), TrainError> {
        if matches!(self.kind, Kind::Passes { after } if passes > after) {
            self.average.update()?;
        }
        Ok(())
    }

    /// The average, once there is one, and whether running statistics must be taken anew for it.
    pub(super) fn in_use(&self) -> Option<(BTreeMap<String, Tensor>, bool)> {
        (self.average.updates() > 0).then(|| (self.average.tensors(), self.kind != Kind::Exponential))
    }

    /// Tensors and number of updates, for checkpoints.
    pub(super) fn state(&self) -> (BTreeMap<String, Tensor>, u64) {
        (self.average.tensors(), self.average.updates())
    }

    pub(super) fn load(
        &mut self,
        tensors: &BTreeMap<String, Tensor>,
        updates: u64,
    ) -> Result<(), TrainError> {
        Ok(self.average.load(tensors, updates)?)
    }
}
