//! The YIN estimator.

use serde::{Deserialize, Serialize};

use super::difference::{Difference, PitchScratch, Range, is_trough, parabolic_shift};
use crate::error::FeatureError;
use crate::framing::PadMode;

/// How the fundamental frequency is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YinConfig {
    /// Rate of the signal in Hz. Default: 22 050.
    pub sample_rate: u32,
    /// Lowest frequency in Hz; two periods and more should fit in a frame. Default: 65.406 (C2).
    pub fmin: f64,
    /// Highest frequency in Hz, at most half the sample rate. Default: 2093.005 (C7).
    pub fmax: f64,
    /// Length of the frames in samples. Default: 2048.
    pub frame_length: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// The first trough below this is taken for the period. Default: 0.1.
    pub trough_threshold: f64,
    /// Whether frame `t` is centred on sample `t * hop_length`. Default: true.
    pub center: bool,
    /// What the padding of centred frames holds. Default: zeros.
    pub pad_mode: PadMode,
}

impl Default for YinConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            fmin: 65.406_391_325_149_66,
            fmax: 2_093.004_522_404_789,
            frame_length: 2048,
            hop_length: 512,
            trough_threshold: 0.1,
            center: true,
            pad_mode: PadMode::Constant,
        }
    }
}

/// Fundamental frequency of each frame (de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and
/// music", JASA 111, 2002).
///
/// YIN always answers: unvoiced frames get the period at which they are least unlike themselves, silence the shortest
/// one, about `fmax`. [`Pyin`](crate::pitch::Pyin) separates voiced frames from unvoiced ones.
///
/// ```
/// use timbral_features::pitch::{Yin, YinConfig};
/// let yin = Yin::new(YinConfig::default())?;
/// let a4: Vec<f32> = (0..22_050).map(|n| (n as f32 * 440.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// assert!((yin.compute(&a4)?[20] - 440.0).abs() < 2.0);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Yin {
    config: YinConfig,
    difference: Difference,
}

impl Yin {
    /// Checks the configuration and plans the transforms.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] unless `0 < fmin < fmax <= sample_rate / 2`, a frame is longer than the longest
    /// period, and the hop is at least 1.
    pub fn new(config: YinConfig) -> Result<Self, FeatureError> {
        let YinConfig { sample_rate, fmin, fmax, frame_length, hop_length, center, pad_mode, .. } = config;
        if config.trough_threshold.is_nan() {
            return Err(FeatureError::config("trough_threshold", "NaN", "a number"));
        }
        let difference =
            Difference::new(Range { sample_rate, fmin, fmax, frame_length, hop_length, center, pad_mode })?;
        Ok(Self { config, difference })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &YinConfig {
        &self.config
    }

    /// Number of frames of a signal of `samples` samples.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits.
    pub fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.difference.n_frames(samples)
    }

    /// Working memory for [`compute_into`](Self::compute_into).
    #[must_use]
    pub fn scratch(&self) -> PitchScratch {
        self.difference.scratch()
    }

    /// The fundamental frequency of each frame in Hz.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f64>, FeatureError> {
        let mut out = vec![0.0; self.n_frames(samples.len())?];
        self.compute_into(samples, &mut out, &mut self.scratch())?;
        Ok(out)
    }

    /// As [`compute`](Self::compute), written to `out`, which holds one number for each frame.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute), and [`FeatureError::Shape`] if `out` has another length.
    pub fn compute_into(
        &self,
        samples: &[f32],
        out: &mut [f64],
        scratch: &mut PitchScratch,
    ) -> Result<(), FeatureError> {
        let expected = self.n_frames(samples.len())?;
        if out.len() != expected {
            return Err(FeatureError::shape("out", &[out.len()], format!("({expected})")));
        }
        self.difference.prepare(samples, scratch)?;
        for (index, f0) in out.iter_mut().enumerate() {
            self.difference.frame(samples, index, scratch);
            let difference = &scratch.difference;
            let first = (0..difference.len())
                .find(|&i| difference[i] < self.config.trough_threshold && is_trough(difference, i));
            let lag = first.unwrap_or_else(|| lowest(difference));
            let period = (self.difference.min_period + lag) as f64 + parabolic_shift(difference, lag);
            *f0 = f64::from(self.config.sample_rate) / period;
        }
        Ok(())
    }
}

/// Index of the smallest value, the first one at ties.
fn lowest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] < values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn follows_pure_and_rich_tones() {
        let yin = Yin::new(YinConfig::default()).unwrap();
        // Lower tones have too few periods in a frame: the method itself is half a percent off at 82 Hz.
        for frequency in [160.0, 220.0, 440.0, 1234.5] {
            for harmonics in [1, 5] {
                let samples: Vec<f32> = (0..11_025)
                    .map(|n| {
                        (1..=harmonics)
                            .filter(|&h| frequency * f64::from(h) < 11_000.0)
                            .map(|h| {
                                let phase = TAU * frequency * f64::from(h) * f64::from(n) / 22_050.0;
                                (phase.sin() / f64::from(h)) as f32
                            })
                            .sum()
                    })
                    .collect();
                let f0 = yin.compute(&samples).unwrap();
                for f in &f0[4..f0.len() - 4] {
                    assert!((f / frequency - 1.0).abs() < 3e-3, "{frequency} {f}");
                }
            }
        }
    }

    #[test]
    fn silence_constants_and_crumbs_are_answered() {
        let yin = Yin::new(YinConfig::default()).unwrap();
        let shortest = 22_050.0 / (22_050.0_f64 / 2_093.004_522_404_789).floor();
        assert!(yin.compute(&[0.0; 3000]).unwrap().iter().all(|&f| f == shortest));
        for samples in [vec![], vec![0.3], vec![0.5; 5000], vec![1e30; 3000], vec![1e-30; 3000]] {
            let f0 = yin.compute(&samples).unwrap();
            assert_eq!(f0.len(), 1 + samples.len() / 512);
            assert!(f0.iter().all(|f| f.is_finite() && *f > 0.0));
        }
        assert!(yin.compute(&[f32::NAN]).is_err());
    }

    #[test]
    fn wrong_parameters_are_refused() {
        let good = YinConfig::default();
        for bad in [
            YinConfig { fmin: 0.0, ..good },
            YinConfig { fmin: 500.0, fmax: 400.0, ..good },
            YinConfig { fmax: 12_000.0, ..good },
            YinConfig { fmin: f64::NAN, ..good },
            YinConfig { frame_length: 256, ..good },
            YinConfig { hop_length: 0, ..good },
            YinConfig { sample_rate: 0, ..good },
            YinConfig { trough_threshold: f64::NAN, ..good },
        ] {
            assert!(Yin::new(bad).is_err(), "{bad:?}");
        }
    }
}
