//! Lower rates for lower octaves.

use crate::error::FeatureError;
use crate::resample::{
    Kaiser, ResampleConfig, ResampleScratch, ResampleType, Resampler, SpectralScratch, SpectralStage, sinc,
};
use crate::simd::dispatch;

/// Taps of the short half-band filter at each side of its middle.
const SIDE: usize = 17;
/// The shape of its Kaiser window. Both were chosen for the ringing that soxr loses before the first sample.
const SHORT_BETA: f64 = 12.5;

// The steep filter that soxr was measured to use at high quality for a factor of two, within 5e-8: a sinc in a Kaiser
// window, whose response is flat to 0.916 of the lower Nyquist frequency and below 1e-6 from it on.

/// Where its response is a half, as a fraction of the lower Nyquist frequency.
const STEEP_CUTOFF: f64 = 0.956_872;
/// Input samples to both sides.
const STEEP_HALF_LENGTH: f64 = 194.5;
/// The shape of its window.
const STEEP_BETA: f64 = 13.04;

/// Lowers the rate by a power of two, and keeps the energy: samples are multiplied by the square root of the factor.
///
/// Band-limited decimation goes in stages as soxr's does, each of which starts at the first sample: a short half-band
/// filter for each factor of two but the last, whose filter is the steep one. What a stage's filter would answer before
/// the first sample is lost, and the answers near it depend on that. The number of samples is the length over the factor,
/// rounded; up to the next integer a zero is added, as librosa does.
#[derive(Debug, Clone)]
pub(super) struct Decimator {
    factor: usize,
    /// Half-band stages before the last one.
    stages: u32,
    /// The taps at distances 1, 3, 5, ...; that of the middle is 1/2.
    taps: Vec<f32>,
    last: Last,
}

#[derive(Debug, Clone)]
enum Last {
    /// A filter for the whole factor.
    Whole(Box<Resampler>),
    /// The steep filter, for a factor of two.
    Steep(SpectralStage<f32>),
}

/// Working memory of a [`Decimator`].
#[derive(Debug, Clone, Default)]
pub(super) struct DecimatorScratch {
    resample: ResampleScratch,
    spectral: SpectralScratch<f32>,
    odd: Vec<f32>,
    stage: Vec<f32>,
    next: Vec<f32>,
}

impl Decimator {
    /// For a factor of two or a higher power of two.
    pub(super) fn new(factor: usize, res_type: ResampleType) -> Result<Self, FeatureError> {
        let stages = match res_type {
            ResampleType::SoxrHq => factor.trailing_zeros().saturating_sub(1),
            // The others are a single filter for every factor.
            _ => 0,
        };
        let last = match res_type {
            ResampleType::SoxrHq => Last::Steep(SpectralStage::designed(
                1,
                2,
                0.5 * STEEP_CUTOFF,
                STEEP_HALF_LENGTH,
                Kaiser::new(STEEP_BETA),
            )),
            _ => Last::Whole(Box::new(Resampler::new(ResampleConfig {
                orig_sr: factor as f64,
                target_sr: 1.0,
                res_type,
                fix: true,
                scale: false,
            })?)),
        };
        let window = Kaiser::new(SHORT_BETA);
        let taps: Vec<f64> =
            (1..=SIDE).step_by(2).map(|d| sinc(0.5 * d as f64) * window.at(d as f64 / SIDE as f64)).collect();
        // Those of one side sum to a quarter, so that all with the middle sum to 1.
        let sum = 4.0 * taps.iter().sum::<f64>();
        let taps = taps.iter().map(|tap| (tap / sum) as f32).collect();
        Ok(Self { factor, stages, taps, last })
    }

    /// The number of samples that `samples` samples turn into.
    pub(super) fn output_len(&self, samples: usize) -> usize {
        samples.div_ceil(self.factor)
    }

    /// Lowers the rate of `samples`.
    pub(super) fn process(
        &self,
        samples: &[f32],
        out: &mut Vec<f32>,
        scratch: &mut DecimatorScratch,
    ) -> Result<(), FeatureError> {
        let DecimatorScratch { resample, spectral, odd, stage, next } = scratch;
        let gain = (self.factor as f32).sqrt();
        let length = self.output_len(samples.len());
        match &self.last {
            Last::Whole(filter) => {
                out.resize(length, 0.0);
                filter.compute_into(samples, out, resample)?;
                out.iter_mut().for_each(|x| *x *= gain);
            }
            Last::Steep(filter) => {
                for i in 0..self.stages {
                    let source: &[f32] = if i == 0 { samples } else { stage };
                    dispatch!(self.halve(source, odd, next));
                    std::mem::swap(stage, next);
                }
                let source: &[f32] = if self.stages == 0 { samples } else { stage };
                out.clear();
                out.resize((samples.len() + self.factor / 2) / self.factor, 0.0);
                filter.process(source, out, spectral);
                out.iter_mut().for_each(|x| *x *= gain);
                out.resize(length, 0.0);
            }
        }
        Ok(())
    }

    /// One stage of the short filter. The answer goes on behind the last sample as far as the filter reaches.
    #[inline(always)]
    fn halve(&self, samples: &[f32], odd: &mut Vec<f32>, out: &mut Vec<f32>) {
        let length = (samples.len() + SIDE).div_ceil(2);
        let reach = self.taps.len();
        odd.clear();
        odd.resize(reach, 0.0);
        odd.extend(samples.iter().skip(1).step_by(2));
        odd.resize(length + 2 * reach, 0.0);
        out.clear();
        out.extend(samples.iter().step_by(2).map(|x| 0.5 * x));
        out.resize(length, 0.0);
        for (j, &tap) in self.taps.iter().enumerate() {
            // Sample 2 m + 2 j + 1 is odd sample m + j, its mirror image odd sample m - j - 1.
            let ahead = &odd[reach + j..][..length];
            let behind = &odd[reach - j - 1..][..length];
            for ((to, a), b) in out.iter_mut().zip(ahead).zip(behind) {
                *to += tap * (a + b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_tones_pass_with_their_energy() {
        for res_type in [ResampleType::SoxrHq, ResampleType::Polyphase] {
            for factor in [2, 4, 16] {
                let decimator = Decimator::new(factor, res_type).unwrap();
                let tone = |i: usize| (i as f32 * 0.5 / factor as f32).sin();
                let samples: Vec<f32> = (0..6001).map(tone).collect();
                let mut out = Vec::new();
                decimator.process(&samples, &mut out, &mut DecimatorScratch::default()).unwrap();
                assert_eq!(out.len(), 6001usize.div_ceil(factor));
                for (m, x) in out.iter().enumerate().take(out.len() - 100).skip(100) {
                    let expected = (factor as f32).sqrt() * tone(m * factor);
                    assert!((x - expected).abs() < 2e-3, "{res_type:?} {factor} {m}: {x} {expected}");
                }
            }
        }
    }

    #[test]
    fn short_signals_keep_their_length() {
        for factor in [2, 8] {
            let decimator = Decimator::new(factor, ResampleType::SoxrHq).unwrap();
            for n in 0..20 {
                let mut out = vec![1.0; 3];
                decimator.process(&vec![1.0; n], &mut out, &mut DecimatorScratch::default()).unwrap();
                assert_eq!(out.len(), n.div_ceil(factor));
                assert!(out.iter().all(|x| x.is_finite()));
            }
        }
    }
}
