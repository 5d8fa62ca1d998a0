//! Samples to mel bands.

use ndarray::{Array2, ArrayRef2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use crate::filters::{MelFilterBank, MelFilterConfig, MelNorm};
use crate::framing::PadMode;
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames, frame_major, visit_frames};
use crate::simd::dispatch;
use crate::stft::{Power, Stft, StftConfig, StftScratch};
use crate::window::Window;

/// A mel spectrogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MelConfig {
    /// Samples per second. Default: 22 050 Hz.
    pub sample_rate: u32,
    /// Length of the Fourier transform in samples. Default: 2048.
    pub n_fft: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// Length of the window in samples, at most `n_fft`. Default: `n_fft`.
    pub win_length: Option<usize>,
    /// The window, in its periodic form. Default: Hann.
    pub window: Window,
    /// Whether frame `t` is centred on sample `t * hop_length`, else it starts there. Default: true.
    pub center: bool,
    /// What lies outside the signal when frames are centred. Default: zeros.
    pub pad_mode: PadMode,
    /// Exponent of the magnitude before the filters, above 0: 1 for magnitudes, 2 for power. Default: 2.
    pub power: f32,
    /// Number of bands. Default: 128.
    pub n_mels: usize,
    /// Lower end of the first band in Hz. Default: 0.
    pub fmin: f64,
    /// Upper end of the last band in Hz, at most half the sample rate. Default: half the sample rate.
    pub fmax: Option<f64>,
    /// The mel scale of HTK, else Slaney's. Default: false.
    pub htk: bool,
    /// Scaling of the filters. Default: Slaney's.
    pub norm: MelNorm,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            hop_length: 512,
            win_length: None,
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Constant,
            power: 2.0,
            n_mels: 128,
            fmin: 0.0,
            fmax: None,
            htk: false,
            norm: MelNorm::Slaney,
        }
    }
}

impl MelConfig {
    /// The part that describes the transform.
    pub fn stft(&self) -> StftConfig {
        StftConfig {
            n_fft: self.n_fft,
            hop_length: self.hop_length,
            win_length: self.win_length,
            window: self.window.clone(),
            center: self.center,
            pad_mode: self.pad_mode,
        }
    }

    /// The part that describes the filters.
    pub fn filters(&self) -> MelFilterConfig {
        MelFilterConfig {
            sample_rate: self.sample_rate,
            n_fft: self.n_fft,
            n_mels: self.n_mels,
            fmin: self.fmin,
            fmax: self.fmax,
            htk: self.htk,
            norm: self.norm,
        }
    }
}

/// The mel spectrogram of a signal: a power spectrogram summed by a bank of mel filters.
///
/// ```
/// use timbral_features::{FeaturePlan, MelConfig, MelSpectrogram};
/// let mel = MelSpectrogram::new(MelConfig { sample_rate: 22_050, n_mels: 128, ..MelConfig::default() })?;
/// assert_eq!(mel.filters().n_empty(), 0);
/// assert_eq!(mel.compute(&vec![0.1; 66_150])?.dim(), (128, 130));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MelSpectrogram {
    config: MelConfig,
    stft: Stft,
    power: Power,
    bank: MelFilterBank,
}

/// Working memory of [`MelSpectrogram`] and [`LogMelSpectrogram`](super::LogMelSpectrogram). One for each thread.
#[derive(Clone, Debug, Default)]
pub struct MelScratch {
    pub(crate) stft: StftScratch,
    pub(crate) power: Vec<f32>,
    pub(crate) row: Vec<f32>,
}

impl MelSpectrogram {
    /// Checks the configuration and plans transform and filters.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for invalid lengths, window parameters or filters; see [`Stft::new`] and
    /// [`MelFilterBank::new`].
    pub fn new(config: MelConfig) -> Result<Self, FeatureError> {
        let stft = Stft::new(config.stft())?;
        let bank = MelFilterBank::new(config.filters())?;
        let power = Power::new(config.power)?;
        Ok(Self { config, stft, power, bank })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// The filters, which know how many of them are empty.
    pub fn filters(&self) -> &MelFilterBank {
        &self.bank
    }

    /// The transform underneath.
    pub fn stft(&self) -> &Stft {
        &self.stft
    }

    /// Number of bands.
    pub fn n_mels(&self) -> usize {
        self.bank.n_mels()
    }

    /// The bands of a spectrogram that was computed with the `n_fft` and the `power` of the configuration.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] if it does not have `n_fft / 2 + 1` rows.
    pub fn from_spectrogram(&self, spectrogram: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        if spectrogram.nrows() != self.bank.n_bins() {
            return Err(FeatureError::shape(
                "spectrogram",
                spectrogram.shape(),
                format!("({}, any number of frames)", self.bank.n_bins()),
            ));
        }
        let mut out = frame_major(self.n_mels(), spectrogram.ncols())?;
        let mut columns = out.columns_mut().into_iter();
        let mut padded = vec![0.0; self.bank.padded_bins()];
        visit_frames(&spectrogram, &mut Vec::new(), |_, frame| {
            padded[..frame.len()].copy_from_slice(frame);
            if let Some(bands) = columns.next().and_then(|c| c.into_slice()) {
                dispatch!(self.bank.apply(&padded, bands));
            }
        });
        Ok(out)
    }

    /// The exponent of the magnitudes that the filters look at.
    pub(crate) fn power(&self) -> Power {
        self.power
    }

    /// The bands of one frame of the spectrogram underneath, followed by [`SHORT`](crate::simd::SHORT) zeros.
    pub(crate) fn bands_of(&self, spectrum: &[f32], bands: &mut [f32]) {
        dispatch!(self.bank.apply(spectrum, bands));
    }

    /// As many of the first frames as `out` holds. The caller has checked samples and lengths.
    pub(crate) fn fill(&self, samples: &[f32], out: &mut ArrayRef2<f32>, scratch: &mut MelScratch) {
        let mut row = std::mem::take(&mut scratch.row);
        fill_frames(out, &mut row, |index, bands| self.frame(samples, index, bands, scratch));
        scratch.row = row;
    }

    pub(crate) fn check(&self, samples: &[f32], out: &ArrayRef2<f32>) -> Result<(), FeatureError> {
        check_output(out, self.n_mels(), self.n_frames(samples.len())?)?;
        check_finite("samples", samples)
    }

    /// The bands of one frame. The caller has checked samples and lengths.
    pub(crate) fn frame(&self, samples: &[f32], index: usize, bands: &mut [f32], scratch: &mut MelScratch) {
        let MelScratch { stft, power, .. } = scratch;
        power.resize(self.bank.padded_bins(), 0.0);
        let bins = self.stft.spectrum(samples, index, stft);
        // Power and bands in one go, while the spectrum is in the cache. The zeros behind the last bin stay.
        dispatch!({
            self.power.apply(bins, power);
            self.bank.apply(power, bands);
        });
    }
}

impl FeaturePlan for MelSpectrogram {
    type Value = f32;
    type Scratch = MelScratch;

    fn n_rows(&self) -> usize {
        self.n_mels()
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.stft.n_frames(samples)
    }

    fn scratch(&self) -> MelScratch {
        MelScratch { stft: self.stft.scratch(), power: vec![0.0; self.bank.padded_bins()], row: Vec::new() }
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut MelScratch,
    ) -> Result<(), FeatureError> {
        self.check(samples, out)?;
        self.fill(samples, out, scratch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stft::{Spectrogram, SpectrogramConfig};

    #[test]
    fn equals_filters_times_spectrogram() {
        let config = MelConfig { n_fft: 512, hop_length: 128, n_mels: 40, ..MelConfig::default() };
        let mel = MelSpectrogram::new(config.clone()).unwrap();
        let samples: Vec<f32> =
            (0..5000).map(|i| (i as f32 * 0.05).sin() * (i as f32 * 0.0021).cos()).collect();
        let fast = mel.compute(&samples).unwrap();
        let spectrogram = Spectrogram::new(SpectrogramConfig { stft: config.stft(), power: 2.0 }).unwrap();
        let s = spectrogram.compute(&samples).unwrap();
        let slow = mel.filters().to_dense().dot(&s);
        let peak = slow.iter().copied().fold(0.0, f32::max);
        for (a, b) in fast.iter().zip(&slow) {
            assert!((a - b).abs() < 1e-6 * peak);
        }
        assert_eq!(mel.from_spectrogram(s.view()).unwrap(), fast);
        assert!(mel.from_spectrogram(fast.view()).is_err());
    }

    #[test]
    fn uncentred_frames_with_a_long_hop() {
        let config = MelConfig { center: false, hop_length: 1708, ..MelConfig::default() };
        let mel = MelSpectrogram::new(config).unwrap();
        assert_eq!(mel.compute(&vec![0.0; 66_150]).unwrap().dim(), (128, (66_150 - 2048) / 1708 + 1));
    }
}
