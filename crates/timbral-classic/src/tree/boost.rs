use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::grow::{Grower, Grown, Limits, RegressionTree};
use super::split::{Features, Rules, Sums};
use crate::ClassicError;
use crate::learner::{
    ABSENT, Checked, Config, Learner, Predictor, check_input, check_training, softmax_rows,
};
use crate::parallel;
use crate::rng::{choose, seeded};
use crate::simd::softmax_by_class;

/// Rows that the trees are applied to together: a tree stays in the cache.
const ROWS: usize = 256;

/// Settings of [`GradientBoosting`]; names in the field's other libraries in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GradientBoostingConfig {
    /// Rounds; each grows a tree for each class. At least 1. Default: 100. (`n_estimators`, `max_iter`)
    pub n_rounds: usize,
    /// Factor of each tree, above 0. Default: 0.3. (`eta`)
    pub learning_rate: f64,
    /// Splits from the root to a leaf at most, at least 1. Default: 6.
    pub max_depth: usize,
    /// Leaves of a tree at most, at least 2. Default: no limit.
    pub max_leaves: Option<usize>,
    /// Sum of curvatures of a leaf at least, not negative. Default: 1.
    pub min_child_weight: f64,
    /// Penalty on the square of a leaf's value, not negative. Default: 1. (`lambda`)
    pub l2: f64,
    /// Fall of the loss that a split must bring, not negative. Default: 0. (`gamma`)
    pub min_gain: f64,
    /// Fraction of the rows that a round sees, above 0 and at most 1. Default: 1. (`subsample`)
    pub row_share: f64,
    /// Fraction of the features that a tree sees, above 0 and at most 1. Default: 1. (`colsample_bytree`)
    pub feature_share: f64,
    /// Bins of a feature at most, 2 to 256. Default: 256.
    pub max_bins: usize,
    /// With validation data: stop when the loss on it has not fallen for that many rounds. Default: 10.
    pub patience: usize,
    /// Seed. Default: 0.
    pub seed: u64,
}

impl Default for GradientBoostingConfig {
    fn default() -> Self {
        Self {
            n_rounds: 100,
            learning_rate: 0.3,
            max_depth: 6,
            max_leaves: None,
            min_child_weight: 1.0,
            l2: 1.0,
            min_gain: 0.0,
            row_share: 1.0,
            feature_share: 1.0,
            max_bins: 256,
            patience: 10,
            seed: 0,
        }
    }
}

impl Config for GradientBoostingConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        let at_least = |name, value: usize, least: usize, rule| {
            if value >= least { Ok(()) } else { Err(ClassicError::config(name, value, rule)) }
        };
        at_least("n_rounds", self.n_rounds, 1, "at least 1")?;
        at_least("max_depth", self.max_depth, 1, "at least 1")?;
        at_least("max_leaves", self.max_leaves.unwrap_or(2), 2, "at least 2")?;
        at_least("patience", self.patience, 1, "at least 1")?;
        if !(2..=256).contains(&self.max_bins) {
            return Err(ClassicError::config("max_bins", self.max_bins, "between 2 and 256"));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(ClassicError::config("learning_rate", self.learning_rate, "finite and above 0"));
        }
        for (name, value) in
            [("min_child_weight", self.min_child_weight), ("l2", self.l2), ("min_gain", self.min_gain)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ClassicError::config(name, value, "finite and not negative"));
            }
        }
        for (name, value) in [("row_share", self.row_share), ("feature_share", self.feature_share)] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(ClassicError::config(name, value, "above 0 and at most 1"));
            }
        }
        Ok(())
    }
}

/// Gradient-boosted trees for several classes (Friedman 2001, with the second-order steps of Chen and Guestrin 2016).
///
/// Each round fits a tree for each class to the slopes of the softmax loss, on features cut into bins. A seed fixes the model,
/// on any number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientBoosting {
    /// Trees, round by round, one for each class.
    pub(crate) rounds: Vec<Vec<RegressionTree>>,
    pub(crate) base: Array1<f64>,
    pub(crate) importance: Array1<f64>,
    pub(crate) n_features: usize,
    pub(crate) training_loss: Vec<f64>,
    pub(crate) validation_loss: Vec<f64>,
}

impl Learner for Checked<GradientBoostingConfig> {
    type Model = GradientBoosting;

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<GradientBoosting, ClassicError> {
        self.boost(x, y, n_classes, None)
    }
}

impl Checked<GradientBoostingConfig> {
    /// Fits with early stopping: the model ends at the round of smallest loss on the validation rows.
    ///
    /// Choose them by groups, or the stopping round will be too late.
    ///
    /// # Errors
    ///
    /// As [`Learner::fit`], for the validation rows too.
    pub fn fit_with_validation(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
        validation_x: ArrayView2<'_, f64>,
        validation_y: &[usize],
    ) -> Result<GradientBoosting, ClassicError> {
        check_input(validation_x, x.ncols())?;
        if validation_x.nrows() == 0 || validation_x.nrows() != validation_y.len() {
            return Err(ClassicError::data(
                format!(
                    "there are {} validation rows and {} classes",
                    validation_x.nrows(),
                    validation_y.len()
                ),
                "there must be as many of both, at least one",
            ));
        }
        if let Some(class) = validation_y.iter().find(|c| **c >= n_classes) {
            return Err(ClassicError::data(
                format!("a validation row has the class {class}"),
                format!("there are {n_classes} classes, counted from 0"),
            ));
        }
        self.boost(x, y, n_classes, Some((validation_x, validation_y)))
    }

    fn boost(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
        validation: Option<(ArrayView2<'_, f64>, &[usize])>,
    ) -> Result<GradientBoosting, ClassicError> {
        let counts = check_training(x, y, n_classes)?;
        let p = &self.0;
        let (n, features) = x.dim();
        if u32::try_from(n).is_err() || u32::try_from(features).is_err() {
            return Err(ClassicError::data(
                format!("there are {n} rows of {features} features"),
                "at most 2^32 - 1 of each can be boosted",
            ));
        }
        let bins = Bins::new(x, p.max_bins);
        let present: Vec<usize> = (0..n_classes).filter(|&c| counts[c] > 0).collect();
        // A class without rows is never chosen.
        let base: Array1<f64> = counts.iter().map(|&c| if c > 0 { 0.0 } else { ABSENT }).collect();
        let mut fitted = Fitted::new(n, &base, y);
        let mut held_out = validation.map(|(x, y)| (x, Fitted::new(x.nrows(), &base, y)));
        let mut model = GradientBoosting {
            rounds: Vec::with_capacity(p.n_rounds.min(10_000)),
            base,
            importance: Array1::zeros(features),
            n_features: features,
            training_loss: Vec::new(),
            validation_loss: Vec::new(),
        };
        let mut gains: Vec<Vec<(usize, f64)>> = Vec::new();
        let mut best = (f64::INFINITY, 0);
        for round in 0..p.n_rounds {
            let rows = self.sample_rows(n, round);
            // Of two classes each is the mirror of the other.
            let grown_for = if present.len() == 2 { &present[..1] } else { &present[..] };
            let grown: Vec<Grown> = parallel::map(grown_for.len(), |i| {
                self.grow(&bins, &fitted.probabilities, y, grown_for[i], rows.clone(), round)
            });
            let mut trees = vec![RegressionTree::constant(0.0); n_classes];
            for (&class, grown) in grown_for.iter().zip(&grown) {
                trees[class] = grown.tree.clone();
            }
            if let (&[_, mirrored], [grown]) = (&present[..], &grown[..]) {
                trees[mirrored] = grown.tree.negative();
            }
            if rows.len() == n {
                for (&class, grown) in grown_for.iter().zip(&grown) {
                    let mut scores = fitted.scores.row_mut(class);
                    for (leaf, value) in &grown.leaves {
                        leaf.iter().for_each(|&row| scores[row as usize] += value);
                    }
                }
                if let &[first, mirrored] = &present[..] {
                    let negative = fitted.scores.row(first).mapv(|s| -s);
                    fitted.scores.row_mut(mirrored).assign(&negative);
                }
            } else {
                fitted.add(x, &trees);
            }
            model.training_loss.push(fitted.update());
            gains.push(grown.iter().flat_map(|g| g.gains.iter().copied()).collect());
            if let Some((x, held_out)) = &mut held_out {
                held_out.add(*x, &trees);
                let loss = held_out.update();
                model.validation_loss.push(loss);
                if loss < best.0 {
                    best = (loss, round + 1);
                }
            }
            model.rounds.push(trees);
            if held_out.is_some() && round + 1 - best.1 >= p.patience {
                break;
            }
        }
        if validation.is_some() {
            model.rounds.truncate(best.1.max(1));
        }
        for (feature, gain) in gains.iter().take(model.rounds.len()).flatten() {
            model.importance[*feature] += gain;
        }
        let total = model.importance.sum();
        if total > 0.0 {
            model.importance /= total;
        }
        Ok(model)
    }

    fn sample_rows(&self, n: usize, round: usize) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..n as u32).collect();
        if self.0.row_share < 1.0 {
            let count = ((self.0.row_share * n as f64).round() as usize).clamp(1, n);
            choose(&mut rows, count, &mut seeded(self.0.seed, 2 * round as u64));
            rows.truncate(count);
            rows.sort_unstable();
        }
        rows
    }

    fn grow(
        &self,
        bins: &Bins,
        probabilities: &Array2<f64>,
        y: &[usize],
        class: usize,
        rows: Vec<u32>,
        round: usize,
    ) -> Grown {
        let p = &self.0;
        let mut features: Vec<usize> = (0..bins.edges.len()).collect();
        if p.feature_share < 1.0 {
            let count = ((p.feature_share * features.len() as f64).round() as usize).clamp(1, features.len());
            // One stream for each round; each class takes its own stretch of it.
            let mut rng =
                seeded(p.seed ^ (class as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15), 2 * round as u64 + 1);
            choose(&mut features, count, &mut rng);
            features.truncate(count);
            features.sort_unstable();
        }
        let q = probabilities.row(class);
        let sums = rows
            .iter()
            .map(|&row| {
                let (q, is_class) = (q[row as usize], y[row as usize] == class);
                Sums {
                    gradient: if is_class { q - 1.0 } else { q },
                    // Twice the diagonal of the softmax's Hessian bounds the whole of it.
                    curvature: (2.0 * q * (1.0 - q)).max(1e-16),
                }
            })
            .collect();
        let limits = Limits {
            max_depth: p.max_depth,
            max_leaves: p.max_leaves,
            rules: Rules { min_child_weight: p.min_child_weight, l2: p.l2, min_gain: p.min_gain },
        };
        Grower::new(Features::new(bins, &features), limits, p.learning_rate, rows, sums).grow()
    }
}

/// Scores and probabilities of rows, shape (classes, rows), while rounds are added.
struct Fitted<'a> {
    scores: Array2<f64>,
    probabilities: Array2<f64>,
    y: &'a [usize],
}

impl<'a> Fitted<'a> {
    fn new(rows: usize, base: &Array1<f64>, y: &'a [usize]) -> Self {
        let scores = Array2::zeros((base.len(), rows)) + base.view().insert_axis(Axis(1));
        let mut fitted = Self { probabilities: scores.clone(), scores, y };
        fitted.update();
        fitted
    }

    fn add(&mut self, x: ArrayView2<'_, f64>, trees: &[RegressionTree]) {
        let x = x.as_standard_layout();
        let classes: Vec<_> = self.scores.rows_mut().into_iter().collect();
        parallel::for_each(classes, |class, mut scores| {
            let (Some(rows), Some(scores)) = (x.as_slice(), scores.as_slice_mut()) else {
                return;
            };
            trees[class].add_to(rows, x.ncols(), scores);
        });
    }

    /// Computes the probabilities, and gives the mean negative logarithm of those of the true classes.
    fn update(&mut self) -> f64 {
        let n = self.y.len();
        self.probabilities.assign(&self.scores);
        let mut log_sums = Vec::with_capacity(n);
        softmax_by_class(self.probabilities.as_slice_mut().unwrap_or_default(), n, &mut log_sums);
        let truths = self.y.iter().zip(&log_sums).enumerate();
        // Rounding must not make a loss negative.
        let losses = truths.map(|(row, (&class, log_sum))| (log_sum - self.scores[(class, row)]).max(0.0));
        losses.sum::<f64>() / n as f64
    }
}

impl GradientBoosting {
    /// Fraction of each feature in the fall of the loss by all splits; sums to 1 where there was a split.
    #[must_use]
    pub fn feature_importance(&self) -> &Array1<f64> {
        &self.importance
    }

    /// Number of rounds kept.
    #[must_use]
    pub fn n_rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Mean log loss of the training rows after each round that was made.
    #[must_use]
    pub fn training_loss(&self) -> &[f64] {
        &self.training_loss
    }

    /// Mean log loss of the validation rows after each round that was made; empty without them.
    #[must_use]
    pub fn validation_loss(&self) -> &[f64] {
        &self.validation_loss
    }

    /// Scores before the softmax, shape (rows, classes).
    ///
    /// # Errors
    ///
    /// As [`Predictor::predict_proba`].
    pub fn decision_function(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.n_features)?;
        let mut scores = Array2::<f64>::zeros((x.nrows(), self.base.len())) + &self.base;
        let x = x.as_standard_layout();
        let blocks: Vec<_> = scores.axis_chunks_iter_mut(Axis(0), ROWS).collect();
        parallel::for_each(blocks, |block, mut scores| {
            let rows = x.slice_axis(Axis(0), Slice::from(block * ROWS..block * ROWS + scores.nrows()));
            let rows = rows.as_slice().unwrap_or_default();
            let mut sums = vec![0.0; scores.nrows()];
            for class in 0..self.base.len() {
                sums.iter_mut().zip(scores.column(class)).for_each(|(sum, score)| *sum = *score);
                for trees in &self.rounds {
                    trees[class].add_to(rows, self.n_features, &mut sums);
                }
                scores.column_mut(class).iter_mut().zip(&sums).for_each(|(score, sum)| *score = *sum);
            }
        });
        Ok(scores)
    }
}

impl Predictor for GradientBoosting {
    fn n_classes(&self) -> usize {
        self.base.len()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        let mut scores = self.decision_function(x)?;
        softmax_rows(&mut scores);
        Ok(scores)
    }
}
