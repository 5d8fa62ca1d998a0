//! One frame of magnitudes to one number, or a few.

use ndarray::Array2;

use crate::simd::{LANES, dispatch, ln, reduce, sum};

/// Values that are summed in single precision before they are added in double precision.
const SPAN: usize = 16 * LANES;

/// Sum of the magnitudes, and of the magnitudes times their bin numbers.
#[inline(always)]
fn moments(magnitudes: &[f32]) -> (f64, f64) {
    let (mut total, mut first) = (0.0f64, 0.0f64);
    for (index, span) in magnitudes.chunks(SPAN).enumerate() {
        let mut plain = [0.0f32; LANES];
        let mut weighted = [0.0f32; LANES];
        let mut position = [0.0f32; LANES];
        for (i, p) in position.iter_mut().enumerate() {
            *p = i as f32;
        }
        let (chunks, rest) = span.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                plain[i] += chunk[i];
                weighted[i] += chunk[i] * position[i];
                position[i] += LANES as f32;
            }
        }
        for (i, m) in rest.iter().enumerate() {
            plain[i] += m;
            weighted[i] += m * position[i];
        }
        let plain = f64::from(reduce(plain));
        total += plain;
        first += f64::from(reduce(weighted)) + (index * SPAN) as f64 * plain;
    }
    (total, first)
}

/// The centroid in bins, and the sum of the magnitudes. A sum that is no normal number counts as 1, so that silence has
/// the centroid 0.
#[inline(always)]
fn centroid_bins(magnitudes: &[f32]) -> (f64, f64) {
    let (total, weighted) = moments(magnitudes);
    let total = if total < f64::from(f32::MIN_POSITIVE) { 1.0 } else { total };
    (weighted / total, total)
}

#[derive(Clone, Debug)]
pub(crate) struct Centroid {
    pub(crate) hz_per_bin: f64,
}

impl Centroid {
    pub(crate) fn frame(&self, magnitudes: &[f32], out: &mut [f32]) {
        let (centroid, _) = dispatch!(centroid_bins(magnitudes));
        out.fill((centroid * self.hz_per_bin) as f32);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Bandwidth {
    pub(crate) hz_per_bin: f64,
    pub(crate) p: f32,
    pub(crate) norm: bool,
}

impl Bandwidth {
    pub(crate) fn frame(&self, magnitudes: &[f32], out: &mut [f32]) {
        let spread = dispatch!(spread(self, magnitudes));
        let root = if self.p == 2.0 { spread.sqrt() } else { spread.powf(1.0 / f64::from(self.p)) };
        out.fill((root * self.hz_per_bin) as f32);
    }
}

/// The sum of magnitudes times powers of their distance to the centroid, in bins.
#[inline(always)]
fn spread(shape: &Bandwidth, magnitudes: &[f32]) -> f64 {
    let (centroid, total) = centroid_bins(magnitudes);
    let total = if shape.norm { total } else { 1.0 };
    // The sum hardly depends on the last digits of the centroid.
    let centroid = centroid as f32;
    let deviation = if shape.p == 2.0 {
        deviations(magnitudes, centroid, |d| d * d)
    } else if shape.p == 1.0 {
        deviations(magnitudes, centroid, f32::abs)
    } else {
        deviations(magnitudes, centroid, |d| d.abs().powf(shape.p))
    };
    deviation / total
}

/// Sum of magnitudes times a function of their distance to the centroid in bins.
#[inline(always)]
fn deviations(magnitudes: &[f32], centroid: f32, weight: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0f64;
    for (index, span) in magnitudes.chunks(SPAN).enumerate() {
        let mut lanes = [0.0f32; LANES];
        let mut distance = [0.0f32; LANES];
        let (chunks, rest) = span.as_chunks::<LANES>();
        for (block, chunk) in chunks.iter().enumerate() {
            // Whole bins are exact in f32, so the distance is rounded once.
            let start = (index * SPAN + block * LANES) as f32;
            for (i, d) in distance.iter_mut().enumerate() {
                *d = start + i as f32 - centroid;
            }
            for i in 0..LANES {
                lanes[i] += chunk[i] * weight(distance[i]);
            }
        }
        let start = (index * SPAN + chunks.len() * LANES) as f32;
        for (i, m) in rest.iter().enumerate() {
            lanes[i] += m * weight(start + i as f32 - centroid);
        }
        total += f64::from(reduce(lanes));
    }
    total
}

#[derive(Clone, Debug)]
pub(crate) struct Rolloff {
    pub(crate) hz_per_bin: f64,
    pub(crate) roll_percent: f64,
}

impl Rolloff {
    pub(crate) fn frame(&self, magnitudes: &[f32], out: &mut [f32]) {
        let bin = dispatch!(rolloff_bin(magnitudes, self.roll_percent));
        out.fill((bin as f64 * self.hz_per_bin) as f32);
    }
}

const BLOCK: usize = 4 * LANES;

/// The first bin at which the cumulated magnitude reaches the fraction.
#[inline(always)]
fn rolloff_bin(magnitudes: &[f32], share: f64) -> usize {
    let mut total = 0.0;
    for block in magnitudes.chunks(BLOCK) {
        total += f64::from(sum(block));
    }
    let threshold = share * total;
    // First the block in which the share is reached, then the bin.
    let mut before = 0.0;
    for (index, block) in magnitudes.chunks(BLOCK).enumerate() {
        let after = before + f64::from(sum(block));
        if after >= threshold {
            let mut reached = before;
            for (i, m) in block.iter().enumerate() {
                reached += f64::from(*m);
                if reached >= threshold {
                    return index * BLOCK + i;
                }
            }
            // The block's own sum was rounded up.
            return index * BLOCK + block.len() - 1;
        }
        before = after;
    }
    magnitudes.len().saturating_sub(1)
}

#[derive(Clone, Debug)]
pub(crate) struct Flatness {
    pub(crate) amin: f32,
    pub(crate) power: f32,
}

impl Flatness {
    pub(crate) fn frame(&self, magnitudes: &[f32], out: &mut [f32]) {
        let (logs, plain) = dispatch!(log_sums(self, magnitudes));
        let n = magnitudes.len() as f64;
        out.fill(((logs / n).exp() / (plain / n)) as f32);
    }
}

#[inline(always)]
fn log_sums(shape: &Flatness, magnitudes: &[f32]) -> (f64, f64) {
    if shape.power == 2.0 {
        log_and_sum(magnitudes, shape.amin, |m| m * m)
    } else if shape.power == 1.0 {
        log_and_sum(magnitudes, shape.amin, |m| m)
    } else {
        log_and_sum(magnitudes, shape.amin, |m| m.powf(shape.power))
    }
}

/// Sums of logarithms and of values, in blocks that are added in double precision: the mean of logarithms around -23
/// would otherwise lose the digits that its exponential needs.
#[inline(always)]
fn log_and_sum(magnitudes: &[f32], amin: f32, power: impl Fn(f32) -> f32) -> (f64, f64) {
    let (mut logs, mut plain) = (0.0f64, 0.0f64);
    for block in magnitudes.chunks(4 * LANES) {
        let mut log_lanes = [0.0f32; LANES];
        let mut lanes = [0.0f32; LANES];
        let (chunks, rest) = block.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                let value = power(chunk[i]).max(amin);
                log_lanes[i] += ln(value);
                lanes[i] += value;
            }
        }
        for (i, m) in rest.iter().enumerate() {
            let value = power(*m).max(amin);
            log_lanes[i] += ln(value);
            lanes[i] += value;
        }
        logs += f64::from(reduce(log_lanes));
        plain += f64::from(reduce(lanes));
    }
    (logs, plain)
}

#[derive(Clone, Debug)]
pub(crate) struct Poly {
    /// Highest power first, `(order + 1, n_bins)`.
    pub(crate) fit: Array2<f64>,
}

impl Poly {
    pub(crate) fn frame(&self, magnitudes: &[f32], out: &mut [f32]) {
        for (value, row) in out.iter_mut().zip(self.fit.rows()) {
            *value = row.iter().zip(magnitudes).map(|(w, m)| w * f64::from(*m)).sum::<f64>() as f32;
        }
    }
}
