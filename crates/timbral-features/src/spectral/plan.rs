//! Plans that turn each frame's magnitude spectrum into a few numbers.

use ndarray::{Array2, ArrayRef2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::kernels::{Bandwidth, Centroid, Flatness, Poly, Rolloff};
use crate::convert::fft_frequencies;
use crate::error::{FeatureError, check_finite};
use crate::least_squares::polynomial_fit;
use crate::plan::FeaturePlan;
use crate::shape::{all_fine, check_output, fill_frames, frame_major, visit_frames};
use crate::simd::dispatch;
use crate::stft::{Power, Stft, StftConfig, StftScratch};

/// Working memory of the spectral shapes. One for each thread.
#[derive(Clone, Debug, Default)]
pub struct ShapeScratch {
    pub(crate) stft: StftScratch,
    pub(crate) magnitudes: Vec<f32>,
}

/// Defines the plan of a feature that looks at one magnitude spectrum at a time.
macro_rules! spectral_shape {
    ($(#[$doc:meta])* $name:ident, $config:ident, $kernel:ident, $rows:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            config: $config,
            stft: Stft,
            kernel: $kernel,
        }

        impl $name {
            /// The configuration of the plan.
            pub fn config(&self) -> &$config {
                &self.config
            }

            /// The transform underneath.
            pub fn stft(&self) -> &Stft {
                &self.stft
            }

            /// The feature of a magnitude spectrogram, which has `n_fft / 2 + 1` rows.
            ///
            /// # Errors
            ///
            /// [`FeatureError::Shape`] for another number of rows, [`FeatureError::Input`] for magnitudes that are
            /// negative or not finite.
            pub fn from_spectrogram(&self, magnitudes: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
                check_magnitudes(magnitudes, self.stft.n_bins())?;
                let mut out = frame_major(self.n_rows(), magnitudes.ncols())?;
                let mut columns = out.columns_mut().into_iter();
                visit_frames(&magnitudes, &mut Vec::new(), |_, frame| {
                    if let Some(values) = columns.next().and_then(|c| c.into_slice()) {
                        self.kernel.frame(frame, values);
                    }
                });
                Ok(out)
            }

            /// The values of one frame of the magnitude spectrogram.
            pub(crate) fn values_of(&self, magnitudes: &[f32], values: &mut [f32]) {
                self.kernel.frame(magnitudes, values);
            }

            /// The values of one frame. The caller has checked samples and lengths.
            pub(crate) fn frame(
                &self,
                samples: &[f32],
                index: usize,
                values: &mut [f32],
                scratch: &mut ShapeScratch,
            ) {
                let ShapeScratch { stft, magnitudes } = scratch;
                magnitudes.resize(self.stft.n_bins(), 0.0);
                let bins = self.stft.spectrum(samples, index, stft);
                dispatch!(Power::Magnitude.apply(bins, magnitudes));
                self.kernel.frame(magnitudes, values);
            }
        }

        impl FeaturePlan for $name {
            type Value = f32;
            type Scratch = ShapeScratch;

            fn n_rows(&self) -> usize {
                let rows: fn(&$config) -> usize = $rows;
                rows(&self.config)
            }

            fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
                self.stft.n_frames(samples)
            }

            fn scratch(&self) -> ShapeScratch {
                ShapeScratch { stft: self.stft.scratch(), magnitudes: vec![0.0; self.stft.n_bins()] }
            }

            fn compute_into(
                &self,
                samples: &[f32],
                out: &mut ArrayRef2<f32>,
                scratch: &mut ShapeScratch,
            ) -> Result<(), FeatureError> {
                check_output(out, self.n_rows(), self.n_frames(samples.len())?)?;
                check_finite("samples", samples)?;
                fill_frames(out, &mut Vec::new(), |index, values| self.frame(samples, index, values, scratch));
                Ok(())
            }
        }
    };
}

/// Checks the shape and the values of a magnitude spectrogram.
pub(crate) fn check_magnitudes(magnitudes: ArrayView2<'_, f32>, n_bins: usize) -> Result<(), FeatureError> {
    if magnitudes.nrows() != n_bins {
        let expected = format!("({n_bins}, any number of frames)");
        return Err(FeatureError::shape("spectrogram", magnitudes.shape(), expected));
    }
    let fine = |m: f32| m.is_finite() & (m >= 0.0);
    if all_fine(&magnitudes, fine) {
        return Ok(());
    }
    match magnitudes.iter().find(|m| !fine(**m)) {
        Some(m) => {
            Err(FeatureError::Input(format!("magnitude {m} given, magnitudes are finite and at least 0")))
        }
        None => Ok(()),
    }
}

pub(crate) fn hz_per_bin(sample_rate: u32, stft: &StftConfig) -> Result<f64, FeatureError> {
    if sample_rate == 0 {
        return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
    }
    Ok(f64::from(sample_rate) / stft.n_fft.max(1) as f64)
}

/// The spectral centroid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CentroidConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
}

impl Default for CentroidConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default() }
    }
}

spectral_shape! {
    /// The mean frequency of each frame in Hz, weighted by magnitude. Silence has 0.
    SpectralCentroid, CentroidConfig, Centroid, |_| 1
}

impl SpectralCentroid {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a sample rate of 0 or an invalid STFT configuration.
    pub fn new(config: CentroidConfig) -> Result<Self, FeatureError> {
        let kernel = Centroid { hz_per_bin: hz_per_bin(config.sample_rate, &config.stft)? };
        Ok(Self { stft: Stft::new(config.stft.clone())?, kernel, config })
    }
}

/// The spectral bandwidth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BandwidthConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Power to which deviations are raised, above 0. Default: 2, the standard deviation.
    pub p: f32,
    /// Whether the magnitudes of each frame are divided by their sum. Default: true.
    pub norm: bool,
}

impl Default for BandwidthConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default(), p: 2.0, norm: true }
    }
}

spectral_shape! {
    /// The mean deviation of each frame from its centroid in Hz: `(sum S |f - centroid|^p)^(1 / p)`. Silence has 0.
    SpectralBandwidth, BandwidthConfig, Bandwidth, |_| 1
}

impl SpectralBandwidth {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a sample rate of 0, a `p` that is not above 0, or an invalid STFT configuration.
    pub fn new(config: BandwidthConfig) -> Result<Self, FeatureError> {
        let BandwidthConfig { p, norm, .. } = config;
        if !(p.is_finite() && p > 0.0) {
            return Err(FeatureError::config("p", p, "above 0"));
        }
        let kernel = Bandwidth { hz_per_bin: hz_per_bin(config.sample_rate, &config.stft)?, p, norm };
        Ok(Self { stft: Stft::new(config.stft.clone())?, kernel, config })
    }
}

/// The spectral rolloff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RolloffConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Fraction of the sum of magnitudes, between 0 and 1, both excluded. Default: 0.85.
    pub roll_percent: f64,
}

impl Default for RolloffConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default(), roll_percent: 0.85 }
    }
}

spectral_shape! {
    /// The frequency in Hz of the first bin at which each frame's cumulated magnitude reaches a fraction of the whole.
    /// Silence has 0. Nothing is interpolated between bins.
    SpectralRolloff, RolloffConfig, Rolloff, |_| 1
}

impl SpectralRolloff {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a sample rate of 0, a fraction outside 0 to 1, or an invalid STFT configuration.
    pub fn new(config: RolloffConfig) -> Result<Self, FeatureError> {
        let roll_percent = config.roll_percent;
        if !(roll_percent > 0.0 && roll_percent < 1.0) {
            return Err(FeatureError::config("roll_percent", roll_percent, "between 0 and 1"));
        }
        let kernel = Rolloff { hz_per_bin: hz_per_bin(config.sample_rate, &config.stft)?, roll_percent };
        Ok(Self { stft: Stft::new(config.stft.clone())?, kernel, config })
    }
}

/// The spectral flatness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlatnessConfig {
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Smaller values count as this; a normal number above 0. Default: 1e-10.
    pub amin: f32,
    /// Exponent of the magnitude, above 0. Default: 2.
    pub power: f32,
}

impl Default for FlatnessConfig {
    fn default() -> Self {
        Self { stft: StftConfig::default(), amin: 1e-10, power: 2.0 }
    }
}

spectral_shape! {
    /// How noise-like each frame is, 0 to 1: the geometric mean of the power spectrum over the arithmetic one. Silence
    /// has 1, since all of it counts as `amin`.
    SpectralFlatness, FlatnessConfig, Flatness, |_| 1
}

impl SpectralFlatness {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if `amin` or `power` is not above 0, or for an invalid STFT configuration.
    pub fn new(config: FlatnessConfig) -> Result<Self, FeatureError> {
        let FlatnessConfig { amin, power, .. } = config;
        if !(amin.is_finite() && amin >= f32::MIN_POSITIVE) {
            return Err(FeatureError::config("amin", amin, "above 0"));
        }
        Power::new(power)?;
        Ok(Self { stft: Stft::new(config.stft.clone())?, kernel: Flatness { amin, power }, config })
    }
}

/// Polynomial features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolyConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Degree of the polynomial, below the number of bins. Default: 1, a line.
    pub order: usize,
}

impl Default for PolyConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default(), order: 1 }
    }
}

spectral_shape! {
    /// The coefficients of the polynomial that fits each frame's magnitudes best over frequency in Hz, highest power
    /// first.
    PolyFeatures, PolyConfig, Poly, |config| config.order + 1
}

impl PolyFeatures {
    /// Checks the configuration, plans the transform and computes the fit.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a sample rate of 0, an order too high for the number of bins, or an invalid STFT
    /// configuration.
    pub fn new(config: PolyConfig) -> Result<Self, FeatureError> {
        hz_per_bin(config.sample_rate, &config.stft)?;
        let stft = Stft::new(config.stft.clone())?;
        let bins = fft_frequencies(f64::from(config.sample_rate), config.stft.n_fft);
        let fit = if config.order <= 64 { polynomial_fit(&bins, config.order) } else { None };
        let fit = fit.ok_or_else(|| {
            FeatureError::config("order", config.order, format!("lower than that for {} bins", bins.len()))
        })?;
        let mut fit = fit;
        fit.invert_axis(ndarray::Axis(0));
        Ok(Self { stft, kernel: Poly { fit }, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stft::{Spectrogram, SpectrogramConfig};

    fn stft() -> StftConfig {
        StftConfig { n_fft: 512, hop_length: 128, ..StftConfig::default() }
    }

    fn samples() -> Vec<f32> {
        (0..4000)
            .map(|i| (i as f32 * 0.13).sin() + 0.3 * (i as f32 * 1.1).cos() * (i as f32 * 0.01).sin())
            .collect()
    }

    fn magnitudes() -> Array2<f64> {
        let config = SpectrogramConfig { stft: stft(), power: 1.0 };
        Spectrogram::new(config).unwrap().compute(&samples()).unwrap().mapv(f64::from)
    }

    fn assert_close(fast: &Array2<f32>, slow: impl Fn(&[f64], &[f64]) -> f64) {
        let bins = fft_frequencies(22_050.0, 512);
        for (value, column) in fast.iter().zip(magnitudes().columns()) {
            let expected = slow(&bins, &column.to_vec());
            assert!((f64::from(*value) / expected - 1.0).abs() < 2e-6, "{value} {expected}");
        }
    }

    fn centroid(bins: &[f64], s: &[f64]) -> f64 {
        bins.iter().zip(s).map(|(f, s)| f * s).sum::<f64>() / s.iter().sum::<f64>()
    }

    #[test]
    fn centroid_follows_the_definition() {
        let plan = SpectralCentroid::new(CentroidConfig { stft: stft(), ..Default::default() }).unwrap();
        assert_close(&plan.compute(&samples()).unwrap(), centroid);
    }

    #[test]
    fn bandwidth_follows_the_definition() {
        for (p, norm) in [(2.0, true), (1.0, true), (3.0, true), (2.0, false)] {
            let config = BandwidthConfig { stft: stft(), p, norm, ..Default::default() };
            let fast = SpectralBandwidth::new(config).unwrap().compute(&samples()).unwrap();
            assert_close(&fast, |bins, s| {
                let c = centroid(bins, s);
                let total = if norm { s.iter().sum() } else { 1.0 };
                let p = f64::from(p);
                (bins.iter().zip(s).map(|(f, s)| s / total * (f - c).abs().powf(p)).sum::<f64>())
                    .powf(1.0 / p)
            });
        }
    }

    #[test]
    fn rolloff_follows_the_definition() {
        for roll_percent in [0.1, 0.85, 0.99] {
            let config = RolloffConfig { stft: stft(), roll_percent, ..Default::default() };
            let fast = SpectralRolloff::new(config).unwrap().compute(&samples()).unwrap();
            assert_close(&fast, |bins, s| {
                let threshold = roll_percent * s.iter().sum::<f64>();
                let mut reached = 0.0;
                let bin = s.iter().position(|m| {
                    reached += m;
                    reached >= threshold
                });
                bins[bin.unwrap()]
            });
        }
    }

    #[test]
    fn flatness_follows_the_definition() {
        for power in [1.0, 2.0, 1.3] {
            let config = FlatnessConfig { stft: stft(), power, ..Default::default() };
            let fast = SpectralFlatness::new(config).unwrap().compute(&samples()).unwrap();
            assert_close(&fast, |_, s| {
                let power: Vec<f64> = s.iter().map(|m| m.powf(f64::from(power)).max(1e-10)).collect();
                let n = power.len() as f64;
                (power.iter().map(|p| p.ln()).sum::<f64>() / n).exp() / (power.iter().sum::<f64>() / n)
            });
        }
    }

    #[test]
    fn a_line_through_magnitudes_on_a_line() {
        let plan = PolyFeatures::new(PolyConfig { stft: stft(), ..Default::default() }).unwrap();
        let line = Array2::from_shape_fn((257, 2), |(k, t)| 5.0 + (t + 1) as f32 * k as f32);
        let fit = plan.from_spectrogram(line.view()).unwrap();
        assert_eq!(fit.dim(), (2, 2));
        assert!((fit[[0, 1]] * 22_050.0 / 512.0 - 2.0).abs() < 1e-5);
        assert!((fit[[1, 1]] - 5.0).abs() < 1e-4);
    }

    #[test]
    fn silence_has_documented_answers() {
        let silence = vec![0.0; 600];
        let one = |answer: Result<Array2<f32>, FeatureError>| answer.unwrap()[[0, 0]];
        let centroid = SpectralCentroid::new(Default::default()).unwrap();
        assert_eq!(one(centroid.compute(&silence)), 0.0);
        let bandwidth = SpectralBandwidth::new(Default::default()).unwrap();
        assert_eq!(one(bandwidth.compute(&silence)), 0.0);
        let rolloff = SpectralRolloff::new(Default::default()).unwrap();
        assert_eq!(one(rolloff.compute(&silence)), 0.0);
        let flatness = SpectralFlatness::new(Default::default()).unwrap();
        assert!((one(flatness.compute(&silence)) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn from_samples_equals_from_spectrogram() {
        let config = SpectrogramConfig { stft: stft(), power: 1.0 };
        let s = Spectrogram::new(config).unwrap().compute(&samples()).unwrap();
        let plan = SpectralBandwidth::new(BandwidthConfig { stft: stft(), ..Default::default() }).unwrap();
        assert_eq!(plan.from_spectrogram(s.view()).unwrap(), plan.compute(&samples()).unwrap());
        assert!(plan.from_spectrogram(s.t()).is_err());
        assert!(plan.from_spectrogram(s.mapv(|v| -v).view()).is_err());
    }
}
