//! Magnitudes only: the pseudo and the hybrid transform.

use ndarray::{Array2, Axis};

use super::basis::{Basis, Parts};
use super::config::{CqtConfig, check_cutoff};
use super::intervals::Intervals;
use super::vqt::Cqt;
use crate::error::{FeatureError, check_finite};
use crate::filters::wavelet_lengths;
use crate::plan::FeaturePlan;
use crate::shape::frame_major;
use crate::simd::dispatch;
use crate::stft::{Stft, StftConfig};
use crate::window::Window;

/// The pseudo constant-Q transform: a magnitude spectrogram summed by the magnitudes of constant-Q filters. Quick, but low
/// bins are no better resolved than in the spectrogram. Of shape `(n_bins, n_frames)`.
///
/// `tuning: None` estimates the tuning of each signal; `res_type` has no effect.
#[derive(Debug, Clone)]
pub struct PseudoCqt {
    config: CqtConfig,
    parts: Option<Spectral>,
}

/// The hybrid constant-Q transform: [`PseudoCqt`] for the filters that are shorter than twice the hop (their length
/// rounded up to a power of two), the magnitudes of [`Cqt`] for the longer ones. Of shape `(n_bins, n_frames)`.
#[derive(Debug, Clone)]
pub struct HybridCqt {
    config: CqtConfig,
    halves: Option<Halves>,
}

/// The plan of a pseudo transform at one tuning.
#[derive(Debug, Clone)]
struct Spectral {
    basis: Basis,
    stft: Stft,
}

#[derive(Debug, Clone)]
struct Halves {
    full: Option<Cqt>,
    pseudo: Option<PseudoCqt>,
}

impl Spectral {
    fn new(config: &CqtConfig, tuning: f64) -> Result<Self, FeatureError> {
        let frequencies = config.frequencies(&Intervals::Equal, tuning)?;
        let alpha = config.bandwidths(&frequencies)?;
        let wavelets = config.wavelets(f64::from(config.sample_rate), Some(0.0), alpha);
        let (lengths, cutoff) = wavelet_lengths(&frequencies, &wavelets)?;
        check_cutoff(cutoff, config.sample_rate)?;
        let longest = lengths.iter().copied().fold(1.0, f64::max).ceil() as usize;
        let least = config.hop_length.checked_next_power_of_two().and_then(|n| n.checked_mul(2));
        let least = least
            .filter(|&n| n <= 1 << 26)
            .ok_or_else(|| FeatureError::config("hop_length", config.hop_length, "at most 2^25"))?;
        let n_fft = longest.next_power_of_two().max(least) as f64;
        let gain = |_: usize, length: f64| {
            if config.scale { 1.0 / n_fft.sqrt() } else { (length / n_fft).sqrt() }
        };
        let basis = Basis::new(&frequencies, &wavelets, config.sparsity, least, gain)?.into_magnitudes();
        let stft = Stft::new(StftConfig {
            n_fft: basis.n_fft,
            hop_length: config.hop_length,
            win_length: None,
            window: Window::Hann,
            center: true,
            pad_mode: config.pad_mode,
        })?;
        Ok(Self { basis, stft })
    }

    fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        let mut out = frame_major(self.basis.len(), self.stft.n_frames(samples.len())?)?;
        let (mut scratch, mut parts) = (self.stft.scratch(), Parts::default());
        parts.resize(self.basis.n_fft);
        let mut bins = vec![0.0; self.basis.len()];
        for (t, mut frame) in out.axis_iter_mut(Axis(1)).enumerate() {
            let spectrum = self.stft.spectrum(samples, t, &mut scratch);
            dispatch!({
                for (to, c) in parts.re.iter_mut().zip(spectrum) {
                    *to = (c.re * c.re + c.im * c.im).sqrt();
                }
                self.basis.apply_real(&parts.re, &mut bins);
            });
            frame.iter_mut().zip(&bins).for_each(|(to, value)| *to = *value);
        }
        Ok(out)
    }
}

impl PseudoCqt {
    /// Checks the configuration and, where the tuning is given, plans the transform.
    ///
    /// # Errors
    ///
    /// As [`Cqt::new`], and [`FeatureError::Config`] for a hop above 2^25 samples.
    pub fn new(config: CqtConfig) -> Result<Self, FeatureError> {
        config.validate()?;
        let parts = Spectral::new(&config, config.tuning.unwrap_or(0.0))?;
        let parts = config.tuning.is_some().then_some(parts);
        Ok(Self { config, parts })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &CqtConfig {
        &self.config
    }

    /// The transform of a signal, of shape `(n_bins, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] for an empty signal with padding other than zeros, [`FeatureError::NonFinite`] for NaN
    /// or infinite samples, [`FeatureError::Config`] if the tuning estimated moves filters beyond Nyquist.
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        check_finite("samples", samples)?;
        match &self.parts {
            Some(parts) => parts.compute(samples),
            None => Spectral::new(&self.config, self.config.tuning_of(samples)?)?.compute(samples),
        }
    }
}

impl Halves {
    fn new(config: &CqtConfig, tuning: f64) -> Result<Self, FeatureError> {
        let frequencies = config.frequencies(&Intervals::Equal, tuning)?;
        let alpha = config.bandwidths(&frequencies)?;
        let wavelets = config.wavelets(f64::from(config.sample_rate), Some(0.0), alpha);
        let (lengths, _) = wavelet_lengths(&frequencies, &wavelets)?;
        let is_short = |length: f64| length.log2().ceil().exp2() < 2.0 * config.hop_length as f64;
        let n_short = lengths.iter().filter(|length| is_short(**length)).count();
        let n_long = config.n_bins - n_short;
        let part = |n_bins: usize, fmin: f64| CqtConfig { n_bins, fmin, tuning: Some(0.0), ..config.clone() };
        let pseudo = match frequencies.get(n_long) {
            Some(&first) => Some(PseudoCqt::new(part(n_short, first))?),
            None => None,
        };
        let full = if n_long > 0 { Some(Cqt::new(part(n_long, frequencies[0]))?) } else { None };
        Ok(Self { full, pseudo })
    }

    fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        let low = self.full.as_ref().map(|plan| plan.compute(samples)).transpose()?;
        let high = self.pseudo.as_ref().map(|plan| plan.compute(samples)).transpose()?;
        let n_low = low.as_ref().map_or(0, |c| c.nrows());
        let n_high = high.as_ref().map_or(0, |c| c.nrows());
        let frames = [low.as_ref().map(|c| c.ncols()), high.as_ref().map(|c| c.ncols())];
        let n_frames = frames.into_iter().flatten().min().unwrap_or(0);
        let mut out = frame_major(n_low + n_high, n_frames)?;
        let (mut low_rows, mut high_rows) = out.view_mut().split_at(Axis(0), n_low);
        if let Some(low) = low {
            let pairs = low_rows.axis_iter_mut(Axis(1)).zip(low.axis_iter(Axis(1)));
            pairs.for_each(|(mut to, from)| to.zip_mut_with(&from, |to, c| *to = c.norm_sqr().sqrt()));
        }
        if let Some(high) = high {
            let pairs = high_rows.axis_iter_mut(Axis(1)).zip(high.axis_iter(Axis(1)));
            pairs.for_each(|(mut to, from)| to.assign(&from));
        }
        Ok(out)
    }
}

impl HybridCqt {
    /// Checks the configuration and, where the tuning is given, plans the transform.
    ///
    /// # Errors
    ///
    /// As [`Cqt::new`] and [`PseudoCqt::new`].
    pub fn new(config: CqtConfig) -> Result<Self, FeatureError> {
        config.validate()?;
        let halves = Halves::new(&config, config.tuning.unwrap_or(0.0))?;
        let halves = config.tuning.is_some().then_some(halves);
        Ok(Self { config, halves })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &CqtConfig {
        &self.config
    }

    /// The transform of a signal, of shape `(n_bins, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`Cqt::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        check_finite("samples", samples)?;
        match &self.halves {
            Some(halves) => halves.compute(samples),
            None => Halves::new(&self.config, self.config.tuning_of(samples)?)?.compute(samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.125379).sin() + (i as f32 * 0.0157).cos()).collect()
    }

    #[test]
    fn the_hybrid_is_made_of_both() {
        let config = CqtConfig { tuning: Some(0.3), ..CqtConfig::default() };
        let samples = tone(15_000);
        let hybrid = HybridCqt::new(config.clone()).unwrap();
        let answer = hybrid.compute(&samples).unwrap();
        assert_eq!(answer.dim(), (84, 30));
        let halves = hybrid.halves.unwrap();
        let n_low = halves.full.unwrap().config().n_bins;
        let n_high = halves.pseudo.unwrap().config().n_bins;
        assert!(n_low > 0 && n_high > 0 && n_low + n_high == 84);
        let full = Cqt::new(config.clone()).unwrap().compute(&samples).unwrap();
        let pseudo = PseudoCqt::new(config).unwrap().compute(&samples).unwrap();
        assert_eq!(pseudo.dim(), (84, 30));
        // At a steady tone both see the same energy; A4 is bin 45, B0 lies below C1.
        assert!((answer[[45, 15]] - full[[45, 15]].norm()).abs() < 0.35 * answer[[45, 15]]);
    }

    #[test]
    fn odd_inputs() {
        for tuning in [None, Some(0.0)] {
            let config = CqtConfig { tuning, ..CqtConfig::default() };
            let hybrid = HybridCqt::new(config.clone()).unwrap();
            let pseudo = PseudoCqt::new(config).unwrap();
            for samples in [&[][..], &[0.5], &[0.0; 2000]] {
                assert!(pseudo.compute(samples).unwrap().iter().all(|x| x.is_finite()));
            }
            // The full transform inside lowers the rate, which takes a few samples.
            for samples in [&[][..], &[0.5]] {
                assert!(matches!(hybrid.compute(samples), Err(FeatureError::TooShort { .. })));
            }
            assert!(hybrid.compute(&[0.0; 2000]).unwrap().iter().all(|x| x.is_finite()));
            assert!(hybrid.compute(&[f32::NAN]).is_err());
            assert!(pseudo.compute(&[f32::NAN]).is_err());
        }
        assert!(PseudoCqt::new(CqtConfig { hop_length: usize::MAX, ..Default::default() }).is_err());
    }
}
