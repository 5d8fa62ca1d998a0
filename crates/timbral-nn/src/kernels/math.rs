//! Functions of one number that loops over slices may use: in f32 without branches, so that the compiler puts them into
//! vector registers, in f64 from the standard library.

/// Exponential and what is made of it.
pub(crate) trait Math: Copy {
    fn exp(self) -> Self;
    /// `exp(x) - 1` for `x` up to 80.
    fn exp_m1(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn tanh(self) -> Self;
    fn sigmoid(self) -> Self;
    /// The complementary error function.
    fn erfc(self) -> Self;
}

/// 1.5 * 2^23: adding it leaves the nearest whole number in the low bits of an f32.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of which has few enough bits that small multiples of it are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Splits `exp(x)` into `(s, p)` with `exp(x) = 2 * s * (1 + p)`, where `s` is a power of two and `p` small. `x` lies
/// within (-86, 89), or is not a number.
#[inline(always)]
fn split_exp(x: f32) -> (f32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    // The Taylor series up to r^7; |r| is at most ln(2) / 2, which leaves a relative error below 1e-8.
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    let p = r + r * r * (0.5 + r * (1.0 / 6.0 + r * tail));
    (f32::from_bits(shifted.to_bits().wrapping_add(126) << 23), p)
}

impl Math for f32 {
    #[inline(always)]
    fn exp(self) -> Self {
        let (s, p) = split_exp(self);
        let y = (s + s * p) * 2.0;
        let y = if self > 88.722_83 { f32::INFINITY } else { y };
        if self < -86.0 { 0.0 } else { y }
    }

    #[inline(always)]
    fn exp_m1(self) -> Self {
        let x = if self < -80.0 { -80.0 } else { self };
        let (s, p) = split_exp(x);
        // Without cancellation near zero.
        2.0 * s * p + (2.0 * s - 1.0)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        f32::ln_1p(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        let size = 2.0 * self.abs();
        let size = if size > 20.0 { 20.0 } else { size };
        let less_one = Math::exp_m1(size);
        (less_one / (less_one + 2.0)).copysign(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + Math::exp(-self))
    }

    #[inline(always)]
    fn erfc(self) -> Self {
        // A Chebyshev fit with a relative error below 1.2e-7 everywhere (Press et al., Numerical Recipes, 6.2).
        let size = self.abs();
        let t = 1.0 / (1.0 + 0.5 * size);
        let low = -1.135_204 + t * (1.488_515_8 + t * (-0.822_152_23 + t * 0.170_872_77));
        let middle = 0.096_784_18 + t * (-0.186_288_06 + t * (0.278_868_07 + t * low));
        let sum = -1.265_512_2 + t * (1.000_023_7 + t * (0.374_091_96 + t * middle));
        let y = t * Math::exp(sum - size * size);
        if self < 0.0 { 2.0 - y } else { y }
    }
}

impl Math for f64 {
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + f64::exp(-self))
    }

    #[inline(always)]
    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Math;

    /// The largest difference from the f64 function over a range, relative to the larger of `floor` and the value.
    fn worst(range: (f64, f64), floor: f64, f: impl Fn(f32) -> f32, g: impl Fn(f64) -> f64) -> f64 {
        (0..=20_000u32)
            .map(|step| (range.0 + (range.1 - range.0) * f64::from(step) / 20_000.0) as f32)
            .map(|x| {
                let exact = g(f64::from(x));
                (f64::from(f(x)) - exact).abs() / exact.abs().max(floor)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn single_precision_is_right_to_a_few_units() {
        assert!(worst((-86.0, 88.7), 0.0, Math::exp, f64::exp) < 3e-7);
        assert!(worst((-12.0, 12.0), 0.0, Math::tanh, f64::tanh) < 4e-7);
        assert!(worst((-20.0, 80.0), 0.0, Math::exp_m1, f64::exp_m1) < 4e-7);
        assert!(worst((-1e-3, 1e-3), 0.0, Math::tanh, f64::tanh) < 4e-7);
        assert!(worst((-80.0, 80.0), 0.0, Math::sigmoid, Math::sigmoid) < 4e-7);
        assert!(worst((-4.0, 4.0), 0.0, Math::erfc, Math::erfc) < 2e-6);
    }

    #[test]
    fn single_precision_at_the_ends() {
        for x in [89.0, 1e10, f32::INFINITY] {
            assert_eq!(Math::exp(x), f32::INFINITY);
            assert_eq!(Math::exp(-x), 0.0);
            assert_eq!((Math::tanh(x), Math::tanh(-x)), (1.0, -1.0));
            assert_eq!((Math::sigmoid(x), Math::sigmoid(-x)), (1.0, 0.0));
            assert_eq!((Math::erfc(x), Math::erfc(-x)), (0.0, 2.0));
        }
        assert_eq!((Math::exp(0f32), Math::tanh(0f32)), (1.0, 0.0));
        let none = f32::NAN;
        assert!(Math::exp(none).is_nan() && Math::tanh(none).is_nan());
        assert!(Math::sigmoid(none).is_nan() && Math::erfc(none).is_nan());
    }
}
