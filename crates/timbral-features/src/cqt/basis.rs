//! Filters in the frequency domain, and their products with spectra.

use realfft::RealFftPlanner;
use realfft::num_complex::{Complex32, Complex64};

use crate::error::FeatureError;
use crate::filters::{WaveletConfig, wavelet};
use crate::simd::{SHORT, short_dot, short_sum};

/// Rows are padded to whole chunks of this many bins.
const LANES: usize = SHORT;

/// Spectra of filters that are nearly zero outside of a short range of bins.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) n_fft: usize,
    rows: Vec<Row>,
    re: Vec<f32>,
    im: Vec<f32>,
    /// The bins that the rows weigh lie in this range.
    first_bin: usize,
    end_bin: usize,
}

#[derive(Debug, Clone)]
struct Row {
    /// The first bin.
    start: usize,
    /// Where the weights lie.
    weights: std::ops::Range<usize>,
}

/// Real and imaginary parts of a spectrum side by side, with space for the padding of rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) re: Vec<f32>,
    pub(super) im: Vec<f32>,
}

impl Parts {
    pub(super) fn resize(&mut self, n_fft: usize) {
        for part in [&mut self.re, &mut self.im] {
            part.clear();
            part.resize(n_fft / 2 + 1 + LANES, 0.0);
        }
    }
}

impl Basis {
    /// The spectra of wavelets at the frequencies given, each weighed by `gain` of its index and length. The smallest
    /// bins of each are dropped up to a fraction `sparsity` of its magnitude; `least_n_fft` is the shortest transform.
    pub(super) fn new(
        frequencies: &[f64],
        config: &WaveletConfig,
        sparsity: f64,
        least_n_fft: usize,
        gain: impl Fn(usize, f64) -> f64,
    ) -> Result<Self, FeatureError> {
        let wavelets = wavelet(frequencies, config)?;
        let n_fft = wavelets.filters.ncols().max(least_n_fft).max(2);
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(n_fft);
        let mut basis = Self {
            n_fft,
            rows: Vec::new(),
            re: Vec::new(),
            im: Vec::new(),
            first_bin: n_fft / 2,
            end_bin: 0,
        };
        let mut scratch = fft.make_scratch_vec();
        let (mut real, mut imaginary) = (fft.make_output_vec(), fft.make_output_vec());
        let mut input = fft.make_input_vec();
        let filters = wavelets.filters.rows().into_iter().zip(&wavelets.lengths);
        for (index, (filter, &length)) in filters.enumerate() {
            for (is_real, spectrum) in [(true, &mut real), (false, &mut imaginary)] {
                input.fill(0.0);
                let parts = filter.iter().map(|c| if is_real { c.re } else { c.im });
                input.iter_mut().zip(parts).for_each(|(to, part)| *to = part);
                let done = fft.process_with_scratch(&mut input, spectrum, &mut scratch);
                debug_assert!(done.is_ok(), "buffers have the planned lengths");
            }
            let scale = gain(index, length) * length / n_fft as f64;
            let spectrum: Vec<Complex64> =
                real.iter().zip(&imaginary).map(|(a, b)| (a + Complex64::i() * b) * scale).collect();
            basis.push(&spectrum, sparsity);
        }
        Ok(basis)
    }

    /// Appends a row without its smallest bins.
    fn push(&mut self, spectrum: &[Complex64], sparsity: f64) {
        let threshold = drop_threshold(spectrum, sparsity);
        let kept = |c: &Complex64| c.norm() >= threshold && c.norm() > 0.0;
        let start = spectrum.iter().position(kept).unwrap_or(0);
        let end = spectrum.iter().rposition(kept).map_or(start, |last| last + 1);
        let first = self.re.len();
        for c in &spectrum[start..end] {
            let c = if kept(c) { *c } else { Complex64::default() };
            self.re.push(c.re as f32);
            self.im.push(c.im as f32);
        }
        let padded = first + (end - start).next_multiple_of(LANES);
        self.re.resize(padded, 0.0);
        self.im.resize(padded, 0.0);
        self.first_bin = self.first_bin.min(start);
        self.end_bin = self.end_bin.max(end);
        self.rows.push(Row { start, weights: first..padded });
    }

    /// The same filters with all weights multiplied.
    pub(super) fn scaled(&self, factor: f32) -> Self {
        let mut scaled = self.clone();
        if factor != 1.0 {
            scaled.re.iter_mut().chain(&mut scaled.im).for_each(|w| *w *= factor);
        }
        scaled
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Replaces every weight by its magnitude.
    pub(super) fn into_magnitudes(mut self) -> Self {
        for (re, im) in self.re.iter_mut().zip(&mut self.im) {
            *re = (f64::from(*re).powi(2) + f64::from(*im).powi(2)).sqrt() as f32;
            *im = 0.0;
        }
        self
    }

    /// Takes the bins that any row weighs into `parts`, which has been sized.
    #[inline(always)]
    pub(super) fn load(&self, spectrum: &[Complex32], parts: &mut Parts) {
        let bins = self.first_bin..self.end_bin.min(spectrum.len());
        let spectrum = &spectrum[bins.clone()];
        let parts = parts.re[bins.clone()].iter_mut().zip(&mut parts.im[bins]);
        for ((re, im), c) in parts.zip(spectrum) {
            *re = c.re;
            *im = c.im;
        }
    }

    /// The product of every row with a spectrum, without conjugation.
    #[inline(always)]
    pub(super) fn apply(&self, spectrum: &Parts, out: &mut [Complex32]) {
        for (value, row) in out.iter_mut().zip(&self.rows) {
            let n = row.weights.len();
            let (wr, wi) = (&self.re[row.weights.clone()], &self.im[row.weights.clone()]);
            let (xr, xi) = (&spectrum.re[row.start..row.start + n], &spectrum.im[row.start..row.start + n]);
            let (mut re, mut im) = ([0.0f32; LANES], [0.0f32; LANES]);
            let weights = wr.as_chunks::<LANES>().0.iter().zip(wi.as_chunks::<LANES>().0);
            let values = xr.as_chunks::<LANES>().0.iter().zip(xi.as_chunks::<LANES>().0);
            for ((wr, wi), (xr, xi)) in weights.zip(values) {
                for i in 0..LANES {
                    re[i] += wr[i] * xr[i] - wi[i] * xi[i];
                    im[i] += wr[i] * xi[i] + wi[i] * xr[i];
                }
            }
            *value = Complex32::new(short_sum(re), short_sum(im));
        }
    }

    /// The product of every row's real part with the real part of a spectrum.
    #[inline(always)]
    pub(super) fn apply_real(&self, spectrum: &[f32], out: &mut [f32]) {
        for (value, row) in out.iter_mut().zip(&self.rows) {
            let values = &spectrum[row.start..row.start + row.weights.len()];
            *value = short_dot(&self.re[row.weights.clone()], values);
        }
    }
}

/// The magnitude below which bins are dropped: sorted upwards, the first at which the running sum reaches the fraction.
fn drop_threshold(spectrum: &[Complex64], sparsity: f64) -> f64 {
    let mut magnitudes: Vec<f64> = spectrum.iter().map(|c| c.norm()).collect();
    magnitudes.sort_by(f64::total_cmp);
    let total: f64 = magnitudes.iter().sum();
    let mut running = 0.0;
    for magnitude in magnitudes {
        running += magnitude;
        if running >= sparsity * total {
            return magnitude;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_equal_dense_ones() {
        let mut basis =
            Basis { n_fft: 64, rows: Vec::new(), re: Vec::new(), im: Vec::new(), first_bin: 32, end_bin: 0 };
        let row = |seed: usize| -> Vec<Complex64> {
            let value = |k: usize| ((k * 7 + seed) as f64).sin() / (1.0 + (k as f64 - 12.0).powi(2));
            (0..33).map(|k| Complex64::new(value(k), value(k + 3))).collect()
        };
        let (a, b) = (row(1), row(5));
        basis.push(&a, 0.0);
        basis.push(&b, 0.3);
        let spectrum: Vec<Complex32> =
            (0..33).map(|k| Complex32::new((k as f32).cos(), (k as f32 * 0.3).sin())).collect();
        let mut parts = Parts::default();
        parts.resize(64);
        basis.load(&spectrum, &mut parts);
        let mut fast = [Complex32::default(); 2];
        basis.apply(&parts, &mut fast);
        let threshold = drop_threshold(&b, 0.3);
        let slow = |row: &[Complex64], threshold: f64| -> Complex64 {
            row.iter()
                .zip(&spectrum)
                .filter(|(w, _)| w.norm() >= threshold)
                .map(|(w, x)| w * Complex64::new(x.re.into(), x.im.into()))
                .sum()
        };
        for (fast, slow) in fast.iter().zip([slow(&a, 0.0), slow(&b, threshold)]) {
            assert!((f64::from(fast.re) - slow.re).abs() < 1e-5);
            assert!((f64::from(fast.im) - slow.im).abs() < 1e-5);
        }
    }

    #[test]
    fn the_share_dropped_is_below_the_sparsity() {
        let spectrum: Vec<Complex64> = (1..=10).map(|k| Complex64::new(f64::from(k), 0.0)).collect();
        assert_eq!(drop_threshold(&spectrum, 0.0), 1.0);
        // 1 + 2 + 3 = 6 of 55 is the first sum to reach a tenth.
        assert_eq!(drop_threshold(&spectrum, 0.1), 3.0);
        assert_eq!(drop_threshold(&[], 0.1), 0.0);
    }
}
