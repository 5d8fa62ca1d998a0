//! Activations as one operation: a value and a slope for each element.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::Activation;
use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::kernels::activation::{GRAIN, bent, forward, mish, phi};
use crate::kernels::simd::widened;

pub(super) struct Elementwise(pub(super) Activation);

/// `grad` times `slope` of each element.
fn chain<T: Element, F: Fn(T) -> T + Copy + Send + Sync>(x: &[T], grad: &[T], slope: F) -> Vec<T> {
    let mut dx = vec![T::default(); x.len()];
    dx.par_chunks_mut(GRAIN).zip(x.par_chunks(GRAIN)).zip(grad.par_chunks(GRAIN)).for_each(
        |((dx, x), grad)| {
            widened(
                #[inline(always)]
                || {
                    let own = slope;
                    for ((dx, &x), &grad) in dx.iter_mut().zip(x).zip(grad) {
                        *dx = grad * own(x);
                    }
                },
            );
        },
    );
    dx
}

fn backward<T: Element>(activation: Activation, x: &[T], grad: &[T]) -> Vec<T> {
    let (zero, one) = (T::default(), T::ONE);
    match activation {
        Activation::Relu => chain(
            x,
            grad,
            #[inline(always)]
            move |x| if x <= zero { zero } else { one },
        ),
        Activation::LeakyRelu(slope) => {
            let slope = T::of(slope);
            chain(
                x,
                grad,
                #[inline(always)]
                move |x| if x <= zero { slope } else { one },
            )
        }
        Activation::Elu(factor) => {
            let factor = T::of(factor);
            chain(
                x,
                grad,
                #[inline(always)]
                move |x| if x <= zero { factor * x.exp() } else { one },
            )
        }
        Activation::Gelu => {
            let density = T::of(1.0 / std::f64::consts::TAU.sqrt());
            chain(
                x,
                grad,
                #[inline(always)]
                move |x| phi(x) + x * density * (-T::of(0.5) * x * x).exp(),
            )
        }
        Activation::GeluTanh => chain(
            x,
            grad,
            #[inline(always)]
            move |x| {
                let (argument, slope) = bent(x);
                let tanh = argument.tanh();
                T::of(0.5) * (one + tanh + x * (one - tanh * tanh) * slope)
            },
        ),
        Activation::Silu => chain(
            x,
            grad,
            #[inline(always)]
            move |x| {
                let sigmoid = x.sigmoid();
                sigmoid * (one + x * (one - sigmoid))
            },
        ),
        Activation::Sigmoid => chain(
            x,
            grad,
            #[inline(always)]
            move |x| {
                let sigmoid = x.sigmoid();
                sigmoid * (one - sigmoid)
            },
        ),
        Activation::Tanh => chain(
            x,
            grad,
            #[inline(always)]
            move |x| {
                let tanh = x.tanh();
                one - tanh * tanh
            },
        ),
        Activation::Softplus => chain(
            x,
            grad,
            #[inline(always)]
            move |x| x.sigmoid(),
        ),
        Activation::Mish => chain(
            x,
            grad,
            #[inline(always)]
            move |x| {
                let (tanh, sigmoid) = mish(x);
                tanh + x * (one - tanh * tanh) * sigmoid
            },
        ),
        Activation::HardSwish => chain(
            x,
            grad,
            #[inline(always)]
            move |x| {
                let three = T::of(3.0);
                let inner = (x + x + three) / T::of(6.0);
                let low = if x <= -three { zero } else { inner };
                if x >= three { one } else { low }
            },
        ),
    }
}

impl CustomOp1 for Elementwise {
    fn name(&self) -> &'static str {
        "timbral-activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "activation", T => {
            let x = slice::<T>(x, layout)?;
            let mut out = vec![T::default(); x.len()];
            forward(self.0, x, &mut out);
            Ok((storage(out), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "activation", T => {
            let dx = with_slice::<T, _>(x, move |x| with_slice(grad, |grad| Ok(backward(self.0, x, grad))))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
