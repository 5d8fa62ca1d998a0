//! Vector registers, chosen at run time, without unsafe code: by way of the `pulp` crate.

use pulp::{Simd, WithSimd};

/// Elements beside each other in one register.
pub(crate) trait Lanes: Copy {
    type Vector<S: Simd>: Copy;

    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    #[cfg(feature = "candle")]
    fn reduce<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
}

macro_rules! lanes {
    ($t:ty, $vector:ident, $splat:ident, $mul_add:ident, $reduce:ident, $split:ident, $split_mut:ident) => {
        impl Lanes for $t {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S> {
                simd.$splat(value)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: Self::Vector<S>,
                b: Self::Vector<S>,
                c: Self::Vector<S>,
            ) -> Self::Vector<S> {
                simd.$mul_add(a, b, c)
            }
            #[cfg(feature = "candle")]
            #[inline(always)]
            fn reduce<S: Simd>(simd: S, a: Self::Vector<S>) -> Self {
                simd.$reduce(a)
            }
            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>] {
                S::$split(values).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>] {
                S::$split_mut(values).0
            }
        }
    };
}

lanes!(f32, f32s, splat_f32s, mul_add_e_f32s, reduce_sum_f32s, as_simd_f32s, as_mut_simd_f32s);
lanes!(f64, f64s, splat_f64s, mul_add_e_f64s, reduce_sum_f64s, as_simd_f64s, as_mut_simd_f64s);

/// Runs `op` with the widest registers of this machine that multiply and add in one step, or element by element on a
/// machine without such. WebAssembly cannot ask at run time: there the registers of `simd128` are used where the program is
/// compiled for them.
#[inline]
pub(crate) fn best<Op: WithSimd>(op: Op) -> Op::Output {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Simd::vectorize(simd, op);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, op);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(simd) = pulp::aarch64::Neon::try_new() {
        return Simd::vectorize(simd, op);
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if let Some(simd) = pulp::wasm::Simd128::try_new() {
        return Simd::vectorize(simd, op);
    }
    Simd::vectorize(pulp::Scalar, op)
}

/// Compiles plain loops for the registers of this machine. `f` and what it calls must be inlined: mark the closure
/// `#[inline(always)]`.
#[inline(always)]
pub(crate) fn widened<R>(f: impl FnMut() -> R) -> R {
    best(Loops(f))
}

/// Loops without vector types. `FnMut`, because a call by `FnOnce` goes through a shim that is not inlined.
struct Loops<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Loops<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Whether this machine has registers that multiply and add in one step.
pub(crate) fn has_fused() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return pulp::x86::V3::try_new().is_some();
    #[cfg(target_arch = "aarch64")]
    return pulp::aarch64::Neon::try_new().is_some();
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// Whether there are 32 registers, not 16: larger tiles of sums stay in them.
pub(crate) fn many_registers() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return pulp::x86::V4::try_new().is_some();
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    cfg!(target_arch = "aarch64")
}
