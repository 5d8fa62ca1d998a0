//! How far a recording is tuned from A440.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::piptrack::{PeakFinder, PiptrackConfig, check_spectrogram};
use crate::convert::hz_to_octs;
use crate::error::{FeatureError, check_finite};
use crate::onset::median;
use crate::plan::FeaturePlan;
use crate::shape::visit_frames;
use crate::stft::{Spectrogram, SpectrogramConfig, StftConfig};

/// Parameters of [`estimate_tuning`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuningConfig {
    /// Framing, window and transform. Default: 2048 samples every 512.
    pub stft: StftConfig,
    /// Which peaks count, and the sample rate.
    pub peaks: PiptrackConfig,
    /// Width of the classes of deviation, in bins, above 0 and at most 1. Default: 0.01.
    pub resolution: f64,
    /// Bins that an octave is divided into. Default: 12.
    pub bins_per_octave: usize,
}

impl Default for TuningConfig {
    fn default() -> Self {
        Self {
            stft: StftConfig::default(),
            peaks: PiptrackConfig::default(),
            resolution: 0.01,
            bins_per_octave: 12,
        }
    }
}

/// The tuning of a signal: its usual deviation from A440, in bins of `bins_per_octave`, from -0.5 up to 0.5. Without any
/// pitch it is 0.
///
/// The spectral peaks of at least median magnitude are sorted into classes of width `resolution`; the answer is the
/// lower edge of the fullest class.
///
/// # Errors
///
/// As [`Spectrogram::compute`] and [`tuning_of_spectrogram`].
///
/// ```
/// use timbral_features::pitch::{TuningConfig, estimate_tuning};
/// let sharp: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.12827).sin()).collect();
/// let tuning = estimate_tuning(&sharp, &TuningConfig::default())?;
/// assert!((tuning - 0.39).abs() < 0.05);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn estimate_tuning(samples: &[f32], config: &TuningConfig) -> Result<f64, FeatureError> {
    let plan = Spectrogram::new(SpectrogramConfig { stft: config.stft.clone(), power: 1.0 })?;
    let finder = PeakFinder::new(&config.peaks, plan.n_bins())?;
    check_finite("samples", samples)?;
    let mut collector = Collector::new(finder);
    let (mut scratch, mut frame) = (plan.scratch(), vec![0.0; plan.n_bins()]);
    for t in 0..plan.n_frames(samples.len())? {
        plan.frame(samples, t, &mut frame, &mut scratch);
        collector.add(&frame);
    }
    collector.tuning(config.resolution, config.bins_per_octave)
}

/// The tuning of a spectrogram of magnitudes or powers, of shape `(n_fft / 2 + 1, n_frames)`.
///
/// # Errors
///
/// As [`piptrack`](super::piptrack) and [`pitch_tuning`].
pub fn tuning_of_spectrogram(
    spectrogram: ArrayView2<'_, f32>,
    peaks: &PiptrackConfig,
    resolution: f64,
    bins_per_octave: usize,
) -> Result<f64, FeatureError> {
    check_spectrogram(&spectrogram)?;
    tuning_of_checked(spectrogram, peaks, resolution, bins_per_octave)
}

/// As [`tuning_of_spectrogram`], for values that are known to be finite.
pub(crate) fn tuning_of_checked(
    spectrogram: ArrayView2<'_, f32>,
    peaks: &PiptrackConfig,
    resolution: f64,
    bins_per_octave: usize,
) -> Result<f64, FeatureError> {
    let finder = PeakFinder::new(peaks, spectrogram.nrows())?;
    let mut collector = Collector::new(finder);
    visit_frames(&spectrogram, &mut Vec::new(), |_, frame| collector.add(frame));
    collector.tuning(resolution, bins_per_octave)
}

/// The usual deviation of some frequencies in Hz from the bins of A440, as [`estimate_tuning`] answers it. Frequencies
/// that are not above 0 are left out.
///
/// # Errors
///
/// [`FeatureError::Config`] if `resolution` does not lie above 0 and at most at 1, or makes more than 2^24 classes, or
/// `bins_per_octave` is 0.
pub fn pitch_tuning(
    frequencies: impl IntoIterator<Item = f32>,
    resolution: f64,
    bins_per_octave: usize,
) -> Result<f64, FeatureError> {
    if !(resolution > 0.0 && resolution <= 1.0) || 1.0 / resolution > f64::from(1 << 24) {
        return Err(FeatureError::config("resolution", resolution, "above 0, at most 1 and at least 2^-24"));
    }
    if bins_per_octave == 0 {
        return Err(FeatureError::config("bins_per_octave", "0", "at least 1"));
    }
    let classes = (1.0 / resolution).ceil() as usize;
    let width = 1.0 / classes as f64;
    let edge = |class: usize| -0.5 + class as f64 * width;
    let mut counts = vec![0usize; classes];
    let mut any = false;
    for frequency in frequencies {
        if !(frequency > 0.0 && frequency.is_finite()) {
            continue;
        }
        let bins = bins_per_octave as f64 * hz_to_octs(f64::from(frequency), 0.0, 12);
        let deviation = bins - bins.floor();
        let deviation = if deviation >= 0.5 { deviation - 1.0 } else { deviation };
        // Division can fall on the wrong side of an edge, so the edges themselves decide.
        let mut class = (((deviation + 0.5) / width) as usize).min(classes - 1);
        if class + 1 < classes && deviation >= edge(class + 1) {
            class += 1;
        } else if class > 0 && deviation < edge(class) {
            class -= 1;
        }
        counts[class] += 1;
        any = true;
    }
    let mut fullest = 0;
    for (class, &count) in counts.iter().enumerate() {
        if count > counts[fullest] {
            fullest = class;
        }
    }
    Ok(if any { edge(fullest) } else { 0.0 })
}

/// Collects the peaks of frames.
struct Collector {
    finder: PeakFinder,
    work: Vec<f32>,
    pitches: Vec<f32>,
    magnitudes: Vec<f32>,
}

impl Collector {
    fn new(finder: PeakFinder) -> Self {
        Self { finder, work: Vec::new(), pitches: Vec::new(), magnitudes: Vec::new() }
    }

    fn add(&mut self, frame: &[f32]) {
        self.finder.visit(frame, &mut self.work, |_, pitch, magnitude| {
            if pitch > 0.0 {
                self.pitches.push(pitch);
                self.magnitudes.push(magnitude);
            }
        });
    }

    /// The tuning of the peaks of at least median magnitude.
    fn tuning(mut self, resolution: f64, bins_per_octave: usize) -> Result<f64, FeatureError> {
        let mut threshold = 0.0;
        if !self.magnitudes.is_empty() {
            self.work.clear();
            self.work.extend_from_slice(&self.magnitudes);
            threshold = median(&mut self.work);
        }
        let loud = self.pitches.iter().zip(&self.magnitudes).filter(|(_, m)| **m >= threshold);
        pitch_tuning(loud.map(|(pitch, _)| *pitch), resolution, bins_per_octave)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_fall_into_the_right_class() {
        for cents in [-49.5f64, -20.5, 0.5, 18.5, 49.5] {
            let f = (440.0 * (cents / 1200.0).exp2()) as f32;
            let tuning = pitch_tuning([f, 0.0, f, 100.0], 0.01, 12).unwrap();
            let expected = (cents - 0.5) / 100.0;
            assert!((tuning - expected).abs() < 1e-9, "{cents}: {tuning}");
        }
    }

    #[test]
    fn nothing_is_in_tune() {
        assert_eq!(pitch_tuning([], 0.01, 12).unwrap(), 0.0);
        assert_eq!(pitch_tuning([0.0, -3.0, f32::NAN], 0.01, 12).unwrap(), 0.0);
        assert_eq!(estimate_tuning(&[0.0; 4000], &TuningConfig::default()).unwrap(), 0.0);
        assert_eq!(estimate_tuning(&[], &TuningConfig::default()).unwrap(), 0.0);
        assert!(pitch_tuning([1.0], 0.0, 12).is_err());
        assert!(pitch_tuning([1.0], 0.01, 0).is_err());
        assert!(estimate_tuning(&[f32::NAN], &TuningConfig::default()).is_err());
    }
}
