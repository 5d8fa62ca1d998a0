//! Local Fourier transform of an onset envelope.

use ndarray::ArrayRef2;
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use super::tempogram::check_window_length;
use crate::error::FeatureError;
use crate::framing::PadMode;
use crate::plan::FeaturePlan;
use crate::stft::{Stft, StftConfig, StftScratch};
use crate::window::Window;

/// Parameters of a [`FourierTempogram`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FourierTempogramConfig {
    /// Length of the window in frames of the envelope. Default: 384.
    pub win_length: usize,
    /// Whether frame `t` is centred on value `t` of the envelope, which is padded by zeros. Default: true.
    pub center: bool,
    /// The window, in its periodic form. Default: Hann.
    pub window: Window,
}

impl Default for FourierTempogramConfig {
    fn default() -> Self {
        Self { win_length: 384, center: true, window: Window::Hann }
    }
}

/// The Fourier tempogram: the short-time Fourier transform of an onset envelope, one frame for each of its values.
///
/// Row `k` belongs to a tempo of `60 sr k / (hop_length win_length)` beats per minute. An envelope of `n` values gives
/// `win_length / 2 + 1` rows and, when centred with an even window, `n + 1` frames.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::rhythm::{FourierTempogram, FourierTempogramConfig};
/// let plan = FourierTempogram::new(FourierTempogramConfig::default())?;
/// assert_eq!(plan.compute(&[0.5; 100])?.dim(), (193, 101));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FourierTempogram {
    config: FourierTempogramConfig,
    stft: Stft,
}

impl FourierTempogram {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a window of no frames or more than 2^24, or invalid window parameters.
    pub fn new(config: FourierTempogramConfig) -> Result<Self, FeatureError> {
        check_window_length(config.win_length)?;
        let stft = Stft::new(StftConfig {
            n_fft: config.win_length,
            hop_length: 1,
            win_length: None,
            window: config.window.clone(),
            center: config.center,
            pad_mode: PadMode::Constant,
        })?;
        Ok(Self { config, stft })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &FourierTempogramConfig {
        &self.config
    }
}

impl FeaturePlan for FourierTempogram {
    type Value = Complex32;
    type Scratch = StftScratch;

    fn n_rows(&self) -> usize {
        self.config.win_length / 2 + 1
    }

    fn n_frames(&self, values: usize) -> Result<usize, FeatureError> {
        self.stft.n_frames(values)
    }

    fn scratch(&self) -> StftScratch {
        self.stft.scratch()
    }

    fn compute_into(
        &self,
        envelope: &[f32],
        out: &mut ArrayRef2<Complex32>,
        scratch: &mut StftScratch,
    ) -> Result<(), FeatureError> {
        self.stft.compute_into(envelope, out, scratch)
    }
}
