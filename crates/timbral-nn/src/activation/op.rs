//! Activations as one operation: a value and a slope for each element.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{Activation, GRAIN};
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::simd::widened;

pub(super) struct Elementwise(pub(super) Activation);

/// `f` of each element. What `f` holds is copied into registers before the loop: behind a reference it might be what the
/// loop writes to, and the loop would stay scalar.
fn map<T: Real, F: Fn(T) -> T + Copy + Send + Sync>(x: &[T], f: F) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    out.par_chunks_mut(GRAIN).zip(x.par_chunks(GRAIN)).for_each(|(out, x)| {
        widened(
            #[inline(always)]
            || {
                let own = f;
                for (y, &x) in out.iter_mut().zip(x) {
                    *y = own(x);
                }
            },
        );
    });
    out
}

/// `grad` times `slope` of each element.
fn chain<T: Real, F: Fn(T) -> T + Copy + Send + Sync>(x: &[T], grad: &[T], slope: F) -> Vec<T> {
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

/// The normal distribution function.
#[inline(always)]
fn phi<T: Real>(x: T) -> T {
    T::of(0.5) * (-x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erfc()
}

/// The argument of the tangent in [`Activation::GeluTanh`], and its slope.
#[inline(always)]
fn bent<T: Real>(x: T) -> (T, T) {
    let (scale, cubic) = (T::of((2.0 / std::f64::consts::PI).sqrt()), T::of(0.044_715));
    (scale * (x + cubic * x * x * x), scale * (T::one() + T::of(3.0) * cubic * x * x))
}

/// `tanh(softplus(x))` and the sigmoid.
#[inline(always)]
fn mish<T: Real>(x: T) -> (T, T) {
    // With w = exp(x) the tangent is w (w + 2) / (w (w + 2) + 2), which is 1 long before w overflows.
    let most = T::of(20.0);
    let w = (if x > most { most } else { x }).exp();
    let product = w * (w + T::of(2.0));
    (product / (product + T::of(2.0)), x.sigmoid())
}

fn forward<T: Real>(activation: Activation, x: &[T]) -> Vec<T> {
    let (zero, one) = (T::default(), T::one());
    match activation {
        // The comparison lets a value that is not a number through instead of hiding it.
        Activation::Relu => map(
            x,
            #[inline(always)]
            move |x| if x <= zero { zero } else { x },
        ),
        Activation::LeakyRelu(slope) => {
            let slope = T::of(slope);
            map(
                x,
                #[inline(always)]
                move |x| if x <= zero { slope * x } else { x },
            )
        }
        Activation::Elu(factor) => {
            let factor = T::of(factor);
            map(
                x,
                #[inline(always)]
                move |x| if x <= zero { factor * x.exp_m1() } else { x },
            )
        }
        Activation::Gelu => map(
            x,
            #[inline(always)]
            move |x| x * phi(x),
        ),
        Activation::GeluTanh => map(
            x,
            #[inline(always)]
            move |x| T::of(0.5) * x * (one + bent(x).0.tanh()),
        ),
        Activation::Silu => map(
            x,
            #[inline(always)]
            move |x| x * x.sigmoid(),
        ),
        Activation::Sigmoid => map(
            x,
            #[inline(always)]
            move |x| x.sigmoid(),
        ),
        Activation::Tanh => map(
            x,
            #[inline(always)]
            move |x| x.tanh(),
        ),
        Activation::Softplus => map(
            x,
            #[inline(always)]
            move |x| {
                let size = if x < zero { -x } else { x };
                (if x < zero { zero } else { x }) + (-size).exp().ln_1p()
            },
        ),
        Activation::Mish => map(
            x,
            #[inline(always)]
            move |x| x * mish(x).0,
        ),
        Activation::HardSwish => map(
            x,
            #[inline(always)]
            move |x| {
                let gate = x + T::of(3.0);
                let gate = if gate < zero { zero } else { gate };
                let six = T::of(6.0);
                x * (if gate > six { six } else { gate }) / six
            },
        ),
    }
}

fn backward<T: Real>(activation: Activation, x: &[T], grad: &[T]) -> Vec<T> {
    let (zero, one) = (T::default(), T::one());
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
            Ok((storage(forward::<T>(self.0, slice(x, layout)?)), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "activation", T => {
            let dx = with_slice::<T, _>(x, move |x| with_slice(grad, |grad| Ok(backward(self.0, x, grad))))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
