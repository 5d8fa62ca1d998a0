//! Mel filter banks.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::convert::{fft_frequencies, mel_frequencies};
use crate::error::FeatureError;
use crate::simd;
use crate::util::Norm;

/// How the filters of a mel bank are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MelNorm {
    /// Not at all: every triangle peaks at 1. HTK, Kaldi and torchaudio's default.
    None,
    /// Divided by half the width in Hz, so that every triangle has the same area. librosa's default.
    #[default]
    Slaney,
    /// Divided by the norm of the weights.
    Row(
        /// The norm.
        Norm,
    ),
}

/// The geometry of a mel filter bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MelFilterConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Length of the Fourier transform in samples. Default: 2048.
    pub n_fft: usize,
    /// Number of bands. Default: 128.
    pub n_mels: usize,
    /// Lower end of the first band in Hz. Default: 0.
    pub fmin: f64,
    /// Upper end of the last band in Hz, at most half the sample rate. Default: half the sample rate.
    pub fmax: Option<f64>,
    /// The scale of HTK, else Slaney's. Default: false.
    pub htk: bool,
    /// Scaling of the filters. Default: Slaney's.
    pub norm: MelNorm,
}

impl Default for MelFilterConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            n_mels: 128,
            fmin: 0.0,
            fmax: None,
            htk: false,
            norm: MelNorm::Slaney,
        }
    }
}

/// More bands than any spectrum can fill.
const MAX_MELS: usize = 1 << 16;

/// Checks a range of frequencies against the sample rate and gives its upper end.
pub(crate) fn frequency_range(fmin: f64, fmax: Option<f64>, sample_rate: u32) -> Result<f64, FeatureError> {
    if sample_rate == 0 {
        return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
    }
    let nyquist = f64::from(sample_rate) / 2.0;
    let top = fmax.unwrap_or(nyquist);
    if !(fmin.is_finite() && fmin >= 0.0) {
        return Err(FeatureError::config("fmin", format!("{fmin} Hz"), "at least 0 Hz"));
    }
    if top.is_nan() || top > nyquist {
        return Err(FeatureError::config(
            "fmax",
            format!("{top} Hz"),
            format!("at most the Nyquist frequency, {nyquist} Hz"),
        ));
    }
    if top <= fmin {
        return Err(FeatureError::config("fmax", format!("{top} Hz"), format!("above fmin = {fmin} Hz")));
    }
    Ok(top)
}

/// A band: the bins `start ..` weighted by `weights[offset .. offset + length]`.
#[derive(Clone, Copy, Debug)]
struct Band {
    start: usize,
    offset: usize,
    length: usize,
    /// The length filled up with zero weights to whole vectors.
    padded: usize,
}

/// A bank of overlapping triangular filters, evenly spaced on a mel scale.
///
/// The triangles are straight in Hz. Stored sparsely: a band holds only the bins that it touches. Many bands over few
/// bins leave some without a single bin; such bands are 0, and [`n_empty`](Self::n_empty) counts them.
#[derive(Clone, Debug)]
pub struct MelFilterBank {
    config: MelFilterConfig,
    bands: Vec<Band>,
    weights: Vec<f32>,
}

impl MelFilterBank {
    /// Builds the bank.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if there are no bands or more than 65 536, `n_fft` or the sample rate is 0, or not
    /// `0 <= fmin < fmax <= sample_rate / 2`.
    pub fn new(config: MelFilterConfig) -> Result<Self, FeatureError> {
        let fmax = frequency_range(config.fmin, config.fmax, config.sample_rate)?;
        if config.n_mels == 0 || config.n_mels > MAX_MELS {
            return Err(FeatureError::config(
                "n_mels",
                format!("{} bands", config.n_mels),
                format!("between 1 and {MAX_MELS}"),
            ));
        }
        crate::framing::Framing::new(config.n_fft, 1, false, crate::framing::PadMode::Constant)?;
        if let MelNorm::Row(norm) = config.norm {
            norm.validate("norm")?;
        }
        let bins = fft_frequencies(f64::from(config.sample_rate), config.n_fft);
        let edges = mel_frequencies(config.n_mels + 2, config.fmin, fmax, config.htk);
        let mut bands = Vec::with_capacity(config.n_mels);
        let mut weights = Vec::new();
        for edge in edges.windows(3) {
            let (low, center, high) = (edge[0], edge[1], edge[2]);
            let start = bins.partition_point(|&f| f <= low);
            let end = bins.partition_point(|&f| f < high).max(start);
            let offset = weights.len();
            // Slopes are taken in double precision and rounded once, when the weight is stored.
            let triangle = bins[start..end]
                .iter()
                .map(|f| ((f - low) / (center - low)).min((high - f) / (high - center)));
            let row: Vec<f64> = triangle.map(|w| w.max(0.0)).collect();
            let divisor = match config.norm {
                MelNorm::None => 1.0,
                MelNorm::Slaney => (high - low) / 2.0,
                // The smallest weight of a whole row is that of the bins outside the band, if there are any.
                MelNorm::Row(Norm::Min) if row.len() < bins.len() => 0.0,
                MelNorm::Row(norm) => norm.of(row.iter().copied()),
            };
            let divisor = if divisor < f64::from(f32::MIN_POSITIVE) { 1.0 } else { divisor };
            weights.extend(row.iter().map(|w| (w / divisor) as f32));
            // Whole vectors: the products with zero weights are cheaper than a loop for the remainder of each band.
            let padded = row.len().next_multiple_of(simd::SHORT);
            weights.resize(offset + padded, 0.0);
            bands.push(Band { start, offset, length: row.len(), padded });
        }
        Ok(Self { config, bands, weights })
    }

    /// The configuration of the bank.
    pub fn config(&self) -> &MelFilterConfig {
        &self.config
    }

    /// Number of bands.
    pub fn n_mels(&self) -> usize {
        self.bands.len()
    }

    /// Number of bins of the spectrum that the bank takes, `n_fft / 2 + 1`.
    pub fn n_bins(&self) -> usize {
        self.config.n_fft / 2 + 1
    }

    /// Number of bands without a single bin, whose answer is always 0. Fewer bands, a longer `n_fft` or a higher
    /// `fmin` avoid them.
    pub fn n_empty(&self) -> usize {
        let empty =
            |band: &&Band| self.weights[band.offset..band.offset + band.length].iter().all(|&w| w == 0.0);
        self.bands.iter().filter(empty).count()
    }

    /// The bank as a matrix of shape `(n_mels, n_bins)`.
    pub fn to_dense(&self) -> Array2<f32> {
        let mut dense = Array2::zeros((self.n_mels(), self.n_bins()));
        for (mut row, band) in dense.rows_mut().into_iter().zip(&self.bands) {
            for i in 0..band.length {
                row[band.start + i] = self.weights[band.offset + i];
            }
        }
        dense
    }

    /// Length of the buffer that [`apply`](Self::apply) reads: `n_bins` values and zeros behind them, over which the
    /// weights of the last bands run.
    pub(crate) fn padded_bins(&self) -> usize {
        self.n_bins() + simd::SHORT
    }

    /// The bands of one spectrum, with zeros behind it.
    #[inline(always)]
    pub(crate) fn apply(&self, spectrum: &[f32], out: &mut [f32]) {
        for (value, band) in out.iter_mut().zip(&self.bands) {
            let weights = &self.weights[band.offset..band.offset + band.padded];
            *value = simd::short_dot(weights, &spectrum[band.start..band.start + band.padded]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition over all bins.
    fn slow(config: &MelFilterConfig) -> Array2<f64> {
        let fmax = config.fmax.unwrap_or(f64::from(config.sample_rate) / 2.0);
        let edges = mel_frequencies(config.n_mels + 2, config.fmin, fmax, config.htk);
        let bins = fft_frequencies(f64::from(config.sample_rate), config.n_fft);
        Array2::from_shape_fn((config.n_mels, bins.len()), |(m, k)| {
            let rise = (bins[k] - edges[m]) / (edges[m + 1] - edges[m]);
            let fall = (edges[m + 2] - bins[k]) / (edges[m + 2] - edges[m + 1]);
            rise.min(fall).max(0.0) * 2.0 / (edges[m + 2] - edges[m])
        })
    }

    #[test]
    fn sparse_equals_dense() {
        for (n_mels, n_fft, htk) in [(128, 2048, false), (40, 512, true), (96, 401, false), (200, 256, false)]
        {
            let config = MelFilterConfig { n_mels, n_fft, htk, fmin: 20.0, ..MelFilterConfig::default() };
            let bank = MelFilterBank::new(config.clone()).unwrap();
            let slow = slow(&config);
            for (a, b) in bank.to_dense().iter().zip(&slow) {
                assert!((f64::from(*a) - b).abs() < 1e-7);
            }
            let spectrum: Vec<f32> = (0..bank.n_bins()).map(|i| (i as f32 * 0.3).sin().abs()).collect();
            let mut bands = vec![0.0; n_mels];
            let padded = [&spectrum[..], &[0.0; simd::SHORT]].concat();
            bank.apply(&padded, &mut bands);
            for (m, band) in bands.iter().enumerate() {
                let expected: f64 = slow.row(m).iter().zip(&spectrum).map(|(w, s)| w * f64::from(*s)).sum();
                assert!((f64::from(*band) - expected).abs() < 1e-6 * expected.max(0.1));
            }
        }
    }

    #[test]
    fn empty_bands_are_counted() {
        let config = MelFilterConfig { n_mels: 256, n_fft: 512, ..MelFilterConfig::default() };
        let bank = MelFilterBank::new(config).unwrap();
        let empty = bank.to_dense().rows().into_iter().filter(|r| r.iter().all(|&w| w == 0.0)).count();
        assert!(empty > 0);
        assert_eq!(bank.n_empty(), empty);
        assert_eq!(MelFilterBank::new(MelFilterConfig::default()).unwrap().n_empty(), 0);
    }

    #[test]
    fn messages_name_value_and_rule() {
        let config = MelFilterConfig { fmax: Some(12_000.0), ..MelFilterConfig::default() };
        let error = MelFilterBank::new(config).unwrap_err();
        assert_eq!(error.to_string(), "fmax is 12000 Hz; it must be at most the Nyquist frequency, 11025 Hz");
        for config in [
            MelFilterConfig { n_mels: 0, ..Default::default() },
            MelFilterConfig { n_mels: usize::MAX, ..Default::default() },
            MelFilterConfig { n_fft: 0, ..Default::default() },
            MelFilterConfig { sample_rate: 0, ..Default::default() },
            MelFilterConfig { fmin: -1.0, ..Default::default() },
            MelFilterConfig { fmin: f64::NAN, ..Default::default() },
            MelFilterConfig { fmin: 9000.0, fmax: Some(8000.0), ..Default::default() },
        ] {
            assert!(MelFilterBank::new(config).is_err());
        }
    }
}
