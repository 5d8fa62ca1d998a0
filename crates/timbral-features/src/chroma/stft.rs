//! Chroma from the short-time Fourier transform.

use ndarray::{Array2, ArrayRef2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use crate::filters::{ChromaFilterConfig, chroma_filters};
use crate::pitch::{PiptrackConfig, check_spectrogram, tuning_of_checked};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames, frame_major, visit_frames};
use crate::simd::{dispatch, product};
use crate::stft::{Spectrogram, SpectrogramConfig, StftConfig, StftScratch};
use crate::util::Norm;

/// Parameters of [`ChromaStft`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaStftConfig {
    /// Samples per second. Default: 22 050.
    pub sample_rate: u32,
    /// Framing, window and transform.
    pub stft: StftConfig,
    /// Number of pitch classes. Default: 12.
    pub n_chroma: usize,
    /// Deviation from A440 in fractions of a class; none estimates it from each signal's power spectrogram. Default:
    /// none.
    pub tuning: Option<f64>,
    /// Centre of the weighting over octaves. Default: 5.
    pub ctroct: f64,
    /// Width of the weighting over octaves; infinite for none. Default: 2.
    pub octwidth: f64,
    /// Whether class 0 is C, else A. Default: true.
    pub base_c: bool,
    /// Norm that each frame is divided by; none leaves energies. Default: the maximum.
    pub norm: Option<Norm>,
}

impl Default for ChromaStftConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            n_chroma: 12,
            tuning: None,
            ctroct: 5.0,
            octwidth: 2.0,
            base_c: true,
            norm: Some(Norm::Max),
        }
    }
}

/// The energy of pitch classes, from a power spectrogram; of shape `(n_chroma, n_frames)`.
///
/// A frame of silence stays 0.
///
/// Ellis, "Chroma feature analysis and synthesis", 2007.
///
/// ```
/// use timbral_features::{FeaturePlan, ChromaStft, ChromaStftConfig};
/// let a440: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.125379).sin()).collect();
/// let chroma = ChromaStft::new(ChromaStftConfig::default())?.compute(&a440)?;
/// assert_eq!(chroma.dim(), (12, 44));
/// assert_eq!(chroma[[9, 20]], 1.0);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChromaStft {
    config: ChromaStftConfig,
    spectrogram: Spectrogram,
    /// The filters of the tuning given.
    filters: Option<Array2<f32>>,
}

/// Working memory of [`ChromaStft`]. One for each thread.
#[derive(Debug, Clone, Default)]
pub struct ChromaStftScratch {
    stft: StftScratch,
    frame: Vec<f32>,
    power: Array2<f32>,
}

impl ChromaStft {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for an invalid STFT configuration, sample rate, number of classes, tuning, weighting or
    /// norm.
    pub fn new(config: ChromaStftConfig) -> Result<Self, FeatureError> {
        if let Some(norm) = config.norm {
            norm.validate("norm")?;
        }
        let spectrogram = Spectrogram::new(SpectrogramConfig { stft: config.stft.clone(), power: 2.0 })?;
        // Filters of any tuning show whether the other parameters are valid.
        let filters = config.filters(config.tuning.unwrap_or(0.0))?;
        let filters = config.tuning.is_some().then_some(filters);
        Ok(Self { config, spectrogram, filters })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &ChromaStftConfig {
        &self.config
    }

    /// The chroma of a power spectrogram of shape `(n_fft / 2 + 1, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] if the number of bins is not that of the configuration, [`FeatureError::NonFinite`] for
    /// NaN or infinities.
    pub fn compute_from_power(&self, power: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        if power.nrows() != self.spectrogram.n_bins() {
            let expected = format!("({}, n_frames)", self.spectrogram.n_bins());
            return Err(FeatureError::shape("power spectrogram", power.shape(), expected));
        }
        check_spectrogram(&power)?;
        let mut out = frame_major(self.config.n_chroma, power.ncols())?;
        match &self.filters {
            Some(filters) => self.fold_all(filters, power, &mut out),
            None => self.fold_estimated(power, &mut out)?,
        }
        Ok(out)
    }

    /// The classes of one frame of the power spectrogram; 0 if the tuning is not given.
    pub(crate) fn classes_of(&self, power: &[f32], classes: &mut [f32]) {
        match &self.filters {
            Some(filters) => self.fold(filters, power, classes),
            None => classes.fill(0.0),
        }
    }

    fn fold_estimated(
        &self,
        power: ArrayView2<'_, f32>,
        out: &mut ArrayRef2<f32>,
    ) -> Result<(), FeatureError> {
        let peaks = PiptrackConfig { sample_rate: self.config.sample_rate, ..PiptrackConfig::default() };
        let tuning = tuning_of_checked(power, &peaks, 0.01, self.config.n_chroma)?;
        self.fold_all(&self.config.filters(tuning)?, power, out);
        Ok(())
    }

    fn fold_all(&self, filters: &Array2<f32>, power: ArrayView2<'_, f32>, out: &mut ArrayRef2<f32>) {
        let mut folded = out.axis_iter_mut(ndarray::Axis(1));
        let mut classes = vec![0.0; self.config.n_chroma];
        visit_frames(&power, &mut Vec::new(), |_, frame| {
            self.fold(filters, frame, &mut classes);
            if let Some(mut to) = folded.next() {
                to.iter_mut().zip(&classes).for_each(|(to, x)| *to = *x);
            }
        });
    }

    fn fold(&self, filters: &Array2<f32>, frame: &[f32], classes: &mut [f32]) {
        if let Some(matrix) = filters.as_slice() {
            dispatch!(product(matrix, frame, classes));
        }
        normalize_frame(classes, self.config.norm);
    }
}

impl FeaturePlan for ChromaStft {
    type Value = f32;
    type Scratch = ChromaStftScratch;

    fn n_rows(&self) -> usize {
        self.config.n_chroma
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.spectrogram.n_frames(samples)
    }

    fn scratch(&self) -> ChromaStftScratch {
        ChromaStftScratch { stft: self.spectrogram.scratch(), ..ChromaStftScratch::default() }
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut ChromaStftScratch,
    ) -> Result<(), FeatureError> {
        let n_frames = self.n_frames(samples.len())?;
        check_output(out, self.config.n_chroma, n_frames)?;
        let Some(filters) = &self.filters else {
            if scratch.power.dim() != (self.spectrogram.n_bins(), n_frames) {
                scratch.power = frame_major(self.spectrogram.n_bins(), n_frames)?;
            }
            self.spectrogram.compute_into(samples, &mut scratch.power, &mut scratch.stft)?;
            return self.fold_estimated(scratch.power.view(), out);
        };
        check_finite("samples", samples)?;
        let ChromaStftScratch { stft, frame, .. } = scratch;
        frame.resize(self.spectrogram.n_bins(), 0.0);
        fill_frames(out, &mut Vec::new(), |t, classes| {
            self.spectrogram.frame(samples, t, frame, stft);
            self.fold(filters, frame, classes);
        });
        Ok(())
    }
}

/// Divides a frame by its norm, unless that is too small to divide by.
pub(crate) fn normalize_frame(frame: &mut [f32], norm: Option<Norm>) {
    let Some(norm) = norm else { return };
    let size = norm.of(frame.iter().map(|&x| f64::from(x)));
    if size >= f64::from(f32::MIN_POSITIVE) {
        frame.iter_mut().for_each(|x| *x = (f64::from(*x) / size) as f32);
    }
}

impl ChromaStftConfig {
    fn filters(&self, tuning: f64) -> Result<Array2<f32>, FeatureError> {
        let filters = chroma_filters(&ChromaFilterConfig {
            sample_rate: self.sample_rate,
            n_fft: self.stft.n_fft,
            n_chroma: self.n_chroma,
            tuning,
            ctroct: self.ctroct,
            octwidth: self.octwidth,
            base_c: self.base_c,
            ..ChromaFilterConfig::default()
        })?;
        Ok(filters.as_standard_layout().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pitch::tuning_of_spectrogram;

    fn chord(n: usize) -> Vec<f32> {
        let tone = |f: f32, i: usize| (i as f32 * std::f32::consts::TAU * f / 22_050.0).sin();
        (0..n).map(|i| tone(261.63, i) + tone(329.63, i) + tone(392.0, i)).collect()
    }

    #[test]
    fn a_major_chord_fills_its_classes() {
        let chroma = ChromaStft::new(ChromaStftConfig::default()).unwrap().compute(&chord(20_000)).unwrap();
        let frame = chroma.column(20);
        let mut order: Vec<usize> = (0..12).collect();
        order.sort_by(|&a, &b| frame[b].total_cmp(&frame[a]));
        order.truncate(3);
        order.sort_unstable();
        assert_eq!(order, [0, 4, 7]);
    }

    #[test]
    fn equals_the_matrix_product_from_samples_and_from_powers() {
        for tuning in [None, Some(0.2)] {
            let config = ChromaStftConfig { tuning, norm: Some(Norm::L2), ..ChromaStftConfig::default() };
            let plan = ChromaStft::new(config.clone()).unwrap();
            let samples = chord(9_000);
            let power = plan.spectrogram.compute(&samples).unwrap();
            let peaks = PiptrackConfig::default();
            let tuning =
                tuning.unwrap_or_else(|| tuning_of_spectrogram(power.view(), &peaks, 0.01, 12).unwrap());
            let slow = config.filters(tuning).unwrap().dot(&power);
            let slow = crate::util::normalize(slow.view(), Norm::L2, 0, None, None).unwrap();
            let fast = plan.compute(&samples).unwrap();
            assert_eq!(fast, plan.compute_from_power(power.view()).unwrap());
            for (a, b) in fast.iter().zip(&slow) {
                assert!((a - b).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn odd_inputs() {
        let plan = ChromaStft::new(ChromaStftConfig::default()).unwrap();
        for samples in [&[][..], &[0.3], &[0.0; 3000]] {
            assert!(plan.compute(samples).unwrap().iter().all(|x| x.is_finite()));
        }
        assert!(plan.compute(&[f32::NAN]).is_err());
        assert!(plan.compute_from_power(Array2::zeros((7, 2)).view()).is_err());
        assert!(ChromaStft::new(ChromaStftConfig { n_chroma: 0, ..Default::default() }).is_err());
    }
}
