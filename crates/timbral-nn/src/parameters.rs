//! The variables that training moves, in an order that never changes; weights by name from elsewhere.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use candle_nn::VarMap;

use crate::error::NnError;

/// A variable that an optimizer moves.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name, the path of the `VarBuilder`.
    pub name: String,
    /// The variable.
    pub var: Var,
    /// Whether weight decay acts on it.
    pub decay: bool,
    /// Factor on the learning rate.
    pub learning_rate_scale: f64,
}

/// The trainable variables of a map, sorted by name.
///
/// Running statistics (last part of the name `running_mean` or `running_var`) are left out. Weight decay is set for
/// variables of two and more axes, so that neither biases nor the scales of normalisations decay.
#[must_use]
pub fn parameters(map: &VarMap) -> Vec<Parameter> {
    named_variables(map)
        .into_iter()
        .filter(|(name, var)| !is_statistic(name) && var.dtype().is_float())
        .map(|(name, var)| Parameter { name, decay: var.rank() > 1, learning_rate_scale: 1.0, var })
        .collect()
}

/// All variables of a map, sorted by name.
#[must_use]
pub fn named_variables(map: &VarMap) -> Vec<(String, Var)> {
    let variables = map.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut variables: Vec<_> = variables.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    variables
}

/// Sets every variable of a map from named tensors, for example those of a PyTorch `state_dict` saved as safetensors and
/// read by `candle_core::safetensors::load`.
///
/// `renames` maps prefixes of the given names to ours, `("features.0.", "block0.conv.")`; the longest prefix that fits is
/// taken, and names without one stay. PyTorch's `num_batches_tracked` is left out.
///
/// # Errors
/// [`NnError::State`] if a name is missing, left over or given twice, or a shape differs; nothing is changed then.
pub fn load_weights(
    map: &VarMap,
    tensors: &HashMap<String, Tensor>,
    renames: &[(&str, &str)],
) -> Result<(), NnError> {
    let mut named: HashMap<String, &Tensor> = HashMap::new();
    let mut given: Vec<_> = tensors.iter().collect();
    given.sort_by_key(|(name, _)| *name);
    for (name, tensor) in given {
        if name.rsplit('.').next() == Some("num_batches_tracked") {
            continue;
        }
        let rename =
            renames.iter().filter(|(from, _)| name.starts_with(from)).max_by_key(|(from, _)| from.len());
        let ours = rename.map_or_else(|| name.clone(), |(from, to)| format!("{to}{}", &name[from.len()..]));
        if named.insert(ours.clone(), tensor).is_some() {
            return Err(NnError::State { what: "two tensors map to the name", name: ours });
        }
    }
    let variables = named_variables(map);
    let mut loaded = Vec::with_capacity(variables.len());
    for (name, var) in &variables {
        let Some(tensor) = named.remove(name) else {
            return Err(NnError::State { what: "there is no tensor for the variable", name: name.clone() });
        };
        if tensor.shape() != var.shape() {
            return Err(NnError::State {
                what: "another shape than its tensor has the variable",
                name: name.clone(),
            });
        }
        loaded.push(tensor.to_dtype(var.dtype())?.to_device(var.device())?);
    }
    if let Some(name) = named.into_keys().min() {
        return Err(NnError::State { what: "no variable belongs to the tensor", name });
    }
    for ((_, var), tensor) in variables.iter().zip(loaded) {
        var.set(&tensor)?;
    }
    Ok(())
}

fn is_statistic(name: &str) -> bool {
    matches!(name.rsplit('.').next(), Some("running_mean" | "running_var"))
}

/// Checks that every parameter has a gradient: call it once at the start of a run. A layer without one stays at its
/// initial value, and training looks merely poor.
///
/// # Errors
/// [`NnError::MissingGradient`] with the first name that has none.
pub fn assert_all_have_gradients(parameters: &[Parameter], gradients: &GradStore) -> Result<(), NnError> {
    match parameters.iter().find(|parameter| gradients.get(&parameter.var).is_none()) {
        Some(parameter) => Err(NnError::MissingGradient { name: parameter.name.clone() }),
        None => Ok(()),
    }
}
