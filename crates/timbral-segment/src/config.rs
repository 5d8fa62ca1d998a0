use serde::{Deserialize, Serialize};

use crate::SegmentError;

/// The longest window or hop, in samples: 2^28, about 1 GiB of `f32` or 100 minutes at 44.1 kHz.
///
/// A padded window is allocated whole, so a configuration from a stranger must not ask for any length.
pub const MAX_WINDOW_SAMPLES: usize = 1 << 28;

/// A stretch of time, in seconds or in samples.
///
/// Seconds are turned into samples once, rounded to the nearest sample at the segmenter's rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Span {
    /// Seconds: finite, above 0.
    Seconds(f64),
    /// Samples of one channel: at least 1.
    Samples(usize),
}

impl Span {
    /// Returns the length in seconds at `sample_rate` hertz.
    ///
    /// ```
    /// use timbral_segment::Span;
    ///
    /// assert_eq!(Span::Samples(11_025).to_seconds(22_050), 0.5);
    /// assert_eq!(Span::Seconds(3.0).to_seconds(22_050), 3.0);
    /// ```
    #[must_use]
    pub fn to_seconds(self, sample_rate: u32) -> f64 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Samples(samples) => samples as f64 / f64::from(sample_rate),
        }
    }

    /// The span in samples at `sample_rate` hertz.
    pub(crate) fn to_samples(self, field: &'static str, sample_rate: u32) -> Result<usize, SegmentError> {
        let samples = match self {
            Self::Samples(samples) => samples,
            Self::Seconds(seconds) => {
                let exact = seconds * f64::from(sample_rate);
                if !exact.is_finite() || exact <= 0.0 {
                    let given = format!("{seconds} s");
                    return Err(SegmentError::config(field, given, "finite and above 0"));
                }
                // Saturates above the range of usize, which the limit below refuses.
                exact.round() as usize
            }
        };
        match samples {
            0 => {
                let given = match self {
                    Self::Seconds(seconds) => format!("{seconds} s at {sample_rate} Hz"),
                    Self::Samples(samples) => format!("{samples} samples"),
                };
                Err(SegmentError::config(field, given, "at least one sample"))
            }
            1..=MAX_WINDOW_SAMPLES => Ok(samples),
            _ => {
                Err(SegmentError::Limit { field, samples: samples as u64, limit: MAX_WINDOW_SAMPLES as u64 })
            }
        }
    }
}

/// Where the windows of a signal lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Cut {
    /// Windows of one length that start every `hop`, the first at the start of the signal.
    Sliding {
        /// Length of a window.
        length: Span,
        /// Distance from one start to the next. Equal to `length`: side by side; below: overlapping; above: with gaps.
        hop: Span,
    },
    /// That many windows of equal length, side by side, which together are the signal.
    ///
    /// Part i of a signal of n samples starts at floor(i n / count). Where count does not divide n, some parts have one
    /// sample more than others: [`LastWindow::Drop`] gives all parts floor(n / count) samples, starting at multiples
    /// of that, and leaves out the rest at the end; the padding policies fill the shorter parts up to the longer ones;
    /// [`LastWindow::ShiftBack`] takes the missing sample from the neighbour; [`LastWindow::Keep`] leaves them unequal.
    /// A signal of fewer samples than parts has no windows.
    Parts {
        /// Number of parts, at least 1.
        count: usize,
    },
    /// One window around the middle of the signal: it starts at floor((n - length) / 2).
    Middle {
        /// Length of the window.
        length: Span,
    },
}

/// How to handle a partial window: the last one, or the only one of a short signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LastWindow {
    /// It is left out. A signal shorter than one window has none.
    Drop,
    /// It stays shorter than the others.
    Keep,
    /// Zeros follow its samples.
    ZeroPad,
    /// Its samples are repeated from their beginning until it is full.
    Repeat,
    /// It starts earlier, so that it ends with the signal. A signal shorter than one window is padded with zeros.
    #[default]
    ShiftBack,
}

/// How a signal is cut into windows.
///
/// The default is windows of 3 s side by side, the last one shifted back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentConfig {
    /// Cut only this much around the middle of the signal; a shorter signal is used whole. Default: none, all of it.
    pub excerpt: Option<Span>,
    /// Where the windows lie. Default: sliding, 3 s long, every 3 s.
    pub cut: Cut,
    /// How to handle a partial window. Default: [`LastWindow::ShiftBack`].
    pub last: LastWindow,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self {
            excerpt: None,
            cut: Cut::Sliding { length: Span::Seconds(3.0), hop: Span::Seconds(3.0) },
            last: LastWindow::default(),
        }
    }
}
