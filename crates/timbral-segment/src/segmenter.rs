use std::iter::FusedIterator;
use std::sync::Arc;

use crate::placement::Layout;
use crate::{Cut, LastWindow, Placements, SegmentConfig, SegmentError, StreamSegmenter, Window};

/// Cuts signals of one sample rate into windows, as a [`SegmentConfig`] says.
///
/// ```
/// use timbral_segment::{Cut, SegmentConfig, Segmenter};
///
/// // Nine parts of each song.
/// let segmenter = Segmenter::new(SegmentConfig { cut: Cut::Parts { count: 9 }, ..Default::default() }, 22_050)?;
/// let song = vec![0.0; 661_500];
/// assert!(segmenter.windows(&song).all(|window| window.samples.len() == 73_500));
/// assert_eq!(segmenter.windows(&song).len(), 9);
/// # Ok::<(), timbral_segment::SegmentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Segmenter {
    config: SegmentConfig,
    sample_rate: u32,
    layout: Layout,
    excerpt: Option<usize>,
}

impl Segmenter {
    /// Checks the configuration and turns its spans into samples at `sample_rate` hertz.
    ///
    /// # Errors
    ///
    /// [`SegmentError::Config`] if the rate, a count or a span is 0, negative or not finite;
    /// [`SegmentError::Limit`] if a span is longer than [`MAX_WINDOW_SAMPLES`](crate::MAX_WINDOW_SAMPLES).
    pub fn new(config: SegmentConfig, sample_rate: u32) -> Result<Self, SegmentError> {
        if sample_rate == 0 {
            return Err(SegmentError::config("sample_rate", "0 Hz", "at least 1 Hz"));
        }
        let layout = match config.cut {
            Cut::Sliding { length, hop } => Layout::Sliding {
                length: length.to_samples("length", sample_rate)?,
                hop: hop.to_samples("hop", sample_rate)?,
            },
            Cut::Parts { count: 0 } => {
                return Err(SegmentError::config("count", "0", "at least 1"));
            }
            Cut::Parts { count } => Layout::Parts { count },
            Cut::Middle { length } => Layout::Middle { length: length.to_samples("length", sample_rate)? },
        };
        let excerpt = config.excerpt.map(|span| span.to_samples("excerpt", sample_rate)).transpose()?;
        Ok(Self { config, sample_rate, layout, excerpt })
    }

    /// The configuration that the segmenter was built from.
    #[must_use]
    pub fn config(&self) -> &SegmentConfig {
        &self.config
    }

    /// The sample rate in hertz that spans in seconds were turned into samples with.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Length of every window in samples; `None` for parts, whose length depends on the signal.
    ///
    /// Under [`LastWindow::Keep`] the last window may be shorter.
    #[must_use]
    pub fn window_length(&self) -> Option<usize> {
        match self.layout {
            Layout::Sliding { length, .. } | Layout::Middle { length } => Some(length),
            Layout::Parts { .. } => None,
        }
    }

    /// Where the windows of a signal of `n_samples` samples lie, without the signal itself.
    ///
    /// Good for seeking: a reader can fetch just those stretches of a long file.
    #[must_use]
    pub fn placements(&self, n_samples: usize) -> Placements {
        let kept = self.excerpt.map_or(n_samples, |excerpt| excerpt.min(n_samples));
        Placements::new(self.layout, self.config.last, (n_samples - kept) / 2, kept)
    }

    /// The windows of `samples`, in order of their starts.
    #[must_use]
    pub fn windows<'a>(&self, samples: &'a [f32]) -> Windows<'a> {
        self.cut(samples, None)
    }

    /// The windows of `samples`, each of which carries the id of its track.
    #[must_use]
    pub fn track_windows<'a>(&self, track: &str, samples: &'a [f32]) -> Windows<'a> {
        self.cut(samples, Some(Arc::from(track)))
    }

    fn cut<'a>(&self, samples: &'a [f32], track: Option<Arc<str>>) -> Windows<'a> {
        Windows {
            placements: self.placements(samples.len()),
            next_index: 0,
            last: self.config.last,
            sample_rate: self.sample_rate,
            samples,
            track,
        }
    }

    /// The same cut for a signal that comes in chunks.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NotStreamable`] for [`Cut::Parts`], [`Cut::Middle`] and an excerpt: they need the length of the
    /// signal.
    pub fn stream(&self) -> Result<StreamSegmenter, SegmentError> {
        if self.excerpt.is_some() {
            return Err(SegmentError::NotStreamable { what: "an excerpt around the middle" });
        }
        match self.layout {
            Layout::Sliding { length, hop } => {
                Ok(StreamSegmenter::new(length, hop, self.config.last, self.sample_rate))
            }
            Layout::Parts { .. } => Err(SegmentError::NotStreamable { what: "a cut into parts" }),
            Layout::Middle { .. } => Err(SegmentError::NotStreamable { what: "the middle window" }),
        }
    }
}

/// Iterator over the windows of one signal; made by [`Segmenter::windows`].
#[derive(Clone, Debug)]
pub struct Windows<'a> {
    placements: Placements,
    next_index: usize,
    last: LastWindow,
    sample_rate: u32,
    samples: &'a [f32],
    track: Option<Arc<str>>,
}

impl<'a> Iterator for Windows<'a> {
    type Item = Window<'a>;

    fn next(&mut self) -> Option<Window<'a>> {
        let placement = self.placements.next()?;
        let index = self.next_index;
        self.next_index += 1;
        Window::cut(index, placement, self.last, self.samples, 0, self.sample_rate, self.track.clone())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.placements.size_hint()
    }
}

impl ExactSizeIterator for Windows<'_> {}
impl FusedIterator for Windows<'_> {}
