use ndarray::Array2;

use super::{Reader, Stored, Writer};
use crate::learner::{Config, Predictor};
use crate::svc::Parts as SvcParts;
use crate::tree::{ForestNode, ForestTree, Node, RegressionTree};
use crate::{
    ClassicError, FittedLearner, FittedModel, FittedTransformer, Gamma, GaussianNaiveBayes, GradientBoosting,
    KNeighbors, Kernel, LogisticRegression, Pipeline, RandomForest, Stacking, Svc, Voting,
};

impl Stored for Svc {
    fn write(&self, out: &mut Writer<'_>) {
        out.setting("kernel", self.kernel);
        out.indices("n_support", self.n_support.iter().copied());
        out.stored_matrix("support_vectors", &self.support_vectors);
        out.indices("support", self.support.iter().copied());
        out.indices("pairs", self.pairs.iter().flat_map(|&(a, b)| [a, b]));
        out.stored_matrix("coefficients", &self.coefficients);
        out.vector("intercepts", self.intercepts.iter().copied());
        if let Some(sigmoids) = self.sigmoids() {
            out.vector("sigmoid_slopes", sigmoids.iter().map(|s| s.0));
            out.vector("sigmoid_offsets", sigmoids.iter().map(|s| s.1));
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let kernel: Kernel = from.setting("kernel")?;
        kernel.validate()?;
        let gamma = match kernel {
            Kernel::Linear => None,
            Kernel::Rbf { gamma } | Kernel::Polynomial { gamma, .. } => Some(gamma),
        };
        let is_resolved = gamma.is_none_or(|gamma| matches!(gamma, Gamma::Value(_)));
        from.ensure(is_resolved, "a fitted kernel has a width that is a number")?;
        let support_vectors = from.stored_matrix("support_vectors")?;
        let n = support_vectors.nrows();
        let n_support = from.indices("n_support")?;
        let total = n_support.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
        from.ensure(total == Some(n), "the support vectors of all classes are all support vectors")?;
        let pairs: Vec<(usize, usize)> = from
            .indices_below("pairs", n_support.len())?
            .chunks(2)
            .map(|pair| (pair[0], pair.get(1).copied().unwrap_or(0)))
            .collect();
        let mut classes: Vec<usize> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
        classes.sort_unstable();
        classes.dedup();
        let expected =
            classes.iter().enumerate().flat_map(|(i, &a)| classes[i + 1..].iter().map(move |&b| (a, b)));
        let all = classes.len() >= 2 && pairs.len() == classes.len() * (classes.len() - 1) / 2;
        from.ensure(
            all && expected.eq(pairs.iter().copied()),
            "the pairs are those of all classes with rows, in order",
        )?;
        let support = from.indices("support")?;
        from.ensure(support.len() == n, "each support vector has a number")?;
        let sigmoids = if from.has("sigmoid_slopes") {
            let slopes = from.vector_of("sigmoid_slopes", pairs.len())?;
            let offsets = from.vector_of("sigmoid_offsets", pairs.len())?;
            Some(slopes.into_iter().zip(offsets).collect())
        } else {
            None
        };
        let parts = SvcParts {
            kernel,
            coefficients: from.stored_matrix_of("coefficients", (pairs.len(), n))?,
            intercepts: from.vector_of("intercepts", pairs.len())?,
            pairs,
            n_support,
            support_vectors,
            support,
            sigmoids: None,
        };
        Ok(Self::new(parts).with_sigmoids(sigmoids))
    }
}

impl Stored for LogisticRegression {
    fn write(&self, out: &mut Writer<'_>) {
        out.matrix("weights", &self.weights);
        out.vector("intercepts", self.intercepts.iter().copied());
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let weights = from.matrix("weights")?;
        let intercepts = from.vector_of("intercepts", weights.nrows())?;
        Ok(Self { weights, intercepts })
    }
}

impl Stored for KNeighbors {
    fn write(&self, out: &mut Writer<'_>) {
        out.setting("parameters", self.parameters);
        out.setting("n_classes", self.n_classes);
        out.stored_matrix("x", &self.x);
        out.indices("y", self.y.iter().copied());
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let parameters: crate::KNeighborsConfig = from.setting("parameters")?;
        parameters.validate()?;
        let x = from.stored_matrix("x")?;
        let n_classes = from.n_classes()?;
        let y = from.indices_below("y", n_classes)?;
        from.ensure(y.len() == x.nrows(), "each row has a class")?;
        Ok(Self { parameters, x, y, n_classes })
    }
}

impl Stored for GaussianNaiveBayes {
    fn write(&self, out: &mut Writer<'_>) {
        out.matrix("means", &self.means);
        out.matrix("variances", &self.variances);
        out.vector("log_priors", self.log_priors.iter().copied());
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let means = from.matrix("means")?;
        let variances = from.matrix_of("variances", means.dim())?;
        from.ensure(variances.iter().all(|v| *v > 0.0), "variances are above 0")?;
        let log_priors = from.vector_of("log_priors", means.nrows())?;
        Ok(Self { means, variances, log_priors })
    }
}

/// Nodes of many trees, one tree behind the other: where each begins, and the lists that all share.
fn tree_ranges(from: &Reader<'_>, n_nodes: usize) -> Result<Vec<std::ops::Range<usize>>, ClassicError> {
    let lengths = from.indices("tree_lengths")?;
    let mut start = 0_usize;
    let ranges = lengths.iter().map(|&length| {
        let range = start..start.saturating_add(length);
        start = range.end;
        range
    });
    let ranges: Vec<_> = ranges.collect();
    let fits = start == n_nodes && lengths.iter().all(|length| *length > 0);
    from.ensure(fits, "the trees together have all nodes, each at least one")?;
    Ok(ranges)
}

impl Stored for RandomForest {
    fn write(&self, out: &mut Writer<'_>) {
        let (mut features, mut thresholds, mut rights, mut shares) = (vec![], vec![], vec![], vec![]);
        for tree in &self.trees {
            for node in &tree.nodes {
                let (feature, threshold, right) = match *node {
                    ForestNode::Split { feature, threshold, right } => (feature, threshold, right),
                    ForestNode::Leaf { shares } => (shares / self.n_classes.max(1), 0.0, 0),
                };
                features.push(feature);
                thresholds.push(threshold);
                rights.push(right);
            }
            shares.extend(&tree.shares);
        }
        out.setting("n_classes", self.n_classes);
        out.setting("n_features", self.n_features);
        out.indices("tree_lengths", self.trees.iter().map(|tree| tree.nodes.len()));
        out.indices("tree_leaves", self.trees.iter().map(|tree| tree.shares.len() / self.n_classes.max(1)));
        // The feature of a split; which of the leaves a leaf is, whose right child is 0.
        out.indices("features", features);
        out.vector("thresholds", thresholds);
        out.indices("rights", rights);
        let rows = shares.len() / self.n_classes.max(1);
        if let Ok(shares) = Array2::from_shape_vec((rows, self.n_classes), shares) {
            out.matrix("shares", &shares);
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let (n_classes, n_features) = (from.n_classes()?, from.setting("n_features")?);
        let thresholds = from.vector("thresholds")?;
        let (features, rights) = (from.indices("features")?, from.indices("rights")?);
        let same = features.len() == thresholds.len() && rights.len() == thresholds.len();
        from.ensure(same, "each node has a feature, a threshold and a right child")?;
        let ranges = tree_ranges(from, thresholds.len())?;
        let leaves = from.indices("tree_leaves")?;
        from.ensure(
            !ranges.is_empty() && leaves.len() == ranges.len(),
            "each tree has its number of leaves",
        )?;
        let shares = from.matrix("shares")?;
        let total = leaves.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
        let fits = total == Some(shares.nrows()) && shares.ncols() == n_classes;
        from.ensure(fits, "each leaf has the fraction of each class")?;
        from.ensure(
            shares.iter().all(|s| (0.0..=1.0 + 1e-9).contains(s)),
            "shares lie between 0 and 1, but for rounding",
        )?;
        let shares = shares.into_raw_vec_and_offset().0;
        let mut at = 0;
        let mut trees = Vec::with_capacity(ranges.len());
        for (range, &n_leaves) in ranges.iter().zip(&leaves) {
            let mut nodes = Vec::with_capacity(range.len());
            for (i, place) in range.clone().enumerate() {
                let (feature, right) = (features[place], rights[place]);
                nodes.push(if right == 0 {
                    from.ensure(feature < n_leaves, "a leaf is one of the leaves")?;
                    ForestNode::Leaf { shares: feature * n_classes }
                } else {
                    from.ensure(feature < n_features, "a split is by one of the features")?;
                    let is_tree = right > i + 1 && right < range.len();
                    from.ensure(is_tree, "children come after their parents")?;
                    ForestNode::Split { feature, threshold: thresholds[place], right }
                });
            }
            let end = at + n_leaves * n_classes;
            trees.push(ForestTree { nodes, shares: shares[at..end].to_vec() });
            at = end;
        }
        Ok(Self { trees, n_classes, n_features })
    }
}

impl Stored for GradientBoosting {
    fn write(&self, out: &mut Writer<'_>) {
        let trees = || self.rounds.iter().flatten();
        let nodes = || trees().flat_map(|tree| &tree.nodes);
        out.vector("base", self.base.iter().copied());
        out.vector("importance", self.importance.iter().copied());
        out.vector("training_loss", self.training_loss.iter().copied());
        out.vector("validation_loss", self.validation_loss.iter().copied());
        out.indices("tree_lengths", trees().map(|tree| tree.nodes.len()));
        // The threshold of a split; the value of a leaf, whose left child is 0.
        out.vector("numbers", nodes().map(|node| node.number));
        out.indices("features", nodes().map(|node| node.feature as usize));
        out.indices("lefts", nodes().map(|node| node.left as usize));
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let (base, importance) = (from.vector("base")?, from.vector("importance")?);
        from.ensure(!base.is_empty() && !importance.is_empty(), "there are classes and features")?;
        let numbers = from.vector("numbers")?;
        let features = from.indices_below("features", importance.len())?;
        let lefts = from.indices("lefts")?;
        let same = features.len() == numbers.len() && lefts.len() == numbers.len();
        from.ensure(same, "each node has a feature, a number and a left child")?;
        let ranges = tree_ranges(from, numbers.len())?;
        from.ensure(ranges.len() % base.len() == 0, "each round has a tree for each class")?;
        let mut trees = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut nodes = Vec::with_capacity(range.len());
            for (i, place) in range.clone().enumerate() {
                let left = lefts[place];
                let is_tree = left == 0 || (left > i && left + 1 < range.len());
                from.ensure(is_tree, "children come after their parents")?;
                nodes.push(Node {
                    number: numbers[place],
                    feature: features[place] as u32,
                    left: left as u32,
                });
            }
            trees.push(RegressionTree { nodes });
        }
        Ok(Self {
            rounds: trees.chunks(base.len()).map(<[RegressionTree]>::to_vec).collect(),
            n_features: importance.len(),
            base,
            importance,
            training_loss: from.vector("training_loss")?.to_vec(),
            validation_loss: from.vector("validation_loss")?.to_vec(),
        })
    }
}

impl Stored for FittedLearner {
    fn write(&self, out: &mut Writer<'_>) {
        let mut kind = |kind: &str| out.setting("kind", kind);
        match self {
            Self::Svc(m) => {
                kind("svc");
                m.write(out);
            }
            Self::LogisticRegression(m) => {
                kind("logistic_regression");
                m.write(out);
            }
            Self::KNeighbors(m) => {
                kind("k_neighbors");
                m.write(out);
            }
            Self::GaussianNaiveBayes(m) => {
                kind("gaussian_naive_bayes");
                m.write(out);
            }
            Self::RandomForest(m) => {
                kind("random_forest");
                m.write(out);
            }
            Self::GradientBoosting(m) => {
                kind("gradient_boosting");
                m.write(out);
            }
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        Ok(match from.setting::<String>("kind")?.as_str() {
            "svc" => Self::Svc(Stored::read(from)?),
            "logistic_regression" => Self::LogisticRegression(Stored::read(from)?),
            "k_neighbors" => Self::KNeighbors(Stored::read(from)?),
            "gaussian_naive_bayes" => Self::GaussianNaiveBayes(Stored::read(from)?),
            "random_forest" => Self::RandomForest(Stored::read(from)?),
            "gradient_boosting" => Self::GradientBoosting(Stored::read(from)?),
            other => return Err(from.wrong(&format!("the kind is \"{other}\""), "no learner is called that")),
        })
    }
}

impl Stored for Pipeline {
    fn write(&self, out: &mut Writer<'_>) {
        out.setting("n_features", self.n_features);
        out.list("transformers", &self.transformers, FittedTransformer::write);
        out.child("learner", |out| self.learner.write(out));
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let n_features: usize = from.setting("n_features")?;
        let transformers = from.list("transformers", FittedTransformer::read)?;
        let learner = from.child("learner", FittedLearner::read)?;
        let mut width = Some(n_features);
        for transformer in &transformers {
            let (before, after) = transformer.widths();
            width = width.filter(|width| *width == before).map(|_| after);
        }
        let fits = width == Some(learner.n_features());
        from.ensure(fits, "each step takes as many features as the one before gives")?;
        Ok(Self { transformers, learner, n_features })
    }
}

/// Members of one shape.
fn members(from: &Reader<'_>) -> Result<Vec<Pipeline>, ClassicError> {
    let members = from.list("members", Pipeline::read)?;
    let shape = |m: &Pipeline| (m.n_classes(), m.n_features());
    let same = members.windows(2).all(|w| shape(&w[0]) == shape(&w[1]));
    from.ensure(same && !members.is_empty(), "all members have the same classes and features")?;
    Ok(members)
}

impl Stored for Voting {
    fn write(&self, out: &mut Writer<'_>) {
        out.list("members", &self.members, Pipeline::write);
        out.vector("weights", self.weights.iter().copied());
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let members = members(from)?;
        let weights = from.vector_of("weights", members.len())?.to_vec();
        let sum: f64 = weights.iter().sum();
        let fine = weights.iter().all(|w| *w >= 0.0) && (sum - 1.0).abs() < 1e-9;
        from.ensure(fine, "weights are not negative and sum to 1")?;
        Ok(Self { members, weights })
    }
}

impl Stored for Stacking {
    fn write(&self, out: &mut Writer<'_>) {
        out.list("members", &self.members, Pipeline::write);
        out.child("combiner", |out| self.combiner.write(out));
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let members = members(from)?;
        let combiner = from.child("combiner", LogisticRegression::read)?;
        let n_classes = members.first().map_or(0, Predictor::n_classes);
        let fits = combiner.n_classes() == n_classes && combiner.n_features() == members.len() * n_classes;
        from.ensure(fits, "the combiner takes a value for each class from each member")?;
        Ok(Self { members, combiner })
    }
}

impl Stored for FittedModel {
    fn write(&self, out: &mut Writer<'_>) {
        let mut kind = |kind: &str| out.setting("kind", kind);
        match self {
            Self::Pipeline(m) => {
                kind("pipeline");
                m.write(out);
            }
            Self::Voting(m) => {
                kind("voting");
                m.write(out);
            }
            Self::Stacking(m) => {
                kind("stacking");
                m.write(out);
            }
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        Ok(match from.setting::<String>("kind")?.as_str() {
            "pipeline" => Self::Pipeline(Stored::read(from)?),
            "voting" => Self::Voting(Stored::read(from)?),
            "stacking" => Self::Stacking(Stored::read(from)?),
            other => return Err(from.wrong(&format!("the kind is \"{other}\""), "no model is called that")),
        })
    }
}
