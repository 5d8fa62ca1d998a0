//! Inner loops over fixed-width chunks, compiled for the vector instructions that the machine has.
//!
//! The order of every sum is fixed by the chunk width, not by the machine, and nothing is fused: the same input gives
//! the same bits with and without AVX.

/// Lanes of the partial sums. Two AVX registers, so that additions overlap.
pub(crate) const LANES: usize = 16;

/// What a closure gives up when it runs, so that it can run only once.
pub(crate) struct Once;

/// Evaluates an expression in a version compiled for the best instruction set found at run time.
///
/// Only what is inlined into that version profits, so the kernels below are `inline(always)`, and so is the closure. It
/// has to consume something: one that could be called again is called through a shim, which is not inlined and compiles
/// long expressions for the least machine.
macro_rules! dispatch {
    ($expression:expr) => {{
        let once = $crate::simd::Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let _spent = once;
                $expression
            },
        )
    }};
}
pub(crate) use dispatch;

/// Keeps the lanes of a sum in whole registers.
///
/// Without this barrier the compiler arranges the loop before it after the order of the reduction, two lanes at a time.
#[inline(always)]
pub(crate) fn settle<T>(lanes: T) -> T {
    std::hint::black_box(lanes)
}

/// Sums partial sums in pairs.
#[inline(always)]
pub(crate) fn reduce(lanes: [f32; LANES]) -> f32 {
    let lanes = settle(lanes);
    let mut eight = [0.0f32; 8];
    for i in 0..8 {
        eight[i] = lanes[i] + lanes[i + 8];
    }
    let mut four = [0.0f32; 4];
    for i in 0..4 {
        four[i] = eight[i] + eight[i + 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
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
    // The remainder joins the lanes that it would have had in a whole chunk, so a vector filled up with zeros gives the
    // same bits.
    for (i, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[i] += x * y;
    }
    reduce(lanes)
}

/// The product of a matrix (its rows one after the other, each as long as `x`) with a vector. Four rows at a time keep
/// enough sums under way to hide the latency of additions.
#[inline(always)]
pub(crate) fn product(matrix: &[f32], x: &[f32], out: &mut [f32]) {
    let n = x.len();
    if n == 0 {
        out.fill(0.0);
        return;
    }
    for (rows, values) in matrix.chunks(4 * n).zip(out.chunks_mut(4)) {
        if let [a, b, c, d] = values {
            let (first, last) = rows.split_at(2 * n);
            let ((row_a, row_b), (row_c, row_d)) = (first.split_at(n), last.split_at(n));
            [*a, *b, *c, *d] = dot_4(row_a, row_b, row_c, row_d, x);
        } else {
            for (value, row) in values.iter_mut().zip(rows.chunks(n)) {
                *value = dot(row, x);
            }
        }
    }
}

/// Four sums of products with the same vector, each with the bits of [`dot`].
#[inline(always)]
fn dot_4(a: &[f32], b: &[f32], c: &[f32], d: &[f32], x: &[f32]) -> [f32; 4] {
    let mut sums = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let ((c, c_rest), (d, d_rest)) = (c.as_chunks::<LANES>(), d.as_chunks::<LANES>());
    for ((((x, a), b), c), d) in x_chunks.iter().zip(a).zip(b).zip(c).zip(d) {
        for i in 0..LANES {
            sums.0[i] += a[i] * x[i];
        }
        for i in 0..LANES {
            sums.1[i] += b[i] * x[i];
        }
        for i in 0..LANES {
            sums.2[i] += c[i] * x[i];
        }
        for i in 0..LANES {
            sums.3[i] += d[i] * x[i];
        }
    }
    for (i, x) in x_rest.iter().enumerate() {
        sums.0[i] += a_rest[i] * x;
        sums.1[i] += b_rest[i] * x;
        sums.2[i] += c_rest[i] * x;
        sums.3[i] += d_rest[i] * x;
    }
    [reduce(sums.0), reduce(sums.1), reduce(sums.2), reduce(sums.3)]
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

/// Lanes of short sums, one AVX register.
pub(crate) const SHORT: usize = 8;

/// Sum of products of slices of one length, a multiple of [`SHORT`].
#[inline(always)]
pub(crate) fn short_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; SHORT];
    for (x, y) in a.as_chunks::<SHORT>().0.iter().zip(b.as_chunks::<SHORT>().0) {
        for i in 0..SHORT {
            lanes[i] += x[i] * y[i];
        }
    }
    short_sum(lanes)
}

/// Sums partial sums in pairs.
#[inline(always)]
pub(crate) fn short_sum(lanes: [f32; SHORT]) -> f32 {
    let [a, b, c, d, e, f, g, h] = settle(lanes);
    ((a + e) + (c + g)) + ((b + f) + (d + h))
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
            assert!((f64::from(ln(x)) - exact).abs() < 2e-7 * exact.abs().max(1.0), "{x}");
            let exact = 10.0 * f64::from(x).log10();
            assert!((f64::from(ten_log10(x)) - exact).abs() < 2e-7 * exact.abs().max(10.0), "{x}");
            x *= 1.001_3;
        }
        assert_eq!(ten_log10(1.0), 0.0);
    }

    #[test]
    fn products_equal_dots() {
        for (rows, n) in [(0, 3), (3, 16), (4, 5), (9, 37), (12, 100)] {
            let matrix: Vec<f32> = (0..rows * n).map(|i| (i as f32 * 0.37).sin()).collect();
            let x: Vec<f32> = (0..n).map(|i| (i as f32 * 0.11).cos()).collect();
            let mut out = vec![0.0; rows];
            dispatch!(product(&matrix, &x, &mut out));
            for (value, row) in out.iter().zip(matrix.chunks(n)) {
                assert_eq!(*value, dot(row, &x));
            }
        }
    }

    #[test]
    fn dot_equals_a_plain_sum() {
        for n in [0, 1, 15, 16, 17, 1025] {
            let a: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..n).map(|i| (i as f32 * 0.11).cos()).collect();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            let fast = dispatch!(dot(&a, &b));
            assert!((f64::from(fast) - plain).abs() < 1e-5, "{n}: {fast} {plain}");
            assert_eq!(fast, dot(&a, &b), "the instruction set must not change a bit");
        }
    }
}
