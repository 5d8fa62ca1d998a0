//! Samples to complex spectra.

use ndarray::ArrayRef2;
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use crate::fft::{RealFft, RealFftScratch};
use crate::framing::{Framing, PadMode};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames};
use crate::window::{Window, padded_window};

/// How a signal is cut and transformed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StftConfig {
    /// Length of the Fourier transform in samples. Default: 2048.
    pub n_fft: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// Length of the window in samples, at most `n_fft`; shorter windows are centred in the frame. Default: `n_fft`.
    pub win_length: Option<usize>,
    /// The window, in its periodic form. Default: Hann.
    pub window: Window,
    /// Whether frame `t` is centred on sample `t * hop_length`, the signal being padded by `n_fft / 2` samples at
    /// both ends. Else it starts there, and only whole frames count. Default: true.
    pub center: bool,
    /// What the padding holds. Default: zeros.
    pub pad_mode: PadMode,
}

impl Default for StftConfig {
    fn default() -> Self {
        Self {
            n_fft: 2048,
            hop_length: 512,
            win_length: None,
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Constant,
        }
    }
}

impl StftConfig {
    pub(crate) fn framing(&self) -> Result<Framing, FeatureError> {
        Framing::new(self.n_fft, self.hop_length, self.center, self.pad_mode)
    }

    pub(crate) fn padded_window(&self) -> Result<Vec<f64>, FeatureError> {
        padded_window(&self.window, self.win_length.unwrap_or(self.n_fft), self.n_fft)
    }
}

/// The short-time Fourier transform of real signals.
///
/// `D[f, t] = sum_n x[t * hop_length + n] w[n] exp(-2 pi i f n / n_fft)` for the bins `f = 0 ..= n_fft / 2`, without any
/// scaling. A signal of `n` samples has `1 + n / hop_length` frames when centred (`1 + (n - 1) / hop_length` for an
/// odd `n_fft`), else `1 + (n - n_fft) / hop_length`; divisions round down.
///
/// ```
/// use timbral_features::{FeaturePlan, Stft, StftConfig};
/// let stft = Stft::new(StftConfig { n_fft: 512, hop_length: 128, ..StftConfig::default() })?;
/// let samples = vec![0.25; 1000];
/// assert_eq!(stft.compute(&samples)?.dim(), (257, 8));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stft {
    config: StftConfig,
    framing: Framing,
    window: Vec<f32>,
    fft: RealFft,
}

/// Working memory of a [`Stft`]. One for each thread; made by [`Stft::scratch`].
#[derive(Clone, Debug, Default)]
pub struct StftScratch {
    frame: Vec<f32>,
    fft: RealFftScratch,
    spectrum: Vec<Complex32>,
}

impl Stft {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a length of 0, `win_length` above `n_fft`, or invalid window parameters.
    pub fn new(config: StftConfig) -> Result<Self, FeatureError> {
        let framing = config.framing()?;
        let window = config.padded_window()?.into_iter().map(|w| w as f32).collect();
        let fft = RealFft::new(config.n_fft);
        Ok(Self { config, framing, window, fft })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &StftConfig {
        &self.config
    }

    /// Number of frequency bins, `n_fft / 2 + 1`.
    pub fn n_bins(&self) -> usize {
        self.config.n_fft / 2 + 1
    }

    /// The spectrum of one frame.
    pub(crate) fn spectrum<'a>(
        &self,
        samples: &[f32],
        index: usize,
        scratch: &'a mut StftScratch,
    ) -> &'a [Complex32] {
        self.prepare(scratch);
        let StftScratch { frame, fft, spectrum } = scratch;
        self.transform(samples, index, frame, spectrum, fft);
        spectrum
    }

    /// Sizes the buffers; does nothing when they fit already.
    fn prepare(&self, scratch: &mut StftScratch) {
        scratch.frame.resize(self.config.n_fft, 0.0);
        self.fft.prepare(&mut scratch.fft);
        scratch.spectrum.resize(self.n_bins(), Complex32::default());
    }

    /// Frames at the ends of the signal are put together with their padding in `frame`.
    fn transform(
        &self,
        samples: &[f32],
        index: usize,
        frame: &mut [f32],
        bins: &mut [Complex32],
        fft: &mut RealFftScratch,
    ) {
        let source = match self.framing.interior(samples, index) {
            Some(source) => source,
            None => {
                self.framing.fill(samples, index, frame);
                frame
            }
        };
        self.fft.windowed(source, &self.window, bins, fft);
    }
}

impl FeaturePlan for Stft {
    type Value = Complex32;
    type Scratch = StftScratch;

    fn n_rows(&self) -> usize {
        self.n_bins()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.framing.n_frames(samples)
    }

    fn scratch(&self) -> StftScratch {
        let mut scratch = StftScratch::default();
        self.prepare(&mut scratch);
        scratch
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<Complex32>,
        scratch: &mut StftScratch,
    ) -> Result<(), FeatureError> {
        check_output(out, self.n_bins(), self.n_frames(samples.len())?)?;
        check_finite("samples", samples)?;
        self.prepare(scratch);
        let StftScratch { frame, fft, spectrum } = scratch;
        fill_frames(out, spectrum, |index, bins| {
            self.transform(samples, index, frame, bins, fft);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use ndarray::Array2;

    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// The definition, sample by sample in double precision.
    fn slow(config: &StftConfig, samples: &[f32]) -> Array2<Complex32> {
        let framing = config.framing().unwrap();
        let window = config.padded_window().unwrap();
        let n_frames = framing.n_frames(samples.len()).unwrap();
        let mut frame = vec![0.0; config.n_fft];
        Array2::from_shape_fn((config.n_fft / 2 + 1, n_frames), |(bin, t)| {
            framing.fill(samples, t, &mut frame);
            let (mut re, mut im) = (0.0, 0.0);
            for (n, (x, w)) in frame.iter().zip(&window).enumerate() {
                let angle = -TAU * (bin * n % config.n_fft) as f64 / config.n_fft as f64;
                re += f64::from(*x) * w * angle.cos();
                im += f64::from(*x) * w * angle.sin();
            }
            Complex32::new(re as f32, im as f32)
        })
    }

    #[test]
    fn equals_the_definition() {
        for (n_fft, hop_length, win_length, center, pad_mode) in [
            (64, 16, None, true, PadMode::Constant),
            (64, 17, Some(40), true, PadMode::Reflect),
            (63, 20, Some(30), true, PadMode::Edge),
            (50, 50, None, false, PadMode::Symmetric),
        ] {
            let config =
                StftConfig { n_fft, hop_length, win_length, center, pad_mode, ..StftConfig::default() };
            let samples = noise(333);
            let fast = Stft::new(config.clone()).unwrap().compute(&samples).unwrap();
            let slow = slow(&config, &samples);
            assert_eq!(fast.dim(), slow.dim());
            for (a, b) in fast.iter().zip(&slow) {
                assert!((a - b).norm() < 2e-5, "{a} {b}");
            }
        }
    }

    #[test]
    fn any_output_layout_gives_the_same_bits() {
        let stft = Stft::new(StftConfig { n_fft: 32, hop_length: 8, ..StftConfig::default() }).unwrap();
        let samples = noise(100);
        let fast = stft.compute(&samples).unwrap();
        let mut standard = Array2::default(fast.dim());
        stft.compute_into(&samples, &mut standard, &mut stft.scratch()).unwrap();
        assert_eq!(fast, standard);
        assert!(stft.compute_into(&samples, &mut Array2::default((17, 1)), &mut stft.scratch()).is_err());
    }

    #[test]
    fn odd_inputs_answer_or_fail_politely() {
        let stft = Stft::new(StftConfig::default()).unwrap();
        assert_eq!(stft.compute(&[]).unwrap().dim(), (1025, 1));
        assert_eq!(stft.compute(&[0.5]).unwrap().dim(), (1025, 1));
        assert!(matches!(stft.compute(&[0.0, f32::NAN]), Err(FeatureError::NonFinite { index: 1, .. })));
        let plain = Stft::new(StftConfig { center: false, ..StftConfig::default() }).unwrap();
        assert!(matches!(plain.compute(&[0.0; 2047]), Err(FeatureError::TooShort { needed: 2048, .. })));
    }
}
