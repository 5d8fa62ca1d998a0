//! Sums, norm and clipping of gradients.

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, WithDType};

use crate::error::Error;
use crate::parameters::Parameter;
use crate::real::{dispatch, with_slice};

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
/// [`Error::MissingGradient`] if a parameter has none.
pub fn gradient_norm(gradients: &GradStore, parameters: &[Parameter]) -> Result<f64, Error> {
    let mut total = 0.0;
    for parameter in parameters {
        let Some(gradient) = gradients.get(&parameter.var) else {
            return Err(Error::MissingGradient { name: parameter.name.clone() });
        };
        total += square_sum(gradient)?;
    }
    Ok(total.sqrt())
}

/// Scales all gradients by one factor so that their common norm is at most `limit` (Pascanu et al. 2013), and returns the
/// norm from before.
///
/// # Errors
/// [`Error::MissingGradient`] if a parameter has none, [`Error::NotFinite`] if the norm is infinite or not a number (the
/// gradients then stay as they are), [`Error::Config`] if `limit` is not positive.
pub fn clip_gradient_norm(
    gradients: &mut GradStore,
    parameters: &[Parameter],
    limit: f64,
) -> Result<f64, Error> {
    if limit.is_nan() || limit <= 0.0 {
        return Err(Error::Config {
            what: "norm limit",
            given: limit.to_string(),
            rule: "it must be positive",
        });
    }
    let norm = gradient_norm(gradients, parameters)?;
    if !norm.is_finite() {
        return Err(Error::NotFinite { norm });
    }
    if norm > limit {
        scale_gradients(gradients, parameters, limit / norm)?;
    }
    Ok(norm)
}

/// Limits every element of all gradients to `-limit..=limit`. What is not a number stays so.
///
/// # Errors
/// [`Error::MissingGradient`] if a parameter has none (the gradients then stay as they are), [`Error::Config`] if `limit`
/// is not positive.
pub fn clip_gradient_value(
    gradients: &mut GradStore,
    parameters: &[Parameter],
    limit: f64,
) -> Result<(), Error> {
    if limit.is_nan() || limit <= 0.0 {
        return Err(Error::Config {
            what: "value limit",
            given: limit.to_string(),
            rule: "it must be positive",
        });
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
/// [`Error::MissingGradient`] if a parameter has none in `more`.
pub fn add_gradients(total: &mut GradStore, more: &GradStore, parameters: &[Parameter]) -> Result<(), Error> {
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
) -> Result<(), Error> {
    for parameter in parameters {
        if let Some(gradient) = gradients.remove(&parameter.var) {
            gradients.insert(&parameter.var, (gradient * factor)?);
        }
    }
    Ok(())
}
