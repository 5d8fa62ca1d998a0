//! The variables that training moves, in an order that never changes.

use candle_core::Var;
use candle_core::backprop::GradStore;
use candle_nn::VarMap;

use crate::error::Error;

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
        .map(|(name, var)| Parameter {
            name,
            decay: var.rank() > 1,
            learning_rate_scale: 1.0,
            var,
        })
        .collect()
}

/// All variables of a map, sorted by name.
#[must_use]
pub fn named_variables(map: &VarMap) -> Vec<(String, Var)> {
    let variables = map
        .data()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut variables: Vec<_> = variables
        .iter()
        .map(|(name, var)| (name.clone(), var.clone()))
        .collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    variables
}

fn is_statistic(name: &str) -> bool {
    matches!(name.rsplit('.').next(), Some("running_mean" | "running_var"))
}

/// Checks that every parameter has a gradient: call it once at the start of a run. A layer without one stays at its
/// initial value, and training looks merely poor.
///
/// # Errors
/// [`Error::MissingGradient`] with the first name that has none.
pub fn assert_all_have_gradients(parameters: &[Parameter], gradients: &GradStore) -> Result<(), Error> {
    match parameters
        .iter()
        .find(|parameter| gradients.get(&parameter.var).is_none())
    {
        Some(parameter) => Err(Error::MissingGradient {
            name: parameter.name.clone(),
        }),
        None => Ok(()),
    }
}
