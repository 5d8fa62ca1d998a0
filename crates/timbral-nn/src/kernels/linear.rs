//! Fully connected layers.

use super::conv::check_bias;
use super::matmul::Packed;
use super::{check_length, volume};
use crate::NnError;

/// Settings of a fully connected layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearConfig {
    /// Size of the last axis of the input. Default: 1.
    pub in_features: usize,
    /// Size of the last axis of the output. Default: 1.
    pub out_features: usize,
    /// Whether a bias is added. Default: true.
    pub bias: bool,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { in_features: 1, out_features: 1, bias: true }
    }
}

impl LinearConfig {
    pub(crate) fn check(&self) -> Result<(), NnError> {
        for (field, given) in [("in_features", self.in_features), ("out_features", self.out_features)] {
            if given == 0 {
                return Err(NnError::config(field, given, "at least 1"));
            }
        }
        Ok(())
    }
}

/// A fully connected layer, `x * weight^T + bias` over the last axis, with its weights put in order once.
///
/// ```
/// use timbral_nn::kernels::{LinearConfig, LinearPlan};
///
/// let config = LinearConfig { in_features: 2, out_features: 1, bias: true };
/// let plan = LinearPlan::new(config, &[3., 4.], Some(&[1.]))?;
/// assert_eq!(plan.forward(&[1., 1., 0., 2.])?, [8., 9.]);
/// # Ok::<(), timbral_nn::NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinearPlan {
    weight: Packed<f32>,
    bias: Option<Vec<f32>>,
}

impl LinearPlan {
    /// Puts the weights (out, in) in order for the kernel.
    ///
    /// # Errors
    /// [`NnError::Config`] if a size is zero, [`NnError::Shape`] if weight or bias have not the length that follows from
    /// `config`, or there is a bias and `config.bias` is not set or the other way round.
    pub fn new(config: LinearConfig, weight: &[f32], bias: Option<&[f32]>) -> Result<Self, NnError> {
        config.check()?;
        let LinearConfig { in_features, out_features, .. } = config;
        check_length("length of the weight", weight, &[out_features, in_features])?;
        check_bias(bias, config.bias, out_features)?;
        let weight = Packed::transposed(weight, out_features, in_features);
        Ok(Self { weight, bias: bias.map(<[f32]>::to_vec) })
    }

    /// Elements of an input row.
    #[must_use]
    pub fn in_features(&self) -> usize {
        self.weight.inner()
    }

    /// Elements of an output row.
    #[must_use]
    pub fn out_features(&self) -> usize {
        self.weight.columns()
    }

    /// Multiplies any number of rows, (.., in_features) to (.., out_features).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is not a whole number of rows.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>, NnError> {
        let inner = self.in_features();
        if !x.len().is_multiple_of(inner) {
            return Err(NnError::shape("length of the input", x.len(), format!("a multiple of {inner}")));
        }
        let mut out = vec![0.0; volume(&[x.len() / inner, self.out_features()])?];
        self.weight.multiply(x, self.bias.as_deref(), &mut out);
        Ok(out)
    }
}
