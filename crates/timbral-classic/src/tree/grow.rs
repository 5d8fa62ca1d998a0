use std::cmp::Ordering;
use std::collections::BinaryHeap;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::forest::partition;

/// What limits the growth of a tree of a boosted ensemble.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_depth: usize,
    pub(super) max_leaves: usize,
    pub(super) min_child_weight: f64,
    pub(super) l2: f64,
    pub(super) min_gain: f64,
}

/// A tree that gives a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RegressionTree {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Node {
    /// Rows whose feature is at most the threshold go to `left`, which `right` follows.
    Split {
        feature: usize,
        threshold: f64,
        left: usize,
    },
    Leaf {
        value: f64,
    },
}

impl RegressionTree {
    pub(super) fn predict(&self, row: ArrayView1<'_, f64>) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes.get(at) {
                Some(&Node::Split {
                    feature,
                    threshold,
                    left,
                }) => {
                    at = left + usize::from(row[feature] > threshold);
                }
                Some(&Node::Leaf { value }) => return value,
                None => return 0.0,
            }
        }
    }
}

/// Sums of gradients and curvatures.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    gradient: f64,
    curvature: f64,
}

impl Sums {
    fn minus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
        }
    }

    /// Twice the fall of the loss by the best value of a leaf.
    fn score(self, l2: f64) -> f64 {
        self.gradient * self.gradient / (self.curvature + l2)
    }
}

#[derive(Clone, Copy, Debug)]
struct Split {
    gain: f64,
    feature: usize,
    bin: u8,
    left: Sums,
}

/// A leaf that can be split.
struct Candidate {
    split: Split,
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
    sums: Sums,
    histogram: Vec<Sums>,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    /// The largest gain first, then the oldest node.
    fn cmp(&self, other: &Self) -> Ordering {
        self.split
            .gain
            .total_cmp(&other.split.gain)
            .then(other.node.cmp(&self.node))
    }
}

/// What a grown tree gives back.
pub(super) struct Grown {
    pub(super) tree: RegressionTree,
    /// Feature and gain of each split.
    pub(super) gains: Vec<(usize, f64)>,
    /// Rows of each leaf with its value.
    pub(super) leaves: Vec<(Vec<u32>, f64)>,
}

pub(super) struct Grower<'a> {
    pub(super) bins: &'a Bins,
    pub(super) gradients: &'a [f64],
    pub(super) curvatures: &'a [f64],
    /// Features that splits may use, sorted.
    pub(super) features: &'a [usize],
    pub(super) limits: Limits,
    pub(super) rate: f64,
}

impl Grower<'_> {
    /// Grows a tree on some rows, the leaf of largest gain first.
    pub(super) fn grow(&self, mut rows: Vec<u32>) -> Grown {
        let histogram = self.histogram(&rows);
        let mut sums = Sums::default();
        for &row in &rows {
            sums.gradient += self.gradients[row as usize];
            sums.curvature += self.curvatures[row as usize];
        }
        let mut nodes = vec![Node::Leaf {
            value: self.value(sums),
        }];
        let mut spans = vec![(0, rows.len())];
        let mut gains = Vec::new();
        let mut open = BinaryHeap::new();
        let end = rows.len();
        self.offer(
            &mut open,
            Offer {
                node: 0,
                start: 0,
                end,
                depth: 0,
                sums,
                histogram,
            },
        );
        let mut n_leaves = 1;
        while n_leaves < self.limits.max_leaves {
            let Some(best) = open.pop() else { break };
            let Split {
                gain,
                feature,
                bin,
                left,
            } = best.split;
            let column = self.bins.codes.column(feature);
            let middle =
                best.start + partition(&mut rows[best.start..best.end], |row| column[row as usize] <= bin);
            let threshold = self.bins.edges[feature][usize::from(bin)];
            let at = nodes.len();
            nodes[best.node] = Node::Split {
                feature,
                threshold,
                left: at,
            };
            gains.push((feature, gain));
            n_leaves += 1;
            let right = best.sums.minus(left);
            nodes.push(Node::Leaf {
                value: self.value(left),
            });
            nodes.push(Node::Leaf {
                value: self.value(right),
            });
            spans.push((best.start, middle));
            spans.push((middle, best.end));
            let depth = best.depth + 1;
            if depth >= self.limits.max_depth || n_leaves >= self.limits.max_leaves {
                continue;
            }
            // Only the smaller child is counted; the other is what remains of the parent.
            let left_is_smaller = middle - best.start <= best.end - middle;
            let small = if left_is_smaller {
                &rows[best.start..middle]
            } else {
                &rows[middle..best.end]
            };
            let small = self.histogram(small);
            let mut large = best.histogram;
            large.iter_mut().zip(&small).for_each(|(l, s)| *l = l.minus(*s));
            let (of_left, of_right) = if left_is_smaller {
                (small, large)
            } else {
                (large, small)
            };
            let (start, end) = (best.start, best.end);
            self.offer(
                &mut open,
                Offer {
                    node: at,
                    start,
                    end: middle,
                    depth,
                    sums: left,
                    histogram: of_left,
                },
            );
            self.offer(
                &mut open,
                Offer {
                    node: at + 1,
                    start: middle,
                    end,
                    depth,
                    sums: right,
                    histogram: of_right,
                },
            );
        }
        let leaves = nodes
            .iter()
            .zip(&spans)
            .filter_map(|(node, &(start, end))| match node {
                Node::Leaf { value } => Some((rows[start..end].to_vec(), *value)),
                Node::Split { .. } => None,
            })
            .collect();
        Grown {
            tree: RegressionTree { nodes },
            gains,
            leaves,
        }
    }

    fn value(&self, sums: Sums) -> f64 {
        -self.rate * sums.gradient / (sums.curvature + self.limits.l2)
    }

    fn offer(&self, open: &mut BinaryHeap<Candidate>, offer: Offer) {
        let Offer {
            node,
            start,
            end,
            depth,
            sums,
            histogram,
        } = offer;
        if end - start >= 2
            && depth < self.limits.max_depth
            && let Some(split) = self.best_split(sums, &histogram)
        {
            open.push(Candidate {
                split,
                node,
                start,
                end,
                depth,
                sums,
                histogram,
            });
        }
    }

    fn histogram(&self, rows: &[u32]) -> Vec<Sums> {
        let bins = self.bins;
        let mut out = vec![Sums::default(); bins.offsets.last().copied().unwrap_or(0)];
        let all = self.features.len() == bins.edges.len();
        for &row in rows {
            let row = row as usize;
            let (g, h) = (self.gradients[row], self.curvatures[row]);
            let codes = bins.codes.row(row);
            let mut add = |feature: usize| {
                let sums = &mut out[bins.offsets[feature] + usize::from(codes[feature])];
                sums.gradient += g;
                sums.curvature += h;
            };
            if all {
                (0..bins.edges.len()).for_each(&mut add);
            } else {
                self.features.iter().copied().for_each(&mut add);
            }
        }
        out
    }

    fn best_split(&self, sums: Sums, histogram: &[Sums]) -> Option<Split> {
        let Limits {
            l2,
            min_child_weight,
            min_gain,
            ..
        } = self.limits;
        let whole = sums.score(l2);
        let mut best: Option<Split> = None;
        for &feature in self.features {
            let from = self.bins.offsets[feature];
            let mut left = Sums::default();
            for bin in 0..self.bins.edges[feature].len() {
                let here = histogram[from + bin];
                if here.curvature == 0.0 {
                    continue;
                }
                left.gradient += here.gradient;
                left.curvature += here.curvature;
                let right = sums.minus(left);
                if left.curvature < min_child_weight {
                    continue;
                }
                if right.curvature < min_child_weight || right.curvature <= 0.0 {
                    break;
                }
                let gain = 0.5 * (left.score(l2) + right.score(l2) - whole);
                if gain > min_gain && gain > 1e-12 && best.is_none_or(|b| gain > b.gain) {
                    best = Some(Split {
                        gain,
                        feature,
                        bin: bin as u8,
                        left,
                    });
                }
            }
        }
        best
    }
}

struct Offer {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
    sums: Sums,
    histogram: Vec<Sums>,
}
