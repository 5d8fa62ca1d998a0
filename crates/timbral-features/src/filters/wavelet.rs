//! Complex wavelets of constant (or nearly constant) Q.

use std::f64::consts::TAU;

use ndarray::Array2;
use realfft::num_complex::Complex64;
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::util::Norm;
use crate::window::{Window, get_window};

/// How wavelets are built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaveletConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: f64,
    /// Window of each filter. Default: Hann.
    pub window: Window,
    /// Scales the lengths; below 1 for better resolution in time. Default: 1.
    pub filter_scale: f64,
    /// Whether filters are padded to a power of two. Default: true.
    pub pad_fft: bool,
    /// Norm of each filter; none leaves them. Default: L1.
    pub norm: Option<Norm>,
    /// Bandwidth offset in Hz of a variable-Q transform; NaN for that of the ERB scale. Default: 0.
    pub gamma: f64,
    /// Relative bandwidth of each filter. Default: found from the spacing of the frequencies.
    pub alpha: Option<Vec<f64>>,
}

impl Default for WaveletConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050.0,
            window: Window::Hann,
            filter_scale: 1.0,
            pad_fft: true,
            norm: Some(Norm::L1),
            gamma: 0.0,
            alpha: None,
        }
    }
}

/// Filters in the time domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Wavelets {
    /// One filter a row, centred.
    pub filters: Array2<Complex64>,
    /// The length of each filter in samples, a real number.
    pub lengths: Vec<f64>,
}

/// The relative bandwidth of each of some increasing frequencies, from the distance to its neighbours.
///
/// # Errors
///
/// [`FeatureError::Input`] for fewer than two frequencies, or if they are not positive and strictly increasing.
pub fn relative_bandwidth(frequencies: &[f64]) -> Result<Vec<f64>, FeatureError> {
    let n = frequencies.len();
    if n < 2 {
        return Err(FeatureError::Input(format!("{n} frequencies given, at least 2 needed for a bandwidth")));
    }
    check_frequencies(frequencies)?;
    let octaves: Vec<f64> = frequencies.iter().map(|f| f.log2()).collect();
    let alpha = (0..n).map(|i| {
        let (low, high) = (i.saturating_sub(1), (i + 1).min(n - 1));
        let spacing = (octaves[high] - octaves[low]) / (high - low) as f64;
        let ratio = (2.0 * spacing).exp2();
        (ratio - 1.0) / (ratio + 1.0)
    });
    Ok(alpha.collect())
}

fn check_frequencies(frequencies: &[f64]) -> Result<(), FeatureError> {
    let rising = frequencies.windows(2).all(|pair| pair[0] < pair[1]);
    if rising && frequencies.iter().all(|f| f.is_finite() && *f > 0.0) {
        return Ok(());
    }
    Err(FeatureError::Input("frequencies must be finite, above 0 and strictly increasing".to_owned()))
}

/// The equivalent noise bandwidth of a window in bins, measured on the symmetric window of 8193 samples.
///
/// # Errors
///
/// [`FeatureError::Config`] for invalid window parameters.
pub fn window_bandwidth(window: &Window) -> Result<f64, FeatureError> {
    let w = match window {
        Window::Custom(values) => values.clone(),
        other => get_window(other, 8193, false)?,
    };
    let sum: f64 = w.iter().sum();
    let energy: f64 = w.iter().map(|v| v * v).sum();
    Ok(w.len() as f64 * energy / (sum * sum).max(f64::MIN_POSITIVE))
}

/// The length of each wavelet in samples, and the highest frequency in Hz that any of them passes.
///
/// # Errors
///
/// As [`relative_bandwidth`]; [`FeatureError::Config`] if `filter_scale` or the sample rate is not above 0, `gamma` is
/// negative, or `alpha` has another length than the frequencies.
pub fn wavelet_lengths(frequencies: &[f64], config: &WaveletConfig) -> Result<(Vec<f64>, f64), FeatureError> {
    if !(config.filter_scale.is_finite() && config.filter_scale > 0.0) {
        return Err(FeatureError::config("filter_scale", config.filter_scale, "above 0"));
    }
    if !(config.sample_rate.is_finite() && config.sample_rate > 0.0) {
        return Err(FeatureError::config("sample_rate", format!("{} Hz", config.sample_rate), "above 0"));
    }
    if config.gamma < 0.0 || config.gamma.is_infinite() {
        return Err(FeatureError::config("gamma", format!("{} Hz", config.gamma), "at least 0"));
    }
    check_frequencies(frequencies)?;
    let alpha = match &config.alpha {
        Some(alpha)
            if alpha.len() == frequencies.len() && alpha.iter().all(|a| a.is_finite() && *a > 0.0) =>
        {
            alpha.clone()
        }
        Some(_) => {
            return Err(FeatureError::config(
                "alpha",
                "another list",
                "one finite value above 0 for each frequency",
            ));
        }
        None => relative_bandwidth(frequencies)?,
    };
    let bandwidth = window_bandwidth(&config.window)?;
    let mut lengths = Vec::with_capacity(frequencies.len());
    let mut cutoff = 0.0f64;
    for (f, alpha) in frequencies.iter().zip(&alpha) {
        let gamma = if config.gamma.is_nan() { alpha * 24.7 / 0.108 } else { config.gamma };
        let q = config.filter_scale / alpha;
        cutoff = cutoff.max(f * (1.0 + 0.5 * bandwidth / q) + 0.5 * gamma);
        lengths.push(q * config.sample_rate / (f + gamma / alpha));
    }
    Ok((lengths, cutoff))
}

/// The longest filter allowed.
const MAX_LENGTH: f64 = (1u64 << 26) as f64;

/// A complex wavelet for each frequency.
///
/// A filter of the real length `L` has the samples from `floor(-L / 2)` up to (not including) `floor(L / 2)`, under a
/// periodic window of exactly that many.
///
/// # Errors
///
/// As [`wavelet_lengths`]; [`FeatureError::Limit`] for filters too long to store.
pub fn wavelet(frequencies: &[f64], config: &WaveletConfig) -> Result<Wavelets, FeatureError> {
    let (lengths, _) = wavelet_lengths(frequencies, config)?;
    if let Some(norm) = config.norm {
        norm.validate("norm")?;
    }
    let longest = lengths.iter().copied().fold(1.0, f64::max);
    if longest * frequencies.len() as f64 > MAX_LENGTH {
        return Err(FeatureError::Limit {
            what: "the wavelets (samples)",
            requested: (longest * frequencies.len() as f64) as u64,
            maximum: MAX_LENGTH as u64,
        });
    }
    let width =
        if config.pad_fft { (longest.ceil() as usize).next_power_of_two() } else { longest.ceil() as usize };
    let mut filters = Array2::zeros((frequencies.len(), width));
    for ((mut row, &length), f) in filters.rows_mut().into_iter().zip(&lengths).zip(frequencies) {
        let start = (-length / 2.0).floor();
        let count = ((length / 2.0).floor() - start) as usize;
        if count == 0 {
            continue;
        }
        let window = get_window(&config.window, count, true)?;
        let size = config.norm.map_or(1.0, |norm| norm.of(window.iter().copied()));
        let size = if size < f64::MIN_POSITIVE { 1.0 } else { size };
        let left = (width - count) / 2;
        for (i, w) in window.iter().enumerate() {
            let phase = TAU * f / config.sample_rate * (start + i as f64);
            row[left + i] = Complex64::from_polar(w / size, phase);
        }
    }
    Ok(Wavelets { filters, lengths })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::cqt_frequencies;

    #[test]
    fn bandwidths_of_known_windows() {
        assert!((window_bandwidth(&Window::Hann).unwrap() - 1.500_183_105_468_75).abs() < 1e-12);
        assert!((window_bandwidth(&Window::Hamming).unwrap() - 1.362_945_532_035_034_8).abs() < 1e-9);
        assert!((window_bandwidth(&Window::Boxcar).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn filters_pass_their_own_frequency() {
        let frequencies = cqt_frequencies(12, 440.0, 12, 0.0);
        let wavelets = wavelet(&frequencies, &WaveletConfig::default()).unwrap();
        let n = wavelets.filters.ncols();
        assert!(n.is_power_of_two());
        for (row, f) in wavelets.filters.rows().into_iter().zip(&frequencies) {
            let response: Complex64 = row
                .iter()
                .enumerate()
                .map(|(i, w)| w * Complex64::from_polar(1.0, -TAU * f / 22_050.0 * i as f64))
                .sum();
            assert!((response.norm() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn refuses_what_has_no_bandwidth() {
        let config = WaveletConfig::default();
        assert!(wavelet(&[440.0], &config).is_err());
        assert!(wavelet(&[440.0, 220.0], &config).is_err());
        assert!(wavelet(&[0.0, 220.0], &config).is_err());
        assert!(wavelet(&[1e-9, 2e-9], &config).is_err());
        assert!(wavelet(&[220.0, 440.0], &WaveletConfig { gamma: -1.0, ..config.clone() }).is_err());
        assert!(wavelet(&[220.0, 440.0], &WaveletConfig { filter_scale: 0.0, ..config }).is_err());
    }
}
