//! Decoded samples and what was noticed on the way.

use std::fmt;

/// Decoded samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audio {
    /// Interleaved samples, nominally in -1..=1; float files and lossy codecs may go beyond. Always finite.
    pub samples: Vec<f32>,
    /// Frames per second, in Hz.
    pub sample_rate: u32,
    /// Samples per frame, at least 1.
    pub channels: usize,
    /// Non-fatal problems in the order of the file; empty for an intact file.
    pub warnings: Vec<Warning>,
}

impl Audio {
    /// The number of frames (samples per channel).
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len().checked_div(self.channels).unwrap_or(0)
    }

    /// The length in seconds.
    #[must_use]
    pub fn duration_seconds(&self) -> f64 {
        if self.sample_rate == 0 { 0.0 } else { self.frames() as f64 / f64::from(self.sample_rate) }
    }
}

/// Damage that did not stop the decoder.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Warning {
    /// The kind of damage.
    pub kind: WarningKind,
    /// Where in the source, in seconds from its first audible frame.
    pub position_seconds: f64,
    /// How much sound was lost or replaced by silence, in seconds; 0 where none or where it cannot be known.
    pub lost_seconds: f64,
    /// What happened, in words.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s", self.message, self.position_seconds)?;
        if self.lost_seconds > 0.0 {
            write!(f, " ({:.3} s lost)", self.lost_seconds)?;
        }
        Ok(())
    }
}

/// The kinds of [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// The source ends before its header says it does.
    Truncated,
    /// A packet could not be decoded, or was missing; silence stands in its place where its length is known.
    LostPacket,
    /// NaN or infinite samples were replaced by zero.
    NonFinite,
    /// The stream changes its rate or its channels; what follows is left out.
    FormatChange,
    /// The header contradicts the sound that follows; the sound was believed.
    Header,
    /// The file does not say how many frames its encoder put in front, so the usual number was removed.
    AssumedPriming,
}

impl WarningKind {
    /// Whether [`DecodeConfig::strict`](crate::DecodeConfig::strict) makes an error of it.
    #[must_use]
    pub fn is_damage(self) -> bool {
        !matches!(self, WarningKind::AssumedPriming)
    }
}
