//! From the bins of a transform to pitch classes.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::chroma::normalize_frame;
use crate::convert::midi_to_hz;
use crate::error::FeatureError;
use crate::filters::{CqToChromaConfig, cq_to_chroma};
use crate::shape::{all_fine, frame_major, visit_frames};
use crate::util::Norm;

/// How the bins of a transform become pitch classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FoldConfig {
    /// Number of pitch classes. Default: 12.
    pub n_chroma: usize,
    /// Bins in an octave, a multiple of `n_chroma`. Default: 36.
    pub bins_per_octave: usize,
    /// Frequency of the first bin in Hz. Default: C1, 32.703.
    pub fmin: f64,
    /// Smoothing over bins. Default: none.
    pub window: Option<Vec<f64>>,
    /// Sums below this become 0, before the norm. Default: 0.
    pub threshold: f32,
    /// Norm that each frame is divided by; none leaves sums. Default: the maximum.
    pub norm: Option<Norm>,
}

impl Default for FoldConfig {
    fn default() -> Self {
        Self {
            n_chroma: 12,
            bins_per_octave: 36,
            fmin: midi_to_hz(24.0),
            window: None,
            threshold: 0.0,
            norm: Some(Norm::Max),
        }
    }
}

/// The sparse matrix from bins to pitch classes, and what is done to its answers.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    n_chroma: usize,
    bins_per_octave: usize,
    /// Classes and weights of every bin, one bin after the other.
    terms: Vec<(usize, f32)>,
    /// Where the terms of each bin begin; one more for the end.
    starts: Vec<usize>,
    threshold: f32,
    norm: Option<Norm>,
}

impl Fold {
    pub(super) fn new(config: &FoldConfig, n_input: usize, norm: Option<Norm>) -> Result<Self, FeatureError> {
        if config.threshold.is_nan() {
            return Err(FeatureError::config("threshold", "NaN", "a number"));
        }
        if let Some(norm) = norm {
            norm.validate("norm")?;
        }
        let matrix = cq_to_chroma(&CqToChromaConfig {
            n_input,
            bins_per_octave: config.bins_per_octave,
            n_chroma: config.n_chroma,
            fmin: config.fmin,
            window: config.window.clone(),
            base_c: true,
        })?;
        let (mut terms, mut starts) = (Vec::new(), vec![0]);
        for bin in matrix.columns() {
            terms.extend(bin.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0));
            starts.push(terms.len());
        }
        Ok(Self {
            n_chroma: matrix.nrows(),
            bins_per_octave: config.bins_per_octave,
            terms,
            starts,
            threshold: config.threshold,
            norm,
        })
    }

    /// For magnitudes that are given, which are checked.
    pub(super) fn for_magnitudes(
        config: &FoldConfig,
        magnitudes: ArrayView2<'_, f32>,
        norm: Option<Norm>,
    ) -> Result<Self, FeatureError> {
        check_magnitudes(magnitudes)?;
        Self::new(config, magnitudes.nrows(), norm)
    }

    pub(super) fn n_chroma(&self) -> usize {
        self.n_chroma
    }

    /// Adds the magnitudes of the bins from `first_bin` on to their classes.
    pub(super) fn add(&self, first_bin: usize, magnitudes: &[f32], classes: &mut [f32]) {
        for (magnitude, bounds) in magnitudes.iter().zip(self.starts[first_bin..].windows(2)) {
            for &(class, weight) in &self.terms[bounds[0]..bounds[1]] {
                classes[class] += weight * magnitude.abs();
            }
        }
    }

    /// What is left to do when all bins are added.
    pub(super) fn finish(&self, classes: &mut [f32]) {
        let quiet = classes.iter_mut().filter(|class| **class < self.threshold);
        quiet.for_each(|class| *class = 0.0);
        normalize_frame(classes, self.norm);
    }

    /// The classes of all frames of magnitudes.
    pub(super) fn all(&self, magnitudes: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        let mut out = frame_major(self.n_chroma, magnitudes.ncols())?;
        let mut frames = out.columns_mut().into_iter();
        visit_frames(&magnitudes, &mut Vec::new(), |_, frame| {
            let mut first_bin = frame.len();
            if let Some(classes) = frames.next().and_then(|c| c.into_slice()) {
                // The highest octave first, as transforms come.
                for octave in frame.rchunks(self.bins_per_octave) {
                    first_bin -= octave.len();
                    self.add(first_bin, octave, classes);
                }
                self.finish(classes);
            }
        });
        Ok(out)
    }
}

fn check_magnitudes(magnitudes: ArrayView2<'_, f32>) -> Result<(), FeatureError> {
    if !all_fine(&magnitudes, f32::is_finite)
        && let Some((index, &value)) = magnitudes.iter().enumerate().find(|(_, x)| !x.is_finite())
    {
        return Err(FeatureError::NonFinite { array: "transform", index, value });
    }
    if magnitudes.nrows() == 0 {
        return Err(FeatureError::shape("transform", magnitudes.shape(), "at least one bin"));
    }
    Ok(())
}
