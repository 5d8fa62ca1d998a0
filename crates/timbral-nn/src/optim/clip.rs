//! Gradient norm and clipping.

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
            return Err(Error::MissingGradient {
                name: parameter.name.clone(),
            });
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
        for parameter in parameters {
            if let Some(gradient) = gradients.remove(&parameter.var) {
                gradients.insert(&parameter.var, (gradient * (limit / norm))?);
            }
        }
    }
    Ok(norm)
}
