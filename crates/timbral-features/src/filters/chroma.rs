//! From frequency bins to pitch classes.

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::convert::{hz_to_midi, hz_to_octs};
use crate::error::FeatureError;
use crate::framing::{Framing, PadMode};
use crate::util::Norm;

/// A filter bank from a Fourier transform to pitch classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaFilterConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Length of the Fourier transform in samples. Default: 2048.
    pub n_fft: usize,
    /// Number of pitch classes. Default: 12.
    pub n_chroma: usize,
    /// Deviation from A440 in fractions of a class. Default: 0.
    pub tuning: f64,
    /// Centre of the weighting over octaves. Default: 5.
    pub ctroct: f64,
    /// Width of the weighting over octaves; infinite for none. Default: 2.
    pub octwidth: f64,
    /// Norm of the classes of each bin before the weighting; none leaves them. Default: L2.
    pub norm: Option<Norm>,
    /// Whether class 0 is C, else A. Default: true.
    pub base_c: bool,
}

impl Default for ChromaFilterConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            n_chroma: 12,
            tuning: 0.0,
            ctroct: 5.0,
            octwidth: 2.0,
            norm: Some(Norm::L2),
            base_c: true,
        }
    }
}

/// Gaussian filters in log frequency, of shape `(n_chroma, n_fft / 2 + 1)` (Ellis, "Chroma feature analysis and
/// synthesis", 2007).
///
/// A bin is as wide as its distance to the next, at least one class. The bin of 0 Hz is put 1.5 octaves below the next.
///
/// # Errors
///
/// [`FeatureError::Config`] if `n_chroma`, `n_fft` or the sample rate is 0, or a parameter is NaN or out of range.
pub fn chroma_filters(config: &ChromaFilterConfig) -> Result<Array2<f32>, FeatureError> {
    let &ChromaFilterConfig { sample_rate, n_fft, n_chroma, tuning, ctroct, octwidth, norm, base_c } = config;
    Framing::new(n_fft, 1, false, PadMode::Constant)?;
    check_classes(n_chroma)?;
    if sample_rate == 0 {
        return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
    }
    if !tuning.is_finite() || !ctroct.is_finite() {
        return Err(FeatureError::config(
            "tuning",
            format!("{tuning} (ctroct {ctroct})"),
            "finite, and so must ctroct",
        ));
    }
    if octwidth.is_nan() || octwidth <= 0.0 {
        return Err(FeatureError::config("octwidth", octwidth, "above 0"));
    }
    if let Some(norm) = norm {
        norm.validate("norm")?;
    }
    let classes = n_chroma as f64;
    // Positions on the circle of pitch classes, one bin beyond what is needed for the last width.
    let n_bins = n_fft / 2 + 1;
    let position = |bin: usize| {
        classes * hz_to_octs(bin as f64 * f64::from(sample_rate) / n_fft as f64, tuning, n_chroma)
    };
    let mut positions: Vec<f64> = (1..=n_bins).map(position).collect();
    positions.insert(0, positions[0] - 1.5 * classes);
    let half = (classes / 2.0).round_ties_even();
    let mut filters = Array2::zeros((n_chroma, n_bins));
    let mut column = vec![0.0; n_chroma];
    for bin in 0..n_bins {
        let last_of_all = bin + 1 == n_fft;
        let width = if last_of_all { 1.0 } else { (positions[bin + 1] - positions[bin]).max(1.0) };
        for (class, value) in column.iter_mut().enumerate() {
            let distance = (positions[bin] - class as f64 + half + 10.0 * classes).rem_euclid(classes) - half;
            *value = (-0.5 * (2.0 * distance / width).powi(2)).exp();
        }
        let size = norm.map_or(1.0, |norm| norm.of(column.iter().copied()));
        let size = if size < f64::MIN_POSITIVE { 1.0 } else { size };
        let octave = (positions[bin] / classes - ctroct) / octwidth;
        let weight = (-0.5 * octave * octave).exp() / size;
        for (class, value) in column.iter().enumerate() {
            let shift = if base_c { 3 * (n_chroma / 12) } else { 0 };
            filters[[(class + n_chroma - shift % n_chroma) % n_chroma, bin]] = (value * weight) as f32;
        }
    }
    Ok(filters)
}

fn check_classes(n_chroma: usize) -> Result<(), FeatureError> {
    if n_chroma == 0 || n_chroma > 4096 {
        return Err(FeatureError::config("n_chroma", n_chroma, "between 1 and 4096"));
    }
    Ok(())
}

/// A matrix from constant-Q bins to pitch classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CqToChromaConfig {
    /// Number of constant-Q bins. Default: 84.
    pub n_input: usize,
    /// Constant-Q bins in an octave, a multiple of `n_chroma`. Default: 12.
    pub bins_per_octave: usize,
    /// Number of pitch classes. Default: 12.
    pub n_chroma: usize,
    /// Frequency of the first bin in Hz. Default: C1, 32.703 Hz.
    pub fmin: f64,
    /// Smoothing over constant-Q bins. Default: none.
    pub window: Option<Vec<f64>>,
    /// Whether class 0 is C, else A. Default: true.
    pub base_c: bool,
}

impl Default for CqToChromaConfig {
    fn default() -> Self {
        let fmin = crate::convert::midi_to_hz(24.0);
        Self { n_input: 84, bins_per_octave: 12, n_chroma: 12, fmin, window: None, base_c: true }
    }
}

/// The matrix that folds constant-Q bins into pitch classes, of shape `(n_chroma, n_input)`.
///
/// # Errors
///
/// [`FeatureError::Config`] if a count is 0, `bins_per_octave` is no multiple of `n_chroma`, or `fmin` is not above 0.
pub fn cq_to_chroma(config: &CqToChromaConfig) -> Result<Array2<f32>, FeatureError> {
    let CqToChromaConfig { n_input, bins_per_octave, n_chroma, fmin, window, base_c } = config;
    check_classes(*n_chroma)?;
    if *bins_per_octave == 0 || !bins_per_octave.is_multiple_of(*n_chroma) {
        return Err(FeatureError::config(
            "bins_per_octave",
            bins_per_octave,
            format!("a multiple of n_chroma = {n_chroma}"),
        ));
    }
    if *n_input == 0 || *n_input > 1 << 20 {
        return Err(FeatureError::config("n_input", n_input, format!("between 1 and {}", 1 << 20)));
    }
    if !(fmin.is_finite() && *fmin > 0.0) {
        return Err(FeatureError::config("fmin", format!("{fmin} Hz"), "above 0"));
    }
    let merge = bins_per_octave / n_chroma;
    let first = hz_to_midi(*fmin).rem_euclid(12.0) - if *base_c { 0.0 } else { 9.0 };
    let roll = (first * (*n_chroma as f64 / 12.0)).round_ties_even() as i64;
    let roll = roll.rem_euclid(*n_chroma as i64) as usize;
    let mut matrix = Array2::<f64>::zeros((*n_chroma, *n_input));
    for bin in 0..*n_input {
        // Half of the bins of a class lie below its centre.
        let class = (bin + merge / 2) % bins_per_octave / merge;
        matrix[[(class + roll) % n_chroma, bin]] = 1.0;
    }
    if let Some(window) = window {
        smooth_rows(&mut matrix, window);
    }
    Ok(matrix.mapv(|v| v as f32))
}

/// Convolves each row with `window`, keeping the middle.
fn smooth_rows(matrix: &mut Array2<f64>, window: &[f64]) {
    let n = matrix.len_of(Axis(1));
    let offset = window.len().saturating_sub(1) / 2;
    for mut row in matrix.rows_mut() {
        let source = row.to_vec();
        for (i, value) in row.iter_mut().enumerate() {
            let taps = window.iter().enumerate().filter_map(|(j, w)| {
                let index = (i + offset).checked_sub(j)?;
                (index < n).then(|| w * source[index])
            });
            *value = taps.sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concert_pitch_falls_into_a() {
        let filters = chroma_filters(&ChromaFilterConfig { n_fft: 8192, ..Default::default() }).unwrap();
        let bin = (440.0f32 * 8192.0 / 22_050.0).round() as usize;
        let column = filters.column(bin);
        let best = (0..12).max_by(|&a, &b| column[a].total_cmp(&column[b])).unwrap();
        assert_eq!(best, 9);
    }

    #[test]
    fn each_bin_has_one_class() {
        let config = CqToChromaConfig { n_input: 252, bins_per_octave: 36, ..Default::default() };
        let matrix = cq_to_chroma(&config).unwrap();
        assert!(matrix.columns().into_iter().all(|c| c.sum() == 1.0));
        assert_eq!((matrix[[0, 0]], matrix[[0, 1]], matrix[[1, 2]]), (1.0, 1.0, 1.0));
        let flat = CqToChromaConfig { window: Some(vec![1.0]), ..config };
        assert_eq!(cq_to_chroma(&flat).unwrap(), matrix);
    }

    #[test]
    fn refuses_bad_geometry() {
        assert!(chroma_filters(&ChromaFilterConfig { n_chroma: 0, ..Default::default() }).is_err());
        assert!(chroma_filters(&ChromaFilterConfig { octwidth: 0.0, ..Default::default() }).is_err());
        assert!(chroma_filters(&ChromaFilterConfig { sample_rate: 0, ..Default::default() }).is_err());
        assert!(cq_to_chroma(&CqToChromaConfig { bins_per_octave: 18, ..Default::default() }).is_err());
        assert!(cq_to_chroma(&CqToChromaConfig { fmin: 0.0, ..Default::default() }).is_err());
    }
}
