//! Inner loops over fixed-width chunks, compiled for the vector instructions that the machine has.
//!
//! The order of every sum is fixed by the chunk width and nothing is fused, so the same input gives the same bits with
//! and without wide registers.

/// Values that are worked on together: four AVX registers, so that additions overlap.
pub(crate) const LANES: usize = 16;

/// Runs `op` in a version compiled for the best instruction set found at run time.
///
/// Only what is inlined into `op` profits, so the kernels are `inline(always)`.
#[inline]
pub(crate) fn dispatch<R>(op: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(op)
}

/// Chunks of [`LANES`] values and what is left.
#[inline(always)]
pub(crate) fn lanes(values: &[f64]) -> (&[[f64; LANES]], &[f64]) {
    values.as_chunks::<LANES>()
}

/// Sum of products.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (lanes(a), lanes(b));
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..LANES {
            sums[i] += x[i] * y[i];
        }
    }
    for (i, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[i] += x * y;
    }
    reduce(sums)
}

/// Sums partial sums in pairs.
#[inline(always)]
pub(crate) fn reduce(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// e^x for x that is not above 0 (nor NaN), within 2e-16 of 1 times the answer; below -708 it is 0.
///
/// x = n ln 2 + r with |r| at most half of ln 2; the power series gives e^r, the exponent bits give 2^n.
#[inline(always)]
pub(crate) fn exp_negative(x: f64) -> f64 {
    // Adding it leaves the nearest whole number in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let inside = if x > -708.0 { x } else { -708.0 };
    let shifted = inside * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (inside - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut series = 1.0 / 6_227_020_800.0;
    for inverse in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * r + inverse;
    }
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = series * power;
    if x > -708.0 { value } else { 0.0 }
}

/// A number of single precision, from its bytes.
#[inline(always)]
pub(crate) fn single_to_f64(bytes: [u8; 4]) -> f64 {
    f64::from(f32::from_le_bytes(bytes))
}

/// A finite number of half precision, from its bytes.
///
/// Without branches and in integers, so that it is vectorised like the sums around it and needs no instruction of its own
/// (`vcvtph2ps` is not in the baseline of any target).
#[inline(always)]
pub(crate) fn half_to_f64(bytes: [u8; 2]) -> f64 {
    let bits = u32::from(u16::from_le_bytes(bytes));
    // Exponent and fraction where single precision has them. The exponent's bias goes from 15 to 127.
    let magnitude = (bits & 0x7fff) << 13;
    let normal = magnitude + (112 << 23);
    // The smallest numbers lack the leading one: it is put there as 2^-14 and subtracted again, which is exact. Multiplying
    // them by 2^112 instead would be as right, but processors are slow at numbers below the normal ones.
    let subnormal = (f32::from_bits(magnitude + (113 << 23)) - f32::from_bits(113 << 23)).to_bits();
    let unsigned = if magnitude < 1 << 23 { subnormal } else { normal };
    f64::from(f32::from_bits(unsigned | (bits & 0x8000) << 16))
}

/// Whether all values are finite.
pub(crate) fn all_finite(values: &[f64]) -> bool {
    dispatch(
        #[inline(always)]
        || {
            let (chunks, rest) = lanes(values);
            let mut fine = [true; LANES];
            for chunk in chunks {
                for (fine, value) in fine.iter_mut().zip(chunk) {
                    *fine &= value.abs() < f64::INFINITY;
                }
            }
            fine.iter().all(|f| *f) && rest.iter().all(|v| v.is_finite())
        },
    )
}

/// Turns scores, `n` of each class side by side, into probabilities in place; `log_sums` becomes the logarithm of the sum
/// of exponentials of each item.
pub(crate) fn softmax_by_class(scores: &mut [f64], n: usize, log_sums: &mut Vec<f64>) {
    log_sums.clear();
    if n == 0 {
        return;
    }
    let mut top = vec![f64::NEG_INFINITY; n];
    let mut sums = vec![0.0; n];
    dispatch(
        #[inline(always)]
        || {
            for row in scores.chunks_exact(n) {
                for (top, score) in top.iter_mut().zip(row) {
                    *top = if *score > *top { *score } else { *top };
                }
            }
            for row in scores.chunks_exact_mut(n) {
                for ((score, top), sum) in row.iter_mut().zip(&top).zip(&mut sums) {
                    *score = exp_negative(*score - top);
                    *sum += *score;
                }
            }
            for row in scores.chunks_exact_mut(n) {
                for (p, sum) in row.iter_mut().zip(&sums) {
                    *p /= sum;
                }
            }
        },
    );
    log_sums.extend(sums.iter().zip(&top).map(|(sum, top)| sum.ln() + top));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_rounding_of_the_library() {
        let mut x = 0.0_f64;
        while x > -707.0 {
            let (ours, exact) = (exp_negative(x), x.exp());
            assert!((ours - exact).abs() <= 4e-16 * exact, "{x}: {ours} is not {exact}");
            assert_eq!(ours, dispatch(|| exp_negative(x)), "the same bits on every machine");
            x = x * 1.000_7 - 1e-4;
        }
        assert_eq!(exp_negative(0.0), 1.0);
        assert_eq!(exp_negative(-709.0), 0.0);
        assert_eq!(exp_negative(f64::NEG_INFINITY), 0.0);
    }

    #[test]
    fn every_half_number_is_widened_exactly() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff) / 1024.0);
            let magnitude = if exponent == 0 {
                fraction * 2_f64.powi(-14)
            } else {
                (1.0 + fraction) * 2_f64.powi(exponent - 15)
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude };
            assert_eq!(half_to_f64(bits.to_le_bytes()).to_bits(), expected.to_bits(), "{bits:#06x}");
            assert_eq!(
                dispatch(|| half_to_f64(bits.to_le_bytes())).to_bits(),
                expected.to_bits(),
                "{bits:#06x}"
            );
        }
    }

    #[test]
    fn dot_equals_a_plain_sum() {
        for n in [0, 1, 15, 16, 17, 100] {
            let a: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin()).collect();
            let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.11).cos()).collect();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert!((dispatch(|| dot(&a, &b)) - plain).abs() < 1e-13, "{n}");
        }
    }
}
