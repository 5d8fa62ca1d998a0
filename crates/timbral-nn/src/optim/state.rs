//! What all optimizers share: parameters, a step count, and slots of state as named tensors.

use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use crate::error::NnError;
use crate::parameters::{Parameter, assert_all_have_gradients};

/// Parameters with `N` tensors of state each.
#[derive(Debug)]
pub(super) struct Slots<const N: usize> {
    pub(super) steps: u64,
    pub(super) parameters: Vec<Parameter>,
    names: [&'static str; N],
    slots: Vec<[Tensor; N]>,
}

impl<const N: usize> Slots<N> {
    pub(super) fn new(parameters: Vec<Parameter>, names: [&'static str; N]) -> Result<Self, NnError> {
        let mut slots = Vec::with_capacity(parameters.len());
        for parameter in &parameters {
            let zeros = parameter.var.zeros_like()?;
            slots.push(std::array::from_fn(|_| zeros.clone()));
        }
        Ok(Self { steps: 0, parameters, names, slots })
    }

    /// Replaces every value by what `rule` makes of (parameter, value, gradient, slots).
    pub(super) fn step(
        &mut self,
        gradients: &GradStore,
        rule: impl Fn(&Parameter, Tensor, Tensor, &mut [Tensor; N]) -> candle_core::Result<Tensor>,
    ) -> Result<(), NnError> {
        assert_all_have_gradients(&self.parameters, gradients)?;
        self.steps += 1;
        for (parameter, slots) in self.parameters.iter().zip(&mut self.slots) {
            let Some(gradient) = gradients.get(&parameter.var) else {
                continue;
            };
            let value = rule(parameter, parameter.var.as_detached_tensor(), gradient.detach(), slots)?;
            parameter.var.set(&value)?;
        }
        Ok(())
    }

    pub(super) fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for (parameter, slots) in self.parameters.iter().zip(&self.slots) {
            for (name, slot) in self.names.iter().zip(slots) {
                state.insert(format!("{}.{name}", parameter.name), slot.clone());
            }
        }
        state
    }

    pub(super) fn load(&mut self, saved: &BTreeMap<String, Tensor>, steps: u64) -> Result<(), NnError> {
        let mut loaded = self.slots.clone();
        for (parameter, slots) in self.parameters.iter().zip(&mut loaded) {
            for (suffix, slot) in self.names.iter().zip(slots) {
                let name = format!("{}.{suffix}", parameter.name);
                let Some(tensor) = saved.get(&name) else {
                    return Err(NnError::State { what: "there is no entry", name });
                };
                if tensor.shape() != parameter.var.shape() {
                    return Err(NnError::State {
                        what: "another shape than its variable has the entry",
                        name,
                    });
                }
                *slot = tensor.to_dtype(parameter.var.dtype())?.to_device(parameter.var.device())?;
            }
        }
        let known = self.state();
        if let Some(name) = saved.keys().find(|name| !known.contains_key(*name)) {
            return Err(NnError::State { what: "no variable belongs to the entry", name: name.clone() });
        }
        (self.slots, self.steps) = (loaded, steps);
        Ok(())
    }
}

/// The methods that every optimizer has.
macro_rules! slot_methods {
    ($optimizer:ty, $entries:literal) => {
        impl $optimizer {
            /// The parameters, in their order.
            #[must_use]
            pub fn parameters(&self) -> &[Parameter] {
                &self.slots.parameters
            }

            /// Steps made so far.
            #[must_use]
            pub fn steps(&self) -> u64 {
                self.slots.steps
            }

            /// The state as named tensors, for checkpoints:
            #[doc = $entries]
            #[must_use]
            pub fn state(&self) -> std::collections::BTreeMap<String, candle_core::Tensor> {
                self.slots.state()
            }

            /// Takes up saved state.
            ///
            /// # Errors
            /// [`NnError::State`] if names or shapes differ; nothing is changed then.
            pub fn load(
                &mut self,
                saved: &std::collections::BTreeMap<String, candle_core::Tensor>,
                steps: u64,
            ) -> Result<(), NnError> {
                self.slots.load(saved, steps)
            }
        }
    };
}
pub(super) use slot_methods;

pub(super) fn check_share(what: &'static str, value: f64) -> Result<(), NnError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(NnError::config(what, value, "at least 0 and below 1"))
}

pub(super) fn check_not_negative(what: &'static str, value: f64) -> Result<(), NnError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(NnError::config(what, value, "finite and not negative"))
}
