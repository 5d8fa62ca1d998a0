//! Log-mel energies.

use ndarray::{ArrayRef2, Axis};
use realfft::num_complex::Complex32;

use super::config::{FbankConfig, Sizes};
use super::mel_bank::Bands;
use crate::error::{FeatureError, check_finite};
use crate::fft::{RealFft, RealFftScratch};
use crate::framing::PadMode;
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames};
use crate::simd::{SHORT, dispatch, ln, sum_of};

/// The floor under every logarithm: the distance between 1 and the next `f32`.
const LOG_FLOOR: f32 = f32::EPSILON;

/// Mel filter bank energies as Kaldi computes them.
///
/// The answer has the shape `(rows, n_frames)` with `num_mel_bins` rows, and one more with `use_energy`; Kaldi and
/// torchaudio show its transpose.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::compat::kaldi::{Fbank, FbankConfig};
/// let plan = Fbank::new(FbankConfig { num_mel_bins: 80, ..FbankConfig::default() })?;
/// let second = vec![0.01; 16_000];
/// assert_eq!(plan.compute(&second)?.dim(), (80, 98));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fbank {
    config: FbankConfig,
    sizes: Sizes,
    window: Vec<f32>,
    bands: Bands,
    log_energy_floor: f32,
    fft: RealFft,
}

/// Working memory of a [`Fbank`] or a [`Mfcc`](super::Mfcc). One for each thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    frame: Vec<f32>,
    padded: Vec<f32>,
    spectrum: Vec<Complex32>,
    fft: RealFftScratch,
    power: Vec<f32>,
    pub(super) row: Vec<f32>,
}

impl Fbank {
    /// Checks the configuration and plans the filter bank.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a frame holds less than two samples or more than 2^24, an edge lies outside
    /// `0..=Nyquist` or above the next one, there are less than four bands, or a number is not finite.
    pub fn new(config: FbankConfig) -> Result<Self, FeatureError> {
        let sizes = config.sizes()?;
        let window = config.window_type.weights(sizes.window, config.blackman_coeff);
        let bands = Bands::new(&config, sizes.n_fft)?;
        let log_energy_floor =
            if config.energy_floor == 0.0 { f32::NEG_INFINITY } else { config.energy_floor.ln() as f32 };
        let fft = RealFft::new(sizes.n_fft);
        Ok(Self { config, sizes, window, bands, log_energy_floor, fft })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &FbankConfig {
        &self.config
    }

    /// The bands of one frame, and its log energy (0 if the configuration does not ask for it).
    pub(super) fn frame(&self, samples: &[f32], index: usize, mel: &mut [f32], scratch: &mut Scratch) -> f32 {
        let Scratch { frame, padded, spectrum, fft, power, .. } = scratch;
        let raw = self.cut(samples, index, frame);
        let energy = dispatch!(self.window_frame(raw, padded));
        self.fft.transform(padded, spectrum, fft);
        dispatch!(self.integrate(spectrum, power, mel));
        energy
    }

    /// Sizes the buffers; does nothing when they fit already.
    pub(super) fn prepare(&self, scratch: &mut Scratch) {
        let Sizes { window, n_fft, .. } = self.sizes;
        scratch.frame.resize(window, 0.0);
        scratch.padded.resize(n_fft, 0.0);
        scratch.spectrum.resize(self.fft.n_bins(), Complex32::default());
        self.fft.prepare(&mut scratch.fft);
        scratch.power.clear();
        scratch.power.resize(n_fft / 2 + SHORT, 0.0);
    }

    /// The samples of one frame, mirrored into `frame` where they reach beyond the signal.
    fn cut<'a>(&self, samples: &'a [f32], index: usize, frame: &'a mut [f32]) -> &'a [f32] {
        let Sizes { window, shift, .. } = self.sizes;
        let lead = if self.config.snip_edges { 0 } else { (window / 2) as isize - (shift / 2) as isize };
        let start = (index * shift) as isize - lead;
        if let Some(inside) = usize::try_from(start).ok().and_then(|s| samples.get(s..s + window)) {
            return inside;
        }
        for (i, value) in frame.iter_mut().enumerate() {
            let source = PadMode::Symmetric.resolve(start + i as isize, samples.len());
            *value = source.and_then(|s| samples.get(s)).copied().unwrap_or(0.0);
        }
        frame
    }

    /// Removes the mean, emphasises, windows and pads; returns the log energy.
    #[inline(always)]
    fn window_frame(&self, raw: &[f32], padded: &mut [f32]) -> f32 {
        let config = &self.config;
        let scale = config.waveform_scale;
        let mean = if config.remove_dc_offset { sum_of(raw, |x| x) / raw.len() as f32 } else { 0.0 };
        let mut energy = 0.0;
        if config.use_energy && config.raw_energy {
            energy = sum_of(raw, |x| ((x - mean) * scale).powi(2));
        }
        let (head, tail) = padded.split_at_mut(raw.len());
        // x[i] - c x[i - 1] of centred samples is (raw[i] - c raw[i - 1]) - mean (1 - c).
        let c = config.preemphasis_coefficient;
        let offset = mean * (1.0 - c);
        head[0] = ((raw[0] - c * raw[0]) - offset) * scale * self.window[0];
        for (((to, x), before), w) in head[1..].iter_mut().zip(&raw[1..]).zip(raw).zip(&self.window[1..]) {
            *to = ((x - c * before) - offset) * scale * w;
        }
        tail.fill(0.0);
        if !config.use_energy {
            return 0.0;
        }
        if !config.raw_energy {
            energy = sum_of(head, |x| x * x);
        }
        energy.max(LOG_FLOOR).ln().max(self.log_energy_floor)
    }

    #[inline(always)]
    fn integrate(&self, spectrum: &[Complex32], power: &mut [f32], mel: &mut [f32]) {
        let (power_bins, _) = power.split_at_mut(spectrum.len() - 1);
        power_bins.iter_mut().zip(spectrum).for_each(|(p, c)| *p = c.re * c.re + c.im * c.im);
        if !self.config.use_power {
            power.iter_mut().for_each(|p| *p = p.sqrt());
        }
        self.bands.apply(power, mel);
        if self.config.use_log_fbank {
            mel.iter_mut().for_each(|value| *value = ln(value.max(LOG_FLOOR)));
        }
    }
}

impl FeaturePlan for Fbank {
    type Value = f32;
    type Scratch = Scratch;

    fn n_rows(&self) -> usize {
        self.bands.len() + usize::from(self.config.use_energy)
    }

    /// 0 for a signal shorter than a frame, which is no error to Kaldi.
    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        let Sizes { window, shift, .. } = self.sizes;
        if samples == 0 || (samples as f64) < self.config.min_duration * f64::from(self.config.sample_rate) {
            Ok(0)
        } else if self.config.snip_edges {
            Ok(if samples < window { 0 } else { 1 + (samples - window) / shift })
        } else {
            Ok((samples + shift / 2) / shift)
        }
    }

    fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        self.prepare(&mut scratch);
        scratch
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut Scratch,
    ) -> Result<(), FeatureError> {
        check_output(out, self.n_rows(), self.n_frames(samples.len())?)?;
        check_finite("samples", samples)?;
        self.prepare(scratch);
        let mut row = std::mem::take(&mut scratch.row);
        fill_frames(out, &mut row, |index, frame| {
            if self.config.use_energy {
                let at = if self.config.htk_compat { self.bands.len() } else { 0 };
                let (first, last) = if at == 0 { (1, frame.len()) } else { (0, at) };
                frame[at] = self.frame(samples, index, &mut frame[first..last], scratch);
            } else {
                self.frame(samples, index, frame, scratch);
            }
        });
        scratch.row = row;
        if self.config.subtract_mean {
            subtract_mean(out);
        }
        Ok(())
    }
}

/// Takes away each row's mean.
pub(super) fn subtract_mean(out: &mut ArrayRef2<f32>) {
    let n_frames = out.ncols();
    if n_frames == 0 {
        return;
    }
    let mut means = vec![0.0f64; out.nrows()];
    for frame in out.axis_iter(Axis(1)) {
        means.iter_mut().zip(frame).for_each(|(mean, x)| *mean += f64::from(*x));
    }
    means.iter_mut().for_each(|mean| *mean /= n_frames as f64);
    for mut frame in out.axis_iter_mut(Axis(1)) {
        frame.iter_mut().zip(&means).for_each(|(x, mean)| *x = (f64::from(*x) - mean) as f32);
    }
}
