//! Chroma from constant-Q and variable-Q transforms, and CENS.

use ndarray::{Array2, ArrayView2, Axis};
use realfft::num_complex::Complex32;
use serde::{Deserialize, Serialize};

use super::config::{CqtConfig, VqtConfig};
use super::intervals::Intervals;
use super::pseudo::HybridCqt;
use super::vqt::{Cqt, Vqt};
use crate::chroma::normalize_frame;
use crate::convert::midi_to_hz;
use crate::error::FeatureError;
use crate::filters::{CqToChromaConfig, cq_to_chroma};
use crate::resample::ResampleType;
use crate::shape::{fill_frames, frame_major, visit_frames};
use crate::simd::{dispatch, product};
use crate::util::Norm;
use crate::window::{Window, get_window};

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

/// Parameters of [`ChromaCqt`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaCqtConfig {
    /// Samples a second. Default: 22 050.
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

/// Parameters of [`ChromaVqt`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaVqtConfig {
    /// Samples a second. Default: 22 050.
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

/// The matrix from bins to pitch classes, and what is done to its answers.
#[derive(Debug, Clone)]
struct Fold {
    matrix: Array2<f32>,
    threshold: f32,
    norm: Option<Norm>,
}

impl Fold {
    fn new(config: &FoldConfig, n_input: usize, norm: Option<Norm>) -> Result<Self, FeatureError> {
        if config.threshold.is_nan() {
            return Err(FeatureError::config("threshold", "NaN given, must be a number"));
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
        let matrix = matrix.as_standard_layout().into_owned();
        Ok(Self {
            matrix,
            threshold: config.threshold,
            norm,
        })
    }

    fn frame(&self, magnitudes: &[f32], classes: &mut [f32]) {
        if let Some(matrix) = self.matrix.as_slice() {
            dispatch!(product(matrix, magnitudes, classes));
        }
        let quiet = classes.iter_mut().filter(|class| **class < self.threshold);
        quiet.for_each(|class| *class = 0.0);
        normalize_frame(classes, self.norm);
    }

    /// Folds frames of which `magnitude` gives the magnitudes of bins.
    fn all<T: Copy>(
        &self,
        transform: ArrayView2<'_, T>,
        magnitude: impl Fn(T) -> f32,
    ) -> Result<Array2<f32>, FeatureError> {
        let mut out = frame_major(self.matrix.nrows(), transform.ncols())?;
        let mut frames = out.axis_iter_mut(Axis(1));
        let mut magnitudes = vec![0.0; transform.nrows()];
        let mut classes = vec![0.0; self.matrix.nrows()];
        visit_frames(&transform, &mut Vec::new(), |_, frame| {
            magnitudes
                .iter_mut()
                .zip(frame)
                .for_each(|(to, x)| *to = magnitude(*x));
            self.frame(&magnitudes, &mut classes);
            if let Some(mut to) = frames.next() {
                to.iter_mut().zip(&classes).for_each(|(to, x)| *to = *x);
            }
        });
        Ok(out)
    }
}

fn check_magnitudes(magnitudes: ArrayView2<'_, f32>) -> Result<(), FeatureError> {
    if let Some((index, &value)) = magnitudes.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(FeatureError::NonFinite {
            array: "transform",
            index,
            value,
        });
    }
    if magnitudes.nrows() == 0 {
        return Err(FeatureError::shape(
            "transform",
            magnitudes.shape(),
            "at least one bin",
        ));
    }
    Ok(())
}

/// The magnitudes of a transform, as the chroma sees them.
pub(crate) fn magnitudes(transform: ArrayView2<'_, Complex32>) -> Array2<f32> {
    transform.mapv(modulus)
}

fn modulus(c: Complex32) -> f32 {
    (c.re * c.re + c.im * c.im).sqrt()
}

/// Chroma of a constant-Q transform: the magnitudes of all octaves' bins, summed for each pitch class. Of shape
/// `(n_chroma, n_frames)`.
///
/// ```
/// use timbral_features::{ChromaCqt, ChromaCqtConfig};
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

    fn with_norm(config: ChromaCqtConfig, norm: Option<Norm>) -> Result<Self, FeatureError> {
        let cqt = config.cqt();
        let n_bins = cqt.n_bins;
        let transform = match config.cqt_mode {
            CqtMode::Full => Transform::Full(Box::new(Cqt::new(cqt)?)),
            CqtMode::Hybrid => Transform::Hybrid(Box::new(HybridCqt::new(cqt)?)),
        };
        let fold = Fold::new(&config.fold, n_bins, norm)?;
        Ok(Self {
            config,
            transform,
            fold,
        })
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
            Transform::Full(plan) => self.fold.all(plan.compute(samples)?.view(), modulus),
            Transform::Hybrid(plan) => self.fold.all(plan.compute(samples)?.view(), |x| x),
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
        check_magnitudes(magnitudes)?;
        Fold::new(config, magnitudes.nrows(), config.norm)?.all(magnitudes, f32::abs)
    }
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
        self.fold.matrix.nrows()
    }

    /// The chroma of a signal, of shape `(bins_per_octave, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`Vqt::compute`].
    pub fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        self.fold.all(self.vqt.compute(samples)?.view(), modulus)
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
        Ok(Self {
            config,
            chroma,
            smoothing,
        })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ChromaCensConfig {
        &self.config
    }

    /// The statistics of a signal, of shape `(n_chroma, n_frames)`.
    ///
    /// # Errors
    ///
    /// As [`Cqt::compute`].
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
        check_magnitudes(magnitudes)?;
        let smoothing = Smoothing::new(config)?;
        let fold = Fold::new(&config.chroma.fold, magnitudes.nrows(), Some(Norm::L1))?;
        smoothing.apply(fold.all(magnitudes, f32::abs)?)
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
                    format!("{length} frames given, at most {LONGEST} allowed"),
                ));
            }
            Some(length) => {
                let mut window = get_window(&config.smoothing_window, length + 2, false)?;
                let sum: f64 = window.iter().sum();
                if sum.abs() < f64::MIN_POSITIVE {
                    return Err(FeatureError::config("win_len_smooth", "the window's sum is 0"));
                }
                window.iter_mut().for_each(|w| *w /= sum);
                Some(window)
            }
        };
        Ok(Self {
            window,
            norm: config.norm,
        })
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
                None => frame
                    .iter_mut()
                    .zip(chroma.column(t))
                    .for_each(|(to, x)| *to = *x),
                Some(window) => {
                    sums.fill(0.0);
                    // An even window reaches one frame further into the future.
                    let before = (window.len() - 1) / 2;
                    let first = t.saturating_sub(before);
                    let end = (t + window.len() - before).min(n_frames);
                    for s in first..end {
                        let w = window[s + before - t];
                        sums.iter_mut()
                            .zip(chroma.column(s))
                            .for_each(|(sum, x)| *sum += w * f64::from(*x));
                    }
                    frame
                        .iter_mut()
                        .zip(&sums)
                        .for_each(|(to, sum)| *to = *sum as f32);
                }
            }
            normalize_frame(frame, self.norm);
        });
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(n: usize) -> Vec<f32> {
        let tone = |f: f32, i: usize| (i as f32 * std::f32::consts::TAU * f / 22_050.0).sin();
        (0..n)
            .map(|i| tone(261.63, i) + tone(329.63, i) + tone(392.0, i))
            .collect()
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
            let config = ChromaCqtConfig {
                cqt_mode,
                ..ChromaCqtConfig::default()
            };
            let chroma = ChromaCqt::new(config.clone()).unwrap().compute(&samples).unwrap();
            assert_eq!(chroma.dim(), (12, 44));
            assert_eq!(loudest(chroma.column(22)), [0, 4, 7]);
            let cens = ChromaCensConfig {
                chroma: config,
                ..ChromaCensConfig::default()
            };
            let cens = ChromaCens::new(cens).unwrap().compute(&samples).unwrap();
            assert_eq!(loudest(cens.column(22)), [0, 4, 7]);
        }
        let chroma = ChromaVqt::new(ChromaVqtConfig::default())
            .unwrap()
            .compute(&samples)
            .unwrap();
        assert_eq!(loudest(chroma.column(22)), [0, 4, 7]);
    }

    #[test]
    fn smoothing_is_a_convolution() {
        let magnitudes = Array2::from_shape_fn((12, 20), |(c, t)| ((c * 3 + t * t) % 7) as f32);
        let fold = FoldConfig {
            bins_per_octave: 12,
            ..FoldConfig::default()
        };
        let config = |win_len_smooth| ChromaCensConfig {
            chroma: ChromaCqtConfig {
                fold: fold.clone(),
                ..ChromaCqtConfig::default()
            },
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

    #[test]
    fn odd_inputs() {
        let plan = ChromaCqt::new(ChromaCqtConfig::default()).unwrap();
        for samples in [&[][..], &[0.5], &[0.0; 2000]] {
            assert!(plan.compute(samples).unwrap().iter().all(|x| x.is_finite()));
        }
        assert!(plan.compute(&[f32::INFINITY]).is_err());
        let fold = FoldConfig {
            bins_per_octave: 13,
            ..FoldConfig::default()
        };
        assert!(
            ChromaCqt::new(ChromaCqtConfig {
                fold,
                ..Default::default()
            })
            .is_err()
        );
        assert!(ChromaCqt::from_magnitudes(&FoldConfig::default(), Array2::zeros((0, 3)).view()).is_err());
        assert!(
            ChromaCqt::new(ChromaCqtConfig {
                n_octaves: usize::MAX,
                ..Default::default()
            })
            .is_err()
        );
    }
}
