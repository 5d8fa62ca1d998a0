//! Spectral contrast.

use ndarray::{Array2, ArrayRef2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::extremes::sum_of_smallest;
use super::plan::{check_magnitudes, hz_per_bin};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames, frame_major, visit_frames};
use crate::simd::{LANES, dispatch};
use crate::stft::{Power, Stft, StftConfig, StftScratch};

/// The spectral contrast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Upper end of the lowest band in Hz, above 0. Default: 200.
    pub fmin: f64,
    /// Number of octaves above the lowest band, at least 1. Default: 6.
    pub n_bands: usize,
    /// Fraction of the bins of a band that make its peak and its valley, between 0 and 1. Default: 0.02.
    pub quantile: f64,
    /// Peaks, and valleys, more than this many dB below the largest of the whole signal are clipped to that floor. `None`, or
    /// infinity in a configuration file, lifts nothing, so that frames do not depend on each other. Default: 80 dB, which
    /// is librosa's and fixed there.
    pub top_db: Option<f32>,
    /// The difference of peak and valley, else that of their decibels. Default: false.
    pub linear: bool,
}

impl Default for ContrastConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            fmin: 200.0,
            n_bands: 6,
            quantile: 0.02,
            top_db: Some(80.0),
            linear: false,
        }
    }
}

/// The bins of a band and how many of them make a peak.
#[derive(Clone, Copy, Debug)]
struct Band {
    start: usize,
    end: usize,
    count: usize,
}

const AMIN: f32 = 1e-10;

/// The distance between peaks and valleys of the spectrum in octave bands, in decibels.
///
/// Jiang et al., "Music type classification by spectral contrast feature", ICME 2002. The answer has `n_bands + 1` rows,
/// the lowest band first. Peaks, and valleys, are clipped `top_db` below the largest of the whole signal, so one loud
/// frame lifts the valleys of all.
#[derive(Clone, Debug)]
pub struct SpectralContrast {
    config: ContrastConfig,
    stft: Stft,
    bands: Vec<Band>,
}

/// Working memory of a [`SpectralContrast`]. One for each thread.
#[derive(Clone, Debug, Default)]
pub struct ContrastScratch {
    stft: StftScratch,
    magnitudes: Vec<f32>,
    valleys: Vec<f32>,
    sorted: Vec<f32>,
}

impl SpectralContrast {
    /// Checks the configuration, plans the transform and lays out the bands.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a sample rate of 0, `fmin` not above 0, no bands, a band that reaches beyond half the
    /// sample rate or holds no bin, a quantile outside 0 to 1, a negative `top_db`, or an invalid STFT configuration.
    pub fn new(config: ContrastConfig) -> Result<Self, FeatureError> {
        let bin = hz_per_bin(config.sample_rate, &config.stft)?;
        let ContrastConfig { fmin, n_bands, quantile, .. } = config;
        if !(fmin.is_finite() && fmin > 0.0) {
            return Err(FeatureError::config("fmin", format!("{fmin} Hz"), "above 0"));
        }
        if !(quantile > 0.0 && quantile < 1.0) {
            return Err(FeatureError::config("quantile", quantile, "between 0 and 1"));
        }
        if let Some(top_db) = config.top_db
            && (top_db.is_nan() || top_db < 0.0)
        {
            return Err(FeatureError::config("top_db", format!("{top_db} dB"), "at least 0"));
        }
        if n_bands == 0 || n_bands > 64 {
            return Err(FeatureError::config("n_bands", n_bands, "between 1 and 64"));
        }
        let nyquist = f64::from(config.sample_rate) / 2.0;
        // The last band runs to the end of the spectrum, so it only has to begin below it.
        let last = fmin * (n_bands as f64 - 1.0).exp2();
        if last >= nyquist {
            return Err(FeatureError::config(
                "n_bands",
                n_bands,
                format!(
                    "small enough for the last band, which begins at {last} Hz, to begin below the Nyquist frequency, {nyquist} Hz"
                ),
            ));
        }
        let stft = Stft::new(config.stft.clone())?;
        let bands = layout(&config, bin, stft.n_bins())?;
        Ok(Self { config, stft, bands })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ContrastConfig {
        &self.config
    }

    /// The transform underneath.
    pub fn stft(&self) -> &Stft {
        &self.stft
    }

    /// The contrast of a magnitude spectrogram, which has `n_fft / 2 + 1` rows.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] for another number of rows, [`FeatureError::Input`] for magnitudes that are negative or
    /// not finite.
    pub fn from_spectrogram(&self, magnitudes: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        check_magnitudes(magnitudes, self.stft.n_bins())?;
        let rows = self.n_rows();
        let mut out = frame_major(rows, magnitudes.ncols())?;
        let mut valleys = vec![0.0; rows * magnitudes.ncols()];
        let mut sorted = Vec::new();
        let mut padded = vec![0.0; self.stft.n_bins() + LANES];
        let mut columns = out.columns_mut().into_iter().zip(valleys.chunks_mut(rows));
        visit_frames(&magnitudes, &mut Vec::new(), |_, frame| {
            if let Some((column, valleys)) = columns.next()
                && let Some(peaks) = column.into_slice()
            {
                padded[..frame.len()].copy_from_slice(frame);
                self.extremes(&padded, false, &mut sorted, peaks, valleys);
            }
        });
        drop(columns);
        self.finish(&mut out, &valleys);
        Ok(out)
    }

    /// Peak and valley of every band of one frame, behind which lie [`LANES`] values more. `squared` values are powers.
    fn extremes(
        &self,
        values: &[f32],
        squared: bool,
        sorted: &mut Vec<f32>,
        peaks: &mut [f32],
        valleys: &mut [f32],
    ) {
        dispatch!(extremes_of_bands(&self.bands, values, squared, sorted, peaks, valleys));
    }

    /// Peaks and valleys to contrast.
    fn finish(&self, peaks: &mut ArrayRef2<f32>, valleys: &[f32]) {
        // The difference of two logarithms is small beside them, so they are taken in double precision.
        let log = |v: f32| 10.0 * f64::from(v.max(AMIN)).log10();
        let top_db = self.config.top_db.map_or(f64::INFINITY, f64::from);
        let largest = |v: f32| log(v) - top_db;
        let peak_floor = largest(peaks.iter().copied().fold(0.0, f32::max));
        let valley_floor = largest(valleys.iter().copied().fold(0.0, f32::max));
        let rows = self.n_rows();
        fill_frames(peaks, &mut Vec::new(), |index, frame| {
            let valleys = &valleys[index * rows..(index + 1) * rows];
            for (peak, valley) in frame.iter_mut().zip(valleys) {
                *peak = if self.config.linear {
                    *peak - valley
                } else {
                    (log(*peak).max(peak_floor) - log(*valley).max(valley_floor)) as f32
                };
            }
        });
    }
}

impl FeaturePlan for SpectralContrast {
    type Value = f32;
    type Scratch = ContrastScratch;

    fn n_rows(&self) -> usize {
        self.bands.len()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.stft.n_frames(samples)
    }

    fn scratch(&self) -> ContrastScratch {
        ContrastScratch { stft: self.stft.scratch(), ..ContrastScratch::default() }
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut ContrastScratch,
    ) -> Result<(), FeatureError> {
        let n_frames = self.n_frames(samples.len())?;
        check_output(out, self.n_rows(), n_frames)?;
        check_finite("samples", samples)?;
        let ContrastScratch { stft, magnitudes, valleys, sorted } = scratch;
        magnitudes.resize(self.stft.n_bins() + LANES, 0.0);
        valleys.resize(self.n_rows() * n_frames, 0.0);
        fill_frames(out, &mut Vec::new(), |index, peaks| {
            let bins = self.stft.spectrum(samples, index, stft);
            // Powers have the order of magnitudes, and roots are taken of the chosen few only.
            dispatch!(Power::Energy.apply(bins, magnitudes));
            let valleys = &mut valleys[index * peaks.len()..(index + 1) * peaks.len()];
            self.extremes(magnitudes, true, sorted, peaks, valleys);
        });
        self.finish(out, valleys);
        Ok(())
    }
}

/// Peaks and valleys of the bands of `values`, behind which lie [`LANES`] more.
#[inline(always)]
fn extremes_of_bands(
    bands: &[Band],
    values: &[f32],
    squared: bool,
    sorted: &mut Vec<f32>,
    peaks: &mut [f32],
    valleys: &mut [f32],
) {
    for ((band, peak), valley) in bands.iter().zip(peaks).zip(valleys) {
        let (values, length) = (&values[band.start..], band.end - band.start);
        let count = band.count as f64;
        *valley = (sum_of_smallest(values, length, 1.0, band.count, squared, sorted) / count) as f32;
        *peak = (sum_of_smallest(values, length, -1.0, band.count, squared, sorted) / count) as f32;
    }
}

/// The bands: both ends of an octave belong to it, each but the first also takes the bin below, each but the last then
/// gives up its top bin.
fn layout(config: &ContrastConfig, hz_per_bin: f64, n_bins: usize) -> Result<Vec<Band>, FeatureError> {
    let mut bands = Vec::with_capacity(config.n_bands + 1);
    for k in 0..=config.n_bands {
        let low = if k == 0 { 0.0 } else { config.fmin * (k as f64 - 1.0).exp2() };
        let high = config.fmin * (k as f64).exp2();
        let inside = |bin: &usize| (low..=high).contains(&(*bin as f64 * hz_per_bin));
        let first = (0..n_bins).find(inside);
        let last = (0..n_bins).rev().find(inside);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(empty(config.fmin, k, low, high));
        };
        let start = if k > 0 { first.saturating_sub(1) } else { first };
        let last = if k == config.n_bands { n_bins - 1 } else { last };
        let whole = last + 1 - start;
        let end = if k < config.n_bands { last } else { last + 1 };
        if end <= start {
            return Err(empty(config.fmin, k, low, high));
        }
        let count = (config.quantile * whole as f64).round_ties_even().max(1.0) as usize;
        bands.push(Band { start, end, count: count.min(end - start) });
    }
    Ok(bands)
}

fn empty(fmin: f64, k: usize, low: f64, high: f64) -> FeatureError {
    FeatureError::config(
        "fmin",
        format!("{fmin} Hz"),
        format!("high enough for band {k}, from {low} to {high} Hz, to hold a bin; raise n_fft or fmin"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_spectrogram_agree() {
        use crate::stft::{Spectrogram, SpectrogramConfig};
        let samples: Vec<f32> =
            (0..9000).map(|i| (i as f32 * 0.21).sin() + (i as f32 * i as f32 * 1e-5).cos()).collect();
        let plan = SpectralContrast::new(ContrastConfig::default()).unwrap();
        let s = Spectrogram::new(SpectrogramConfig::default()).unwrap().compute(&samples).unwrap();
        let a = plan.compute(&samples).unwrap();
        let b = plan.from_spectrogram(s.view()).unwrap();
        assert_eq!(a.dim(), (7, 18));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn equals_sorting() {
        for quantile in [0.02, 0.1] {
            equals_sorting_with(quantile);
        }
    }

    fn equals_sorting_with(quantile: f64) {
        let config = ContrastConfig { quantile, linear: true, ..Default::default() };
        let plan = SpectralContrast::new(config).unwrap();
        let s = Array2::from_shape_fn((1025, 3), |(k, t)| ((k * 37 + t * 11) % 101) as f32 / 100.0);
        let fast = plan.from_spectrogram(s.view()).unwrap();
        for (row, band) in plan.bands.iter().enumerate() {
            for t in 0..3 {
                let mut sorted: Vec<f32> = (band.start..band.end).map(|k| s[[k, t]]).collect();
                sorted.sort_by(f32::total_cmp);
                let n = sorted.len();
                let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
                let expected = mean(&sorted[n - band.count..]) - mean(&sorted[..band.count]);
                assert!((fast[[row, t]] - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn silence_has_no_contrast() {
        let plan = SpectralContrast::new(ContrastConfig::default()).unwrap();
        assert!(plan.compute(&[0.0; 100]).unwrap().iter().all(|v| *v == 0.0));
    }

    #[test]
    fn refuses_bands_beyond_nyquist_and_empty_ones() {
        for config in [
            ContrastConfig { n_bands: 7, ..Default::default() },
            ContrastConfig { n_bands: 0, ..Default::default() },
            ContrastConfig { fmin: 0.0, ..Default::default() },
            ContrastConfig { quantile: 1.0, ..Default::default() },
            ContrastConfig { sample_rate: 0, ..Default::default() },
            ContrastConfig { stft: StftConfig { n_fft: 64, ..Default::default() }, ..Default::default() },
        ] {
            assert!(SpectralContrast::new(config).is_err());
        }
    }
}
