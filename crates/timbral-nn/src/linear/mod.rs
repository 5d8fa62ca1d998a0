//! Fully connected layers.

mod op;

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::VarBuilder;

use crate::conv::fan_in_uniform;
use crate::custom_op;
use crate::error::shape_error;
pub use crate::kernels::LinearConfig;

/// `x * weight^T + bias` over the last axis, as PyTorch's `nn.Linear`.
///
/// Parameters: `weight` (out, in) and `bias` (out).
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer from ready tensors.
    ///
    /// # Errors
    /// If `weight` is not a matrix or `bias` does not have its row count.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let (rows, _) = weight.dims2()?;
        if bias.as_ref().is_some_and(|bias| bias.dims() != [rows]) {
            return Err(shape_error(
                "shape of the bias",
                bias.map(|bias| bias.dims().to_vec()),
                format!("[{rows}]"),
            ));
        }
        Ok(Self { weight, bias })
    }

    /// The matrix, shape (out, in).
    #[must_use]
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, shape (out), if there is one.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (out_features, in_features) = self.weight.dims2()?;
        let Some((&last, leading)) = x.dims().split_last() else {
            return Err(shape_error("shape of the input of a linear layer", x.dims(), "at least one axis"));
        };
        if last != in_features {
            return Err(shape_error(
                "shape of the input of a linear layer",
                x.dims(),
                format!("{in_features} on the last axis"),
            ));
        }
        let own = x.device().is_cpu()
            && matches!(x.dtype(), DType::F32 | DType::F64)
            && x.elem_count() > 0
            && self.weight.dtype() == x.dtype()
            && self.bias.as_ref().is_none_or(|bias| bias.dtype() == x.dtype());
        if own {
            let op =
                op::Product { rows: leading.iter().product(), inputs: in_features, outputs: out_features };
            let (x, weight) = (x.contiguous()?, self.weight.contiguous()?);
            let bias = self.bias.as_ref().map(Tensor::contiguous).transpose()?;
            return custom_op::apply(op, &x, &weight, bias.as_ref());
        }
        // One matrix product: candle multiplies a batched input matrix by matrix.
        let rows = x.reshape(((), in_features))?.matmul(&self.weight.t()?)?;
        let rows = match &self.bias {
            Some(bias) => rows.broadcast_add(bias)?,
            None => rows,
        };
        let mut shape = leading.to_vec();
        shape.push(out_features);
        rows.reshape(shape)
    }
}

/// A [`Linear`] with variables `weight` and `bias`, drawn as PyTorch does: uniform within `1 / sqrt(in_features)`.
///
/// # Errors
/// If a size is zero or the variables have other shapes.
pub fn linear(config: LinearConfig, vb: VarBuilder<'_>) -> Result<Linear> {
    let LinearConfig { in_features, out_features, bias } = config;
    config.check()?;
    let init = fan_in_uniform(in_features);
    let weight = vb.get_with_hints((out_features, in_features), "weight", init)?;
    let bias = if bias { Some(vb.get_with_hints(out_features, "bias", init)?) } else { None };
    Linear::new(weight, bias)
}
