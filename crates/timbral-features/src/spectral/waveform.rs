//! Features of frames of samples: level and zero crossings.

use ndarray::{Array2, ArrayRef2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use crate::framing::{Framing, PadMode};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames, frame_major, visit_frames};
use crate::simd::{dispatch, dot};

/// Working memory of the features of frames of samples: one frame. One for each thread.
#[derive(Clone, Debug, Default)]
pub struct FrameScratch {
    frame: Vec<f32>,
}

/// Computes a feature whose `frame` turns the samples of one frame into one value.
macro_rules! one_value_per_frame {
    ($plan:ident) => {
        impl FeaturePlan for $plan {
            type Value = f32;
            type Scratch = FrameScratch;

            fn n_rows(&self) -> usize {
                1
            }

            fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
                self.framing.n_frames(samples)
            }

            fn scratch(&self) -> FrameScratch {
                FrameScratch { frame: vec![0.0; self.config.frame_length] }
            }

            fn compute_into(
                &self,
                samples: &[f32],
                out: &mut ArrayRef2<f32>,
                scratch: &mut FrameScratch,
            ) -> Result<(), FeatureError> {
                check_output(out, 1, self.n_frames(samples.len())?)?;
                check_finite("samples", samples)?;
                scratch.frame.resize(self.config.frame_length, 0.0);
                fill_frames(out, &mut Vec::new(), |index, value| {
                    self.framing.fill(samples, index, &mut scratch.frame);
                    value.fill(self.frame(&scratch.frame));
                });
                Ok(())
            }
        }
    };
}

one_value_per_frame!(Rms);
one_value_per_frame!(ZeroCrossingRate);

/// The level of frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsConfig {
    /// Samples in a frame. Default: 2048.
    pub frame_length: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// Whether frame `t` is centred on sample `t * hop_length`, else it starts there. Default: true.
    pub center: bool,
    /// What lies outside the signal when frames are centred. Default: zeros.
    pub pad_mode: PadMode,
}

impl Default for RmsConfig {
    fn default() -> Self {
        Self { frame_length: 2048, hop_length: 512, center: true, pad_mode: PadMode::Constant }
    }
}

/// The root mean square of each frame, from samples or from a magnitude spectrogram.
///
/// The two differ: a spectrogram knows the frames only as its window shaped them, and this is not undone.
#[derive(Clone, Debug)]
pub struct Rms {
    config: RmsConfig,
    framing: Framing,
}

impl Rms {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a frame or hop of 0.
    pub fn new(config: RmsConfig) -> Result<Self, FeatureError> {
        let framing = Framing::new(config.frame_length, config.hop_length, config.center, config.pad_mode)?;
        Ok(Self { config, framing })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &RmsConfig {
        &self.config
    }

    /// The root mean square of one frame.
    pub(crate) fn frame(&self, frame: &[f32]) -> f32 {
        // Blocks are added in double precision, so that long frames lose nothing.
        let energy: f64 = dispatch!(frame.chunks(1024).map(|block| f64::from(dot(block, block))).sum());
        (energy / frame.len() as f64).sqrt() as f32
    }

    /// The root mean square of each frame of a magnitude spectrogram with `frame_length / 2 + 1` rows.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] for another number of rows, [`FeatureError::Input`] for magnitudes that are negative or
    /// not finite.
    pub fn from_spectrogram(&self, magnitudes: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        super::plan::check_magnitudes(magnitudes, self.config.frame_length / 2 + 1)?;
        let mut out = frame_major(1, magnitudes.ncols())?;
        let mut values = out.iter_mut();
        visit_frames(&magnitudes, &mut Vec::new(), |_, frame| {
            if let Some(value) = values.next() {
                *value = self.spectrum(frame);
            }
        });
        Ok(out)
    }

    /// The root mean square of the frame with these magnitudes. All bins stand for two but the ends.
    pub(crate) fn spectrum(&self, magnitudes: &[f32]) -> f32 {
        let square = |m: Option<&f32>| m.map_or(0.0, |m| f64::from(*m).powi(2));
        let energy: f64 = dispatch!(magnitudes.chunks(256).map(|block| f64::from(dot(block, block))).sum());
        let nyquist =
            if self.config.frame_length.is_multiple_of(2) { square(magnitudes.last()) } else { 0.0 };
        let total = energy - 0.5 * square(magnitudes.first()) - 0.5 * nyquist;
        ((2.0 * total.max(0.0)).sqrt() / self.config.frame_length as f64) as f32
    }
}

/// Whether the sign changes at each sample.
///
/// Values of a magnitude up to `threshold` count as zero, and a zero as positive with `zero_pos`, else as a sign of its
/// own. `pad` is the answer for the first sample, which has no predecessor.
pub fn zero_crossings(samples: &[f32], threshold: f32, pad: bool, zero_pos: bool) -> Vec<bool> {
    let sign = |x: f32| -> i8 {
        if x < -threshold {
            -1
        } else if x > threshold || zero_pos {
            1
        } else {
            0
        }
    };
    let mut previous = None;
    let crossing = |x: &f32| {
        let now = sign(*x);
        let changed = previous.map_or(pad, |before| before != now);
        previous = Some(now);
        changed
    };
    samples.iter().map(crossing).collect()
}

/// The rate of zero crossings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZeroCrossingRateConfig {
    /// Samples in a frame. Default: 2048.
    pub frame_length: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// Whether frame `t` is centred on sample `t * hop_length`, the first and the last sample being repeated outside;
    /// else it starts there. Default: true.
    pub center: bool,
    /// Samples of a magnitude up to this count as zero. Default: 1e-10.
    pub threshold: f32,
    /// Whether the first sample of each frame counts as a crossing. Default: false.
    pub pad: bool,
    /// Whether zero counts as positive, else as a sign of its own. Default: true.
    pub zero_pos: bool,
}

impl Default for ZeroCrossingRateConfig {
    fn default() -> Self {
        Self {
            frame_length: 2048,
            hop_length: 512,
            center: true,
            threshold: 1e-10,
            pad: false,
            zero_pos: true,
        }
    }
}

/// The fraction of the samples of each frame at which the sign changes.
#[derive(Clone, Debug)]
pub struct ZeroCrossingRate {
    config: ZeroCrossingRateConfig,
    framing: Framing,
}

impl ZeroCrossingRate {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a frame or hop of 0, or a threshold that is negative or NaN.
    pub fn new(config: ZeroCrossingRateConfig) -> Result<Self, FeatureError> {
        let framing = Framing::new(config.frame_length, config.hop_length, config.center, PadMode::Edge)?;
        if config.threshold.is_nan() || config.threshold < 0.0 {
            return Err(FeatureError::config("threshold", config.threshold, "at least 0"));
        }
        Ok(Self { config, framing })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ZeroCrossingRateConfig {
        &self.config
    }

    /// The rate of one frame.
    pub(crate) fn frame(&self, frame: &[f32]) -> f32 {
        let ZeroCrossingRateConfig { threshold, pad, zero_pos, .. } = self.config;
        let crossings = dispatch!({
            // Two comparisons tell the three signs apart without a branch.
            let sign = |x: f32| {
                let negative = u8::from(x < -threshold);
                let zero = u8::from(!zero_pos) & u8::from(x >= -threshold) & u8::from(x <= threshold);
                negative + 2 * zero
            };
            let pairs = frame.iter().zip(frame.get(1..).unwrap_or_default());
            pairs.map(|(a, b)| u32::from(sign(*a) != sign(*b))).sum::<u32>()
        });
        ((f64::from(crossings) + f64::from(u8::from(pad))) / frame.len() as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_of_a_constant_and_of_its_spectrum() {
        let plan = Rms::new(RmsConfig { pad_mode: PadMode::Edge, ..RmsConfig::default() }).unwrap();
        assert!(plan.compute(&[0.25; 4000]).unwrap().iter().all(|v| (v - 0.25).abs() < 1e-7));
        // The spectrum of a constant, without a window, is one bin of n times the level; that bin counts half.
        let mut s = Array2::zeros((1025, 1));
        s[[0, 0]] = 0.25 * 2048.0;
        assert!((plan.from_spectrogram(s.view()).unwrap()[[0, 0]] - 0.25).abs() < 1e-7);
        assert!(plan.from_spectrogram(Array2::zeros((1024, 1)).view()).is_err());
    }

    #[test]
    fn crossings_are_counted_as_listed() {
        let x: Vec<f32> = (0..3000).map(|i| ((i * i) as f32 * 0.003).sin().round()).collect();
        for (zero_pos, pad, threshold) in [(true, false, 1e-10), (false, false, 0.0), (false, true, 0.3)] {
            let config =
                ZeroCrossingRateConfig { zero_pos, pad, threshold, center: false, ..Default::default() };
            let rate = ZeroCrossingRate::new(config).unwrap().compute(&x).unwrap();
            for (t, value) in rate.iter().enumerate() {
                let listed = zero_crossings(&x[t * 512..t * 512 + 2048], threshold, pad, zero_pos);
                let count = listed.iter().filter(|c| **c).count();
                assert_eq!(*value, (count as f64 / 2048.0) as f32, "{zero_pos} {pad}");
            }
        }
    }

    #[test]
    fn short_and_silent_signals() {
        let zcr = ZeroCrossingRate::new(Default::default()).unwrap();
        assert_eq!(zcr.compute(&[0.0; 700]).unwrap(), Array2::<f32>::zeros((1, 2)));
        assert_eq!(zcr.compute(&[-1.0]).unwrap().dim(), (1, 1));
        assert!(zcr.compute(&[]).is_err());
        let rms = Rms::new(Default::default()).unwrap();
        assert_eq!(rms.compute(&[0.0; 700]).unwrap(), Array2::<f32>::zeros((1, 2)));
        assert!(
            ZeroCrossingRate::new(ZeroCrossingRateConfig { threshold: -1.0, ..Default::default() }).is_err()
        );
    }
}
