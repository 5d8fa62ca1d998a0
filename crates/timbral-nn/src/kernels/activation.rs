//! Element-wise activations.

use rayon::prelude::*;

use super::real::Real;
use super::simd::widened;
use crate::NnError;

/// Elements that one task takes; smaller slices stay on the calling thread.
pub(crate) const GRAIN: usize = 16 * 1024;

/// An element-wise activation, with PyTorch's formulas and one pass over memory each way.
///
/// With candle it is a `Module` as well. On the CPU in f32 the exponential is a polynomial with an error of a few units in the last place.
///
/// ```
/// use timbral_nn::kernels::Activation;
///
/// let mut x = [-1., 0., 2.];
/// Activation::Relu.apply_in_place(&mut x)?;
/// assert_eq!(x, [0., 0., 2.]);
/// # Ok::<(), timbral_nn::NnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`; the gradient at zero is zero.
    Relu,
    /// `x` above zero, else this slope times `x`. PyTorch's default is 0.01.
    LeakyRelu(f64),
    /// `x` above zero, else this factor times `exp(x) - 1` (Clevert et al. 2016). PyTorch's default is 1.
    Elu(f64),
    /// `x * Phi(x)` with the normal distribution function Phi (Hendrycks and Gimpel 2016).
    Gelu,
    /// The same with a hyperbolic tangent in place of Phi, as PyTorch's `approximate="tanh"`.
    GeluTanh,
    /// `x * sigmoid(x)`, also called swish (Elfwing et al. 2018).
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x * tanh(softplus(x))` (Misra 2020).
    Mish,
    /// `x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
}

impl Activation {
    /// Computes the activation of each element of `x`.
    ///
    /// # Errors
    /// [`NnError::Config`] if the factor of the activation is not finite.
    pub fn apply(self, x: &[f32]) -> Result<Vec<f32>, NnError> {
        self.check()?;
        let mut out = vec![0.0; x.len()];
        forward(self, x, &mut out);
        Ok(out)
    }

    /// Replaces each element of `x`.
    ///
    /// # Errors
    /// [`NnError::Config`] if the factor of the activation is not finite.
    pub fn apply_in_place(self, x: &mut [f32]) -> Result<(), NnError> {
        self.check()?;
        replace(self, x);
        Ok(())
    }

    pub(crate) fn check(self) -> Result<(), NnError> {
        match self {
            Self::LeakyRelu(factor) | Self::Elu(factor) if !factor.is_finite() => {
                Err(NnError::config("factor of the activation", factor, "finite"))
            }
            _ => Ok(()),
        }
    }
}

/// Replaces each element of `x` by `max(x, 0)`; a value that is not a number stays.
pub fn relu(x: &mut [f32]) {
    replace(Activation::Relu, x);
}

/// The normal distribution function.
#[inline(always)]
pub(crate) fn phi<T: Real>(x: T) -> T {
    T::of(0.5) * (-x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erfc()
}

/// The argument of the tangent in [`Activation::GeluTanh`], and its slope.
#[inline(always)]
pub(crate) fn bent<T: Real>(x: T) -> (T, T) {
    let (scale, cubic) = (T::of((2.0 / std::f64::consts::PI).sqrt()), T::of(0.044_715));
    (scale * (x + cubic * x * x * x), scale * (T::ONE + T::of(3.0) * cubic * x * x))
}

/// `tanh(softplus(x))` and the sigmoid.
#[inline(always)]
pub(crate) fn mish<T: Real>(x: T) -> (T, T) {
    // With w = exp(x) the tangent is w (w + 2) / (w (w + 2) + 2), which is 1 long before w overflows.
    let most = T::of(20.0);
    let w = (if x > most { most } else { x }).exp();
    let product = w * (w + T::of(2.0));
    (product / (product + T::of(2.0)), x.sigmoid())
}

/// Where the loop over elements finds and puts them.
trait Elements<T> {
    fn replace<F: Fn(T) -> T + Copy + Send + Sync>(self, f: F);
}

/// What `f` holds is copied into registers before the loop: behind a reference it might be what the loop writes to, and the
/// loop would stay scalar.
impl<T: Real> Elements<T> for (&[T], &mut [T]) {
    fn replace<F: Fn(T) -> T + Copy + Send + Sync>(self, f: F) {
        self.1.par_chunks_mut(GRAIN).zip(self.0.par_chunks(GRAIN)).for_each(|(out, x)| {
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
    }
}

impl<T: Real> Elements<T> for &mut [T] {
    fn replace<F: Fn(T) -> T + Copy + Send + Sync>(self, f: F) {
        self.par_chunks_mut(GRAIN).for_each(|x| {
            widened(
                #[inline(always)]
                || {
                    let own = f;
                    for x in x.iter_mut() {
                        *x = own(*x);
                    }
                },
            );
        });
    }
}

/// Writes the activation of each element of `x` to `out`, which is as long.
pub(crate) fn forward<T: Real>(activation: Activation, x: &[T], out: &mut [T]) {
    replace(activation, (x, out));
}

fn replace<T: Real>(activation: Activation, elements: impl Elements<T>) {
    let (zero, one) = (T::default(), T::ONE);
    match activation {
        // The comparison lets a value that is not a number through instead of hiding it.
        Activation::Relu => elements.replace(
            #[inline(always)]
            move |x| if x <= zero { zero } else { x },
        ),
        Activation::LeakyRelu(slope) => {
            let slope = T::of(slope);
            elements.replace(
                #[inline(always)]
                move |x| if x <= zero { slope * x } else { x },
            )
        }
        Activation::Elu(factor) => {
            let factor = T::of(factor);
            elements.replace(
                #[inline(always)]
                move |x| if x <= zero { factor * x.exp_m1() } else { x },
            )
        }
        Activation::Gelu => elements.replace(
            #[inline(always)]
            move |x| x * phi(x),
        ),
        Activation::GeluTanh => elements.replace(
            #[inline(always)]
            move |x| T::of(0.5) * x * (one + bent(x).0.tanh()),
        ),
        Activation::Silu => elements.replace(
            #[inline(always)]
            move |x| x * x.sigmoid(),
        ),
        Activation::Sigmoid => elements.replace(
            #[inline(always)]
            move |x| x.sigmoid(),
        ),
        Activation::Tanh => elements.replace(
            #[inline(always)]
            move |x| x.tanh(),
        ),
        Activation::Softplus => elements.replace(
            #[inline(always)]
            move |x| {
                let size = if x < zero { -x } else { x };
                (if x < zero { zero } else { x }) + (-size).exp().ln_1p()
            },
        ),
        Activation::Mish => elements.replace(
            #[inline(always)]
            move |x| x * mish(x).0,
        ),
        Activation::HardSwish => elements.replace(
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
