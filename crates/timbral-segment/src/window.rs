use std::borrow::Cow;
use std::sync::Arc;

use crate::{LastWindow, Placement};

/// One window of a signal, with its place of origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<'a> {
    /// Position among the windows of the signal, from 0.
    pub index: usize,
    /// First sample, counted from the start of the signal.
    pub start: usize,
    /// How many of `samples` are the signal's; those behind them are padding.
    pub valid: usize,
    /// Sample rate in hertz.
    pub sample_rate: u32,
    /// The samples: borrowed where the window lies whole in the signal, owned where it is padded.
    pub samples: Cow<'a, [f32]>,
    track: Option<Arc<str>>,
}

impl<'a> Window<'a> {
    /// Cuts the window at `placement` out of `signal`, whose first sample is sample `base` of the whole.
    pub(crate) fn cut(
        index: usize,
        placement: Placement,
        last: LastWindow,
        signal: &'a [f32],
        base: usize,
        sample_rate: u32,
        track: Option<Arc<str>>,
    ) -> Option<Self> {
        let Placement { start, valid, length } = placement;
        let from = start.checked_sub(base)?;
        let given = signal.get(from..from.checked_add(valid)?)?;
        let samples = if valid == length {
            Cow::Borrowed(given)
        } else {
            let mut padded = Vec::with_capacity(length);
            padded.extend_from_slice(given);
            match last {
                LastWindow::Repeat => padded.extend(given.iter().cycle().take(length - valid)),
                _ => padded.resize(length, 0.0),
            }
            Cow::Owned(padded)
        };
        Some(Self { index, start, valid, sample_rate, samples, track })
    }

    /// Time of the first sample, in seconds from the start of the signal.
    #[must_use]
    pub fn start_seconds(&self) -> f64 {
        self.start as f64 / f64::from(self.sample_rate)
    }

    /// Length of the window with its padding, in seconds.
    #[must_use]
    pub fn duration_seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// Id of the track that the window was cut from, if the caller gave one.
    #[must_use]
    pub fn track(&self) -> Option<&str> {
        self.track.as_deref()
    }

    /// The same window with samples of its own, so that it outlives the signal.
    #[must_use]
    pub fn into_owned(self) -> Window<'static> {
        Window {
            index: self.index,
            start: self.start,
            valid: self.valid,
            sample_rate: self.sample_rate,
            samples: Cow::Owned(self.samples.into_owned()),
            track: self.track,
        }
    }
}
