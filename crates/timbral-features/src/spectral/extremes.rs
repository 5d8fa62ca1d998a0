//! The smallest values of a band.

use crate::simd::{LANES, settle};

/// How many of its smallest values a lane keeps.
const DEPTH: usize = 4;

/// The sum of the magnitudes of the `count` smallest of `sign * values[..length]`; of their roots if `squared`. There are
/// at least [`LANES`] values more.
///
/// Sixteen interleaved lanes keep their four smallest values each, in order. The smallest heads of the lanes are then
/// taken off one after the other. Only if a lane runs out, which may have seen more, is the whole band searched.
#[inline(always)]
pub(super) fn sum_of_smallest(
    values: &[f32],
    length: usize,
    sign: f32,
    count: usize,
    squared: bool,
    work: &mut Vec<f32>,
) -> f64 {
    let magnitude = |v: f32| {
        let v = f64::from(v.abs());
        if squared { v.sqrt() } else { v }
    };
    let mut lanes = smallest_of_lanes(values, length, sign);
    if count == 1 {
        return magnitude(minimum(&lanes[0]));
    }
    let complete = length <= DEPTH * LANES;
    let (mut sum, mut taken) = (0.0, 0);
    loop {
        let least = minimum(&lanes[0]);
        let (equal, empty) = take(&mut lanes, least);
        let equal = equal.min(count - taken);
        taken += equal;
        sum += equal as f64 * magnitude(least);
        if taken == count {
            return sum;
        }
        if empty > 0 && !complete {
            return search(&values[..length], sign, count, &lanes[0], magnitude, work);
        }
    }
}

/// The smallest of `sign * values` in each lane, then the second smallest and so on; infinite where there are no more.
#[inline(always)]
fn smallest_of_lanes(values: &[f32], length: usize, sign: f32) -> [[f32; LANES]; DEPTH] {
    let mut lanes = [[f32::INFINITY; LANES]; DEPTH];
    let (chunks, _) = values.as_chunks::<LANES>();
    let whole = length / LANES;
    for chunk in &chunks[..whole] {
        let mut signed = [0.0f32; LANES];
        for i in 0..LANES {
            signed[i] = sign * chunk[i];
        }
        insert(&mut lanes, signed);
    }
    let left = (length % LANES) as u32;
    if left > 0 {
        let mut signed = [0.0f32; LANES];
        for i in 0..LANES {
            signed[i] = if (i as u32) < left { sign * chunks[whole][i] } else { f32::INFINITY };
        }
        insert(&mut lanes, signed);
    }
    settle(lanes)
}

/// Puts a value into each lane at its place; the largest falls out.
#[inline(always)]
fn insert(lanes: &mut [[f32; LANES]; DEPTH], values: [f32; LANES]) {
    let [a, b, c, d] = lanes;
    for i in 0..LANES {
        let over_a = larger(a[i], values[i]);
        a[i] = smaller(a[i], values[i]);
        let over_b = larger(b[i], over_a);
        b[i] = smaller(b[i], over_a);
        let over_c = larger(c[i], over_b);
        c[i] = smaller(c[i], over_b);
        d[i] = smaller(d[i], over_c);
    }
}

/// Takes the heads that equal `least` off their lanes. Returns how many there were and how many lanes are empty now.
#[inline(always)]
fn take(lanes: &mut [[f32; LANES]; DEPTH], least: f32) -> (usize, usize) {
    let [a, b, c, d] = lanes;
    // Both counts in one sum.
    let mut counts = [0u32; LANES];
    for i in 0..LANES {
        let is_least = a[i] == least;
        a[i] = if is_least { b[i] } else { a[i] };
        b[i] = if is_least { c[i] } else { b[i] };
        c[i] = if is_least { d[i] } else { c[i] };
        d[i] = if is_least { f32::INFINITY } else { d[i] };
        counts[i] = u32::from(is_least) + if a[i] == f32::INFINITY { 1 << 16 } else { 0 };
    }
    let counts = counts.iter().sum::<u32>() as usize;
    (counts & 0xffff, counts >> 16)
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b < a { a } else { b }
}

#[inline(always)]
fn minimum(values: &[f32; LANES]) -> f32 {
    let mut eight = [0.0f32; 8];
    for i in 0..8 {
        eight[i] = smaller(values[i], values[i + 8]);
    }
    let mut four = [0.0f32; 4];
    for i in 0..4 {
        four[i] = smaller(eight[i], eight[i + 4]);
    }
    smaller(smaller(four[0], four[2]), smaller(four[1], four[3]))
}

/// The way that is right for any values. `heads` are what is left of lanes that `count` values were to be taken from.
#[cold]
fn search(
    values: &[f32],
    sign: f32,
    count: usize,
    heads: &[f32; LANES],
    magnitude: impl Fn(f32) -> f64,
    work: &mut Vec<f32>,
) -> f64 {
    // As many values as there are heads are at most the largest of them.
    let finite = heads.iter().copied().filter(|head| *head < f32::INFINITY);
    let bound =
        if finite.clone().count() < count { f32::INFINITY } else { finite.fold(f32::NEG_INFINITY, f32::max) };
    work.clear();
    work.extend(values.iter().map(|v| sign * v).filter(|v| *v <= bound));
    if work.len() < count {
        // Overflow left values that have no order.
        return f64::NAN;
    }
    let (smaller, last, _) = work.select_nth_unstable_by(count - 1, f32::total_cmp);
    smaller.sort_unstable_by(f32::total_cmp);
    smaller.iter().map(|v| magnitude(*v)).sum::<f64>() + magnitude(*last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_may_crowd_in_one_lane() {
        for n in [17, 64, 65, 300] {
            for stride in [1, 2, 16] {
                let height = |i: usize| {
                    if i.is_multiple_of(stride) { i as f32 } else { 1000.0 + (i * 7 % 31) as f32 }
                };
                let values: Vec<f32> = (0..n).map(height).collect();
                let padded = [&values[..], &[-1.0; LANES]].concat();
                for count in 1..=n.min(40) {
                    for sign in [1.0, -1.0] {
                        let mut sorted = values.clone();
                        sorted.sort_by(|a, b| (sign * a).total_cmp(&(sign * b)));
                        let slow: f64 = sorted[..count].iter().map(|v| f64::from(*v)).sum();
                        let fast = sum_of_smallest(&padded, n, sign, count, false, &mut Vec::new());
                        assert_eq!(fast, slow, "{n} {stride} {count} {sign}");
                    }
                }
            }
        }
    }
}
