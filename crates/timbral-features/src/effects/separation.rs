//! Harmonic-percussive separation of signals.

use ndarray::{Array2, ArrayView2};
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use crate::decompose::{HarmonicPercussive, Hpss, HpssConfig, magnitudes, masked};
use crate::error::FeatureError;
use crate::plan::FeaturePlan;
use crate::stft::{Istft, IstftConfig, Stft, StftConfig};

/// How a signal is separated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeparationConfig {
    /// The masks.
    pub hpss: HpssConfig,
    /// The transform in between.
    pub stft: StftConfig,
    /// Both parts end with the last whole hop, and zeros follow up to the length of the signal, as in librosa before 0.9;
    /// for centred frames. Default: false.
    pub whole_hops: bool,
}

/// Separates a signal into what lasts and what strikes: a short-time Fourier transform, the masks of [`Hpss`] and the inverse
/// transform, at the length of the signal. `librosa.effects.hpss`, `harmonic` and `percussive`.
///
/// ```
/// use timbral_features::effects::{Separation, SeparationConfig};
/// let separation = Separation::new(SeparationConfig::default())?;
/// let parts = separation.compute(&vec![0.1; 22_050])?;
/// assert_eq!(parts.harmonic.len(), 22_050);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Separation {
    config: SeparationConfig,
    hpss: Hpss,
    stft: Stft,
}

impl Separation {
    /// Checks the configuration and plans filters and transform.
    ///
    /// # Errors
    ///
    /// As [`Hpss::new`] and [`Stft::new`].
    pub fn new(config: SeparationConfig) -> Result<Self, FeatureError> {
        let (hpss, stft) = (Hpss::new(config.hpss)?, Stft::new(config.stft.clone())?);
        Ok(Self { config, hpss, stft })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &SeparationConfig {
        &self.config
    }

    /// Both parts of a mono signal. They add up to it unless a margin exceeds 1.
    ///
    /// # Errors
    ///
    /// As [`Stft::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<HarmonicPercussive<Vec<f32>>, FeatureError> {
        self.from_stft(self.stft.compute(samples)?.view(), samples.len())
    }

    /// Both parts of the signal of `length` samples that has this transform of shape `(n_bins, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`Hpss::masks`] and [`Istft::compute`].
    pub fn from_stft(
        &self,
        stft: ArrayView2<'_, Complex32>,
        length: usize,
    ) -> Result<HarmonicPercussive<Vec<f32>>, FeatureError> {
        let masks = self.hpss.masks(magnitudes(stft)?.view())?;
        let inverse = self.inverse(length, stft.ncols())?;
        let part = |mask| {
            let mut part = inverse.compute(masked(stft, mask).view())?;
            part.resize(length, 0.0);
            Ok(part)
        };
        Ok(HarmonicPercussive { harmonic: part(&masks.harmonic)?, percussive: part(&masks.percussive)? })
    }

    /// The harmonic part alone.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute).
    pub fn harmonic(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        self.one(samples, |masks| &masks.harmonic)
    }

    /// The percussive part alone.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute).
    pub fn percussive(&self, samples: &[f32]) -> Result<Vec<f32>, FeatureError> {
        self.one(samples, |masks| &masks.percussive)
    }

    fn one(
        &self,
        samples: &[f32],
        choose: fn(&HarmonicPercussive<Array2<f32>>) -> &Array2<f32>,
    ) -> Result<Vec<f32>, FeatureError> {
        let transform = self.stft.compute(samples)?;
        let masks = self.hpss.masks(magnitudes(transform.view())?.view())?;
        let inverse = self.inverse(samples.len(), transform.ncols())?;
        let mut part = inverse.compute(masked(transform.view(), choose(&masks)).view())?;
        part.resize(samples.len(), 0.0);
        Ok(part)
    }

    fn inverse(&self, length: usize, n_frames: usize) -> Result<Istft, FeatureError> {
        let whole = n_frames.saturating_sub(1).saturating_mul(self.config.stft.hop_length);
        let length = if self.config.whole_hops { length.min(whole) } else { length };
        Istft::new(IstftConfig { stft: self.config.stft.clone(), length: Some(length) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_go_where_they_belong() {
        let mut samples: Vec<f32> = (0..16_384).map(|n| 0.3 * (n as f32 * 0.3).sin()).collect();
        samples[8000] += 5.0;
        let stft = StftConfig { n_fft: 1024, hop_length: 256, ..StftConfig::default() };
        let separation = Separation::new(SeparationConfig { stft, ..SeparationConfig::default() }).unwrap();
        let parts = separation.compute(&samples).unwrap();
        for (i, x) in samples.iter().enumerate() {
            assert!((parts.harmonic[i] + parts.percussive[i] - x).abs() < 1e-4);
        }
        let energy = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
        assert!(parts.percussive[8000] > 4.0 && parts.harmonic[8000] < 1.0);
        assert!(energy(&parts.harmonic[2000..6000]) > 100.0 * energy(&parts.percussive[2000..6000]));
        assert_eq!(separation.harmonic(&samples).unwrap(), parts.harmonic);
        assert_eq!(separation.percussive(&samples).unwrap(), parts.percussive);
    }

    #[test]
    fn whole_hops_leave_zeros_at_the_end() {
        let samples: Vec<f32> = (0..5000).map(|n| (n as f32 * 0.2).sin()).collect();
        let config = SeparationConfig { whole_hops: true, ..SeparationConfig::default() };
        let cut = Separation::new(config).unwrap();
        let parts = cut.compute(&samples).unwrap();
        let whole = Separation::new(SeparationConfig::default()).unwrap().compute(&samples).unwrap();
        assert_eq!(parts.harmonic.len(), 5000);
        assert_eq!(parts.harmonic[..4608], whole.harmonic[..4608]);
        assert!(parts.harmonic[4608..].iter().all(|x| *x == 0.0));
        assert_eq!(cut.harmonic(&samples).unwrap(), parts.harmonic);
        assert!(cut.compute(&[0.5]).unwrap().percussive.iter().all(|x| *x == 0.0));
    }

    #[test]
    fn crumbs_are_answered() {
        let separation = Separation::new(SeparationConfig::default()).unwrap();
        for samples in [vec![], vec![0.5], vec![0.0; 3000]] {
            let parts = separation.compute(&samples).unwrap();
            assert_eq!(parts.harmonic.len(), samples.len());
            assert!(parts.harmonic.iter().chain(&parts.percussive).all(|v| v.is_finite()));
        }
        assert!(separation.compute(&[f32::NAN]).is_err());
    }
}
