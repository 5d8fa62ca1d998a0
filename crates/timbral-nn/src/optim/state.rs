//! Optimizer state as named tensors.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::error::Error;
use crate::parameters::Parameter;

/// Takes the tensor `name.suffix` out of saved state and checks its shape.
pub(super) fn take(
    state: &BTreeMap<String, Tensor>,
    parameter: &Parameter,
    suffix: &str,
) -> Result<Tensor, Error> {
    let name = format!("{}.{suffix}", parameter.name);
    let Some(tensor) = state.get(&name) else {
        return Err(Error::State {
            what: "there is no entry",
            name,
        });
    };
    if tensor.shape() != parameter.var.shape() {
        return Err(Error::State {
            what: "another shape than its variable has the entry",
            name,
        });
    }
    Ok(tensor
        .to_dtype(parameter.var.dtype())?
        .to_device(parameter.var.device())?)
}

/// Refuses state with entries that nobody asked for.
pub(super) fn check_count(state: &BTreeMap<String, Tensor>, known: &[String]) -> Result<(), Error> {
    match state.keys().find(|name| !known.contains(name)) {
        Some(name) => Err(Error::State {
            what: "no variable belongs to the entry",
            name: name.clone(),
        }),
        None => Ok(()),
    }
}
