//! Samples to magnitudes or powers.

use ndarray::ArrayRef2;
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use super::{Stft, StftConfig, StftScratch};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames};
use crate::simd::dispatch;

/// A spectrogram `|STFT|^power`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectrogramConfig {
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Exponent of the magnitude, above 0: 1 for magnitudes, 2 for power. Default: 1.
    pub power: f32,
}

impl Default for SpectrogramConfig {
    fn default() -> Self {
        Self { stft: StftConfig::default(), power: 1.0 }
    }
}

/// An exponent of the magnitude, with the two common ones distinguished once and not per bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Power {
    Magnitude,
    Energy,
    Other(f32),
}

impl Power {
    pub(crate) fn new(power: f32) -> Result<Self, FeatureError> {
        if !(power.is_finite() && power > 0.0) {
            return Err(FeatureError::config("power", power, "above 0"));
        }
        Ok(if power == 1.0 {
            Self::Magnitude
        } else if power == 2.0 {
            Self::Energy
        } else {
            Self::Other(power)
        })
    }

    /// Raises the magnitudes of `bins` to the power.
    #[inline(always)]
    pub(crate) fn apply(self, bins: &[Complex32], out: &mut [f32]) {
        match self {
            Self::Magnitude => {
                out.iter_mut().zip(bins).for_each(|(o, c)| *o = (c.re * c.re + c.im * c.im).sqrt());
            }
            Self::Energy => out.iter_mut().zip(bins).for_each(|(o, c)| *o = c.re * c.re + c.im * c.im),
            Self::Other(p) => {
                out.iter_mut().zip(bins).for_each(|(o, c)| *o = (c.re * c.re + c.im * c.im).powf(0.5 * p));
            }
        }
    }
}

/// The magnitude or power spectrogram of a signal.
///
/// ```
/// use timbral_features::{FeaturePlan, Spectrogram, SpectrogramConfig};
/// let plan = Spectrogram::new(SpectrogramConfig { power: 2.0, ..SpectrogramConfig::default() })?;
/// assert_eq!(plan.compute(&[0.0; 22_050])?.dim(), (1025, 44));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spectrogram {
    config: SpectrogramConfig,
    stft: Stft,
    power: Power,
}

impl Spectrogram {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid STFT configuration, or a power that is not above 0.
    pub fn new(config: SpectrogramConfig) -> Result<Self, FeatureError> {
        let stft = Stft::new(config.stft.clone())?;
        let power = Power::new(config.power)?;
        Ok(Self { config, stft, power })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &SpectrogramConfig {
        &self.config
    }

    /// The transform underneath.
    pub fn stft(&self) -> &Stft {
        &self.stft
    }

    /// Number of frequency bins, `n_fft / 2 + 1`.
    pub fn n_bins(&self) -> usize {
        self.stft.n_bins()
    }

    /// One frame of the spectrogram. The caller has checked samples and lengths.
    pub(crate) fn frame(&self, samples: &[f32], index: usize, out: &mut [f32], scratch: &mut StftScratch) {
        let bins = self.stft.spectrum(samples, index, scratch);
        dispatch!(self.power.apply(bins, out));
    }
}

impl FeaturePlan for Spectrogram {
    type Value = f32;
    type Scratch = StftScratch;

    fn n_rows(&self) -> usize {
        self.n_bins()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.stft.n_frames(samples)
    }

    fn scratch(&self) -> StftScratch {
        self.stft.scratch()
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut StftScratch,
    ) -> Result<(), FeatureError> {
        check_output(out, self.n_bins(), self.n_frames(samples.len())?)?;
        check_finite("samples", samples)?;
        fill_frames(out, &mut Vec::new(), |index, frame| self.frame(samples, index, frame, scratch));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_follow_from_the_complex_spectrum() {
        let stft = StftConfig { n_fft: 64, hop_length: 16, ..StftConfig::default() };
        let samples: Vec<f32> = (0..300).map(|i| (i as f32 * 0.3).sin()).collect();
        let complex = Stft::new(stft.clone()).unwrap().compute(&samples).unwrap();
        for power in [1.0, 2.0, 1.5] {
            let plan = Spectrogram::new(SpectrogramConfig { stft: stft.clone(), power }).unwrap();
            for (s, c) in plan.compute(&samples).unwrap().iter().zip(&complex) {
                let expected = c.norm().powf(power);
                assert!((s - expected).abs() <= 1e-5 * expected.max(1.0));
            }
        }
        assert!(Spectrogram::new(SpectrogramConfig { power: 0.0, ..Default::default() }).is_err());
        assert!(Spectrogram::new(SpectrogramConfig { power: f32::NAN, ..Default::default() }).is_err());
    }
}
