//! A signal from magnitudes alone.

use std::f64::consts::TAU;

use ndarray::{Array2, ArrayView2, Zip};
use realfft::num_complex::{Complex32, Complex64};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::plan::FeaturePlan;
use crate::shape::frame_major;
use crate::stft::{Istft, IstftConfig, Stft, StftConfig};

/// How phases are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GriffinLimConfig {
    /// Rounds of the iteration. Default: 32.
    pub n_iter: usize,
    /// Acceleration of each round by the one before, at least 0; 0 is the original algorithm, above 1 it may not
    /// converge. Default: 0.99.
    pub momentum: f64,
    /// Seed of random phases to start from; without one all phases start at 0. Default: 0.
    pub seed: Option<u64>,
    /// The transform whose magnitudes are given.
    pub stft: StftConfig,
    /// Length of the answer in samples. Default: what the frames cover.
    pub length: Option<usize>,
}

impl Default for GriffinLimConfig {
    fn default() -> Self {
        Self { n_iter: 32, momentum: 0.99, seed: Some(0), stft: StftConfig::default(), length: None }
    }
}

/// Reconstructs a signal from the magnitudes of its short-time Fourier transform (Griffin and Lim, 1984; accelerated: Perraudin,
/// Balazs and Søndergaard, "A fast Griffin-Lim algorithm", WASPAA 2013).
#[derive(Clone, Debug)]
pub struct GriffinLim {
    config: GriffinLimConfig,
    stft: Stft,
    inner: Istft,
    last: Istft,
}

impl GriffinLim {
    /// Checks the configuration and plans the transforms.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if `momentum` is negative or not finite, or as [`Stft::new`].
    pub fn new(config: GriffinLimConfig) -> Result<Self, FeatureError> {
        if !(config.momentum >= 0.0 && config.momentum.is_finite()) {
            return Err(FeatureError::config("momentum", config.momentum, "finite and at least 0"));
        }
        let stft = Stft::new(config.stft.clone())?;
        let inverse = |length| Istft::new(IstftConfig { stft: config.stft.clone(), length });
        let (inner, last) = (inverse(config.length)?, inverse(config.length)?);
        Ok(Self { config, stft, inner, last })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &GriffinLimConfig {
        &self.config
    }

    /// A signal whose transform has magnitudes near the given ones, of shape `(n_fft / 2 + 1, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] for another number of bins, [`FeatureError::NonFinite`] or [`FeatureError::Input`] if a magnitude is
    /// not finite or negative, [`FeatureError::TooShort`] if the signal in between has no frame.
    pub fn compute(&self, magnitudes: ArrayView2<'_, f32>) -> Result<Vec<f32>, FeatureError> {
        if let Some(value) = magnitudes.iter().find(|m| **m < 0.0) {
            return Err(FeatureError::Input(format!("magnitude {value} given, it is at least 0")));
        }
        let (n_bins, n_frames) = magnitudes.dim();
        if n_bins != self.stft.n_bins() {
            let expected = format!("({}, any number of frames)", self.stft.n_bins());
            return Err(FeatureError::shape("magnitudes", magnitudes.shape(), expected));
        }
        let mut state = self.config.seed;
        let mut estimate = frame_major::<Complex32>(n_bins, n_frames)?;
        Zip::from(&mut estimate).and(&magnitudes).for_each(|value, &magnitude| {
            let phase = state.as_mut().map_or(0.0, |state| TAU * uniform(state));
            let turned = Complex64::from_polar(f64::from(magnitude), phase);
            *value = Complex32::new(turned.re as f32, turned.im as f32);
        });
        if n_frames == 0 {
            return self.last.compute(estimate.view());
        }
        let mut previous: Option<Array2<Complex32>> = None;
        let pull = (self.config.momentum / (1.0 + self.config.momentum)) as f32;
        for _ in 0..self.config.n_iter {
            let signal = self.inner.compute(estimate.view())?;
            let rebuilt = self.stft.compute(&signal)?;
            if rebuilt.dim() != estimate.dim() {
                return Err(FeatureError::shape(
                    "magnitudes",
                    magnitudes.shape(),
                    format!("{:?}", rebuilt.dim()),
                ));
            }
            // Step away from the last round, keep the phase, restore the magnitude.
            Zip::from(&mut estimate).and(&rebuilt).for_each(|value, &new| *value = new);
            if let Some(previous) = &previous {
                Zip::from(&mut estimate).and(previous).for_each(|value, old| *value -= old * pull);
            }
            Zip::from(&mut estimate).and(&magnitudes).for_each(|value, &magnitude| {
                let (re, im) = (f64::from(value.re), f64::from(value.im));
                let scale =
                    f64::from(magnitude) / ((re * re + im * im).sqrt() + f64::from(f32::MIN_POSITIVE));
                *value = Complex32::new((re * scale) as f32, (im * scale) as f32);
            });
            previous = Some(rebuilt);
        }
        self.last.compute(estimate.view())
    }
}

/// A number in `[0, 1)` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompose::magnitudes;

    fn config() -> GriffinLimConfig {
        GriffinLimConfig {
            stft: StftConfig { n_fft: 256, hop_length: 64, ..StftConfig::default() },
            ..GriffinLimConfig::default()
        }
    }

    #[test]
    fn magnitudes_are_approached() {
        let samples: Vec<f32> = (0..4096).map(|n| (n as f32 * 0.3).sin() + (n as f32 * 0.05).cos()).collect();
        let stft = Stft::new(config().stft).unwrap();
        let wanted = magnitudes(stft.compute(&samples).unwrap().view()).unwrap();
        let mut errors = Vec::new();
        for n_iter in [0, 8, 64] {
            let plan = GriffinLim::new(GriffinLimConfig { n_iter, ..config() }).unwrap();
            let signal = plan.compute(wanted.view()).unwrap();
            let found = magnitudes(stft.compute(&signal).unwrap().view()).unwrap();
            let error: f32 = found.iter().zip(&wanted).map(|(a, b)| (a - b) * (a - b)).sum();
            errors.push(error / wanted.iter().map(|v| v * v).sum::<f32>());
        }
        assert!(errors[1] < 0.3 * errors[0] && errors[2] < errors[1] && errors[2] < 0.01, "{errors:?}");
    }

    #[test]
    fn crumbs_and_faults() {
        let plan = GriffinLim::new(config()).unwrap();
        assert!(plan.compute(Array2::zeros((129, 0)).view()).unwrap().is_empty());
        assert!(plan.compute(Array2::zeros((129, 9)).view()).unwrap().iter().all(|&v| v == 0.0));
        assert!(plan.compute(Array2::zeros((128, 9)).view()).is_err());
        assert!(plan.compute(Array2::from_elem((129, 9), -1.0).view()).is_err());
        assert!(plan.compute(Array2::from_elem((129, 9), f32::NAN).view()).is_err());
        assert!(GriffinLim::new(GriffinLimConfig { momentum: -1.0, ..config() }).is_err());
        assert!(plan.compute(Array2::ones((129, 1)).view()).is_ok());
    }
}
