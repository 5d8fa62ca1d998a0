//! Layer, root-mean-square and group normalisation: each row by itself, in training and inference alike.

use candle_core::{CpuStorage, CustomOp1, Layout, Module, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};
use rayon::prelude::*;

use crate::error::{config_error, shape_error};
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::simd::widened;

/// Normalises over the last axis (Ba et al. 2016), as PyTorch's `nn.LayerNorm` of one size.
///
/// Parameters: `weight` and `bias` (size).
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// A [`LayerNorm`] over a last axis of `size` elements; PyTorch's default for `epsilon` is 1e-5.
///
/// # Errors
/// If `size` is zero, `epsilon` is negative or not finite, or the variables have other shapes.
pub fn layer_norm(size: usize, epsilon: f64, vb: VarBuilder<'_>) -> Result<LayerNorm> {
    check(size, epsilon)?;
    let weight = vb.get_with_hints(size, "weight", Init::Const(1.0))?;
    Ok(LayerNorm {
        weight,
        bias: vb.get_with_hints(size, "bias", Init::Const(0.0))?,
        epsilon,
    })
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rows(x, &self.weight, true, self.epsilon)?
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)
    }
}

/// Divides by the root of the mean square over the last axis (Zhang and Sennrich 2019), as PyTorch's `nn.RMSNorm`.
///
/// Parameter: `weight` (size).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Tensor,
    epsilon: f64,
}

/// A [`RmsNorm`] over a last axis of `size` elements.
///
/// # Errors
/// If `size` is zero, `epsilon` is negative or not finite, or the variable has another shape.
pub fn rms_norm(size: usize, epsilon: f64, vb: VarBuilder<'_>) -> Result<RmsNorm> {
    check(size, epsilon)?;
    Ok(RmsNorm {
        weight: vb.get_with_hints(size, "weight", Init::Const(1.0))?,
        epsilon,
    })
}

impl Module for RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rows(x, &self.weight, false, self.epsilon)?.broadcast_mul(&self.weight)
    }
}

/// Normalises groups of channels over all their elements (Wu and He 2018), as PyTorch's `nn.GroupNorm`.
///
/// Parameters: `weight` and `bias` (channels). The input is (batch, channels, ..).
#[derive(Debug, Clone)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    epsilon: f64,
}

/// A [`GroupNorm`] of `channels` in `groups`.
///
/// # Errors
/// If `groups` does not divide `channels`, `epsilon` is negative or not finite, or the variables have other shapes.
pub fn group_norm(groups: usize, channels: usize, epsilon: f64, vb: VarBuilder<'_>) -> Result<GroupNorm> {
    check(channels, epsilon)?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(config_error(
            "groups, channels",
            (groups, channels),
            "groups must divide channels",
        ));
    }
    let weight = vb.get_with_hints(channels, "weight", Init::Const(1.0))?;
    Ok(GroupNorm {
        weight,
        bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
        groups,
        epsilon,
    })
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channels = self.weight.elem_count();
        if x.rank() < 2 || x.dim(1)? != channels || x.elem_count() == 0 {
            return Err(shape_error(
                "input of group normalisation",
                x.dims(),
                format!("(batch, {channels}, ..)"),
            ));
        }
        let mut shape = vec![1; x.rank()];
        shape[1] = channels;
        let normal =
            normalise(&x.reshape((x.dim(0)? * self.groups, ()))?, true, self.epsilon)?.reshape(x.shape())?;
        normal
            .broadcast_mul(&self.weight.reshape(shape.as_slice())?)?
            .broadcast_add(&self.bias.reshape(shape.as_slice())?)
    }
}

fn check(size: usize, epsilon: f64) -> Result<()> {
    if size == 0 {
        return Err(config_error("size", size, "it must be at least 1"));
    }
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        return Err(config_error(
            "epsilon",
            epsilon,
            "it must be finite and not negative",
        ));
    }
    Ok(())
}

fn rows(x: &Tensor, weight: &Tensor, center: bool, epsilon: f64) -> Result<Tensor> {
    let size = weight.elem_count();
    if x.dims().last() != Some(&size) || x.elem_count() == 0 {
        return Err(shape_error(
            "input of normalisation",
            x.dims(),
            format!("{size} on the last axis, not empty"),
        ));
    }
    normalise(x, center, epsilon)
}

fn normalise(x: &Tensor, center: bool, epsilon: f64) -> Result<Tensor> {
    let length = x.dim(candle_core::D::Minus1)?;
    if !x.device().is_cpu() {
        let x = if center {
            x.broadcast_sub(&x.mean_keepdim(candle_core::D::Minus1)?)?
        } else {
            x.clone()
        };
        let scale = (x.sqr()?.mean_keepdim(candle_core::D::Minus1)? + epsilon)?.sqrt()?;
        return x.broadcast_div(&scale);
    }
    x.contiguous()?.apply_op1(Normalise {
        length,
        center,
        epsilon,
    })
}

struct Normalise {
    length: usize,
    center: bool,
    epsilon: f64,
}

#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
impl Normalise {
    /// Mean (zero if it is not taken off) and inverse scale of a row.
    fn scale<T: Real>(&self, row: &[T]) -> (T, f64) {
        let count = row.len() as f64;
        let mean = if self.center {
            row.iter().map(|x| x.to_f64()).sum::<f64>() / count
        } else {
            0.0
        };
        let square = row
            .iter()
            .map(|x| (x.to_f64() - mean) * (x.to_f64() - mean))
            .sum::<f64>()
            / count;
        (T::of(mean), 1.0 / (square + self.epsilon).sqrt())
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); x.len()];
        out.par_chunks_mut(self.length)
            .with_min_len(16)
            .zip(x.par_chunks(self.length))
            .for_each(|(out, row)| {
                let (mean, scale) = self.scale(row);
                let scale = T::of(scale);
                widened(|| {
                    for (y, &x) in out.iter_mut().zip(row) {
                        *y = (x - mean) * scale;
                    }
                });
            });
        out
    }

    fn backward<T: Real>(&self, x: &[T], y: &[T], grad: &[T]) -> Vec<T> {
        let (mut dx, length) = (vec![T::default(); x.len()], self.length);
        dx.par_chunks_mut(length)
            .with_min_len(16)
            .zip(x.par_chunks(length))
            .zip(y.par_chunks(length).zip(grad.par_chunks(length)))
            .for_each(|((dx, x), (y, grad))| {
                let (_, scale) = self.scale(x);
                let count = length as f64;
                let along = y
                    .iter()
                    .zip(grad)
                    .map(|(y, grad)| y.to_f64() * grad.to_f64())
                    .sum::<f64>()
                    / count;
                let mean = if self.center {
                    grad.iter().map(|grad| grad.to_f64()).sum::<f64>() / count
                } else {
                    0.0
                };
                let (scale, along, mean) = (T::of(scale), T::of(along), T::of(mean));
                for ((dx, &y), &grad) in dx.iter_mut().zip(y).zip(grad) {
                    *dx = scale * (grad - mean - y * along);
                }
            });
        dx
    }
}

impl CustomOp1 for Normalise {
    fn name(&self) -> &'static str {
        "timbral-normalise"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "normalisation", T => {
            Ok((storage(self.forward::<T>(slice(x, layout)?)), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "normalisation", T => {
            let dx = with_slice::<T, _>(x, |x| with_slice(y, |y| with_slice(grad, |grad| Ok(self.backward(x, y, grad)))))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
