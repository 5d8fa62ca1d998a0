use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::split::{Features, Histogram, Rules, SMALL, Split, Sums, subtract};

/// What limits the growth of a tree of a boosted ensemble.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_depth: usize,
    pub(super) max_leaves: Option<usize>,
    pub(super) rules: Rules,
}

/// A tree that gives a number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RegressionTree {
    pub(crate) nodes: Vec<Node>,
}

/// A node of a [`RegressionTree`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    /// The threshold of a split, the value of a leaf.
    pub(crate) number: f64,
    pub(crate) feature: u32,
    /// Where rows go whose feature is at most the threshold; the others go to the node behind it. 0 for a leaf.
    pub(crate) left: u32,
}

impl Node {
    fn leaf(value: f64) -> Self {
        Self { number: value, feature: 0, left: 0 }
    }
}

impl RegressionTree {
    /// A tree of one leaf.
    pub(super) fn constant(value: f64) -> Self {
        Self { nodes: vec![Node::leaf(value)] }
    }

    /// The tree that gives the negative numbers.
    pub(super) fn negative(&self) -> Self {
        let negative = |node: &Node| match node.left {
            0 => Node::leaf(-node.number),
            _ => *node,
        };
        Self { nodes: self.nodes.iter().map(negative).collect() }
    }

    /// Adds the tree's number for each row to `sums`; rows of `width` features lie one behind the other.
    pub(super) fn add_to(&self, rows: &[f64], width: usize, sums: &mut [f64]) {
        // Several rows go down at once, so that the waits for memory overlap.
        const AT_ONCE: usize = 8;
        let (groups, rest) = sums.as_chunks_mut::<AT_ONCE>();
        let n_grouped = groups.len() * AT_ONCE;
        if !groups.is_empty() {
            let (nodes, depth) = self.endless();
            for (group, rows) in groups.iter_mut().zip(rows.chunks_exact(AT_ONCE * width)) {
                let mut at = [0; AT_ONCE];
                for _ in 0..depth {
                    for (at, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                        let node = nodes[*at];
                        *at = node.left as usize + usize::from(row[node.feature as usize] > node.number);
                    }
                }
                group.iter_mut().zip(at).for_each(|(sum, at)| *sum += self.nodes[at].number);
            }
        }
        for (sum, row) in rest.iter_mut().zip(rows.chunks_exact(width).skip(n_grouped)) {
            let mut node = self.nodes[0];
            while node.left != 0 {
                let right = usize::from(row[node.feature as usize] > node.number);
                node = self.nodes[node.left as usize + right];
            }
            *sum += node.number;
        }
    }

    /// The tree with leaves that lead to themselves, and the number of steps after which every row is at its leaf.
    fn endless(&self) -> (Vec<Node>, usize) {
        let mut nodes = self.nodes.clone();
        let mut depths = vec![0; nodes.len()];
        for (at, node) in nodes.iter_mut().enumerate() {
            if node.left == 0 {
                node.left = at as u32;
                node.number = f64::INFINITY;
            } else {
                // Children come after their parents.
                depths[node.left as usize] = depths[at] + 1;
                depths[node.left as usize + 1] = depths[at] + 1;
            }
        }
        (nodes, depths.into_iter().max().unwrap_or(0))
    }
}

/// A leaf that can be split.
struct Candidate {
    split: Split,
    part: Part,
    histogram: Option<Histogram>,
}

/// Rows of a node.
#[derive(Clone, Copy)]
struct Part {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
    sums: Sums,
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
        let gains = self.split.gain.total_cmp(&other.split.gain);
        gains.then(other.part.node.cmp(&self.part.node))
    }
}

/// Leaves that wait: the largest gain comes first where leaves are limited; else the newest, so that few histograms are
/// alive at once.
enum Waiting {
    Best(BinaryHeap<Candidate>),
    Newest(Vec<Candidate>),
}

impl Waiting {
    fn push(&mut self, candidate: Candidate) {
        match self {
            Self::Best(heap) => heap.push(candidate),
            Self::Newest(stack) => stack.push(candidate),
        }
    }

    fn pop(&mut self) -> Option<Candidate> {
        match self {
            Self::Best(heap) => heap.pop(),
            Self::Newest(stack) => stack.pop(),
        }
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
    pub(super) features: Features<'a>,
    pub(super) limits: Limits,
    pub(super) rate: f64,
    /// Rows, those of a node side by side in rising order, and their gradients and curvatures.
    rows: Vec<u32>,
    sums: Vec<Sums>,
    nodes: Vec<Node>,
    /// Where the rows of a node lie.
    spans: Vec<(usize, usize)>,
    waiting: Waiting,
    spare: Vec<Histogram>,
    /// Rows that go to the right, on their way.
    aside: Vec<(u32, Sums)>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(
        features: Features<'a>,
        limits: Limits,
        rate: f64,
        rows: Vec<u32>,
        sums: Vec<Sums>,
    ) -> Self {
        Self {
            features,
            limits,
            rate,
            rows,
            sums,
            nodes: Vec::new(),
            spans: Vec::new(),
            waiting: match limits.max_leaves {
                Some(_) => Waiting::Best(BinaryHeap::new()),
                None => Waiting::Newest(Vec::new()),
            },
            spare: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// Grows a tree on the rows.
    pub(super) fn grow(mut self) -> Grown {
        let mut sums = Sums::default();
        self.sums.iter().for_each(|s| sums.add(*s));
        let root = self.add(0, self.rows.len(), 0, sums);
        let histogram = (self.rows.len() > SMALL).then(|| self.histogram(root));
        self.offer(root, histogram);
        let mut gains = Vec::new();
        let most = self.limits.max_leaves.unwrap_or(usize::MAX);
        while gains.len() + 1 < most {
            let Some(best) = self.waiting.pop() else { break };
            let Split { gain, feature, bin, left } = best.split;
            let Part { node, start, end, depth, sums } = best.part;
            let middle = start + self.part(feature, bin, start, end);
            if middle == start || middle == end {
                // Rounding errors of a bin that is empty looked like a row.
                self.spare.extend(best.histogram);
                continue;
            }
            let at = self.nodes.len();
            self.nodes[node] = Node {
                number: self.features.bins.edges[feature][usize::from(bin)],
                feature: feature as u32,
                left: at as u32,
            };
            gains.push((feature, gain));
            let left = self.add(start, middle, depth + 1, left);
            let right = self.add(middle, end, depth + 1, sums.minus(left.sums));
            if depth + 1 >= self.limits.max_depth || gains.len() + 1 >= most {
                self.spare.extend(best.histogram);
                continue;
            }
            self.offer_children(left, right, best.histogram);
        }
        let leaves = self
            .nodes
            .iter()
            .zip(&self.spans)
            .filter(|(node, _)| node.left == 0)
            .map(|(node, &(start, end))| (self.rows[start..end].to_vec(), node.number))
            .collect();
        Grown { tree: RegressionTree { nodes: self.nodes }, gains, leaves }
    }

    /// Adds a leaf.
    fn add(&mut self, start: usize, end: usize, depth: usize, sums: Sums) -> Part {
        let node = self.nodes.len();
        let value = -self.rate * sums.gradient / (sums.curvature + self.limits.rules.l2);
        self.nodes.push(Node::leaf(value));
        self.spans.push((start, end));
        Part { node, start, end, depth, sums }
    }

    /// Offers the children of a node that had a histogram, or was too small for one.
    fn offer_children(&mut self, left: Part, right: Part, histogram: Option<Histogram>) {
        let left_is_smaller = left.end - left.start <= right.end - right.start;
        let (small, large) = if left_is_smaller { (left, right) } else { (right, left) };
        let is_large = |part: Part| part.end - part.start > SMALL;
        let (mut of_small, mut of_large) = (None, None);
        if let Some(mut whole) = histogram {
            if is_large(large) {
                // Only the smaller child is counted; the other is what remains of the parent.
                let counted = self.histogram(small);
                subtract(&mut whole, &counted);
                of_large = Some(whole);
                if is_large(small) {
                    of_small = Some(counted);
                } else {
                    self.spare.push(counted);
                }
            } else {
                self.spare.push(whole);
            }
        }
        let (of_left, of_right) = if left_is_smaller { (of_small, of_large) } else { (of_large, of_small) };
        self.offer(right, of_right);
        self.offer(left, of_left);
    }

    fn offer(&mut self, part: Part, histogram: Option<Histogram>) {
        let rules = self.limits.rules;
        let rows = part.start..part.end;
        let split = match &histogram {
            _ if rows.len() < 2 || part.depth >= self.limits.max_depth => None,
            // Both children need their weight.
            _ if part.sums.curvature < 2.0 * rules.min_child_weight => None,
            Some(histogram) => self.features.search(part.sums, rules, histogram),
            None => {
                let (rows, sums) = (&self.rows[rows.clone()], &self.sums[rows]);
                self.features.search_rows(part.sums, rules, rows, sums)
            }
        };
        match split {
            Some(split) => self.waiting.push(Candidate { split, part, histogram }),
            None => self.spare.extend(histogram),
        }
    }

    fn histogram(&mut self, part: Part) -> Histogram {
        let mut histogram = self.spare.pop().unwrap_or_else(|| self.features.empty());
        let rows = part.start..part.end;
        let (rows, sums) = (&self.rows[rows.clone()], &self.sums[rows]);
        self.features.fill(rows, sums, &mut histogram);
        histogram
    }

    /// Brings the rows of a node that go left to its front, all in their order, and says how many they are.
    fn part(&mut self, feature: usize, bin: u8, start: usize, end: usize) -> usize {
        use super::bins::BLOCK;
        let codes = self.features.bins.block(feature / BLOCK);
        let lane = feature % BLOCK;
        self.aside.clear();
        let mut front = start;
        for i in start..end {
            let (row, sums) = (self.rows[i], self.sums[i]);
            if codes[row as usize][lane] <= bin {
                self.rows[front] = row;
                self.sums[front] = sums;
                front += 1;
            } else {
                self.aside.push((row, sums));
            }
        }
        for (i, &(row, sums)) in self.aside.iter().enumerate() {
            self.rows[front + i] = row;
            self.sums[front + i] = sums;
        }
        front - start
    }
}
