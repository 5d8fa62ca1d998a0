use std::iter::FusedIterator;

use crate::LastWindow;

/// Where one window lies in a signal, before any sample is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    /// First sample of the window, counted from the start of the signal.
    pub start: usize,
    /// Samples that the signal gives, at least 1.
    pub valid: usize,
    /// Samples of the window, at least `valid`; the difference is padding.
    pub length: usize,
}

/// A cut with every span in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Sliding { length: usize, hop: usize },
    Parts { count: usize },
    Middle { length: usize },
}

/// Places the window at `start`, of which a signal of `n_samples` gives the part that it has.
///
/// `None` where the policy or an empty rest leaves no window.
pub(crate) fn place(start: usize, length: usize, n_samples: usize, last: LastWindow) -> Option<Placement> {
    let valid = n_samples.checked_sub(start)?.min(length);
    if valid == length {
        return Some(Placement { start, valid, length });
    }
    match last {
        _ if valid == 0 => None,
        LastWindow::Drop => None,
        LastWindow::Keep => Some(Placement { start, valid, length: valid }),
        LastWindow::ZeroPad | LastWindow::Repeat => Some(Placement { start, valid, length }),
        LastWindow::ShiftBack => {
            let start = n_samples.saturating_sub(length);
            Some(Placement { start, valid: n_samples - start, length })
        }
    }
}

/// Iterator over the [`Placement`]s of a signal's windows, in order of their starts.
#[derive(Clone, Debug)]
pub struct Placements {
    layout: Layout,
    last: LastWindow,
    offset: usize,
    n_samples: usize,
    index: usize,
    count: usize,
}

impl Placements {
    /// Windows of the `n_samples` samples that start at `offset` of a longer signal.
    pub(crate) fn new(layout: Layout, last: LastWindow, offset: usize, n_samples: usize) -> Self {
        let count = match layout {
            _ if n_samples == 0 => 0,
            Layout::Sliding { length, hop } => sliding_count(length, hop, n_samples, last),
            Layout::Parts { count } if count > n_samples => 0,
            Layout::Parts { count } => count,
            Layout::Middle { length } => usize::from(n_samples >= length || last != LastWindow::Drop),
        };
        Self { layout, last, offset, n_samples, index: 0, count }
    }

    fn at(&self, index: usize) -> Option<Placement> {
        match self.layout {
            Layout::Sliding { length, hop } => place(index * hop, length, self.n_samples, self.last),
            Layout::Middle { length } => {
                place(self.n_samples.saturating_sub(length) / 2, length, self.n_samples, self.last)
            }
            Layout::Parts { count } if self.last == LastWindow::Drop => {
                let length = self.n_samples / count;
                Some(Placement { start: index * length, valid: length, length })
            }
            Layout::Parts { count } => {
                let length = self.n_samples.div_ceil(count);
                // i n / count without overflow of i n.
                let (whole, rest) = (self.n_samples / count, self.n_samples % count);
                let boundary = |i: usize| i * whole + (i as u128 * rest as u128 / count as u128) as usize;
                let (start, end) = (boundary(index), boundary(index + 1));
                let valid = end - start;
                Some(match self.last {
                    LastWindow::Keep => Placement { start, valid, length: valid },
                    LastWindow::ShiftBack => {
                        Placement { start: start.min(self.n_samples - length), valid: length, length }
                    }
                    _ => Placement { start, valid, length },
                })
            }
        }
    }
}

fn sliding_count(length: usize, hop: usize, n_samples: usize, last: LastWindow) -> usize {
    let full = if n_samples < length { 0 } else { (n_samples - length) / hop + 1 };
    // `full * hop` is at most n_samples - length + hop: both are bounded far below usize::MAX.
    let next = full * hop;
    let covered = if full == 0 { 0 } else { next - hop + length };
    let partial = last != LastWindow::Drop && covered < n_samples && next < n_samples;
    full + usize::from(partial)
}

impl Iterator for Placements {
    type Item = Placement;

    fn next(&mut self) -> Option<Placement> {
        if self.index >= self.count {
            return None;
        }
        let placement = self.at(self.index)?;
        self.index += 1;
        Some(Placement { start: self.offset + placement.start, ..placement })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.index;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Placements {}
impl FusedIterator for Placements {}
