//! Per-channel energy normalisation: a compression that divides each band by its own recent level.
//!
//! Take it instead of decibels where the level of the recording is unknown or the background is loud. [`Pcen`] works on a
//! whole mel spectrogram, [`PcenStream`] on one that arrives in pieces.
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::pcen::{Pcen, PcenConfig};
//! use timbral_features::{MelConfig, MelSpectrogram};
//! let mel = MelSpectrogram::new(MelConfig::default())?.compute(&[0.1; 22_050])?;
//! let pcen = Pcen::new(PcenConfig::default())?.compute(mel.view())?;
//! assert_eq!(pcen.dim(), mel.dim());
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

use ndarray::{Array2, ArrayRef2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::shape::{check_output, frame_major};

/// How energies are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcenConfig {
    /// Rate of the signal behind the spectrogram in Hz. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// Exponent of the smoothed energy by which is divided, at least 0. Default: 0.98.
    pub gain: f64,
    /// Offset before the root, at least 0; 0 gives a pure power law. Default: 2.
    pub bias: f64,
    /// Exponent of the root, at least 0; 0 gives `ln(1 + x)`. Default: 0.5.
    pub power: f64,
    /// Time constant of the smoothing in seconds, above 0. Default: 0.4.
    pub time_constant: f64,
    /// Added to the smoothed energy, above 0. Default: 1e-6.
    pub eps: f64,
    /// Coefficient of the smoothing, 0 (never moves) to 1 (no smoothing). Default: the one of `time_constant`.
    pub b: Option<f64>,
    /// Neighbouring bins over which the maximum is taken before smoothing, at least 1. Default: 1, the bin alone.
    pub max_size: usize,
}

impl Default for PcenConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            gain: 0.98,
            bias: 2.0,
            power: 0.5,
            time_constant: 0.4,
            eps: 1e-6,
            b: None,
            max_size: 1,
        }
    }
}

/// Per-channel energy normalisation (Wang, Getreuer, Hughes, Lyon and Saurous, "Trainable frontend for robust and
/// far-field keyword spotting", 2017): an automatic gain control for each bin, then a root.
///
/// `P[f, t] = (S / (eps + M)^gain + bias)^power - bias^power`, where `M[f, t] = (1 - b) M[f, t - 1] + b S[f, t]`. librosa
/// recommends spectrograms at the scale of 16-bit samples, so multiply one of samples in `[-1, 1]` by `2^31` (power) first.
///
/// The smoothing starts in the steady state of a constant input of 1, whatever the signal, as librosa's does. Start
/// elsewhere, or continue a signal, with [`compute_with_state`](Self::compute_with_state) or [`PcenStream`].
///
/// ```
/// use ndarray::Array2;
/// use timbral_features::FeaturePlan;
/// use timbral_features::pcen::{Pcen, PcenConfig};
/// let pcen = Pcen::new(PcenConfig::default())?;
/// let energies = Array2::<f32>::from_elem((40, 100), 3.0);
/// assert_eq!(pcen.compute(energies.view())?.dim(), (40, 100));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pcen {
    config: PcenConfig,
    b: f64,
    law: Law,
}

/// The three forms that the last step takes.
#[derive(Clone, Copy, Debug)]
enum Law {
    Log,
    Power { power: f64 },
    Root { bias: f64, power: f64, scale: f64 },
}

/// The smoothing filter's memory of every bin, and working memory.
#[derive(Clone, Debug)]
pub struct PcenState {
    memory: Vec<f64>,
    frame: Vec<f32>,
}

impl PcenState {
    /// What is carried from frame to frame, one number a bin: `(1 - b) M[f, t]`, librosa's `zf`.
    #[must_use]
    pub fn memory(&self) -> &[f64] {
        &self.memory
    }
}

impl Pcen {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a parameter lies outside of its range.
    pub fn new(config: PcenConfig) -> Result<Self, FeatureError> {
        let PcenConfig { gain, bias, power, time_constant, eps, .. } = config;
        for (name, value) in [("gain", gain), ("bias", bias), ("power", power)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(FeatureError::config(name, value, "finite and at least 0"));
            }
        }
        for (name, value) in [("time_constant", time_constant), ("eps", eps)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(FeatureError::config(name, value, "finite and above 0"));
            }
        }
        for (name, value) in [
            ("sample_rate", config.sample_rate as usize),
            ("hop_length", config.hop_length),
            ("max_size", config.max_size),
        ] {
            if value == 0 {
                return Err(FeatureError::config(name, "0", "at least 1"));
            }
        }
        let frames = time_constant * f64::from(config.sample_rate) / config.hop_length as f64;
        // (sqrt(1 + 4 t^2) - 1) / (2 t^2), written so that small t does not cancel.
        let b = config.b.unwrap_or_else(|| 2.0 / ((1.0 + 4.0 * frames * frames).sqrt() + 1.0));
        if !(0.0..=1.0).contains(&b) {
            return Err(FeatureError::config("b", b, "between 0 and 1"));
        }
        // Power 0 makes the general law 0 everywhere; its limit is the logarithm. A bias of 0 would be divided by in
        // `normalise`, where ln_1p and exp_m1 keep (E + bias)^power - bias^power from cancelling for small energies.
        let law = if power == 0.0 {
            Law::Log
        } else if bias == 0.0 {
            Law::Power { power }
        } else {
            Law::Root { bias, power, scale: bias.powf(power) }
        };
        Ok(Self { config, b, law })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &PcenConfig {
        &self.config
    }

    /// The state before the first frame of a signal of `n_bins` bins.
    #[must_use]
    pub fn initial_state(&self, n_bins: usize) -> PcenState {
        self.state(&vec![1.0 - self.b; n_bins])
    }

    /// A state with the given memory, one number a bin; librosa's `zi`.
    #[must_use]
    pub fn state(&self, memory: &[f64]) -> PcenState {
        PcenState { memory: memory.to_vec(), frame: vec![0.0; memory.len()] }
    }

    /// Normalises a spectrogram of energies or magnitudes, of shape `(n_bins, n_frames)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Input`] if a value is negative, NaN or infinite.
    pub fn compute(&self, spectrogram: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        self.compute_with_state(spectrogram, &mut self.initial_state(spectrogram.nrows()))
    }

    /// As [`compute`](Self::compute), from `state` on, which is moved behind the last frame.
    ///
    /// # Errors
    ///
    /// As [`compute_into`](Self::compute_into).
    pub fn compute_with_state(
        &self,
        spectrogram: ArrayView2<'_, f32>,
        state: &mut PcenState,
    ) -> Result<Array2<f32>, FeatureError> {
        let mut out = frame_major(spectrogram.nrows(), spectrogram.ncols())?;
        self.compute_into(spectrogram, &mut out, state)?;
        Ok(out)
    }

    /// As [`compute_with_state`](Self::compute_with_state), written to `out` of the same shape, without allocation.
    /// After an error the state is as it was.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Input`] if a value is negative, NaN or infinite, [`FeatureError::Shape`] if `out` or `state` do not
    /// have the shape of the spectrogram.
    pub fn compute_into(
        &self,
        spectrogram: ArrayView2<'_, f32>,
        out: &mut ArrayRef2<f32>,
        state: &mut PcenState,
    ) -> Result<(), FeatureError> {
        let (n_bins, n_frames) = spectrogram.dim();
        check_output(out, n_bins, n_frames)?;
        if state.memory.len() != n_bins {
            return Err(FeatureError::shape("state", &[state.memory.len()], format!("({n_bins})")));
        }
        if let Some(value) = spectrogram.iter().find(|v| !(**v >= 0.0 && v.is_finite())) {
            return Err(FeatureError::Input(format!("energy {value} given, it is finite and at least 0")));
        }
        let PcenState { memory, frame } = state;
        for (input, mut output) in spectrogram.axis_iter(Axis(1)).zip(out.axis_iter_mut(Axis(1))) {
            frame.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
            for (bin, (value, carried)) in output.iter_mut().zip(memory.iter_mut()).enumerate() {
                let reference = f64::from(self.loudest_around(frame, bin));
                let smooth = self.b * reference + *carried;
                *carried = (1.0 - self.b) * smooth;
                *value = self.normalise(f64::from(frame[bin]), smooth) as f32;
            }
        }
        Ok(())
    }

    fn loudest_around(&self, frame: &[f32], bin: usize) -> f32 {
        if self.config.max_size == 1 {
            return frame[bin];
        }
        // An even width reaches one further down; mirroring at the ends adds nothing that is not inside already.
        let from = bin.saturating_sub(self.config.max_size / 2);
        let to = bin.saturating_add(self.config.max_size.div_ceil(2)).min(frame.len());
        frame[from..to].iter().copied().fold(0.0, f32::max)
    }

    fn normalise(&self, energy: f64, smooth: f64) -> f64 {
        let PcenConfig { gain, eps, .. } = self.config;
        let attenuation = (-gain * (eps.ln() + (smooth / eps).ln_1p())).exp();
        match self.law {
            Law::Log => (energy * attenuation).ln_1p(),
            Law::Power { power } => (energy * attenuation).powf(power),
            Law::Root { bias, power, scale } => {
                scale * (power * (energy * attenuation / bias).ln_1p()).exp_m1()
            }
        }
    }
}

/// PCEN of a spectrogram that arrives in pieces; equal to [`Pcen::compute`] of the whole, bit for bit, however it is cut.
///
/// A frame is ready as soon as it was pushed.
#[derive(Clone, Debug)]
pub struct PcenStream {
    pub(crate) plan: Pcen,
    pub(crate) state: PcenState,
    ready: Vec<f32>,
    /// The answer to one frame.
    pub(crate) frame: Vec<f32>,
}

impl PcenStream {
    /// Starts a stream of frames of `n_bins` bins.
    #[must_use]
    pub fn new(plan: Pcen, n_bins: usize) -> Self {
        let state = plan.initial_state(n_bins);
        Self { plan, state, ready: Vec::new(), frame: vec![0.0; n_bins] }
    }

    /// Goes back to the start, forgetting the frames that wait.
    pub(crate) fn restart(&mut self) {
        self.state.memory.fill(1.0 - self.plan.b);
        self.ready.clear();
    }

    /// Normalises the next frames, of shape `(n_bins, any number)`.
    ///
    /// # Errors
    ///
    /// As [`Pcen::compute_into`]; the stream is then as it was.
    pub fn push(&mut self, frames: ArrayView2<'_, f32>) -> Result<(), FeatureError> {
        let out = self.plan.compute_with_state(frames, &mut self.state)?;
        self.ready.extend(out.t().iter());
        Ok(())
    }

    /// Frames that wait to be taken.
    #[must_use]
    pub fn frames_ready(&self) -> usize {
        self.ready.len().checked_div(self.state.memory.len()).unwrap_or(0)
    }

    /// Takes all waiting frames, of shape `(n_bins, frames_ready)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Limit`] if they cannot be allocated.
    pub fn take(&mut self) -> Result<Array2<f32>, FeatureError> {
        let n_bins = self.state.memory.len();
        let mut out = frame_major(n_bins, self.frames_ready())?;
        for (mut to, from) in out.axis_iter_mut(Axis(1)).zip(self.ready.chunks_exact(n_bins.max(1))) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        self.ready.clear();
        Ok(out)
    }

    /// Ends the stream: the frames that still wait, and the state behind the last frame.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn finish(mut self) -> Result<(Array2<f32>, PcenState), FeatureError> {
        Ok((self.take()?, self.state))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Slice, concatenate};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn energies(n_bins: usize, n_frames: usize, seed: u64) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_simple_fn((n_bins, n_frames), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 20) as f32).powi(4)
        })
    }

    /// The formula of the paper.
    fn slow(config: PcenConfig, b: f64, s: &Array2<f32>) -> Array2<f64> {
        let mut out = Array2::zeros(s.dim());
        for f in 0..s.nrows() {
            let mut m = (1.0 - b) / b;
            for t in 0..s.ncols() {
                let from = f.saturating_sub(config.max_size / 2);
                let to = (f + config.max_size - config.max_size / 2).min(s.nrows());
                let loudest = (from..to).map(|f| s[[f, t]]).fold(0.0, f32::max);
                m = if t == 0 {
                    b * f64::from(loudest) + (1.0 - b)
                } else {
                    (1.0 - b) * m + b * f64::from(loudest)
                };
                let x = f64::from(s[[f, t]]) / (config.eps + m).powf(config.gain);
                out[[f, t]] = if config.power == 0.0 {
                    (1.0 + x).ln()
                } else {
                    (x + config.bias).powf(config.power) - config.bias.powf(config.power)
                };
            }
        }
        out
    }

    #[test]
    fn equals_the_published_formula() {
        let s = energies(9, 30, 4);
        for (power, bias, max_size) in
            [(0.5, 2.0, 1), (0.25, 10.0, 3), (0.0, 2.0, 1), (0.5, 0.0, 4), (0.5, 2.0, 99)]
        {
            let config = PcenConfig { power, bias, max_size, b: Some(0.1), ..PcenConfig::default() };
            let fast = Pcen::new(config).unwrap().compute(s.view()).unwrap();
            for (a, b) in fast.iter().zip(&slow(config, 0.1, &s)) {
                assert!((f64::from(*a) - b).abs() <= 1e-6 * (1.0 + b), "{a} {b}");
            }
        }
    }

    #[test]
    fn silence_and_extremes_stay_finite() {
        for b in [None, Some(0.0), Some(1.0)] {
            for (power, bias) in [(0.5, 2.0), (0.0, 0.0), (0.5, 0.0)] {
                let plan = Pcen::new(PcenConfig { b, power, bias, ..PcenConfig::default() }).unwrap();
                for value in [0.0, 1e-30, 1.0, f32::MAX] {
                    let out = plan.compute(Array2::from_elem((3, 50), value).view()).unwrap();
                    assert!(out.iter().all(|v| v.is_finite()));
                }
                assert_eq!(plan.compute(Array2::zeros((0, 4)).view()).unwrap().dim(), (0, 4));
                assert_eq!(plan.compute(Array2::zeros((4, 0)).view()).unwrap().dim(), (4, 0));
            }
        }
        let plan = Pcen::new(PcenConfig::default()).unwrap();
        for bad in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(plan.compute(Array2::from_elem((2, 2), bad).view()).is_err());
        }
    }

    #[test]
    fn wrong_parameters_are_refused() {
        let good = PcenConfig::default();
        for bad in [
            PcenConfig { gain: -1.0, ..good },
            PcenConfig { bias: f64::NAN, ..good },
            PcenConfig { power: -0.1, ..good },
            PcenConfig { time_constant: 0.0, ..good },
            PcenConfig { eps: 0.0, ..good },
            PcenConfig { b: Some(1.1), ..good },
            PcenConfig { max_size: 0, ..good },
            PcenConfig { hop_length: 0, ..good },
            PcenConfig { sample_rate: 0, ..good },
        ] {
            assert!(Pcen::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn a_stream_equals_the_whole(seed in any::<u64>(), cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let s = energies(5, 60, seed);
            let plan = Pcen::new(PcenConfig::default()).unwrap();
            let whole = plan.compute(s.view()).unwrap();
            let mut cuts = cuts;
            cuts.extend([0, 60]);
            cuts.sort_unstable();
            let mut stream = PcenStream::new(plan, 5);
            let mut parts = Vec::new();
            for pair in cuts.windows(2) {
                stream.push(s.slice_axis(Axis(1), Slice::from(pair[0]..pair[1]))).unwrap();
                if pair[0] % 2 == 0 {
                    prop_assert!(stream.frames_ready() >= pair[1] - pair[0]);
                    parts.push(stream.take().unwrap());
                }
            }
            parts.push(stream.finish().unwrap().0);
            let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
            prop_assert_eq!(concatenate(Axis(1), &views).unwrap(), whole);
        }
    }
}
