//! Inner loops over fixed-width chunks, compiled for the vector instructions that the machine has.
//!
//! The order of every sum is fixed by the chunk width, not by the machine, and nothing is fused: the same input gives
//! the same bits with and without AVX.

/// Lanes of the partial sums. Two AVX registers, so that additions overlap.
pub(crate) const LANES: usize = 16;

/// Runs `op` in a version compiled for the best instruction set found at run time, if `op` is small enough to be inlined.
///
/// A closure cannot be told to be inlined, so larger kernels are written with [`vectorized`].
#[inline]
pub(crate) fn dispatch<R>(op: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(op)
}

/// A computation whose `run` is always inlined. Implemented by [`vectorized`].
pub(crate) trait Kernel {
    type Output;
    fn run(self) -> Self::Output;
}

struct Inlined<K>(K);

impl<K: Kernel> pulp::WithSimd for Inlined<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> K::Output {
        self.0.run()
    }
}

/// Runs a kernel in a version compiled for the best instruction set found at run time.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(Inlined(kernel))
}

/// Defines a function whose body is compiled once for each instruction set and chosen at run time. What it calls profits
/// if it is `inline(always)`.
macro_rules! vectorized {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$life:lifetime>($($argument:ident: $type:ty),* $(,)?) -> $output:ty $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name<$life>($($argument: $type),*) -> $output {
            struct Op<$life> {
                $($argument: $type),*
            }
            impl<$life> $crate::simd::Kernel for Op<$life> {
                type Output = $output;

                #[inline(always)]
                fn run(self) -> $output {
                    let Self { $($argument),* } = self;
                    $body
                }
            }
            $crate::simd::run(Op { $($argument),* })
        }
    };
}
pub(crate) use vectorized;

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
    let [a, b, c, d, e, f, g, h] = settle(lanes);
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// A matrix laid out for products with a vector: blocks of [`LANES`] rows, column by column, filled up with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    blocks: Vec<[f32; LANES]>,
    rows: usize,
    columns: usize,
}

impl Projection {
    pub(crate) fn new(matrix: &ndarray::Array2<f64>) -> Self {
        let (rows, columns) = matrix.dim();
        let mut blocks = vec![[0.0; LANES]; rows.div_ceil(LANES) * columns];
        for ((row, column), value) in matrix.indexed_iter() {
            blocks[row / LANES * columns + column][row % LANES] = *value as f32;
        }
        Self {
            blocks,
            rows,
            columns,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The product with `vector`, which has as many values as the matrix has columns.
    pub(crate) fn run(&self, vector: &[f32], out: &mut [f32]) {
        project(self, vector, out);
    }

    #[inline(always)]
    fn apply(&self, vector: &[f32], out: &mut [f32]) {
        for (block, values) in self
            .blocks
            .chunks_exact(self.columns.max(1))
            .zip(out.chunks_mut(LANES))
        {
            // Two sums for each row, so that additions need not wait for each other and rounding stays small.
            let mut even = [0.0f32; LANES];
            let mut odd = [0.0f32; LANES];
            let (pairs, rest) = block.as_chunks::<2>();
            let (factors, last) = vector.as_chunks::<2>();
            for ([a, b], [x, y]) in pairs.iter().zip(factors) {
                for i in 0..LANES {
                    even[i] += a[i] * x;
                }
                for i in 0..LANES {
                    odd[i] += b[i] * y;
                }
            }
            for (a, x) in rest.iter().zip(last) {
                for i in 0..LANES {
                    even[i] += a[i] * x;
                }
            }
            let mut total = [0.0f32; LANES];
            for i in 0..LANES {
                total[i] = even[i] + odd[i];
            }
            values.copy_from_slice(&total[..values.len()]);
        }
    }
}

vectorized! {
    fn project<'a>(projection: &'a Projection, vector: &'a [f32], out: &'a mut [f32]) -> () {
        projection.apply(vector, out);
    }
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
    fn projection_equals_a_matrix_product() {
        for (rows, columns) in [(20, 128), (13, 26), (1, 1), (33, 7)] {
            let matrix =
                ndarray::Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 31 + j * 7) as f64).sin());
            let vector: Vec<f32> = (0..columns).map(|j| (j as f32 * 0.7).cos()).collect();
            let mut out = vec![0.0; rows];
            Projection::new(&matrix).run(&vector, &mut out);
            for (row, value) in matrix.rows().into_iter().zip(&out) {
                let slow: f64 = row.iter().zip(&vector).map(|(m, v)| m * f64::from(*v)).sum();
                assert!((f64::from(*value) - slow).abs() < 1e-5);
            }
        }
    }

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
