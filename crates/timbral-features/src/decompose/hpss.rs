//! Median-filtering harmonic-percussive separation of spectrograms.

use ndarray::{Array2, ArrayView2, Zip};
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use super::median::{SlidingMedian, frames_of, from_frames};
use super::softmask::MaskPower;
use crate::error::FeatureError;
use crate::simd::dispatch;

/// How a spectrogram is separated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HpssConfig {
    /// Lengths of the median filters: frames for the harmonic part, bins for the percussive one. Default: 31 and 31.
    pub kernel_size: (usize, usize),
    /// Exponent of the soft masks, above 0; infinity makes hard masks. Default: 2.
    pub power: f32,
    /// How many times louder than the other each part must be to be counted, at least 1. Above 1 the parts do not
    /// add up to the whole. Default: 1 and 1.
    pub margin: (f32, f32),
}

impl Default for HpssConfig {
    fn default() -> Self {
        Self { kernel_size: (31, 31), power: 2.0, margin: (1.0, 1.0) }
    }
}

/// Two arrays of the same shape, one for each part.
#[derive(Clone, Debug, PartialEq)]
pub struct HarmonicPercussive<T> {
    /// What lasts: horizontal lines of the spectrogram.
    pub harmonic: T,
    /// What strikes: vertical lines of the spectrogram.
    pub percussive: T,
}

/// Harmonic-percussive source separation of spectrograms (Fitzgerald, "Harmonic/percussive separation using median
/// filtering", DAFx 2010; with margins: Driedger, Müller and Disch, ISMIR 2014).
///
/// A median filter along time keeps what lasts, one along frequency keeps what strikes; each part is the spectrogram
/// times a soft mask made of both.
///
/// ```
/// use ndarray::Array2;
/// use timbral_features::decompose::{Hpss, HpssConfig};
/// let hpss = Hpss::new(HpssConfig::default())?;
/// let parts = hpss.compute(Array2::<f32>::ones((513, 40)).view())?;
/// assert_eq!(parts.harmonic[[0, 0]], 0.5);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hpss {
    config: HpssConfig,
    power: MaskPower,
    along_time: SlidingMedian,
    along_frequency: SlidingMedian,
}

impl Hpss {
    /// Checks the configuration and plans the filters.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a kernel is 0, `power` is not above 0 or a margin is below 1,
    /// [`FeatureError::Limit`] if a kernel exceeds 32 768.
    pub fn new(config: HpssConfig) -> Result<Self, FeatureError> {
        for margin in [config.margin.0, config.margin.1] {
            if !(margin >= 1.0 && margin.is_finite()) {
                return Err(FeatureError::config("margin", margin, "finite and at least 1"));
            }
        }
        Ok(Self {
            config,
            power: MaskPower::new(config.power)?,
            along_time: SlidingMedian::new(config.kernel_size.0)?,
            along_frequency: SlidingMedian::new(config.kernel_size.1)?,
        })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &HpssConfig {
        &self.config
    }

    /// The masks of both parts, 0 to 1, for a spectrogram of magnitudes or energies of shape `(n_bins, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] or [`FeatureError::Input`] if an element is not finite or negative.
    pub fn masks(
        &self,
        spectrogram: ArrayView2<'_, f32>,
    ) -> Result<HarmonicPercussive<Array2<f32>>, FeatureError> {
        let (n_bins, n_frames) = spectrogram.dim();
        let frames = frames_of(&spectrogram)?;
        if frames.iter().any(|&v| v < 0.0) {
            return Err(FeatureError::Input("negative magnitude given, masks need at least 0".to_owned()));
        }
        let (harmonic, percussive) = self.frame_masks(frames, n_bins);
        Ok(HarmonicPercussive {
            harmonic: from_frames(n_bins, n_frames, harmonic)?,
            percussive: from_frames(n_bins, n_frames, percussive)?,
        })
    }

    /// Both parts of a spectrogram.
    ///
    /// # Errors
    ///
    /// As [`masks`](Self::masks).
    pub fn compute(
        &self,
        spectrogram: ArrayView2<'_, f32>,
    ) -> Result<HarmonicPercussive<Array2<f32>>, FeatureError> {
        let mut parts = self.masks(spectrogram)?;
        for part in [&mut parts.harmonic, &mut parts.percussive] {
            Zip::from(part).and(&spectrogram).for_each(|mask, value| *mask *= value);
        }
        Ok(parts)
    }

    /// Both parts of a short-time Fourier transform; the masks are those of its magnitudes.
    ///
    /// # Errors
    ///
    /// As [`masks`](Self::masks).
    pub fn compute_complex(
        &self,
        stft: ArrayView2<'_, Complex32>,
    ) -> Result<HarmonicPercussive<Array2<Complex32>>, FeatureError> {
        let masks = self.masks(magnitudes(stft)?.view())?;
        Ok(HarmonicPercussive {
            harmonic: masked(stft, &masks.harmonic),
            percussive: masked(stft, &masks.percussive),
        })
    }

    fn frame_masks(&self, frames: Vec<f32>, n_bins: usize) -> (Vec<f32>, Vec<f32>) {
        let mut harmonic = vec![0.0; frames.len()];
        self.along_time.filter_rows(&frames, n_bins, &mut harmonic);
        let mut percussive = vec![0.0; frames.len()];
        self.along_frequency.filter_columns(&frames, n_bins, &mut percussive);

        let mut mask_percussive = vec![0.0; frames.len()];
        let mut mask_harmonic = frames;
        let (margin_harmonic, margin_percussive) = self.config.margin;
        let split_zeros = self.config.margin == (1.0, 1.0);
        dispatch!({
            let pairs = harmonic.iter().zip(&percussive).map(|(&h, &p)| (h, p * margin_harmonic));
            self.power.apply(pairs, split_zeros, &mut mask_harmonic);
            let pairs = percussive.iter().zip(&harmonic).map(|(&p, &h)| (p, h * margin_percussive));
            self.power.apply(pairs, split_zeros, &mut mask_percussive);
        });
        (mask_harmonic, mask_percussive)
    }
}

/// The magnitudes of a transform, computed in double precision so that nothing overflows or vanishes.
pub(crate) fn magnitudes(stft: ArrayView2<'_, Complex32>) -> Result<Array2<f32>, FeatureError> {
    let magnitude = |c: &Complex32| {
        let (re, im) = (f64::from(c.re), f64::from(c.im));
        (re * re + im * im).sqrt() as f32
    };
    let frames = match stft.t().to_slice() {
        Some(frames) => frames.iter().map(magnitude).collect(),
        None => stft.t().iter().map(magnitude).collect(),
    };
    from_frames(stft.nrows(), stft.ncols(), frames)
}

pub(crate) fn masked(stft: ArrayView2<'_, Complex32>, mask: &Array2<f32>) -> Array2<Complex32> {
    Zip::from(&stft).and(mask).map_collect(|c, m| c * m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompose::median_filter;
    use crate::decompose::softmask::softmask;

    fn noise(n_bins: usize, n_frames: usize) -> Array2<f32> {
        let mut state = 11_u32;
        Array2::from_shape_simple_fn((n_bins, n_frames), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 1000.0
        })
    }

    #[test]
    fn equals_its_definition() {
        let s = noise(70, 41);
        for (kernel_size, power, margin) in [
            ((5, 9), 2.0, (1.0, 1.0)),
            ((4, 3), 1.0, (1.0, 3.0)),
            ((7, 7), f32::INFINITY, (2.0, 2.0)),
            ((3, 5), 1.5, (1.0, 1.0)),
        ] {
            let config = HpssConfig { kernel_size, power, margin };
            let parts = Hpss::new(config).unwrap().masks(s.view()).unwrap();
            let harmonic = median_filter(s.view(), (1, kernel_size.0)).unwrap();
            let percussive = median_filter(s.view(), (kernel_size.1, 1)).unwrap();
            let split = margin == (1.0, 1.0);
            let expected = softmask(harmonic.view(), (&percussive * margin.0).view(), power, split).unwrap();
            assert_eq!(parts.harmonic, expected);
            let expected = softmask(percussive.view(), (&harmonic * margin.1).view(), power, split).unwrap();
            assert_eq!(parts.percussive, expected);
        }
    }

    #[test]
    fn parts_add_up_and_find_lines() {
        let mut s = Array2::<f32>::from_elem((64, 64), 0.01);
        s.row_mut(20).fill(1.0);
        s.column_mut(40).fill(1.0);
        let parts = Hpss::new(HpssConfig::default()).unwrap().compute(s.view()).unwrap();
        assert!(parts.harmonic[[20, 10]] > 0.99 && parts.percussive[[20, 10]] < 0.01);
        assert!(parts.percussive[[5, 40]] > 0.99 && parts.harmonic[[5, 40]] < 0.01);
        let sum = &parts.harmonic + &parts.percussive;
        assert!(sum.iter().zip(&s).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn silence_is_halved_and_empty_stays_empty() {
        let hpss = Hpss::new(HpssConfig::default()).unwrap();
        let masks = hpss.masks(Array2::zeros((9, 4)).view()).unwrap();
        assert!(masks.harmonic.iter().chain(&masks.percussive).all(|&m| m == 0.5));
        assert_eq!(hpss.masks(Array2::zeros((9, 0)).view()).unwrap().harmonic.dim(), (9, 0));
        assert_eq!(hpss.masks(Array2::zeros((0, 9)).view()).unwrap().harmonic.dim(), (0, 9));
        let one = hpss.compute_complex(Array2::from_elem((1, 1), Complex32::new(3.0, 4.0)).view()).unwrap();
        assert_eq!(one.harmonic[[0, 0]], Complex32::new(1.5, 2.0));
    }

    #[test]
    fn faults_are_errors() {
        let good = HpssConfig::default();
        for bad in [
            HpssConfig { kernel_size: (0, 31), ..good },
            HpssConfig { kernel_size: (31, usize::MAX), ..good },
            HpssConfig { power: 0.0, ..good },
            HpssConfig { margin: (0.5, 1.0), ..good },
            HpssConfig { margin: (1.0, f32::NAN), ..good },
        ] {
            assert!(Hpss::new(bad).is_err(), "{bad:?}");
        }
        let hpss = Hpss::new(good).unwrap();
        assert!(hpss.masks(ndarray::array![[-1.0_f32]].view()).is_err());
        assert!(hpss.compute_complex(ndarray::array![[Complex32::new(f32::NAN, 0.0)]].view()).is_err());
    }
}
