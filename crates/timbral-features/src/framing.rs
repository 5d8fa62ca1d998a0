//! Cutting a signal into overlapping frames, with padding at both ends.

use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// What lies outside the signal when frames are centred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PadMode {
    /// Zeros. The default of librosa since 0.10.
    #[default]
    Constant,
    /// The first and the last sample, repeated: `a a | a b c | c c`.
    Edge,
    /// Mirrored without repeating the edge: `c b | a b c | b a`. The default of torchaudio, of Whisper and of
    /// librosa before 0.10.
    Reflect,
    /// Mirrored with the edge repeated: `b a | a b c | c b`.
    Symmetric,
}

impl PadMode {
    /// The index inside a signal of `len` samples that stands at `position`, or `None` for a zero.
    ///
    /// A signal shorter than the padding is mirrored as often as needed.
    pub(crate) fn resolve(self, position: isize, len: usize) -> Option<usize> {
        let n = isize::try_from(len).ok()?;
        if n == 0 {
            return None;
        }
        if (0..n).contains(&position) {
            return usize::try_from(position).ok();
        }
        let index = match self {
            Self::Constant => return None,
            Self::Edge => position.clamp(0, n - 1),
            Self::Reflect if n == 1 => 0,
            Self::Reflect => {
                let period = 2 * (n - 1);
                let p = position.rem_euclid(period);
                if p < n { p } else { period - p }
            }
            Self::Symmetric => {
                let p = position.rem_euclid(2 * n);
                if p < n { p } else { 2 * n - 1 - p }
            }
        };
        usize::try_from(index).ok()
    }
}

/// The geometry of frames: how many there are, and which samples each one sees.
///
/// Public for the sealed trait of streams alone; outside of the crate it cannot be named.
///
/// Centred, frame `t` is centred on sample `t * hop_length`, and the signal is padded by `frame_length / 2` (rounded
/// down) at both ends. Not centred, it starts at that sample, and only whole frames count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    pub(crate) frame_length: usize,
    pub(crate) hop_length: usize,
    pub(crate) center: bool,
    pub(crate) pad_mode: PadMode,
}

/// The longest frame allowed: beyond it, plans alone would take gigabytes.
const MAX_FRAME_LENGTH: usize = 1 << 26;

impl Framing {
    pub(crate) fn new(
        frame_length: usize,
        hop_length: usize,
        center: bool,
        pad_mode: PadMode,
    ) -> Result<Self, FeatureError> {
        if frame_length == 0 {
            return Err(FeatureError::config("n_fft", "0", "at least 1"));
        }
        if frame_length > MAX_FRAME_LENGTH {
            return Err(FeatureError::config("n_fft", frame_length, format!("at most {MAX_FRAME_LENGTH}")));
        }
        if hop_length == 0 {
            return Err(FeatureError::config("hop_length", "0", "at least 1"));
        }
        Ok(Self { frame_length, hop_length, center, pad_mode })
    }

    /// Samples of padding at each end.
    pub(crate) fn padding(&self) -> usize {
        if self.center { self.frame_length / 2 } else { 0 }
    }

    /// Number of frames of a signal of `samples` samples.
    pub(crate) fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        if samples == 0 && self.center && self.pad_mode != PadMode::Constant {
            return Err(FeatureError::TooShort {
                samples,
                needed: 1,
                reason: "to pad by anything but zeros",
            });
        }
        let padded = samples.saturating_add(2 * self.padding());
        if padded < self.frame_length {
            // An odd frame is one sample longer than its padding, so an empty signal gives no frame.
            return Err(FeatureError::TooShort {
                samples,
                needed: self.frame_length - 2 * self.padding(),
                reason: "for one whole frame",
            });
        }
        Ok(1 + (padded - self.frame_length) / self.hop_length)
    }

    /// Position of the first sample of frame `index`; negative inside the left padding.
    pub(crate) fn start(&self, index: usize) -> isize {
        let start = index.saturating_mul(self.hop_length).min(isize::MAX as usize);
        start as isize - self.padding() as isize
    }

    /// Copies frame `index` of the signal to `out`, which has `frame_length` elements.
    pub(crate) fn fill(&self, samples: &[f32], index: usize, out: &mut [f32]) {
        match self.interior(samples, index) {
            Some(frame) => out.copy_from_slice(frame),
            None => self.fill_padded(samples, index, out),
        }
    }

    /// The frame as a slice of the signal, if it touches no padding.
    pub(crate) fn interior<'a>(&self, samples: &'a [f32], index: usize) -> Option<&'a [f32]> {
        let start = usize::try_from(self.start(index)).ok()?;
        samples.get(start..start.checked_add(self.frame_length)?)
    }

    fn fill_padded(&self, samples: &[f32], index: usize, out: &mut [f32]) {
        let start = self.start(index);
        for (i, value) in out.iter_mut().enumerate() {
            let source = self.pad_mode.resolve(start + i as isize, samples.len());
            *value = source.and_then(|s| samples.get(s)).copied().unwrap_or(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(mode: PadMode, samples: &[f32], frame_length: usize) -> Vec<f32> {
        let framing = Framing::new(frame_length, 1, true, mode).unwrap();
        let mut out = vec![0.0; frame_length];
        framing.fill(samples, 0, &mut out);
        out
    }

    #[test]
    fn pads_like_numpy() {
        let x = [1.0, 2.0, 3.0];
        assert_eq!(padded(PadMode::Constant, &x, 4), [0.0, 0.0, 1.0, 2.0]);
        assert_eq!(padded(PadMode::Edge, &x, 4), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(padded(PadMode::Reflect, &x, 4), [3.0, 2.0, 1.0, 2.0]);
        assert_eq!(padded(PadMode::Symmetric, &x, 4), [2.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn mirrors_again_when_the_padding_exceeds_the_signal() {
        assert_eq!(padded(PadMode::Reflect, &[1.0, 2.0], 8), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        assert_eq!(padded(PadMode::Symmetric, &[1.0, 2.0], 8), [1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0]);
        assert_eq!(padded(PadMode::Reflect, &[5.0], 4), [5.0; 4]);
    }

    #[test]
    fn counts_frames() {
        let even = Framing::new(2048, 512, true, PadMode::Constant).unwrap();
        assert_eq!(even.n_frames(0).unwrap(), 1);
        assert_eq!(even.n_frames(22_050).unwrap(), 1 + 22_050 / 512);
        let odd = Framing::new(1001, 100, true, PadMode::Constant).unwrap();
        assert_eq!(odd.n_frames(1000).unwrap(), 1 + 999 / 100);
        assert!(odd.n_frames(0).is_err());
        let plain = Framing::new(2048, 1708, false, PadMode::Constant).unwrap();
        assert_eq!(plain.n_frames(66_150).unwrap(), (66_150 - 2048) / 1708 + 1);
        assert!(plain.n_frames(2047).is_err());
    }

    #[test]
    fn refuses_degenerate_geometry() {
        assert!(Framing::new(0, 1, true, PadMode::Constant).is_err());
        assert!(Framing::new(1, 0, true, PadMode::Constant).is_err());
        assert!(Framing::new(usize::MAX, 1, true, PadMode::Constant).is_err());
        let reflect = Framing::new(4, 1, true, PadMode::Reflect).unwrap();
        assert!(reflect.n_frames(0).is_err());
    }
}
