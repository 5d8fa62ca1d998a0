//! Resampling of whole signals with the numbers of librosa and SciPy.
//!
//! Take this one for parity and for analysis of samples already in memory: [`ResampleType::SoxrHq`] follows the
//! specification of librosa's default, [`ResampleType::Polyphase`] is SciPy's, number for number. To change the rate of a file while it is decoded, or of a stream in pieces,
//! take the resampler of the crate `timbral-decode` (rubato); its filter differs, so its samples do as well. Use the same
//! one in training and in serving.
//!
//! ```
//! use timbral_features::resample::resample;
//! assert_eq!(resample(&[0.1; 44_100], 44_100.0, 22_050.0)?.len(), 22_050);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod interpolate;
mod kaiser;
mod polyphase;
mod spectral;

use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use interpolate::Interpolator;

pub(crate) use kaiser::{Kaiser, sinc};
use polyphase::Polyphase;
pub(crate) use spectral::{SpectralScratch, SpectralStage};

/// Beyond this the blocks of the frequency-domain filter grow too long for a ratio of integers, and the general way
/// is taken.
const LARGEST_FACTOR: u64 = 2048;
/// The largest numerator or denominator of a polyphase filter, whose length grows with it.
const LARGEST_POLYPHASE_FACTOR: u64 = 1 << 20;
/// The largest change of rate, up or down.
const LARGEST_RATIO: f64 = 1024.0;

/// The filter of a [`Resampler`], by the names of librosa.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResampleType {
    /// Band-limited to the specification of soxr's high quality: flat to 0.913 of the lower Nyquist frequency, stop
    /// band from 1.0 of it, below -130 dB. Any pair of rates.
    #[default]
    SoxrHq,
    /// As [`SoxrHq`](Self::SoxrHq) with a stop band of -160 dB.
    SoxrVhq,
    /// The short filter of `scipy.signal.resample_poly` (a sinc of ten zero crossings on each side in a Kaiser window
    /// of beta 5), number for number. Integer rates only.
    Polyphase,
}

/// How a [`Resampler`] changes the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResampleConfig {
    /// Rate of the input in Hz. Default: 44 100.
    pub orig_sr: f64,
    /// Rate of the output in Hz. Default: 22 050.
    pub target_sr: f64,
    /// The filter. Default: [`ResampleType::SoxrHq`].
    pub res_type: ResampleType,
    /// Make the output `ceil(n * (target_sr / orig_sr))` samples long, as librosa computes it. Otherwise it has the
    /// length that is the filter's own: the nearest integer, or for [`ResampleType::Polyphase`] the exact ceiling.
    /// Default: true.
    pub fix: bool,
    /// Divide by `sqrt(target_sr / orig_sr)`, so that the signal keeps its total energy. Default: false.
    pub scale: bool,
}

impl Default for ResampleConfig {
    fn default() -> Self {
        Self {
            orig_sr: 44_100.0,
            target_sr: 22_050.0,
            res_type: ResampleType::SoxrHq,
            fix: true,
            scale: false,
        }
    }
}

#[derive(Debug, Clone)]
enum Method {
    Copy,
    Polyphase(Polyphase),
    Rational(SpectralStage<f64>),
    /// A filter that leaves the signal oversampled by two, `factor` times the input rate, then interpolation.
    Real {
        stage: SpectralStage<f64>,
        factor: usize,
        interpolator: Interpolator,
    },
}

/// A planned change of sample rate. Its filters have linear phase and no delay: sample `i` of the output is the signal
/// at time `i / target_sr`. Outside of the given samples the signal is taken to be zero.
///
/// ```
/// # fn main() -> Result<(), timbral_features::FeatureError> {
/// use timbral_features::resample::{ResampleConfig, Resampler};
///
/// let resampler = Resampler::new(ResampleConfig { orig_sr: 44_100.0, target_sr: 22_050.0, ..Default::default() })?;
/// let one_second = vec![0.0_f32; 44_100];
/// assert_eq!(resampler.compute(&one_second)?.len(), 22_050);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Resampler {
    config: ResampleConfig,
    gain: f64,
    method: Method,
}

/// Work buffers of a [`Resampler`], one for each thread; see [`Resampler::scratch`].
#[derive(Debug, Clone, Default)]
pub struct ResampleScratch {
    spectral: SpectralScratch<f64>,
    wide: Vec<f64>,
}

impl Resampler {
    /// Designs the filter.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a rate is not positive and finite, if the rates differ by more than a factor of
    /// 1024, or if [`ResampleType::Polyphase`] is asked for rates that are not integers or whose ratio in lowest
    /// terms has a part above 2^20.
    pub fn new(config: ResampleConfig) -> Result<Self, FeatureError> {
        let ResampleConfig { orig_sr, target_sr, res_type, .. } = config;
        for (name, rate) in [("orig_sr", orig_sr), ("target_sr", target_sr)] {
            if !(rate.is_finite() && rate > 0.0) {
                return Err(FeatureError::config(name, rate, "finite and above 0"));
            }
        }
        let ratio = target_sr / orig_sr;
        if !(1.0 / LARGEST_RATIO..=LARGEST_RATIO).contains(&ratio) {
            return Err(FeatureError::config(
                "target_sr",
                format!("{target_sr} from {orig_sr}"),
                "within a factor of 1024",
            ));
        }
        let fraction = lowest_terms(target_sr, orig_sr);
        let method = match (res_type, fraction) {
            _ if target_sr == orig_sr => Method::Copy,
            (ResampleType::Polyphase, Some((up, down))) if up.max(down) <= LARGEST_POLYPHASE_FACTOR => {
                Method::Polyphase(Polyphase::new(up as usize, down as usize))
            }
            (ResampleType::Polyphase, _) => {
                return Err(FeatureError::config(
                    "res_type",
                    format!("polyphase for {orig_sr} to {target_sr} Hz"),
                    "another one unless both rates are integers whose ratio in lowest terms has no part above 2^20",
                ));
            }
            (_, Some((up, down))) if up.max(down) <= LARGEST_FACTOR => Method::Rational(SpectralStage::new(
                up as usize,
                down as usize,
                ratio.min(1.0),
                attenuation(res_type),
            )),
            _ => {
                let factor = if ratio > 0.5 { 2 } else { 1 };
                Method::Real {
                    stage: SpectralStage::new(factor, 1, ratio.min(1.0), attenuation(res_type)),
                    factor,
                    interpolator: Interpolator::new(attenuation(res_type)),
                }
            }
        };
        let gain = if config.scale { 1.0 / ratio.sqrt() } else { 1.0 };
        Ok(Self { config, gain, method })
    }

    /// The configuration that this plan was made from.
    #[must_use]
    pub fn config(&self) -> &ResampleConfig {
        &self.config
    }

    /// The number of samples that `samples` samples turn into.
    #[must_use]
    pub fn output_len(&self, samples: usize) -> usize {
        let real = samples as f64 * (self.config.target_sr / self.config.orig_sr);
        match &self.method {
            Method::Copy => samples,
            _ if self.config.fix => real.ceil() as usize,
            Method::Polyphase(filter) => filter.output_len(samples),
            _ => real.round() as usize,
        }
    }

    /// Buffers for [`compute_into`](Self::compute_into).
    #[must_use]
    pub fn scratch(&self) -> ResampleScratch {
        let spectral = match &self.method {
            Method::Rational(stage) | Method::Real { stage, .. } => stage.scratch(),
            Method::Copy | Method::Polyphase(_) => SpectralScratch::default(),
        };
        ResampleScratch { spectral, wide: Vec::new() }
    }

    /// Resamples a mono signal.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] if a sample is NaN or infinite.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        let mut out = vec![0.0; self.output_len(samples.len())];
        self.compute_into(samples, &mut out, &mut self.scratch())?;
        Ok(out)
    }

    /// Resamples a mono signal into `out`, which is [`output_len`](Self::output_len) samples long. Once the buffers
    /// have grown to the longest signal, nothing is allocated.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] if a sample is NaN or infinite, [`FeatureError::Shape`] if `out` has another length.
    pub fn compute_into(
        &self,
        samples: &[f32],
        out: &mut [f32],
        scratch: &mut ResampleScratch,
    ) -> Result<(), FeatureError> {
        check_finite("samples", samples)?;
        let expected = self.output_len(samples.len());
        if out.len() != expected {
            return Err(FeatureError::shape("out", &[out.len()], expected.to_string()));
        }
        let ResampleScratch { spectral, wide } = scratch;
        match &self.method {
            Method::Copy => out.copy_from_slice(samples),
            Method::Polyphase(filter) => filter.process(samples, out, self.gain, wide),
            Method::Rational(stage) => {
                wide.clear();
                wide.resize(out.len(), 0.0);
                stage.process(samples, wide, spectral);
                for (value, wide) in out.iter_mut().zip(wide.iter()) {
                    *value = (wide * self.gain) as f32;
                }
            }
            Method::Real { stage, factor, interpolator } => {
                let step = *factor as f64 / (self.config.target_sr / self.config.orig_sr);
                let margin = interpolator.reach() + 1;
                let last = out.len() as f64 * step;
                wide.clear();
                wide.resize(last.ceil() as usize + 2 * margin, 0.0);
                // As in soxr, the intermediate signal begins with the first sample: what the first filter rings before
                // it is left out.
                stage.process(samples, &mut wide[margin..], spectral);
                for (j, value) in out.iter_mut().enumerate() {
                    *value = (interpolator.at(wide, j as f64 * step + margin as f64) * self.gain) as f32;
                }
            }
        }
        Ok(())
    }
}

/// Resamples a mono signal from `orig_sr` to `target_sr` Hz with [`ResampleType::SoxrHq`].
///
/// # Errors
///
/// As [`Resampler::new`] and [`Resampler::compute`].
pub fn resample(samples: &[f32], orig_sr: f64, target_sr: f64) -> Result<Vec<f32>, FeatureError> {
    Resampler::new(ResampleConfig { orig_sr, target_sr, ..ResampleConfig::default() })?.compute(samples)
}

fn attenuation(res_type: ResampleType) -> f64 {
    match res_type {
        ResampleType::SoxrVhq => 165.0,
        ResampleType::SoxrHq | ResampleType::Polyphase => 136.0,
    }
}

/// `numerator / denominator` in lowest terms, if both are integers.
fn lowest_terms(numerator: f64, denominator: f64) -> Option<(u64, u64)> {
    let integer = |x: f64| (x.fract() == 0.0 && (1.0..=2f64.powi(53)).contains(&x)).then_some(x as u64);
    let (a, b) = (integer(numerator)?, integer(denominator)?);
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    Some((a / x, b / x))
}

#[cfg(test)]
mod tests;
