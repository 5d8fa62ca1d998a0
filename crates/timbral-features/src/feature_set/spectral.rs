//! One pass over the spectra of a signal for all features that look at one frame at a time.

use std::sync::Arc;

use ndarray::{Array2, ArrayViewMut1, Axis};
use realfft::num_complex::{Complex32, Complex64};
use realfft::{RealFftPlanner, RealToComplex};

use super::config::Precision;
use crate::chroma::ChromaStft;
use crate::error::{FeatureError, check_finite};
use crate::framing::Framing;
use crate::mel::MelSpectrogram;
use crate::plan::FeaturePlan;
use crate::shape::frame_major;
use crate::simd::{SHORT, dispatch};
use crate::spectral::{
    PolyFeatures, Rms, SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff,
};
use crate::stft::{Power, Stft, StftConfig};

/// What becomes of a frame's spectrum.
#[derive(Clone, Debug)]
pub(super) enum Kernel {
    Spectrogram(Power),
    Mel(MelSpectrogram),
    Chroma(ChromaStft),
    Centroid(SpectralCentroid),
    Bandwidth(SpectralBandwidth),
    Flatness(SpectralFlatness),
    Rolloff(SpectralRolloff),
    Poly(PolyFeatures),
    Rms(Rms),
}

impl Kernel {
    /// The power of the magnitudes that it looks at.
    fn power(&self) -> Power {
        match self {
            Self::Spectrogram(power) => *power,
            Self::Mel(plan) => plan.power(),
            Self::Chroma(_) => Power::Energy,
            _ => Power::Magnitude,
        }
    }

    pub(super) fn n_rows(&self, n_bins: usize) -> usize {
        match self {
            Self::Spectrogram(_) => n_bins,
            Self::Mel(plan) => plan.n_mels(),
            Self::Chroma(plan) => plan.config().n_chroma,
            Self::Poly(plan) => plan.n_rows(),
            _ => 1,
        }
    }

    /// The rows of one frame. Zeros follow the bins, over which mel filters may run.
    fn frame(&self, padded: &[f32], n_bins: usize, out: &mut [f32]) {
        let spectrum = &padded[..n_bins];
        match self {
            Self::Spectrogram(_) => out.copy_from_slice(spectrum),
            Self::Mel(plan) => plan.bands_of(padded, out),
            Self::Chroma(plan) => plan.classes_of(spectrum, out),
            Self::Centroid(plan) => plan.values_of(spectrum, out),
            Self::Bandwidth(plan) => plan.values_of(spectrum, out),
            Self::Flatness(plan) => plan.values_of(spectrum, out),
            Self::Rolloff(plan) => plan.values_of(spectrum, out),
            Self::Poly(plan) => plan.values_of(spectrum, out),
            Self::Rms(plan) => out.fill(plan.spectrum(spectrum)),
        }
    }
}

/// The transform of one frame at a time, in double precision inside.
#[derive(Clone)]
struct DoubleStft {
    framing: Framing,
    window: Vec<f64>,
    fft: Arc<dyn RealToComplex<f64>>,
}

impl DoubleStft {
    fn new(config: &StftConfig) -> Result<Self, FeatureError> {
        Ok(Self {
            framing: config.framing()?,
            window: config.padded_window()?,
            fft: RealFftPlanner::new().plan_fft_forward(config.n_fft),
        })
    }

    fn spectrum(&self, samples: &[f32], index: usize, scratch: &mut DoubleScratch) {
        let DoubleScratch { frame, windowed, spectrum, fft, bins } = scratch;
        frame.resize(self.window.len(), 0.0);
        windowed.resize(self.window.len(), 0.0);
        spectrum.resize(self.window.len() / 2 + 1, Complex64::default());
        fft.resize(self.fft.get_scratch_len(), Complex64::default());
        self.framing.fill(samples, index, frame);
        for ((to, x), w) in windowed.iter_mut().zip(frame.iter()).zip(&self.window) {
            *to = f64::from(*x) * w;
        }
        // The lengths are right by construction, the only thing that the transform can object to.
        let done = self.fft.process_with_scratch(windowed, spectrum, fft);
        debug_assert!(done.is_ok(), "buffers have the planned lengths");
        bins.clear();
        bins.extend(spectrum.iter().map(|c| Complex32::new(c.re as f32, c.im as f32)));
    }
}

#[derive(Default)]
struct DoubleScratch {
    frame: Vec<f32>,
    windowed: Vec<f64>,
    spectrum: Vec<Complex64>,
    fft: Vec<Complex64>,
    bins: Vec<Complex32>,
}

/// The features of one transform.
#[derive(Clone)]
pub(super) struct SpectralPass {
    stft: Stft,
    double: Option<DoubleStft>,
    /// Whether the complex transform is kept too.
    pub(super) keep_complex: bool,
    kernels: Vec<Kernel>,
}

/// What a [`SpectralPass`] answers.
pub(super) struct Spectra {
    pub(super) complex: Option<Array2<Complex32>>,
    /// One array for each kernel.
    pub(super) features: Vec<Array2<f32>>,
}

impl SpectralPass {
    pub(super) fn new(config: StftConfig, precision: Precision) -> Result<Self, FeatureError> {
        let double = match precision {
            Precision::Single => None,
            Precision::Double => Some(DoubleStft::new(&config)?),
        };
        Ok(Self { stft: Stft::new(config)?, double, keep_complex: false, kernels: Vec::new() })
    }

    pub(super) fn config(&self) -> &StftConfig {
        self.stft.config()
    }

    pub(super) fn n_bins(&self) -> usize {
        self.stft.n_bins()
    }

    /// Adds a kernel and gives its place.
    pub(super) fn add(&mut self, kernel: Kernel) -> usize {
        self.kernels.push(kernel);
        self.kernels.len() - 1
    }

    pub(super) fn compute(&self, samples: &[f32]) -> Result<Spectra, FeatureError> {
        check_finite("samples", samples)?;
        let n_bins = self.stft.n_bins();
        let n_frames = self.stft.n_frames(samples.len())?;
        let mut complex = match self.keep_complex {
            true => Some(frame_major::<Complex32>(n_bins, n_frames)?),
            false => None,
        };
        let mut features = self
            .kernels
            .iter()
            .map(|kernel| frame_major(kernel.n_rows(n_bins), n_frames))
            .collect::<Result<Vec<Array2<f32>>, _>>()?;

        // Each power of the magnitudes is computed once a frame.
        let mut powers: Vec<(Power, Vec<f32>)> = Vec::new();
        let mut inputs = Vec::with_capacity(self.kernels.len());
        for kernel in &self.kernels {
            let power = kernel.power();
            inputs.push(powers.iter().position(|(p, _)| *p == power).unwrap_or(powers.len()));
            if inputs.last() == Some(&powers.len()) {
                powers.push((power, vec![0.0; n_bins + SHORT]));
            }
        }

        let mut scratch = self.stft.scratch();
        let mut double_scratch = DoubleScratch::default();
        for index in 0..n_frames {
            let bins = match &self.double {
                None => self.stft.spectrum(samples, index, &mut scratch),
                Some(double) => {
                    double.spectrum(samples, index, &mut double_scratch);
                    &double_scratch.bins
                }
            };
            if let Some(complex) = &mut complex {
                column(complex, index, |frame| frame.copy_from_slice(bins));
            }
            for (power, values) in &mut powers {
                dispatch!(power.apply(bins, values));
            }
            for ((kernel, input), feature) in self.kernels.iter().zip(&inputs).zip(&mut features) {
                column(feature, index, |frame| kernel.frame(&powers[*input].1, n_bins, frame));
            }
        }
        Ok(Spectra { complex, features })
    }
}

/// Gives a frame of an array made by [`frame_major`] as a slice.
fn column<T>(array: &mut Array2<T>, index: usize, fill: impl FnOnce(&mut [T])) {
    let frame: ArrayViewMut1<'_, T> = array.index_axis_mut(Axis(1), index);
    if let Some(frame) = frame.into_slice() {
        fill(frame);
    }
}
