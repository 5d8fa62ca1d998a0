//! Gradients against finite differences: the test of every custom operation, and of yours.

use candle_core::{DType, Device, Result as CandleResult, Tensor, Var};

use crate::error::NnError;

/// Settings of [`gradcheck`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradcheckConfig {
    /// Step of the central differences. Default: 1e-6.
    pub step: f64,
    /// Largest difference that passes, relative to the largest numeric gradient of the input (or to 1e-3, if that is
    /// larger). Default: 1e-6.
    pub limit: f64,
}

impl Default for GradcheckConfig {
    fn default() -> Self {
        Self { step: 1e-6, limit: 1e-6 }
    }
}

/// Compares the gradients of `f` with central finite differences, for every element of every input.
///
/// The inputs are taken to f64 on the CPU. `f` gets them in order and returns a tensor of any shape, whose elements are
/// weighted by fixed values that differ from each other and summed: a plain sum would hide errors. Returns the largest
/// relative error of each input. Choose inputs without ties near a kink (of a maximum, a ReLU).
///
/// ```
/// use candle_core::{Device, Tensor};
/// use timbral_nn::gradcheck::{GradcheckConfig, gradcheck};
/// use timbral_nn::softmax;
///
/// let x = Tensor::new(&[[0.3, -1.2, 0.7]], &Device::Cpu)?;
/// gradcheck(&[x], |x| softmax(&x[0], 1), GradcheckConfig::default())?;
/// # Ok::<(), timbral_nn::NnError>(())
/// ```
///
/// # Errors
/// [`NnError::WrongGradient`] if a gradient is wrong, [`NnError::MissingGradient`] if there is none, or the error of `f`.
pub fn gradcheck(
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> CandleResult<Tensor>,
    config: GradcheckConfig,
) -> Result<Vec<f64>, NnError> {
    let mut values = Vec::with_capacity(inputs.len());
    for input in inputs {
        values.push(input.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?);
    }
    let variables = |values: &[Vec<f64>]| -> CandleResult<Vec<Var>> {
        let pairs = values.iter().zip(inputs);
        pairs.map(|(values, input)| Var::from_vec(values.clone(), input.shape(), &Device::Cpu)).collect()
    };
    let loss = |variables: &[Var]| -> CandleResult<Tensor> {
        let tensors: Vec<Tensor> = variables.iter().map(|var| var.as_tensor().clone()).collect();
        let out = f(&tensors)?;
        out.mul(&output_weights(out.dims())?)?.sum_all()
    };
    let vars = variables(&values)?;
    let gradients = loss(&vars)?.backward()?;
    let mut errors = Vec::with_capacity(inputs.len());
    for (input, var) in vars.iter().enumerate() {
        let Some(gradient) = gradients.get(var) else {
            return Err(NnError::MissingGradient { name: format!("input {input}") });
        };
        let analytic = gradient.flatten_all()?.to_vec1::<f64>()?;
        let mut numeric = Vec::with_capacity(analytic.len());
        for element in 0..analytic.len() {
            let mut at = |offset: f64| -> CandleResult<f64> {
                let center = values[input][element];
                values[input][element] = center + offset;
                let value = loss(&variables(&values)?)?.to_scalar::<f64>();
                values[input][element] = center;
                value
            };
            numeric.push((at(config.step)? - at(-config.step)?) / (2.0 * config.step));
        }
        let largest = numeric.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
        let mut worst = 0.0;
        for (element, (&analytic, &numeric)) in analytic.iter().zip(&numeric).enumerate() {
            let error = (analytic - numeric).abs() / largest;
            if error > config.limit || error.is_nan() {
                return Err(NnError::WrongGradient {
                    input,
                    element,
                    analytic,
                    numeric,
                    error,
                    limit: config.limit,
                });
            }
            worst = f64::max(worst, error);
        }
        errors.push(worst);
    }
    Ok(errors)
}

/// Fixed values within (0.5, 1.5) that differ from each other: fractions of multiples of the golden ratio.
#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
fn output_weights(dims: &[usize]) -> CandleResult<Tensor> {
    let count: usize = dims.iter().product();
    let values: Vec<f64> = (0..count).map(|i| 0.5 + (i as f64 * 0.618_033_988_749_895).fract()).collect();
    Tensor::from_vec(values, dims, &Device::Cpu)
}
