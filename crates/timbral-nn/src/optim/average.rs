//! Averages of weights.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use candle_nn::VarMap;

use crate::error::NnError;
use crate::parameters::named_variables;

/// An exponential moving average of all variables of a map, running statistics included.
///
/// With `decay` d, after update n the average moves by `1 - min(d, (1 + n) / (10 + n))`: the first updates count more,
/// so that the initial values are soon forgotten. [`constant`](Self::constant) keeps the same share from the second update
/// on, [`uniform`](Self::uniform) weighs all updates alike.
#[derive(Debug)]
pub struct ExponentialMovingAverage {
    decay: Decay,
    updates: u64,
    entries: Vec<(String, Var, Tensor)>,
}

/// The fraction of the average that an update keeps.
#[derive(Debug, Clone, Copy)]
enum Decay {
    /// At most this; less at first.
    Rising(f64),
    /// This; none at the first update.
    Constant(f64),
    /// So much that every update weighs the same.
    Uniform,
}

impl Decay {
    #[allow(clippy::cast_precision_loss, reason = "update counts stay far below 2^52")]
    fn at(self, update: u64) -> f64 {
        let count = update as f64;
        match self {
            Self::Rising(decay) => decay.min((1.0 + count) / (10.0 + count)),
            Self::Constant(_) if update == 1 => 0.0,
            Self::Constant(decay) => decay,
            Self::Uniform => (count - 1.0) / count,
        }
    }
}

fn check_decay(decay: f64) -> Result<f64, NnError> {
    super::state::check_share("decay", decay)?;
    Ok(decay)
}

impl ExponentialMovingAverage {
    /// An average that starts at the present values.
    ///
    /// # Errors
    /// If `decay` is not within [0, 1).
    pub fn new(map: &VarMap, decay: f64) -> Result<Self, NnError> {
        Self::start(map, Decay::Rising(check_decay(decay)?))
    }

    /// An average that the first update sets and that keeps the fraction `decay` at each later one, as PyTorch's
    /// `AveragedModel` with `get_ema_multi_avg_fn(decay)`.
    ///
    /// # Errors
    /// If `decay` is not within [0, 1).
    pub fn constant(map: &VarMap, decay: f64) -> Result<Self, NnError> {
        Self::start(map, Decay::Constant(check_decay(decay)?))
    }

    /// The plain mean over all updates: stochastic weight averaging (Izmailov et al. 2018). Update it once an epoch towards
    /// the end of a run; the initial values do not count.
    ///
    /// # Errors
    /// If candle fails.
    pub fn uniform(map: &VarMap) -> Result<Self, NnError> {
        Self::start(map, Decay::Uniform)
    }

    fn start(map: &VarMap, decay: Decay) -> Result<Self, NnError> {
        let mut entries = Vec::new();
        for (name, var) in named_variables(map) {
            let copy = var.as_tensor().copy()?.detach();
            entries.push((name, var, copy));
        }
        Ok(Self { decay, updates: 0, entries })
    }

    /// Takes in the present values: call it after each optimizer step.
    ///
    /// # Errors
    /// If candle fails.
    pub fn update(&mut self) -> Result<(), NnError> {
        self.updates += 1;
        let decay = self.decay.at(self.updates);
        for (_, var, average) in &mut self.entries {
            *average = ((&*average * decay)? + (var.as_detached_tensor() * (1.0 - decay))?)?.detach();
        }
        Ok(())
    }

    /// Exchanges the variables with the average: once to evaluate or save the average, once more to train on.
    ///
    /// # Errors
    /// If candle fails.
    pub fn swap(&mut self) -> Result<(), NnError> {
        for (_, var, average) in &mut self.entries {
            let present = var.as_tensor().copy()?.detach();
            var.set(average)?;
            *average = present;
        }
        Ok(())
    }

    /// The average by name, for checkpoints.
    #[must_use]
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.entries.iter().map(|(name, _, average)| (name.clone(), average.clone())).collect()
    }

    /// The number of updates so far, for checkpoints.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Takes up a saved average.
    ///
    /// # Errors
    /// [`NnError::State`] if names or shapes differ; nothing is changed then.
    pub fn load(&mut self, state: &BTreeMap<String, Tensor>, updates: u64) -> Result<(), NnError> {
        if let Some(name) = state.keys().find(|name| !self.entries.iter().any(|entry| entry.0 == **name)) {
            return Err(NnError::State { what: "no variable belongs to the entry", name: name.clone() });
        }
        let mut loaded = Vec::with_capacity(self.entries.len());
        for (name, var, _) in &self.entries {
            match state.get(name) {
                Some(tensor) if tensor.shape() == var.shape() => {
                    loaded.push(tensor.to_dtype(var.dtype())?.to_device(var.device())?);
                }
                Some(_) => {
                    return Err(NnError::State {
                        what: "another shape than its variable has the entry",
                        name: name.clone(),
                    });
                }
                None => {
                    return Err(NnError::State { what: "there is no entry", name: name.clone() });
                }
            }
        }
        for (entry, tensor) in self.entries.iter_mut().zip(loaded) {
            entry.2 = tensor;
        }
        self.updates = updates;
        Ok(())
    }
}
