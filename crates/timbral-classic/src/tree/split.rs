use super::bins::{BLOCK, Bins};
use crate::parallel;

/// Bins of a feature at most.
pub(super) const BINS: usize = 256;

/// Nodes with at most so many rows have fewer rows than bins: they are searched without a histogram of all features.
pub(super) const SMALL: usize = 96;

/// Additions that make it worth to work on several blocks of features at once.
const MANY: usize = 1 << 17;

/// Sums of gradients and curvatures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) gradient: f64,
    pub(super) curvature: f64,
}

impl Sums {
    #[inline(always)]
    pub(super) fn add(&mut self, other: Self) {
        self.gradient += other.gradient;
        self.curvature += other.curvature;
    }

    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Self {
        Self { gradient: self.gradient - other.gradient, curvature: self.curvature - other.curvature }
    }
}

/// What a split must keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) min_child_weight: f64,
    pub(super) l2: f64,
    pub(super) min_gain: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) bin: u8,
    pub(super) left: Sums,
}

/// The best split so far; its score is a fraction, so that comparing takes no division.
#[derive(Clone, Copy, Debug)]
struct Best {
    above: f64,
    below: f64,
    /// Feature, bin, and the sums of the left side.
    place: Option<(usize, u8, Sums)>,
}

/// What a split is looked for in: a node's sums, and the rules.
#[derive(Clone, Copy)]
struct Search {
    sums: Sums,
    rules: Rules,
}

impl Search {
    /// No split, with the score that one must exceed.
    fn none(&self) -> Best {
        let whole = self.sums.gradient * self.sums.gradient / (self.sums.curvature + self.rules.l2);
        Best { above: whole + 2.0 * self.rules.min_gain.max(1e-12), below: 1.0, place: None }
    }

    /// Whether the split behind `bin` is better than the best one; and false in second place if no later one can be.
    #[inline(always)]
    fn look(&self, best: &mut Best, feature: usize, bin: usize, left: Sums) -> bool {
        let right = self.sums.minus(left);
        let least = self.rules.min_child_weight;
        if right.curvature < least || right.curvature <= 0.0 {
            return false;
        }
        if left.curvature < least || left.curvature <= 0.0 {
            return true;
        }
        let (a, b) = (left.curvature + self.rules.l2, right.curvature + self.rules.l2);
        let above = left.gradient * left.gradient * b + right.gradient * right.gradient * a;
        let below = a * b;
        if above * best.below > best.above * below {
            *best = Best { above, below, place: Some((feature, bin as u8, left)) };
        }
        true
    }

    fn split(&self, best: Best) -> Option<Split> {
        let (feature, bin, left) = best.place?;
        let whole = self.sums.gradient * self.sums.gradient / (self.sums.curvature + self.rules.l2);
        Some(Split { gain: 0.5 * (best.above / best.below - whole), feature, bin, left })
    }
}

/// Binned features, of which a tree may use some.
pub(super) struct Features<'a> {
    pub(super) bins: &'a Bins,
    /// Blocks with the features in them that may be used, both rising.
    pub(super) blocks: Vec<(usize, Vec<usize>)>,
}

/// Sums for each bin of each feature of the blocks in use.
pub(super) type Histogram = Vec<[[Sums; BINS]; BLOCK]>;

impl<'a> Features<'a> {
    /// `chosen` features, which are in rising order.
    pub(super) fn new(bins: &'a Bins, chosen: &[usize]) -> Self {
        let blocks = chosen
            .chunk_by(|a, b| a / BLOCK == b / BLOCK)
            .map(|features| (features[0] / BLOCK, features.to_vec()))
            .collect();
        Self { bins, blocks }
    }

    fn is_much(&self, rows: usize) -> bool {
        rows * self.blocks.len() * BLOCK >= MANY
    }

    pub(super) fn empty(&self) -> Histogram {
        vec![[[Sums::default(); BINS]; BLOCK]; self.blocks.len()]
    }

    /// Fills a histogram with the sums of some rows, whose own sums are given beside.
    pub(super) fn fill(&self, rows: &[u32], sums: &[Sums], histogram: &mut Histogram) {
        let one = |i: usize, target: &mut [[Sums; BINS]; BLOCK]| {
            *target = [[Sums::default(); BINS]; BLOCK];
            let codes = self.bins.block(self.blocks[i].0);
            for (&row, &sums) in rows.iter().zip(sums) {
                for (feature, &code) in target.iter_mut().zip(&codes[row as usize]) {
                    feature[usize::from(code)].add(sums);
                }
            }
        };
        if self.is_much(rows.len()) {
            parallel::for_each(histogram.iter_mut().collect(), one);
        } else {
            histogram.iter_mut().enumerate().for_each(|(i, target)| one(i, target));
        }
    }

    /// The best split of a node, from its histogram.
    pub(super) fn search(&self, sums: Sums, rules: Rules, histogram: &Histogram) -> Option<Split> {
        let search = Search { sums, rules };
        let mut best = search.none();
        for ((_, features), sums) in self.blocks.iter().zip(histogram) {
            for &feature in features {
                let mut left = Sums::default();
                let n_edges = self.bins.edges[feature].len();
                for (bin, here) in sums[feature % BLOCK].iter().take(n_edges).enumerate() {
                    left.add(*here);
                    if !search.look(&mut best, feature, bin, left) {
                        break;
                    }
                }
            }
        }
        search.split(best)
    }

    /// The best split of a node of few rows, whose own sums are given beside.
    pub(super) fn search_rows(&self, sums: Sums, rules: Rules, rows: &[u32], own: &[Sums]) -> Option<Split> {
        let search = Search { sums, rules };
        let mut best = search.none();
        let mut here = [Sums::default(); BINS];
        for (block, features) in &self.blocks {
            let codes = self.bins.block(*block);
            for &feature in features {
                let lane = feature % BLOCK;
                let mut filled = [0_u64; BINS / 64];
                for (&row, &sums) in rows.iter().zip(own) {
                    let code = codes[row as usize][lane];
                    here[usize::from(code)].add(sums);
                    filled[usize::from(code / 64)] |= 1 << (code % 64);
                }
                let mut left = Sums::default();
                let mut may_be_better = true;
                for (word, bits) in filled.iter_mut().enumerate() {
                    while *bits != 0 {
                        let bin = word * 64 + bits.trailing_zeros() as usize;
                        *bits &= *bits - 1;
                        left.add(std::mem::take(&mut here[bin]));
                        may_be_better = may_be_better && search.look(&mut best, feature, bin, left);
                    }
                }
            }
        }
        search.split(best)
    }
}

/// What remains of a node when one child is taken away.
pub(super) fn subtract(from: &mut Histogram, child: &Histogram) {
    for (from, child) in
        from.as_flattened_mut().as_flattened_mut().iter_mut().zip(child.as_flattened().as_flattened())
    {
        *from = from.minus(*child);
    }
}
