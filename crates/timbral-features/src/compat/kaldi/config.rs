//! What a Kaldi front end is made of, and the rules that its numbers obey.

use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// The window of a Kaldi frame. All are symmetric: the first and the last sample have the same weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Window {
    /// A Hann window raised to the power 0.85: like Hamming, but zero at the ends. Kaldi's default.
    #[default]
    Povey,
    /// Hann.
    Hanning,
    /// Hamming, with 0.54 and 0.46.
    Hamming,
    /// Blackman with [`FbankConfig::blackman_coeff`].
    Blackman,
    /// All ones.
    Rectangular,
}

impl Window {
    /// The `length` weights of the window.
    pub(super) fn weights(self, length: usize, blackman_coeff: f64) -> Vec<f32> {
        let step = std::f64::consts::TAU / (length.max(2) - 1) as f64;
        (0..length)
            .map(|n| {
                let phase = step * n as f64;
                let hann = 0.5 - 0.5 * phase.cos();
                let weight = match self {
                    Window::Povey => hann.max(0.0).powf(0.85),
                    Window::Hanning => hann,
                    Window::Hamming => 0.54 - 0.46 * phase.cos(),
                    Window::Blackman => {
                        blackman_coeff - 0.5 * phase.cos() + (0.5 - blackman_coeff) * (2.0 * phase).cos()
                    }
                    Window::Rectangular => 1.0,
                };
                weight as f32
            })
            .collect()
    }
}

/// Parameters of a Kaldi filter bank; names and defaults are those of `torchaudio.compliance.kaldi.fbank`, except that
/// samples are scaled ([`waveform_scale`](Self::waveform_scale)) and never dithered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FbankConfig {
    /// Samples per second. Default 16 000.
    pub sample_rate: u32,
    /// Length of a frame in milliseconds. Default 25.
    pub frame_length: f64,
    /// Distance between frames in milliseconds. Default 10.
    pub frame_shift: f64,
    /// Number of mel bands, at least 4. Default 23.
    pub num_mel_bins: usize,
    /// Lowest edge of the bands in Hz. Default 20.
    pub low_freq: f64,
    /// Highest edge of the bands in Hz; zero or below is an offset from Nyquist. Default 0.
    pub high_freq: f64,
    /// What every sample is multiplied by. Kaldi's constants (the floor of the energy, the log floor) are made for
    /// 16-bit integers, so the default is 32 768; 1 takes samples as they are.
    pub waveform_scale: f32,
    /// Each frame's window. Default Povey.
    pub window_type: Window,
    /// The constant term of a Blackman window. Default 0.42.
    pub blackman_coeff: f64,
    /// `c` of the pre-emphasis `x[i] - c x[i - 1]`, whose first sample uses itself; 0 for none. Default 0.97.
    pub preemphasis_coefficient: f32,
    /// Removes each frame's mean. Default true.
    pub remove_dc_offset: bool,
    /// Pads frames with zeros up to a power of two. Default true.
    pub round_to_power_of_two: bool,
    /// True: only frames that fit are taken, `1 + (n - length) / shift`. False: `(n + shift / 2) / shift` frames whose
    /// centres lie half a shift apart from the ends, the signal mirrored there. Default true.
    pub snip_edges: bool,
    /// Adds the log energy of each frame: row 0, or the last row with [`htk_compat`](Self::htk_compat). Default false.
    pub use_energy: bool,
    /// Takes the energy before pre-emphasis and window, rather than after. Default true.
    pub raw_energy: bool,
    /// The smallest energy (not its logarithm); 0 for none. Default 1.
    pub energy_floor: f64,
    /// Puts the energy (or C0) last, as HTK does. Default false.
    pub htk_compat: bool,
    /// Natural logarithm of the bands, floored at 1.19e-7. Default true.
    pub use_log_fbank: bool,
    /// Sums power; false sums magnitudes. Default true.
    pub use_power: bool,
    /// Takes away each row's mean over the frames. Default false.
    pub subtract_mean: bool,
    /// Vocal tract length warp; 1 for none. Default 1.
    pub vtln_warp: f64,
    /// Lower inflection point of the warp in Hz. Default 100.
    pub vtln_low: f64,
    /// Upper inflection point of the warp in Hz; below zero it is an offset from Nyquist. Default -500.
    pub vtln_high: f64,
    /// Shorter signals (in seconds) give no frames. Default 0.
    pub min_duration: f64,
}

impl Default for FbankConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            frame_length: 25.0,
            frame_shift: 10.0,
            num_mel_bins: 23,
            low_freq: 20.0,
            high_freq: 0.0,
            waveform_scale: 32_768.0,
            window_type: Window::Povey,
            blackman_coeff: 0.42,
            preemphasis_coefficient: 0.97,
            remove_dc_offset: true,
            round_to_power_of_two: true,
            snip_edges: true,
            use_energy: false,
            raw_energy: true,
            energy_floor: 1.0,
            htk_compat: false,
            use_log_fbank: true,
            use_power: true,
            subtract_mean: false,
            vtln_warp: 1.0,
            vtln_low: 100.0,
            vtln_high: -500.0,
            min_duration: 0.0,
        }
    }
}

/// The longest frame that a plan accepts, in samples: 2^24, minutes of sound in one frame.
const LONGEST_FRAME: f64 = 16_777_216.0;

/// Frame sizes in samples, derived from milliseconds once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) window: usize,
    pub(super) shift: usize,
    pub(super) n_fft: usize,
}

impl FbankConfig {
    /// Length and distance of frames in samples.
    pub(crate) fn frame_sizes(&self) -> Result<(usize, usize), FeatureError> {
        let Sizes { window, shift, .. } = self.sizes()?;
        Ok((window, shift))
    }

    /// The sizes of frames, or what is wrong with the configuration.
    pub(super) fn sizes(&self) -> Result<Sizes, FeatureError> {
        if self.sample_rate == 0 {
            return Err(FeatureError::config("sample_rate", "0 Hz", "above 0"));
        }
        let rate = f64::from(self.sample_rate);
        let samples = |name: &'static str, milliseconds: f64, least: f64| {
            let length = (rate * milliseconds * 0.001).trunc();
            if length >= least && length <= LONGEST_FRAME {
                Ok(length as usize)
            } else {
                Err(FeatureError::config(
                    name,
                    format!("{milliseconds} ms"),
                    format!("a duration of {least} to {LONGEST_FRAME} samples at {rate} Hz"),
                ))
            }
        };
        let window = samples("frame_length", self.frame_length, 2.0)?;
        let shift = samples("frame_shift", self.frame_shift, 1.0)?;
        let n_fft = if self.round_to_power_of_two { window.next_power_of_two() } else { window };
        if n_fft % 2 != 0 {
            return Err(FeatureError::config(
                "frame_length",
                format!("{window} samples"),
                "an even number of samples unless round_to_power_of_two is set",
            ));
        }
        let finite = |name: &'static str, value: f64| {
            if value.is_finite() { Ok(()) } else { Err(FeatureError::config(name, value, "finite")) }
        };
        finite("waveform_scale", f64::from(self.waveform_scale))?;
        finite("preemphasis_coefficient", f64::from(self.preemphasis_coefficient))?;
        finite("blackman_coeff", self.blackman_coeff)?;
        if !(self.energy_floor.is_finite() && self.energy_floor >= 0.0) {
            return Err(FeatureError::config("energy_floor", self.energy_floor, "finite and at least 0"));
        }
        if self.min_duration.is_nan() {
            return Err(FeatureError::config("min_duration", "NaN", "a number of seconds"));
        }
        Ok(Sizes { window, shift, n_fft })
    }
}
