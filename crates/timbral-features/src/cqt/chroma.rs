//! Chroma from constant-Q and variable-Q transforms.

use ndarray::{Array2, ArrayView2};
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use super::config::{CqtConfig, VqtConfig};
use super::fold::{Fold, FoldConfig};
use super::intervals::Intervals;
use super::pseudo::HybridCqt;
use super::vqt::{Cqt, Vqt};
use crate::convert::midi_to_hz;
use crate::error::FeatureError;
use crate::plan::FeaturePlan;
use crate::resample::ResampleType;
use crate::shape::frame_major;
use crate::util::Norm;

/// Which transform the chroma is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CqtMode {
    /// [`Cqt`]. The default.
    #[default]
    Full,
    /// [`HybridCqt`].
    Hybrid,
}

/// Parameters of [`ChromaCqt`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaCqtConfig {
    /// Samples per second. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// How bins become pitch classes.
    pub fold: FoldConfig,
    /// Number of octaves of the transform. Default: 7.
    pub n_octaves: usize,
    /// Deviation from A440 in fractions of a bin; none estimates it from each signal. Default: none.
    pub tuning: Option<f64>,
    /// Which transform. Default: the full one.
    pub cqt_mode: CqtMode,
    /// How the signal is decimated from octave to octave. Default: [`ResampleType::SoxrHq`].
    pub res_type: ResampleType,
}

impl Default for ChromaCqtConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            fold: FoldConfig::default(),
            n_octaves: 7,
            tuning: None,
            cqt_mode: CqtMode::Full,
            res_type: ResampleType::SoxrHq,
        }
    }
}

impl ChromaCqtConfig {
    /// The transform that is folded.
    pub fn cqt(&self) -> CqtConfig {
        CqtConfig {
            sample_rate: self.sample_rate,
            hop_length: self.hop_length,
            fmin: self.fold.fmin,
            n_bins: self.n_octaves.saturating_mul(self.fold.bins_per_octave),
            bins_per_octave: self.fold.bins_per_octave,
            tuning: self.tuning,
            res_type: self.res_type,
            ..CqtConfig::default()
        }
    }
}

/// Parameters of [`ChromaVqt`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaVqtConfig {
    /// Samples per second. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// How an octave is divided; each bin is a pitch class. Default: evenly.
    pub intervals: Intervals,
    /// Frequency of the first bin in Hz. Default: C1, 32.703.
    pub fmin: f64,
    /// Sums below this become 0, before the norm. Default: 0.
    pub threshold: f32,
    /// Norm that each frame is divided by; none leaves sums. Default: the maximum.
    pub norm: Option<Norm>,
    /// Number of octaves of the transform. Default: 7.
    pub n_octaves: usize,
    /// Bins in an octave, unless [`Intervals::Ratios`] says so. Default: 12.
    pub bins_per_octave: usize,
    /// Bandwidth in Hz beyond constant Q; none gives those of the ERB scale. Default: 0.
    pub gamma: Option<f64>,
    /// How the signal is decimated from octave to octave. Default: [`ResampleType::SoxrHq`].
    pub res_type: ResampleType,
}

impl Default for ChromaVqtConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            intervals: Intervals::Equal,
            fmin: midi_to_hz(24.0),
            threshold: 0.0,
            norm: Some(Norm::Max),
            n_octaves: 7,
            bins_per_octave: 12,
            gamma: Some(0.0),
            res_type: ResampleType::SoxrHq,
        }
    }
}

/// Chroma of a constant-Q transform: the magnitudes of all octaves' bins, summed for each pitch class. Of shape
/// `(n_chroma, n_frames)`.
///
/// ```
/// use timbral_features::cqt::{ChromaCqt, ChromaCqtConfig};
/// let a440: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.125379).sin()).collect();
/// let chroma = ChromaCqt::new(ChromaCqtConfig::default())?.compute(&a440)?;
/// assert_eq!(chroma[[9, 20]], 1.0);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChromaCqt {
    config: ChromaCqtConfig,
    transform: Transform,
    fold: Fold,
}

#[derive(Debug, Clone)]
enum Transform {
    Full(Box<Cqt>),
    Hybrid(Box<HybridCqt>),
}

impl ChromaCqt {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// As [`Cqt::new`], and [`FeatureError::Config`] if `bins_per_octave` is no multiple of `n_chroma`.
    pub fn new(config: ChromaCqtConfig) -> Result<Self, FeatureError> {
        let norm = config.fold.norm;
        Self::with_norm(config, norm)
    }

    pub(super) fn with_norm(config: ChromaCqtConfig, norm: Option<Norm>) -> Result<Self, FeatureError> {
        let cqt = config.cqt();
        let n_bins = cqt.n_bins;
        let transform = match config.cqt_mode {
            CqtMode::Full => Transform::Full(Box::new(Cqt::new(cqt)?)),
            CqtMode::Hybrid => Transform::Hybrid(Box::new(HybridCqt::new(cqt)?)),
        };
        let fold = Fold::new(&config.fold, n_bins, norm)?;
        Ok(Self { config, transform, fold })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ChromaCqtConfig {
        &self.config
    }

    /// The chroma of a signal, of shape `(n_chroma, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`Cqt::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        match &self.transform {
            Transform::Full(plan) => by_octaves(plan.variable(), &self.fold, samples),
            Transform::Hybrid(plan) => self.fold.all(plan.compute(samples)?.view()),
        }
    }

    /// The chroma of the magnitudes of a transform of shape `(n_bins, n_frames)`, with any number of bins.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid fold, [`FeatureError::Shape`] for a transform without bins,
    /// [`FeatureError::NonFinite`] for NaN or infinities.
    pub fn from_magnitudes(
        config: &FoldConfig,
        magnitudes: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>, FeatureError> {
        Fold::for_magnitudes(config, magnitudes, config.norm)?.all(magnitudes)
    }
}

/// Folds octave by octave, so that the transform of all is never in memory.
fn by_octaves(transform: &Vqt, fold: &Fold, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
    let octaves = transform.octaves_for(samples)?;
    let mut out = frame_major(fold.n_chroma(), octaves.n_frames(samples.len())?)?;
    let mut classes = out.columns_mut().into_iter().filter_map(|c| c.into_slice()).collect::<Vec<_>>();
    let mut magnitudes = Vec::new();
    octaves.run(samples, classes.len(), &mut transform.scratch(), |first_bin, t, bins: &[Complex32]| {
        magnitudes.clear();
        magnitudes.extend(bins.iter().map(|c| (c.re * c.re + c.im * c.im).sqrt()));
        fold.add(first_bin, &magnitudes, classes[t]);
    })?;
    classes.into_iter().for_each(|frame| fold.finish(frame));
    Ok(out)
}

/// Chroma of a variable-Q transform, each bin of an octave a pitch class of its own. Of shape
/// `(bins_per_octave, n_frames)`. The tuning is not estimated.
#[derive(Debug, Clone)]
pub struct ChromaVqt {
    config: ChromaVqtConfig,
    vqt: Vqt,
    fold: Fold,
}

impl ChromaVqt {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// As [`Vqt::new`].
    pub fn new(config: ChromaVqtConfig) -> Result<Self, FeatureError> {
        let bins_per_octave = match &config.intervals {
            Intervals::Ratios(ratios) => ratios.len(),
            _ => config.bins_per_octave,
        };
        let n_bins = config.n_octaves.saturating_mul(bins_per_octave);
        let vqt = Vqt::new(VqtConfig {
            cqt: CqtConfig {
                sample_rate: config.sample_rate,
                hop_length: config.hop_length,
                fmin: config.fmin,
                n_bins,
                bins_per_octave,
                res_type: config.res_type,
                ..CqtConfig::default()
            },
            intervals: config.intervals.clone(),
            gamma: config.gamma,
        })?;
        let fold = FoldConfig {
            n_chroma: bins_per_octave,
            bins_per_octave,
            fmin: config.fmin,
            window: None,
            threshold: config.threshold,
            norm: config.norm,
        };
        let fold = Fold::new(&fold, n_bins, config.norm)?;
        Ok(Self { config, vqt, fold })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ChromaVqtConfig {
        &self.config
    }

    /// Number of pitch classes, the bins of an octave.
    pub fn n_rows(&self) -> usize {
        self.fold.n_chroma()
    }

    /// The chroma of a signal, of shape `(bins_per_octave, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`Vqt::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        by_octaves(&self.vqt, &self.fold, samples)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cens::{ChromaCens, ChromaCensConfig};
    use super::*;

    fn chord(n: usize) -> Vec<f32> {
        let tone = |f: f32, i: usize| (i as f32 * std::f32::consts::TAU * f / 22_050.0).sin();
        (0..n).map(|i| tone(261.63, i) + tone(329.63, i) + tone(392.0, i)).collect()
    }

    fn loudest(frame: ndarray::ArrayView1<'_, f32>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..frame.len()).collect();
        order.sort_by(|&a, &b| frame[b].total_cmp(&frame[a]));
        order.truncate(3);
        order.sort_unstable();
        order
    }

    #[test]
    fn a_major_chord_fills_its_classes() {
        let samples = chord(22_050);
        for cqt_mode in [CqtMode::Full, CqtMode::Hybrid] {
            let config = ChromaCqtConfig { cqt_mode, ..ChromaCqtConfig::default() };
            let chroma = ChromaCqt::new(config.clone()).unwrap().compute(&samples).unwrap();
            assert_eq!(chroma.dim(), (12, 44));
            assert_eq!(loudest(chroma.column(22)), [0, 4, 7]);
            let cens = ChromaCensConfig { chroma: config, ..ChromaCensConfig::default() };
            let cens = ChromaCens::new(cens).unwrap().compute(&samples).unwrap();
            assert_eq!(loudest(cens.column(22)), [0, 4, 7]);
        }
        let chroma = ChromaVqt::new(ChromaVqtConfig::default()).unwrap().compute(&samples).unwrap();
        assert_eq!(loudest(chroma.column(22)), [0, 4, 7]);
    }

    #[test]
    fn octaves_fold_as_the_whole_transform_does() {
        let samples = chord(15_000);
        let config = ChromaCqtConfig {
            tuning: Some(0.1),
            fold: FoldConfig { threshold: 0.3, window: Some(vec![1.0, 2.0, 1.0]), ..FoldConfig::default() },
            ..ChromaCqtConfig::default()
        };
        let plan = ChromaCqt::new(config.clone()).unwrap();
        let Transform::Full(transform) = &plan.transform else { unreachable!() };
        let magnitudes = transform.compute(&samples).unwrap();
        let magnitudes = magnitudes.mapv(|c| (c.re * c.re + c.im * c.im).sqrt());
        let whole = ChromaCqt::from_magnitudes(&config.fold, magnitudes.view()).unwrap();
        assert_eq!(plan.compute(&samples).unwrap(), whole);
    }

    #[test]
    fn odd_inputs() {
        let plan = ChromaCqt::new(ChromaCqtConfig::default()).unwrap();
        for samples in [&[][..], &[0.5], &[0.0; 2000]] {
            assert!(plan.compute(samples).unwrap().iter().all(|x| x.is_finite()));
        }
        assert!(plan.compute(&[f32::INFINITY]).is_err());
        let fold = FoldConfig { bins_per_octave: 13, ..FoldConfig::default() };
        assert!(ChromaCqt::new(ChromaCqtConfig { fold, ..Default::default() }).is_err());
        assert!(ChromaCqt::from_magnitudes(&FoldConfig::default(), Array2::zeros((0, 3)).view()).is_err());
        assert!(ChromaCqt::new(ChromaCqtConfig { n_octaves: usize::MAX, ..Default::default() }).is_err());
    }
}
