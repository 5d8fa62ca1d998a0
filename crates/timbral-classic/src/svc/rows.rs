use std::rc::Rc;

use ndarray::ArrayView2;

use super::kernel::{Cell, Kernel, Panels};
use crate::simd::LANES;

/// Rows of a problem with what their kernel values come from.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) kernel: Kernel,
    /// In standard layout.
    pub(super) x: ArrayView2<'a, f64>,
    /// Squared length of each row of `x`.
    pub(super) squares: &'a [f64],
    /// The rows of `x` that the problem is about.
    pub(super) rows: &'a [u32],
}

impl Rows<'_> {
    /// The kernel of a row of `x` with all rows of `panels`.
    pub(super) fn compute<T: Cell>(&self, row: u32, panels: &Panels, out: &mut [T]) {
        let row = row as usize;
        if let Some(x) = self.x.row(row).as_slice() {
            panels.kernel(self.kernel, x, self.squares[row], out);
        }
    }

    pub(super) fn panels(&self, active: &[u32]) -> Panels {
        let rows: Vec<u32> = active.iter().map(|&i| self.rows[i as usize]).collect();
        Panels::new(self.x, self.squares, &rows)
    }
}

/// Kernel values of all rows of a pair with each other, each row computed when first asked for and then kept: the folds of
/// the held-out values share them.
pub(super) struct Store<'a, T> {
    rows: Rows<'a>,
    panels: Panels,
    values: Vec<Option<Rc<[T]>>>,
}

impl<'a, T: Cell> Store<'a, T> {
    pub(super) fn new(rows: Rows<'a>) -> Self {
        Self {
            rows,
            panels: Panels::new(rows.x, rows.squares, rows.rows),
            values: vec![None; rows.rows.len()],
        }
    }

    /// Row `i` of the pair.
    pub(super) fn row(&mut self, i: usize) -> Rc<[T]> {
        if let Some(row) = &self.values[i] {
            return Rc::clone(row);
        }
        let mut values = vec![T::default(); self.values.len().next_multiple_of(LANES)];
        self.rows.compute(self.rows.rows[i], &self.panels, &mut values);
        let row: Rc<[T]> = values.into();
        self.values[i] = Some(Rc::clone(&row));
        row
    }
}

/// Where a [`RowCache`] takes rows from.
pub(super) enum Source<'s, 'a, T> {
    /// Computed from the rows themselves.
    Direct(Rows<'s>),
    /// Read from a store of more rows; the problem's rows are these of it, in rising order.
    Stored(&'s mut Store<'a, T>, Vec<u32>),
}

struct Entry<T> {
    values: Rc<[T]>,
    /// Number of shrinkings when it was made.
    epoch: usize,
    last_use: u64,
}

/// Rows of the kernel matrix over the rows that the search still looks at, kept while memory allows.
///
/// Rows are padded to a multiple of [`LANES`].
pub(super) struct RowCache<'s, 'a, T> {
    source: Source<'s, 'a, T>,
    panels: Option<Panels>,
    entries: Vec<Option<Entry<T>>>,
    /// What the search looked at, after each shrinking since it last looked at all.
    history: Vec<Vec<u32>>,
    clock: u64,
    held: usize,
    capacity: usize,
}

impl<'s, 'a, T: Cell> RowCache<'s, 'a, T> {
    /// `n` rows of at most `n` values, of which at most `capacity` (but two) are held.
    pub(super) fn new(n: usize, capacity: usize, source: Source<'s, 'a, T>) -> Self {
        let mut cache = Self {
            source,
            panels: None,
            entries: (0..n).map(|_| None).collect(),
            history: Vec::new(),
            clock: 0,
            held: 0,
            capacity: capacity.max(2),
        };
        cache.look_at_all();
        cache
    }

    /// What the search looks at, in rising order.
    pub(super) fn active(&self) -> &[u32] {
        self.history.last().map_or(&[], Vec::as_slice)
    }

    /// Leaves out all rows but these, a part of those looked at.
    pub(super) fn shrink(&mut self, active: Vec<u32>) {
        self.enter(active);
    }

    /// Looks at all rows again.
    pub(super) fn look_at_all(&mut self) {
        if self.history.len() == 1 {
            return;
        }
        self.history.clear();
        let n = self.entries.len();
        for entry in &mut self.entries {
            if entry.as_ref().is_some_and(|e| e.epoch > 0) {
                *entry = None;
                self.held -= 1;
            }
        }
        self.enter((0..n as u32).collect());
    }

    fn enter(&mut self, active: Vec<u32>) {
        if let Source::Direct(rows) = &self.source {
            self.panels = Some(rows.panels(&active));
        }
        self.history.push(active);
    }

    /// Kernel values of row `i` of the problem with the rows looked at.
    pub(super) fn row(&mut self, i: usize) -> Rc<[T]> {
        self.clock += 1;
        let epoch = self.history.len() - 1;
        if let Some(entry) = &mut self.entries[i] {
            entry.last_use = self.clock;
            if entry.epoch != epoch {
                entry.values = compact(&entry.values, &self.history[entry.epoch], &self.history[epoch]);
                entry.epoch = epoch;
            }
            return Rc::clone(&entry.values);
        }
        if self.held >= self.capacity {
            let used = |j: usize| self.entries[j].as_ref().map(|e| (e.last_use, j));
            if let Some((_, oldest)) = (0..self.entries.len()).filter_map(used).min() {
                self.entries[oldest] = None;
                self.held -= 1;
            }
        }
        let active = &self.history[epoch];
        let values: Rc<[T]> = match (&mut self.source, &self.panels) {
            (Source::Direct(rows), Some(panels)) => {
                let mut values = vec![T::default(); active.len().next_multiple_of(LANES)];
                rows.compute(rows.rows[i], panels, &mut values);
                values.into()
            }
            (Source::Direct(_), None) => Rc::default(),
            (Source::Stored(store, places), _) => {
                let whole = store.row(places[i] as usize);
                if active.len() == store.values.len() {
                    whole
                } else {
                    gather(&whole, active.iter().map(|&a| places[a as usize] as usize))
                }
            }
        };
        self.held += 1;
        self.entries[i] = Some(Entry { values: Rc::clone(&values), epoch, last_use: self.clock });
        values
    }
}

fn gather<T: Cell>(values: &[T], places: impl ExactSizeIterator<Item = usize>) -> Rc<[T]> {
    let padded = places.len().next_multiple_of(LANES);
    let mut out = Vec::with_capacity(padded);
    out.extend(places.map(|place| values[place]));
    out.resize(padded, T::default());
    out.into()
}

/// Values at `from`, a rising list, brought to those at `to`, a part of it.
fn compact<T: Cell>(values: &[T], from: &[u32], to: &[u32]) -> Rc<[T]> {
    let mut at = 0;
    let place = |wanted: &u32| {
        while from[at] < *wanted {
            at += 1;
        }
        at
    };
    gather(values, to.iter().map(place))
}
