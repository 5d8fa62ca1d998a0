//! Local autocorrelation of an onset envelope.

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use super::autocorrelation::{Autocorrelation, AutocorrelationScratch};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames};
use crate::util::Norm;
use crate::window::{Window, get_window};

/// The longest window in frames: 2^24.
const LONGEST_WINDOW: usize = 1 << 24;

/// Parameters of a [`Tempogram`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TempogramConfig {
    /// Length of the window in frames of the envelope, at least 1; also the number of lags. Default: 384.
    pub win_length: usize,
    /// Whether frame `t` is centred on value `t` of the envelope, which is padded at both ends by a straight line to
    /// zero over `win_length / 2` values. Else it starts there. Default: true.
    pub center: bool,
    /// The window, in its periodic form. Default: Hann.
    pub window: Window,
    /// Norm that each frame is divided by; none leaves the autocorrelation as it is. Default: the maximum.
    pub norm: Option<Norm>,
}

impl Default for TempogramConfig {
    fn default() -> Self {
        Self { win_length: 384, center: true, window: Window::Hann, norm: Some(Norm::Max) }
    }
}

/// The autocorrelation tempogram: how well an onset envelope repeats after each lag, over time.
///
/// Row `k` belongs to a lag of `k` frames, that is a tempo of `60 sr / (hop_length k)` beats per minute. The shape is
/// `(win_length, n)` for an envelope of `n` values when centred, else `(win_length, n - win_length + 1)`.
///
/// Grosche, Müller, Kurth, "Cyclic tempogram: a mid-level tempo representation for music signals", ICASSP 2010.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::rhythm::{Tempogram, TempogramConfig};
/// let plan = Tempogram::new(TempogramConfig { win_length: 100, ..TempogramConfig::default() })?;
/// let envelope: Vec<f32> = (0..200).map(|t| if t % 20 == 0 { 1.0 } else { 0.0 }).collect();
/// let tempogram = plan.compute(&envelope)?;
/// assert_eq!(tempogram.dim(), (100, 200));
/// assert!(tempogram[[20, 100]] > 0.5);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tempogram {
    config: TempogramConfig,
    window: Vec<f64>,
    autocorrelation: Autocorrelation<f64>,
}

/// Working memory of a [`Tempogram`]. One for each thread; made by [`Tempogram::scratch`].
#[derive(Clone, Debug, Default)]
pub struct TempogramScratch {
    padded: Vec<f32>,
    autocorrelation: AutocorrelationScratch<f64>,
    row: Vec<f32>,
}

impl Tempogram {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a window of no frames or more than 2^24, or invalid parameters of window or norm.
    pub fn new(config: TempogramConfig) -> Result<Self, FeatureError> {
        check_window_length(config.win_length)?;
        if let Some(norm) = config.norm {
            norm.validate("norm")?;
        }
        let window = get_window(&config.window, config.win_length, true)?;
        let autocorrelation = Autocorrelation::new(config.win_length);
        Ok(Self { config, window, autocorrelation })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &TempogramConfig {
        &self.config
    }
}

impl FeaturePlan for Tempogram {
    type Value = f32;
    type Scratch = TempogramScratch;

    fn n_rows(&self) -> usize {
        self.config.win_length
    }

    fn n_frames(&self, values: usize) -> Result<usize, FeatureError> {
        n_frames(values, self.config.win_length, self.config.center)
    }

    fn scratch(&self) -> TempogramScratch {
        TempogramScratch::default()
    }

    fn compute_into(
        &self,
        envelope: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut TempogramScratch,
    ) -> Result<(), FeatureError> {
        let win_length = self.config.win_length;
        check_output(out, win_length, self.n_frames(envelope.len())?)?;
        check_finite("envelope", envelope)?;
        let TempogramScratch { padded, autocorrelation, row } = scratch;
        pad(envelope, win_length, self.config.center, padded);
        fill_frames(out, row, |t, frame| {
            let piece = &padded[t..t + win_length];
            let spectrum = self.autocorrelation.spectrum(autocorrelation, |to| {
                for ((to, x), w) in to.iter_mut().zip(piece).zip(&self.window) {
                    *to = f64::from(*x) * w;
                }
            });
            let scale = 1.0 / (2 * (spectrum.len() - 1)) as f64;
            for bin in spectrum {
                *bin = (bin.norm_sqr() * scale).into();
            }
            let lags = self.autocorrelation.back(autocorrelation);
            let size = self.config.norm.map_or(0.0, |norm| norm.of(lags.iter().copied()));
            let size = if size < f64::MIN_POSITIVE { 1.0 } else { size };
            frame.iter_mut().zip(lags).for_each(|(to, lag)| *to = (lag / size) as f32);
        });
        Ok(())
    }
}

pub(super) fn check_window_length(win_length: usize) -> Result<(), FeatureError> {
    if win_length == 0 || win_length > LONGEST_WINDOW {
        return Err(FeatureError::config(
            "win_length",
            format!("{win_length} frames"),
            format!("between 1 and {LONGEST_WINDOW}"),
        ));
    }
    Ok(())
}

pub(super) fn n_frames(values: usize, win_length: usize, center: bool) -> Result<usize, FeatureError> {
    let needed = if center { 1 } else { win_length };
    if values < needed {
        return Err(FeatureError::TooShort {
            samples: values,
            needed,
            reason: "for one frame of the tempogram",
        });
    }
    Ok(values + 1 - needed)
}

/// Pads an envelope by straight lines to zero, so that every frame of `win_length` values lies inside.
pub(super) fn pad(envelope: &[f32], win_length: usize, center: bool, padded: &mut Vec<f32>) {
    padded.clear();
    let width = if center { win_length / 2 } else { 0 };
    let ramp = |edge: Option<&f32>, i: usize| {
        let edge = f64::from(edge.copied().unwrap_or(0.0));
        (edge / width as f64 * i as f64) as f32
    };
    padded.extend((0..width).map(|i| ramp(envelope.first(), i)));
    padded.extend_from_slice(envelope);
    padded.extend((0..width).rev().map(|i| ramp(envelope.last(), i)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition() {
        let envelope: Vec<f32> = (0..57).map(|t| ((t * t) as f32 * 0.13).sin().abs()).collect();
        for (win_length, center, norm) in
            [(16, true, Some(Norm::Max)), (9, true, None), (12, false, Some(Norm::L1)), (1, true, None)]
        {
            let config = TempogramConfig { win_length, center, norm, window: Window::Hamming };
            let plan = Tempogram::new(config).unwrap();
            let fast = plan.compute(&envelope).unwrap();
            let window = get_window(&Window::Hamming, win_length, true).unwrap();
            let width = (win_length / 2) as isize;
            let value = |i: isize| {
                let n = envelope.len() as isize;
                let (edge, beyond) = if i < 0 { (envelope[0], -i) } else { (envelope[56], i - n + 1) };
                if (0..n).contains(&i) {
                    f64::from(envelope[i as usize])
                } else {
                    f64::from(edge) * (width - beyond) as f64 / width as f64
                }
            };
            let lead = if center { width } else { 0 };
            for t in 0..fast.ncols() {
                let piece: Vec<f64> =
                    (0..win_length).map(|i| value(t as isize + i as isize - lead) * window[i]).collect();
                let lags: Vec<f64> =
                    (0..win_length).map(|k| (k..win_length).map(|i| piece[i] * piece[i - k]).sum()).collect();
                let size = norm.map_or(1.0, |norm| norm.of(lags.iter().copied()));
                for k in 0..win_length {
                    assert!((f64::from(fast[[k, t]]) - lags[k] / size).abs() < 1e-6, "{win_length} {t} {k}");
                }
            }
        }
    }

    #[test]
    fn silence_stays_silent_and_bad_input_is_refused() {
        let plan = Tempogram::new(TempogramConfig::default()).unwrap();
        assert!(plan.compute(&[0.0; 30]).unwrap().iter().all(|&x| x == 0.0));
        assert_eq!(plan.compute(&[1.0]).unwrap().dim(), (384, 1));
        assert!(matches!(plan.compute(&[]), Err(FeatureError::TooShort { .. })));
        assert!(matches!(plan.compute(&[f32::NAN]), Err(FeatureError::NonFinite { .. })));
        assert!(Tempogram::new(TempogramConfig { win_length: 0, ..Default::default() }).is_err());
    }
}
