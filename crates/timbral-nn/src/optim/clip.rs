//! Sums, norm and clipping of gradients.

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, WithDType};

use crate::dtype::{dispatch, with_slice};
use crate::error::NnError;
use crate::parameters::Parameter;

fn square_sum(gradient: &Tensor) -> candle_core::Result<f64> {
    if !gradient.device().is_cpu() {
        return gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar();
    }
    dispatch!(gradient.dtype(), "gradient", T => with_slice::<T, _>(gradient, |values| {
        Ok(values.iter().map(|value| value.to_f64() * value.to_f64()).sum())
    }))
}

/// The Euclidean norm over the gradients of all parameters, summed in their order in f64.
///
/// # Errors
/// [`NnError::MissingGradient`] if a parameter has none.
pub fn gradient_norm(gradients: &GradStore, parameters: &[Parameter]) -> Result<f64, NnError> {
    let mut total = 0.0;
    for parameter in parameters {
        let Some(gradient) = gradients.get(&parameter.var) else {
            return Err(NnError::MissingGradient { name: parameter.name.clone() });
        };
        total += square_sum(gradient)?;
    }
    Ok(total.sqrt())
}

/// Scales all gradients by one factor so that their common norm is at most `limit` (Pascanu et al. 2013), and returns the
/// norm from before.
///
/// # Errors
/// [`NnError::MissingGradient`] if a parameter has none, [`NnError::NotFinite`] if the norm is infinite or not a number (the
/// gradients then stay as they are), [`NnError::Config`] if `limit` is not positive.
pub fn clip_gradient_norm(
    gradients: &mut GradStore,
    parameters: &[Parameter],
    limit: f64,
) -> Result<f64, NnError> {
    if limit.is_nan() || limit <= 0.0 {
        return Err(NnError::config("norm limit", limit, "positive"));
    }
    let norm = gradient_norm(gradients, parameters)?;
    if !norm.is_finite() {
        return Err(NnError::NotFinite { norm });
    }
    if norm > limit {
        scale_gradients(gradients, parameters, limit / norm)?;
    }
    Ok(norm)
}

/// Limits every element of all gradients to `-limit..=limit`. What is not a number stays so.
///
/// # Errors
/// [`NnError::MissingGradient`] if a parameter has none (the gradients then stay as they are), [`NnError::Config`] if `limit`
/// is not positive.
pub fn clip_gradient_value(
    gradients: &mut GradStore,
    parameters: &[Parameter],
    limit: f64,
) -> Result<(), NnError> {
    if limit.is_nan() || limit <= 0.0 {
        return Err(NnError::config("value limit", limit, "positive"));
    }
    crate::parameters::assert_all_have_gradients(parameters, gradients)?;
    for parameter in parameters {
        if let Some(gradient) = gradients.remove(&parameter.var) {
            gradients.insert(&parameter.var, gradient.clamp(-limit, limit)?);
        }
    }
    Ok(())
}

/// Adds the gradients of another micro-batch to `total`, parameter by parameter.
///
/// # Errors
/// [`NnError::MissingGradient`] if a parameter has none in `more`.
pub fn add_gradients(
    total: &mut GradStore,
    more: &GradStore,
    parameters: &[Parameter],
) -> Result<(), NnError> {
    crate::parameters::assert_all_have_gradients(parameters, more)?;
    for parameter in parameters {
        let Some(more) = more.get(&parameter.var) else {
            continue;
        };
        let sum = match total.remove(&parameter.var) {
            Some(sum) => (sum + more)?,
            None => more.clone(),
        };
        total.insert(&parameter.var, sum);
    }
    Ok(())
}

/// Multiplies the gradients of all parameters by `factor`: one over the number of micro-batches gives their mean.
///
/// # Errors
/// If candle fails.
pub fn scale_gradients(
    gradients: &mut GradStore,
    parameters: &[Parameter],
    factor: f64,
) -> Result<(), NnError> {
    for parameter in parameters {
        if let Some(gradient) = gradients.remove(&parameter.var) {
            gradients.insert(&parameter.var, (gradient * factor)?);
        }
    }
    Ok(())
}
