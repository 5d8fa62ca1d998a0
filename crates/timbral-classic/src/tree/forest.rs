use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Learner, Predictor, check_input, check_training};
use crate::parallel;
use crate::rng::{below, seeded};

/// Number of features that are candidates for a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MaxFeatures {
    /// Square root of their number.
    Sqrt,
    /// A fraction of them, above 0 and at most 1.
    #[serde(alias = "share")]
    Fraction(f64),
}

/// Settings of a [`RandomForest`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomForestConfig {
    /// Number of trees, at least 1. Default: 100.
    pub n_trees: usize,
    /// Features looked at for a split; constant ones do not count. Default: the square root.
    pub max_features: MaxFeatures,
    /// Splits from the root to a leaf at most. Default: no limit.
    pub max_depth: Option<usize>,
    /// Rows of a leaf at least. Default: 1.
    pub min_samples_leaf: usize,
    /// Whether each tree sees a sample drawn with replacement. Default: true.
    pub bootstrap: bool,
    /// Seed. Default: 0.
    pub seed: u64,
}

impl Default for RandomForestConfig {
    fn default() -> Self {
        Self {
            n_trees: 100,
            max_features: MaxFeatures::Sqrt,
            max_depth: None,
            min_samples_leaf: 1,
            bootstrap: true,
            seed: 0,
        }
    }
}

impl Config for RandomForestConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.n_trees == 0 {
            return Err(ClassicError::config("n_trees", 0, "at least 1"));
        }
        if self.min_samples_leaf == 0 {
            return Err(ClassicError::config("min_samples_leaf", 0, "at least 1"));
        }
        match self.max_features {
            MaxFeatures::Fraction(share) if !(share > 0.0 && share <= 1.0) => {
                Err(ClassicError::config("max_features", share, "above 0 and at most 1"))
            }
            _ => Ok(()),
        }
    }
}

/// Random forest (Breiman 2001): the mean of trees that each saw other rows and looked at other features.
///
/// A seed fixes it, on any number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomForest {
    pub(crate) trees: Vec<Tree>,
    pub(crate) n_classes: usize,
    pub(crate) n_features: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// Class fractions of the leaves, one after the other.
    pub(crate) shares: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    /// Rows whose feature is at most the threshold go to the next node, others to `right`.
    Split { feature: usize, threshold: f64, right: usize },
    /// Where the class shares begin.
    Leaf { shares: usize },
}

impl Learner for Checked<RandomForestConfig> {
    type Model = RandomForest;

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<RandomForest, ClassicError> {
        check_training(x, y, n_classes)?;
        // Features are read one at a time.
        let columns = x.t().as_standard_layout().into_owned();
        let trees = parallel::map(self.0.n_trees, |tree| {
            let grower = Grower {
                parameters: &self.0,
                columns: &columns,
                y,
                n_classes,
                rng: seeded(self.0.seed, tree as u64),
                pairs: Vec::with_capacity(y.len()),
                tree: Tree { nodes: Vec::new(), shares: Vec::new() },
            };
            grower.grow()
        });
        Ok(RandomForest { trees, n_classes, n_features: x.ncols() })
    }
}

struct Grower<'a> {
    parameters: &'a RandomForestConfig,
    columns: &'a Array2<f64>,
    y: &'a [usize],
    n_classes: usize,
    rng: ChaCha8Rng,
    /// Values and classes of the node at work, for sorting.
    pairs: Vec<(f64, usize)>,
    tree: Tree,
}

impl Grower<'_> {
    fn grow(mut self) -> Tree {
        let n = self.y.len();
        let mut rows: Vec<usize> = if self.parameters.bootstrap {
            (0..n).map(|_| below(&mut self.rng, n)).collect()
        } else {
            (0..n).collect()
        };
        let mut features: Vec<usize> = (0..self.columns.nrows()).collect();
        // Nodes are laid out in the order of visits: the left child follows its parent, the right one is patched in.
        let mut open = vec![(0, n, 0, None)];
        while let Some((start, end, depth, parent)) = open.pop() {
            let here = self.tree.nodes.len();
            if let Some(parent) = parent
                && let Some(Node::Split { right, .. }) = self.tree.nodes.get_mut::<usize>(parent)
            {
                *right = here;
            }
            let may_split = self.parameters.max_depth.is_none_or(|most| depth < most);
            let split = if may_split { self.best_split(&rows[start..end], &mut features) } else { None };
            let Some((feature, threshold)) = split else {
                self.leaf(&rows[start..end]);
                continue;
            };
            let column = self.columns.row(feature);
            let middle = start + partition(&mut rows[start..end], |row| column[row] <= threshold);
            self.tree.nodes.push(Node::Split { feature, threshold, right: 0 });
            open.push((middle, end, depth + 1, Some(here)));
            open.push((start, middle, depth + 1, None));
        }
        self.tree
    }

    fn leaf(&mut self, rows: &[usize]) {
        let start = self.tree.shares.len();
        self.tree.nodes.push(Node::Leaf { shares: start });
        self.tree.shares.resize(start + self.n_classes, 0.0);
        for &row in rows {
            self.tree.shares[start + self.y[row]] += 1.0 / rows.len() as f64;
        }
    }

    /// The split that lowers Gini's impurity most, among some features that are not constant here.
    fn best_split(&mut self, rows: &[usize], features: &mut [usize]) -> Option<(usize, f64)> {
        let n = rows.len();
        let least = self.parameters.min_samples_leaf;
        let mut counts = vec![0_u32; self.n_classes];
        rows.iter().for_each(|&row| counts[self.y[row]] += 1);
        let is_pure = counts.iter().filter(|c| **c > 0).count() < 2;
        if is_pure || n < least.saturating_mul(2) {
            return None;
        }
        let wanted = match self.parameters.max_features {
            MaxFeatures::Sqrt => (features.len() as f64).sqrt() as usize,
            MaxFeatures::Fraction(share) => (features.len() as f64 * share) as usize,
        };
        let square = |c: u32| f64::from(c) * f64::from(c);
        let whole: f64 = counts.iter().map(|&c| square(c)).sum();
        let mut best: Option<(f64, usize, f64)> = None;
        let mut looked_at = 0;
        for i in 0..features.len() {
            if looked_at >= wanted.max(1) {
                break;
            }
            let j = i + below(&mut self.rng, features.len() - i);
            features.swap(i, j);
            let feature = features[i];
            let column = self.columns.row(feature);
            self.pairs.clear();
            self.pairs.extend(rows.iter().map(|&row| (column[row], self.y[row])));
            self.pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            if self.pairs[0].0 == self.pairs[n - 1].0 {
                continue;
            }
            looked_at += 1;
            let mut left = vec![0_u32; self.n_classes];
            let (mut left_squares, mut right_squares) = (0.0, whole);
            for at in 0..n - 1 {
                let (value, class) = self.pairs[at];
                // (c + 1)^2 = c^2 + 2 c + 1 on the left, and the other way round on the right.
                left_squares += 2.0 * f64::from(left[class]) + 1.0;
                right_squares -= 2.0 * f64::from(counts[class] - left[class]) - 1.0;
                left[class] += 1;
                let next = self.pairs[at + 1].0;
                let (n_left, n_right) = (at + 1, n - at - 1);
                if value == next || n_left < least || n_right < least {
                    continue;
                }
                let purity = left_squares / n_left as f64 + right_squares / n_right as f64;
                if best.is_none_or(|(most, ..)| purity > most) {
                    let middle = value + (next - value) / 2.0;
                    best = Some((purity, feature, if middle < next { middle } else { value }));
                }
            }
        }
        best.map(|(_, feature, threshold)| (feature, threshold))
    }
}

/// Brings the rows that pass to the front and says how many they are.
pub(super) fn partition<T: Copy>(rows: &mut [T], passes: impl Fn(T) -> bool) -> usize {
    let mut front = 0;
    for i in 0..rows.len() {
        if passes(rows[i]) {
            rows.swap(front, i);
            front += 1;
        }
    }
    front
}

impl Tree {
    fn shares(&self, row: ArrayView1<'_, f64>, n_classes: usize) -> &[f64] {
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            match *node {
                Node::Split { feature, threshold, right } => {
                    at = if row[feature] <= threshold { at + 1 } else { right };
                }
                Node::Leaf { shares } => return &self.shares[shares..shares + n_classes],
            }
        }
        &[]
    }
}

impl Predictor for RandomForest {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.n_features)?;
        let mut out = Array2::zeros((x.nrows(), self.n_classes));
        let rows: Vec<_> = out.axis_iter_mut(Axis(0)).collect();
        parallel::for_each(rows, |i, mut mean| {
            for tree in &self.trees {
                for (sum, share) in mean.iter_mut().zip(tree.shares(x.row(i), self.n_classes)) {
                    *sum += share;
                }
            }
            mean /= self.trees.len() as f64;
        });
        Ok(out)
    }
}
