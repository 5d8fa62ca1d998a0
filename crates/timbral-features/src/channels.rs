//! Signals of several channels, one feature for each.

use ndarray::{Array3, ArrayView2};

use crate::error::FeatureError;
use crate::plan::FeaturePlan;
use crate::shape::frame_major;

/// The feature of each channel of a signal of shape `(channels, samples)`; the answer is `(channels, n_rows, n_frames)`,
/// as librosa shapes it.
///
/// Channels are computed one by one: nothing is mixed, and what looks at the whole signal (such as `top_db`) looks at one
/// channel. librosa clips all channels together.
///
/// ```
/// use ndarray::array;
/// use timbral_features::plan::compute_channels;
/// use timbral_features::spectral::{Rms, RmsConfig};
/// let rms = Rms::new(RmsConfig { frame_length: 2, hop_length: 2, center: false, ..RmsConfig::default() })?;
/// let stereo = array![[1.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]];
/// assert_eq!(compute_channels(&rms, stereo.view())?, array![[[1.0, 0.0]], [[0.5, 0.5]]]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
///
/// # Errors
///
/// As [`FeaturePlan::compute`]; no channels give an error only if a signal of so many samples does.
pub fn compute_channels<P: FeaturePlan>(
    plan: &P,
    samples: ArrayView2<'_, f32>,
) -> Result<Array3<P::Value>, FeatureError> {
    let (channels, length) = samples.dim();
    let (n_rows, n_frames) = (plan.n_rows(), plan.n_frames(length)?);
    // Frame after frame of channel after channel.
    let all = frame_major(n_rows, n_frames.saturating_mul(channels))?;
    let shape = (channels, n_frames, n_rows);
    let mut out = Array3::from_shape_vec(shape, all.into_raw_vec_and_offset().0)
        .map_err(|e| FeatureError::Input(e.to_string()))?;
    let (mut scratch, mut copy) = (plan.scratch(), Vec::new());
    for (line, feature) in samples.outer_iter().zip(out.outer_iter_mut()) {
        let line = line.to_slice().unwrap_or_else(|| {
            copy.clear();
            copy.extend(line.iter());
            &copy
        });
        plan.compute_into(line, &mut feature.reversed_axes(), &mut scratch)?;
    }
    out.swap_axes(1, 2);
    Ok(out)
}

/// The feature of each channel of interleaved samples (`left, right, left, right, ...`); the answer is
/// `(channels, n_rows, n_frames)`. See [`compute_channels`].
///
/// ```
/// use ndarray::array;
/// use timbral_features::plan::compute_interleaved;
/// use timbral_features::spectral::{Rms, RmsConfig};
/// let rms = Rms::new(RmsConfig { frame_length: 2, hop_length: 2, center: false, ..RmsConfig::default() })?;
/// let stereo = [1.0, 0.5, 1.0, 0.5, 0.0, 0.5, 0.0, 0.5];
/// assert_eq!(compute_interleaved(&rms, &stereo, 2)?, array![[[1.0, 0.0]], [[0.5, 0.5]]]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
///
/// # Errors
///
/// As [`FeaturePlan::compute`], and [`FeatureError::Shape`] if the samples do not divide into the channels.
pub fn compute_interleaved<P: FeaturePlan>(
    plan: &P,
    samples: &[f32],
    channels: usize,
) -> Result<Array3<P::Value>, FeatureError> {
    let length = samples.len().checked_div(channels).unwrap_or(0);
    let wrong = || {
        FeatureError::shape(
            "interleaved samples",
            &[samples.len()],
            format!("a multiple of {channels} channels"),
        )
    };
    if length * channels != samples.len() {
        return Err(wrong());
    }
    let shaped = ArrayView2::from_shape((length, channels), samples).map_err(|_| wrong())?;
    compute_channels(plan, shaped.t())
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::mel::{MelConfig, MelSpectrogram};

    #[test]
    fn each_channel_equals_the_channel_alone() {
        let plan = MelSpectrogram::new(MelConfig::default()).unwrap();
        let samples = Array2::from_shape_fn((3, 5000), |(c, i)| (i as f32 * 0.01 * (c + 1) as f32).sin());
        let interleaved: Vec<f32> = samples.t().iter().copied().collect();
        let all = compute_channels(&plan, samples.view()).unwrap();
        assert_eq!(all.dim(), (3, 128, 10));
        assert_eq!(compute_interleaved(&plan, &interleaved, 3).unwrap(), all);
        for (channel, feature) in samples.outer_iter().zip(all.outer_iter()) {
            assert_eq!(plan.compute(channel.as_slice().unwrap()).unwrap(), feature);
            assert!(feature.t().is_standard_layout());
        }
    }

    #[test]
    fn odd_inputs() {
        let plan = MelSpectrogram::new(MelConfig { center: false, ..MelConfig::default() }).unwrap();
        assert!(compute_channels(&plan, Array2::zeros((2, 2047)).view()).is_err());
        let none = compute_channels(&plan, Array2::zeros((0, 4096)).view()).unwrap();
        assert_eq!(none.dim(), (0, 128, 5));
        assert!(compute_channels(&plan, Array2::from_elem((1, 4096), f32::NAN).view()).is_err());
        for (length, channels) in [(4097, 2), (4096, 0)] {
            let error = compute_interleaved(&plan, &vec![0.0; length], channels);
            assert!(matches!(error, Err(FeatureError::Shape { .. })), "{channels}");
        }
    }
}
