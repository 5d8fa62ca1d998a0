//! Complex spectra back to samples.

use std::fmt;
use std::sync::Arc;

use ndarray::ArrayView2;
use realfft::num_complex::{Complex32, Complex64};
use realfft::{ComplexToReal, RealFftPlanner};
use serde::{Deserialize, Serialize};

use super::StftConfig;
use crate::error::FeatureError;
use crate::framing::Framing;
use crate::shape::all_fine;
use crate::simd::dispatch;

/// How a transform is inverted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IstftConfig {
    /// The configuration of the forward transform. The padding mode plays no part.
    pub stft: StftConfig,
    /// Length of the answer in samples; longer than the frames reach is filled with zeros. Default: what the frames
    /// cover, without the padding of centred frames.
    pub length: Option<usize>,
}

/// The inverse short-time Fourier transform, by least squares (Griffin and Lim, 1984).
///
/// The windowed frames are added up and divided by the sum of the squared windows wherever that sum exceeds the
/// smallest normal `f32`. The transform runs in double precision, since at the ends of an uncentred signal this
/// quotient is ill-conditioned.
#[derive(Clone)]
pub struct Istft {
    config: IstftConfig,
    framing: Framing,
    window: Vec<f64>,
    fft: Arc<dyn ComplexToReal<f64>>,
}

impl fmt::Debug for Istft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Istft").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Istft {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a length of 0, `win_length` above `n_fft`, or invalid window parameters.
    pub fn new(config: IstftConfig) -> Result<Self, FeatureError> {
        let framing = config.stft.framing()?;
        let window = config.stft.padded_window()?;
        let fft = RealFftPlanner::new().plan_fft_inverse(config.stft.n_fft);
        Ok(Self { config, framing, window, fft })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &IstftConfig {
        &self.config
    }

    /// Number of samples that `n_frames` frames give.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Limit`] if the number overflows.
    pub fn n_samples(&self, n_frames: usize) -> Result<usize, FeatureError> {
        if let Some(length) = self.config.length {
            return Ok(length);
        }
        let covered = self.covered(n_frames)?;
        Ok(covered.saturating_sub(2 * self.framing.padding()))
    }

    /// The signal of a transform of shape `(n_fft / 2 + 1, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] for another number of bins, [`FeatureError::NonFinite`] for NaN or infinities,
    /// [`FeatureError::Limit`] if the length overflows.
    pub fn compute(&self, stft: ArrayView2<'_, Complex32>) -> Result<Vec<f32>, FeatureError> {
        let n_bins = self.config.stft.n_fft / 2 + 1;
        if stft.nrows() != n_bins {
            return Err(FeatureError::shape(
                "STFT",
                stft.shape(),
                format!("({n_bins}, any number of frames)"),
            ));
        }
        if !all_fine(&stft, Complex32::is_finite)
            && let Some((index, c)) = stft.iter().enumerate().find(|(_, c)| !c.is_finite())
        {
            let value = if c.re.is_finite() { c.im } else { c.re };
            return Err(FeatureError::NonFinite { array: "STFT", index, value });
        }
        let length = self.n_samples(stft.ncols())?;
        let padding = self.framing.padding();
        let hop = self.config.stft.hop_length;
        // Frames that start beyond the wanted length play no part.
        let n_frames = stft.ncols().min(length.saturating_add(2 * padding).div_ceil(hop));
        let covered = self.covered(n_frames)?;
        let mut sum = vec![0.0f64; covered];
        let mut weight = vec![0.0f64; covered];
        self.overlap_add(stft, n_frames, &mut sum, &mut weight);
        let mut samples = vec![0.0f32; length];
        let scale = 1.0 / self.config.stft.n_fft as f64;
        let tiny = f64::from(f32::MIN_POSITIVE);
        for ((sample, s), w) in
            samples.iter_mut().zip(sum.iter().skip(padding)).zip(weight.iter().skip(padding))
        {
            let value = s * scale;
            *sample = if *w > tiny { value / w } else { value } as f32;
        }
        Ok(samples)
    }

    fn covered(&self, n_frames: usize) -> Result<usize, FeatureError> {
        if n_frames == 0 {
            return Ok(0);
        }
        (n_frames - 1)
            .checked_mul(self.config.stft.hop_length)
            .and_then(|n| n.checked_add(self.config.stft.n_fft))
            .filter(|&n| n < isize::MAX as usize / 16)
            .ok_or(FeatureError::Limit {
                what: "the inverse transform (samples)",
                requested: u64::MAX,
                maximum: isize::MAX as u64 / 16,
            })
    }

    fn overlap_add(
        &self,
        stft: ArrayView2<'_, Complex32>,
        n_frames: usize,
        sum: &mut [f64],
        weight: &mut [f64],
    ) {
        let n_fft = self.config.stft.n_fft;
        let mut bins = self.fft.make_input_vec();
        let mut frame = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        for (index, column) in stft.columns().into_iter().take(n_frames).enumerate() {
            for (to, from) in bins.iter_mut().zip(column) {
                *to = Complex64::new(f64::from(from.re), f64::from(from.im));
            }
            // A real signal has no imaginary part there, and the transform insists on it.
            bins[0].im = 0.0;
            if n_fft.is_multiple_of(2)
                && let Some(nyquist) = bins.last_mut()
            {
                nyquist.im = 0.0;
            }
            let done = self.fft.process_with_scratch(&mut bins, &mut frame, &mut scratch);
            debug_assert!(done.is_ok(), "buffers have the planned lengths");
            let start = index * self.config.stft.hop_length;
            let range = start..start + n_fft;
            let (sum, weight) = (&mut sum[range.clone()], &mut weight[range]);
            dispatch!({
                for ((s, x), w) in sum.iter_mut().zip(&frame).zip(&self.window) {
                    *s += x * w;
                }
                for (s, w) in weight.iter_mut().zip(&self.window) {
                    *s += w * w;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::FeaturePlan;
    use ndarray::Array2;

    use super::*;
    use crate::stft::Stft;

    #[test]
    fn undoes_the_transform() {
        for (n_fft, hop_length, center) in [(64, 16, true), (63, 20, true), (64, 16, false)] {
            let stft = StftConfig { n_fft, hop_length, center, ..StftConfig::default() };
            let samples: Vec<f32> = (0..400).map(|i| (i as f32 * 0.7).sin()).collect();
            let transform = Stft::new(stft.clone()).unwrap().compute(&samples).unwrap();
            let plan = Istft::new(IstftConfig { stft, length: Some(400) }).unwrap();
            let back = plan.compute(transform.view()).unwrap();
            // The first sample of an uncentred signal has the weight zero, the last ones no frame.
            let inner = if center { 0..380 } else { 16..380 };
            for i in inner {
                assert!((back[i] - samples[i]).abs() < 1e-5, "{i}: {} {}", back[i], samples[i]);
            }
        }
    }

    #[test]
    fn lengths_and_shapes() {
        let plan = Istft::new(IstftConfig::default()).unwrap();
        assert_eq!(plan.n_samples(44).unwrap(), 43 * 512);
        assert_eq!(plan.n_samples(0).unwrap(), 0);
        assert!(plan.n_samples(usize::MAX).is_err());
        assert!(plan.compute(Array2::default((1024, 3)).view()).is_err());
        assert!(plan.compute(Array2::default((1025, 0)).view()).unwrap().is_empty());
        let nan = Array2::from_elem((1025, 1), Complex32::new(0.0, f32::NAN));
        assert!(matches!(plan.compute(nan.view()), Err(FeatureError::NonFinite { .. })));
    }
}
