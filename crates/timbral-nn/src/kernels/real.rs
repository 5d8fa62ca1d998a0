//! The numbers that the kernels compute with.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::math::Math;
use super::simd::Lanes;

/// `f32` or `f64`. Nothing of candle's is in it, so that kernels can be built without; what its operations need besides
/// stands in `crate::dtype`.
pub(crate) trait Real:
    Math
    + Lanes
    + Default
    + PartialOrd
    + Debug
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    const ONE: Self;
    /// The start of a maximum.
    const LOWEST: Self;
    fn of(value: f64) -> Self;
    fn as_f64(self) -> f64;
    fn not_a_number(self) -> bool;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const ONE: Self = 1.0;
            const LOWEST: Self = <$t>::NEG_INFINITY;
            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "f32 arithmetic is what the caller asked for")]
            fn of(value: f64) -> Self {
                value as $t
            }
            #[inline]
            fn as_f64(self) -> f64 {
                self.into()
            }
            #[inline]
            fn not_a_number(self) -> bool {
                self.is_nan()
            }
        }
    };
}

real!(f32);
real!(f64);
