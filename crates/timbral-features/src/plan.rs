//! What all plans have in common, and what can be done with any of them.
//!
//! [`FeaturePlan`] is the interface; [`compute_channels`] and [`compute_interleaved`] apply a plan to each channel of a
//! signal, `compute_batch` (with the feature `rayon`) to many signals on all threads.
//!
//! ```
//! use timbral_features::plan::compute_interleaved;
//! use timbral_features::{MelConfig, MelSpectrogram};
//! let mel = MelSpectrogram::new(MelConfig::default())?;
//! let stereo = [0.1; 2 * 22_050];
//! assert_eq!(compute_interleaved(&mel, &stereo, 2)?.dim(), (2, 128, 44));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

#[cfg(feature = "rayon")]
pub use crate::batch::compute_batch;
pub use crate::channels::{compute_channels, compute_interleaved};

use ndarray::{Array2, ArrayRef2};

use crate::error::FeatureError;
use crate::shape::frame_major;

/// A plan that turns the samples of one channel into an array of shape `(n_rows, n_frames)`.
///
/// `compute` and `compute_into` of every plan of this shape come from here, so bring the trait into scope. It is also what
/// code takes that does not care which plan it runs, such as
/// [`compute_channels`], `compute_batch` (with the feature `rayon`) and [`FeatureStream`](crate::stream::FeatureStream).
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::spectral::{Rms, RmsConfig, SpectralCentroid};
/// fn mean<P: FeaturePlan<Value = f32>>(plan: &P, samples: &[f32]) -> Option<f32> {
///     plan.compute(samples).ok()?.mean()
/// }
/// assert_eq!(mean(&Rms::new(RmsConfig::default())?, &[0.0; 4096]), Some(0.0));
/// assert_eq!(mean(&SpectralCentroid::new(Default::default())?, &[0.0; 4096]), Some(0.0));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub trait FeaturePlan: Send + Sync {
    /// The type of one value of the feature.
    type Value: Copy + Default + Send + Sync + 'static;
    /// Working memory, one for each thread.
    type Scratch: Send;

    /// Number of values in a frame.
    fn n_rows(&self) -> usize;

    /// Number of frames of a signal of `samples` samples.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if the plan needs a frame and not a single one fits.
    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError>;

    /// Working memory for [`compute_into`](Self::compute_into).
    fn scratch(&self) -> Self::Scratch;

    /// The feature of a signal, written to `out` of shape `(n_rows, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples,
    /// [`FeatureError::Shape`] if `out` has another shape.
    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<Self::Value>,
        scratch: &mut Self::Scratch,
    ) -> Result<(), FeatureError>;

    /// The feature of a signal, of shape `(n_rows, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`compute_into`](Self::compute_into), and [`FeatureError::Limit`] if the answer does not fit in memory.
    fn compute(&self, samples: &[f32]) -> Result<Array2<Self::Value>, FeatureError> {
        self.compute_with(samples, &mut self.scratch())
    }

    /// As [`compute`](Self::compute), with scratch that lasts for many signals.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute).
    fn compute_with(
        &self,
        samples: &[f32],
        scratch: &mut Self::Scratch,
    ) -> Result<Array2<Self::Value>, FeatureError> {
        let mut out = frame_major(self.n_rows(), self.n_frames(samples.len())?)?;
        self.compute_into(samples, &mut out, scratch)?;
        Ok(out)
    }
}
