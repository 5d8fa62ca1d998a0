use std::sync::Arc;

use crate::placement::place;
use crate::{LastWindow, Window};

/// Sliding windows over a signal that comes in chunks; made by [`Segmenter::stream`](crate::Segmenter::stream).
///
/// Push a chunk, take the windows that it completed, go on; [`finish`](Self::finish) once at the end, and take the rest.
/// The windows are those of [`Segmenter::windows`](crate::Segmenter::windows) over the whole signal, bit for bit,
/// whatever the chunk sizes. A window is ready as soon as its last sample is in.
///
/// ```
/// use timbral_segment::{Cut, LastWindow, SegmentConfig, Segmenter, Span};
///
/// let config = SegmentConfig {
///     cut: Cut::Sliding { length: Span::Samples(4), hop: Span::Samples(2) },
///     last: LastWindow::Drop,
///     ..SegmentConfig::default()
/// };
/// let mut stream = Segmenter::new(config, 8_000)?.stream()?;
/// let mut starts = Vec::new();
/// for chunk in [[0.0; 3], [1.0; 3], [2.0; 3]] {
///     stream.push(&chunk);
///     while let Some(window) = stream.next_window() {
///         starts.push(window.start);
///     }
/// }
/// stream.finish();
/// assert!(stream.next_window().is_none());
/// assert_eq!(starts, [0, 2, 4]);
/// # Ok::<(), timbral_segment::SegmentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct StreamSegmenter {
    length: usize,
    hop: usize,
    last: LastWindow,
    sample_rate: u32,
    track: Option<Arc<str>>,
    /// The samples from `base` on that a window may still need.
    buffer: Vec<f32>,
    base: usize,
    index: usize,
    finished: bool,
}

impl StreamSegmenter {
    pub(crate) fn new(length: usize, hop: usize, last: LastWindow, sample_rate: u32) -> Self {
        Self {
            length,
            hop,
            last,
            sample_rate,
            track: None,
            buffer: Vec::new(),
            base: 0,
            index: 0,
            finished: false,
        }
    }

    /// The same stream, whose windows carry the id of their track.
    #[must_use]
    pub fn for_track(mut self, track: &str) -> Self {
        self.track = Some(Arc::from(track));
        self
    }

    /// Takes the next samples of the signal, any number of them. After [`finish`](Self::finish) they are ignored.
    pub fn push(&mut self, chunk: &[f32]) {
        if self.finished {
            return;
        }
        self.forget();
        // Samples of a gap between windows need not be stored: the first one needed may lie beyond the end.
        let received = self.received();
        let skip = if self.buffer.is_empty() {
            self.needed_from(received + chunk.len()).saturating_sub(received).min(chunk.len())
        } else {
            0
        };
        if skip > 0 {
            self.base = received + skip;
        }
        self.buffer.extend_from_slice(&chunk[skip..]);
    }

    /// Says that the signal has ended, so that the last window can be given under its policy.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next window, if its samples are there.
    pub fn next_window(&mut self) -> Option<Window<'_>> {
        let received = self.received();
        let start = self.index.checked_mul(self.hop)?;
        let is_full = received.checked_sub(start).is_some_and(|left| left >= self.length);
        let is_ready = is_full || (self.finished && self.remains(start, received));
        if !is_ready {
            return None;
        }
        let placement = place(start, self.length, received, self.last)?;
        let index = self.index;
        self.index += 1;
        Window::cut(
            index,
            placement,
            self.last,
            &self.buffer,
            self.base,
            self.sample_rate,
            self.track.clone(),
        )
    }

    /// How many full windows can be taken now.
    #[must_use]
    pub fn windows_ready(&self) -> usize {
        let received = self.received();
        let full = if received < self.length { 0 } else { (received - self.length) / self.hop + 1 };
        full.saturating_sub(self.index)
    }

    /// Samples pushed so far.
    #[must_use]
    pub fn samples_pushed(&self) -> usize {
        self.received()
    }

    /// Samples held in memory now.
    #[must_use]
    pub fn samples_held(&self) -> usize {
        self.buffer.len()
    }

    fn received(&self) -> usize {
        self.base + self.buffer.len()
    }

    /// Whether a window that is not full belongs at `start`, at the end of the signal.
    fn remains(&self, start: usize, received: usize) -> bool {
        let covered = if self.index == 0 { 0 } else { start - self.hop + self.length };
        covered < received && start < received
    }

    /// First sample that a window still to come may need, once `received` samples are in.
    fn needed_from(&self, received: usize) -> usize {
        let next = self.index.saturating_mul(self.hop);
        match self.last {
            // The last window may start earlier than its place, at most a window's length before the end.
            LastWindow::ShiftBack => next.min(received.saturating_sub(self.length)),
            _ => next,
        }
    }

    fn forget(&mut self) {
        let unneeded = self.needed_from(self.received()).saturating_sub(self.base).min(self.buffer.len());
        // Moving the rest to the front costs its length, so wait until as much can be dropped: constant cost a sample.
        if unneeded > 0 && unneeded >= self.buffer.len() - unneeded {
            self.buffer.drain(..unneeded);
            self.base += unneeded;
        }
    }
}
