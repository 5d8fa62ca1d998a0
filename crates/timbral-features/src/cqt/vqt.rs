//! The transforms of signals.

use std::borrow::Cow;

use ndarray::{Array2, ArrayRef2};
use realfft::num_complex::Complex32;

use super::config::{CqtConfig, VqtConfig};
use super::intervals::Intervals;
use super::octaves::{CqtScratch, Octaves};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, frame_major};

/// The variable-Q transform: a constant-Q transform whose filters are widened by a constant bandwidth, which makes low
/// ones shorter.
///
/// Schörkhuber, Klapuri, Holighaus, Dörfler, "A Matlab toolbox for efficient perfect reconstruction time-frequency
/// transforms with log-frequency resolution", AES 2014. The octaves are computed as in Schörkhuber, Klapuri,
/// "Constant-Q transform toolbox for music processing", SMC 2010: the same signal at half the rate for each octave
/// down.
///
/// The answer has the shape `(n_bins, n_frames)`; `n` samples give `1 + n / hop_length` frames, or some less where the
/// last octaves' shorter signals have less.
#[derive(Debug, Clone)]
pub struct Vqt {
    config: VqtConfig,
    /// The octaves of the tuning given.
    octaves: Option<Octaves>,
}

/// The constant-Q transform; see [`Vqt`] for method and shape.
///
/// Brown, "Calculation of a constant Q spectral transform", JASA 89(1), 1991.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::cqt::{Cqt, CqtConfig};
/// let a440: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.125379).sin()).collect();
/// let c = Cqt::new(CqtConfig::default())?.compute(&a440)?;
/// assert_eq!(c.dim(), (84, 44));
/// let frame = c.column(22);
/// let loudest = (0..84).max_by(|&a, &b| frame[a].norm().total_cmp(&frame[b].norm()));
/// assert_eq!(loudest, Some(45));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cqt {
    vqt: Vqt,
}

impl Vqt {
    /// Checks the configuration and, where the tuning is given, plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for counts of 0, a tuning that is not finite, a sparsity outside of 0 to 1, filters that
    /// pass more than the sample rate holds, or a `res_type` that the rates do not allow.
    pub fn new(config: VqtConfig) -> Result<Self, FeatureError> {
        let mut config = config;
        if let Intervals::Ratios(ratios) = &config.intervals {
            config.cqt.bins_per_octave = ratios.len();
        }
        config.cqt.validate()?;
        if config.gamma.is_some_and(|gamma| gamma.is_nan()) {
            return Err(FeatureError::config("gamma", "NaN", "a number of Hz or none"));
        }
        // An octave plan of any tuning shows whether the other parameters are valid.
        let octaves = match config.cqt.tuning {
            Some(tuning) => Some(Octaves::new(&config, tuning)?),
            None => {
                Octaves::new(&config, 0.0)?;
                None
            }
        };
        Ok(Self { config, octaves })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &VqtConfig {
        &self.config
    }

    /// The plan for a signal, whose samples are checked.
    pub(super) fn octaves_for(&self, samples: &[f32]) -> Result<Cow<'_, Octaves>, FeatureError> {
        check_finite("samples", samples)?;
        match &self.octaves {
            Some(octaves) => Ok(Cow::Borrowed(octaves)),
            None => {
                let tuning = self.config.cqt.tuning_of(samples)?;
                Ok(Cow::Owned(Octaves::new(&self.config, tuning)?))
            }
        }
    }
}

impl FeaturePlan for Vqt {
    type Value = Complex32;
    type Scratch = CqtScratch;

    fn n_rows(&self) -> usize {
        self.config.cqt.n_bins
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        match &self.octaves {
            Some(octaves) => octaves.n_frames(samples),
            None => Octaves::new(&self.config, 0.0)?.n_frames(samples),
        }
    }

    fn scratch(&self) -> CqtScratch {
        CqtScratch::default()
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<Complex32>,
        scratch: &mut CqtScratch,
    ) -> Result<(), FeatureError> {
        let octaves = self.octaves_for(samples)?;
        check_output(out, self.config.cqt.n_bins, octaves.n_frames(samples.len())?)?;
        octaves.compute_into(samples, out, scratch)
    }

    // Not the provided method: without a given tuning that would plan the octaves twice, once to count the frames.
    fn compute_with(
        &self,
        samples: &[f32],
        scratch: &mut CqtScratch,
    ) -> Result<Array2<Complex32>, FeatureError> {
        let octaves = self.octaves_for(samples)?;
        let mut out = frame_major(self.config.cqt.n_bins, octaves.n_frames(samples.len())?)?;
        octaves.compute_into(samples, &mut out, scratch)?;
        Ok(out)
    }
}

impl Cqt {
    /// Checks the configuration and, where the tuning is given, plans the transform.
    ///
    /// # Errors
    ///
    /// As [`Vqt::new`].
    pub fn new(config: CqtConfig) -> Result<Self, FeatureError> {
        let vqt = Vqt::new(VqtConfig { cqt: config, intervals: Intervals::Equal, gamma: Some(0.0) })?;
        Ok(Self { vqt })
    }

    /// The transform underneath.
    pub(super) fn variable(&self) -> &Vqt {
        &self.vqt
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &CqtConfig {
        &self.vqt.config.cqt
    }
}

impl FeaturePlan for Cqt {
    type Value = Complex32;
    type Scratch = CqtScratch;

    fn n_rows(&self) -> usize {
        self.vqt.n_rows()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.vqt.n_frames(samples)
    }

    fn scratch(&self) -> CqtScratch {
        self.vqt.scratch()
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<Complex32>,
        scratch: &mut CqtScratch,
    ) -> Result<(), FeatureError> {
        self.vqt.compute_into(samples, out, scratch)
    }

    fn compute_with(
        &self,
        samples: &[f32],
        scratch: &mut CqtScratch,
    ) -> Result<Array2<Complex32>, FeatureError> {
        self.vqt.compute_with(samples, scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::octaves::early_factor;
    use super::*;
    use crate::filters::wavelet;
    use crate::resample::ResampleType;

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// Correlation with each wavelet at the full rate, in double precision.
    fn slow(config: &CqtConfig, samples: &[f32], n_frames: usize) -> Array2<Complex32> {
        let frequencies = config.frequencies(&Intervals::Equal, config.tuning.unwrap()).unwrap();
        let alpha = config.bandwidths(&frequencies).unwrap();
        let wavelets =
            wavelet(&frequencies, &config.wavelets(f64::from(config.sample_rate), Some(0.0), alpha)).unwrap();
        let middle = wavelets.filters.ncols() as isize / 2;
        Array2::from_shape_fn((config.n_bins, n_frames), |(bin, t)| {
            let start = (t * config.hop_length) as isize - middle;
            let length = wavelets.lengths[bin];
            // The transform multiplies the spectrum by that of the filter, so the filter runs backwards in time.
            let size = wavelets.filters.ncols();
            let sum = (0..size).fold(realfft::num_complex::Complex64::default(), |sum, i| {
                let x = usize::try_from(start + i as isize).ok().and_then(|at| samples.get(at));
                let w = wavelets.filters[[bin, (size - i) % size]];
                sum + w * f64::from(x.copied().unwrap_or(0.0))
            });
            let sum = sum * length / if config.scale { length.sqrt() } else { 1.0 };
            Complex32::new(sum.re as f32, sum.im as f32)
        })
    }

    #[test]
    fn equals_correlation_with_the_wavelets() {
        let samples = noise(6000);
        // The highest octave is exact but for what the dropped negative frequencies hold; at a lowered rate the filters
        // are sampled anew.
        for (n_bins, fmin, tolerance) in [(12, 4000.0, 2e-3), (30, 500.0, 2e-2)] {
            for scale in [true, false] {
                let config =
                    CqtConfig { n_bins, fmin, scale, sparsity: 0.0, hop_length: 256, ..CqtConfig::default() };
                let fast = Cqt::new(config.clone()).unwrap().compute(&samples).unwrap();
                let slow = slow(&config, &samples, fast.ncols());
                let peak = slow.iter().map(|c| c.norm()).fold(0.0, f32::max);
                // At the ends the lowered rate has lost what its filter rings beyond the signal.
                let inner = 2..fast.ncols() - 2;
                for ((at, fast), slow) in
                    fast.indexed_iter().zip(&slow).filter(|((at, _), _)| inner.contains(&at.1))
                {
                    assert!((fast - slow).norm() < tolerance * peak, "{n_bins} {at:?} {fast} {slow}");
                }
            }
        }
    }

    #[test]
    fn one_scratch_serves_many_signals_and_layouts() {
        let plan = Cqt::new(CqtConfig { hop_length: 256, n_bins: 48, ..CqtConfig::default() }).unwrap();
        let mut scratch = plan.scratch();
        for n in [5000, 3000, 7000] {
            let samples = noise(n);
            let mut out = Array2::default((48, plan.n_frames(n).unwrap()));
            plan.compute_into(&samples, &mut out, &mut scratch).unwrap();
            assert_eq!(out, plan.compute(&samples).unwrap());
        }
        assert!(plan.compute_into(&noise(10), &mut Array2::default((2, 2)), &mut scratch).is_err());
    }

    #[test]
    fn odd_inputs_answer_or_fail_politely() {
        let plan = Cqt::new(CqtConfig { tuning: None, ..CqtConfig::default() }).unwrap();
        assert!(plan.compute(&[]).unwrap().iter().all(|c| c.norm() == 0.0));
        assert_eq!(plan.compute(&[0.5]).unwrap().dim(), (84, 1));
        assert!(plan.compute(&[0.0; 3000]).unwrap().iter().all(|c| c.norm() == 0.0));
        assert!(matches!(plan.compute(&[f32::NAN]), Err(FeatureError::NonFinite { .. })));
        for config in [
            CqtConfig { n_bins: 0, ..CqtConfig::default() },
            CqtConfig { n_bins: 120, ..CqtConfig::default() },
            CqtConfig { hop_length: 0, ..CqtConfig::default() },
            CqtConfig { fmin: f64::NAN, ..CqtConfig::default() },
            CqtConfig { sparsity: 1.0, ..CqtConfig::default() },
            CqtConfig { tuning: Some(f64::INFINITY), ..CqtConfig::default() },
        ] {
            assert!(matches!(Cqt::new(config), Err(FeatureError::Config { .. })));
        }
    }

    #[test]
    fn odd_hops_and_early_decimation() {
        let samples = noise(9000);
        for (hop_length, n_bins, fmin) in
            [(63, 36, 200.0), (96, 40, 200.0), (1024, 12, 100.0), (512, 1, 440.0)]
        {
            let config = CqtConfig {
                hop_length,
                n_bins,
                fmin,
                res_type: ResampleType::Polyphase,
                ..Default::default()
            };
            let c = Cqt::new(config).unwrap().compute(&samples).unwrap();
            assert_eq!(c.dim(), (n_bins, 1 + 9000 / hop_length));
            assert!(c.iter().all(|c| c.norm().is_finite()));
        }
        assert_eq!(early_factor(11_025.0, 300.0, 1024, 1), 1 << 4);
        assert_eq!(early_factor(11_025.0, 4000.0, 512, 7), 1);
    }
}
