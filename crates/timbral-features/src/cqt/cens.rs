//! CENS: quantised and smoothed chroma.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::chroma::{ChromaCqt, ChromaCqtConfig};
use super::fold::Fold;
use crate::chroma::normalize_frame;
use crate::error::FeatureError;
use crate::shape::{fill_frames, frame_major};
use crate::util::Norm;
use crate::window::{Window, get_window};

/// Parameters of [`ChromaCens`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaCensConfig {
    /// The chroma to start from; the norm of its fold is not used.
    pub chroma: ChromaCqtConfig,
    /// Norm of the answer; none leaves it. Default: L2.
    pub norm: Option<Norm>,
    /// Length of the smoothing in frames; none smooths nothing. Default: 41.
    pub win_len_smooth: Option<usize>,
    /// Window of the smoothing. Default: Hann.
    pub smoothing_window: Window,
}

impl Default for ChromaCensConfig {
    fn default() -> Self {
        Self {
            chroma: ChromaCqtConfig::default(),
            norm: Some(Norm::L2),
            win_len_smooth: Some(41),
            smoothing_window: Window::Hann,
        }
    }
}

/// Chroma energy normalized statistics: chroma shares quantised in five steps and smoothed over time, which keeps harmony
/// and forgets dynamics, timbre and articulation. Of shape `(n_chroma, n_frames)`.
///
/// Müller, Ewert, "Chroma toolbox: MATLAB implementations for extracting variants of chroma-based audio features",
/// ISMIR 2011.
#[derive(Debug, Clone)]
pub struct ChromaCens {
    config: ChromaCensConfig,
    chroma: ChromaCqt,
    smoothing: Smoothing,
}

impl ChromaCens {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// As [`ChromaCqt::new`], and [`FeatureError::Config`] for invalid parameters of the smoothing window.
    pub fn new(config: ChromaCensConfig) -> Result<Self, FeatureError> {
        let smoothing = Smoothing::new(&config)?;
        let chroma = ChromaCqt::with_norm(config.chroma.clone(), Some(Norm::L1))?;
        Ok(Self { config, chroma, smoothing })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ChromaCensConfig {
        &self.config
    }

    /// The statistics of a signal, of shape `(n_chroma, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`ChromaCqt::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        self.smoothing.apply(self.chroma.compute(samples)?)
    }

    /// The statistics of the magnitudes of a transform of shape `(n_bins, n_frames)`, with any number of bins.
    ///
    /// # Errors
    ///
    /// As [`ChromaCqt::from_magnitudes`] and [`new`](Self::new).
    pub fn from_magnitudes(
        config: &ChromaCensConfig,
        magnitudes: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>, FeatureError> {
        let fold = Fold::for_magnitudes(&config.chroma.fold, magnitudes, Some(Norm::L1))?;
        Smoothing::new(config)?.apply(fold.all(magnitudes)?)
    }
}

#[derive(Debug, Clone)]
struct Smoothing {
    /// Weights of sum 1, symmetric.
    window: Option<Vec<f64>>,
    norm: Option<Norm>,
}

impl Smoothing {
    fn new(config: &ChromaCensConfig) -> Result<Self, FeatureError> {
        const LONGEST: usize = 1 << 24;
        if let Some(norm) = config.norm {
            norm.validate("norm")?;
        }
        let window = match config.win_len_smooth {
            None => None,
            Some(length) if length > LONGEST => {
                return Err(FeatureError::config(
                    "win_len_smooth",
                    format!("{length} frames"),
                    format!("at most {LONGEST}"),
                ));
            }
            Some(length) => {
                let mut window = get_window(&config.smoothing_window, length + 2, false)?;
                let sum: f64 = window.iter().sum();
                if sum.abs() < f64::MIN_POSITIVE {
                    return Err(FeatureError::config(
                        "win_len_smooth",
                        format!("{length} frames"),
                        "such that the weights of its window sum to more than 0",
                    ));
                }
                window.iter_mut().for_each(|w| *w /= sum);
                Some(window)
            }
        };
        Ok(Self { window, norm: config.norm })
    }

    /// Quantises, smooths and normalises chroma shares.
    fn apply(&self, mut chroma: Array2<f32>) -> Result<Array2<f32>, FeatureError> {
        const STEPS: [f32; 4] = [0.4, 0.2, 0.1, 0.05];
        chroma.mapv_inplace(|share| STEPS.iter().filter(|step| share > **step).count() as f32 * 0.25);
        let (n_chroma, n_frames) = chroma.dim();
        let mut out = frame_major(n_chroma, n_frames)?;
        let mut sums = vec![0.0f64; n_chroma];
        fill_frames(&mut out, &mut Vec::new(), |t, frame: &mut [f32]| {
            match &self.window {
                None => frame.iter_mut().zip(chroma.column(t)).for_each(|(to, x)| *to = *x),
                Some(window) => {
                    sums.fill(0.0);
                    // An even window reaches one frame further into the future.
                    let before = (window.len() - 1) / 2;
                    let first = t.saturating_sub(before);
                    let end = (t + window.len() - before).min(n_frames);
                    for s in first..end {
                        let w = window[s + before - t];
                        sums.iter_mut().zip(chroma.column(s)).for_each(|(sum, x)| *sum += w * f64::from(*x));
                    }
                    frame.iter_mut().zip(&sums).for_each(|(to, sum)| *to = *sum as f32);
                }
            }
            normalize_frame(frame, self.norm);
        });
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fold::FoldConfig;
    use super::*;

    #[test]
    fn smoothing_is_a_convolution() {
        let magnitudes = Array2::from_shape_fn((12, 20), |(c, t)| ((c * 3 + t * t) % 7) as f32);
        let fold = FoldConfig { bins_per_octave: 12, ..FoldConfig::default() };
        let config = |win_len_smooth| ChromaCensConfig {
            chroma: ChromaCqtConfig { fold: fold.clone(), ..ChromaCqtConfig::default() },
            norm: None,
            win_len_smooth,
            ..ChromaCensConfig::default()
        };
        let plain = ChromaCens::from_magnitudes(&config(None), magnitudes.view()).unwrap();
        for length in [3, 4] {
            let smooth = ChromaCens::from_magnitudes(&config(Some(length)), magnitudes.view()).unwrap();
            let window = get_window(&Window::Hann, length + 2, false).unwrap();
            let total: f64 = window.iter().sum();
            for t in 3..16 {
                let slow: f64 = (0..length + 2)
                    .map(|j| window[j] / total * f64::from(plain[[5, t + j - length.div_ceil(2)]]))
                    .sum();
                assert!((f64::from(smooth[[5, t]]) - slow).abs() < 1e-6);
            }
        }
    }
}
