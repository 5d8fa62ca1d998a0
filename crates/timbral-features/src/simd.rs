//! Inner loops over fixed-width chunks, compiled for the vector instructions that the machine has.
//!
//! The order of every sum is fixed by the chunk width, not by the machine, and nothing is fused: the same input gives
//! the same bits with and without AVX.

/// Lanes of the partial sums. Two AVX registers, so that additions overlap.
pub(crate) const LANES: usize = 16;

/// Runs `op` in a version compiled for the best instruction set found at run time.
///
/// Only what is inlined into `op` profits, so the kernels below are `inline(always)`.
#[inline]
pub(crate) fn dispatch<R>(op: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(op)
}

/// Sums partial sums in pairs.
#[inline(always)]
pub(crate) fn reduce(lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    let mut lanes = lanes;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum of products.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    for (i, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[i] += x * y;
    }
    reduce(lanes)
}

/// Sum of `f` over the values.
#[inline(always)]
pub(crate) fn sum_of(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += f(chunk[i]);
        }
    }
    rest.iter().zip(&mut lanes).for_each(|(x, lane)| *lane += f(*x));
    reduce(lanes)
}

/// Sum.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for x in chunks {
        for i in 0..LANES {
            lanes[i] += x[i];
        }
    }
    for (i, x) in rest.iter().enumerate() {
        lanes[i] += x;
    }
    reduce(lanes)
}

/// Natural logarithm of a positive normal number, within 2e-7 of the larger of 1 and the answer: two rounded products
/// and a sum.
///
/// Splits off the exponent so that the mantissa lies around 1, then sums the series of the inverse hyperbolic tangent.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let (exponent, mantissa) = log_parts(x);
    exponent * std::f32::consts::LN_2 + mantissa
}

/// `10 log10(x)` of a positive normal number, within 2e-7 of the larger of 10 and the answer.
#[inline(always)]
pub(crate) fn ten_log10(x: f32) -> f32 {
    let (exponent, mantissa) = log_parts(x);
    exponent * (10.0 * std::f32::consts::LOG10_2) + mantissa * (10.0 * std::f32::consts::LOG10_E)
}

/// The exponent, and the natural logarithm of the mantissa between the roots of 1/2 and 2.
#[inline(always)]
fn log_parts(x: f32) -> (f32, f32) {
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits()) as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = 2.0 + q * (2.0 / 3.0 + q * (2.0 / 5.0 + q * (2.0 / 7.0 + q * (2.0 / 9.0))));
    (exponent as f32, s * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_close_to_exact_ones() {
        let mut x = f32::MIN_POSITIVE;
        while x < 1e38 {
            let exact = f64::from(x).ln();
            assert!(
                (f64::from(ln(x)) - exact).abs() < 2e-7 * exact.abs().max(1.0),
                "{x}"
            );
            let exact = 10.0 * f64::from(x).log10();
            assert!(
                (f64::from(ten_log10(x)) - exact).abs() < 2e-7 * exact.abs().max(10.0),
                "{x}"
            );
            x *= 1.001_3;
        }
        assert_eq!(ten_log10(1.0), 0.0);
    }

    #[test]
    fn dot_equals_a_plain_sum() {
        for n in [0, 1, 15, 16, 17, 1025] {
            let a: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..n).map(|i| (i as f32 * 0.11).cos()).collect();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            let fast = dispatch(|| dot(&a, &b));
            assert!((f64::from(fast) - plain).abs() < 1e-5, "{n}: {fast} {plain}");
            assert_eq!(fast, dot(&a, &b), "the instruction set must not change a bit");
        }
    }
}
