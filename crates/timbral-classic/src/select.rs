use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Transformer, check_input, check_training};
use crate::parallel;
use crate::rng::seeded;
use crate::special::{digamma, f_survival};

/// What a feature is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeatureScore {
    /// The F statistic of [`f_classif`]: how far class means lie apart, measured by the spread within classes.
    #[default]
    AnovaF,
    /// The mutual information of [`mutual_info_classif`], which sees any dependence.
    MutualInformation {
        /// Neighbours that the density is estimated from, at least 1; 3 is usual.
        n_neighbors: usize,
        /// Seed of the noise that separates equal values.
        seed: u64,
    },
}

/// Settings of [`SelectKBest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectKBestConfig {
    /// Number of features kept, at least 1; all where there are fewer. Default: 10.
    pub k: usize,
    /// What a feature is judged by. Default: the F statistic.
    pub score: FeatureScore,
}

impl Default for SelectKBestConfig {
    fn default() -> Self {
        Self { k: 10, score: FeatureScore::AnovaF }
    }
}

impl Config for SelectKBestConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.k == 0 {
            return Err(ClassicError::config("k", 0, "at least 1"));
        }
        match self.score {
            FeatureScore::MutualInformation { n_neighbors: 0, .. } => {
                Err(ClassicError::config("n_neighbors", 0, "at least 1"))
            }
            _ => Ok(()),
        }
    }
}

/// Keeps the features with the largest scores, in their order; of equal scores the first.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectKBest {
    pub(crate) scores: Array1<f64>,
    pub(crate) kept: Vec<usize>,
}

impl Checked<SelectKBestConfig> {
    /// Judges each feature of the rows `x` by the classes `y`, which are counted from 0 and below `n_classes`.
    ///
    /// # Errors
    ///
    /// As [`Learner::fit`](crate::Learner::fit).
    pub fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<SelectKBest, ClassicError> {
        let scores = match self.0.score {
            FeatureScore::AnovaF => f_classif(x, y, n_classes)?.0,
            FeatureScore::MutualInformation { n_neighbors, seed } => {
                mutual_info_classif(x, y, n_classes, n_neighbors, seed)?
            }
        };
        let mut kept: Vec<usize> = (0..scores.len()).collect();
        kept.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        kept.truncate(self.0.k);
        kept.sort_unstable();
        Ok(SelectKBest { scores, kept })
    }
}

impl SelectKBest {
    /// Score of each feature of the training data.
    #[must_use]
    pub fn scores(&self) -> &Array1<f64> {
        &self.scores
    }

    /// The features kept, rising.
    #[must_use]
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }
}

impl Transformer for SelectKBest {
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.scores.len())?;
        Ok(x.select(Axis(1), &self.kept))
    }
}

/// One-way analysis of variance of each feature over the classes: F statistics, and the probabilities of one as large by
/// chance.
///
/// A constant feature has F = 0 and probability 1; one that varies between classes only has [`f64::MAX`] and 0.
///
/// # Errors
///
/// As [`Learner::fit`](crate::Learner::fit), and [`ClassicError::Data`] if there are not more rows than classes with rows.
pub fn f_classif(
    x: ArrayView2<'_, f64>,
    y: &[usize],
    n_classes: usize,
) -> Result<(Array1<f64>, Array1<f64>), ClassicError> {
    let counts = check_training(x, y, n_classes)?;
    let n_present = counts.iter().filter(|c| **c > 0).count();
    if y.len() <= n_present {
        return Err(ClassicError::data(
            format!("there are {} rows of {n_present} classes", y.len()),
            "an analysis of variance needs more rows than classes",
        ));
    }
    let (between, within) = ((n_present - 1) as f64, (y.len() - n_present) as f64);
    let both = parallel::map(x.ncols(), |feature| {
        let column = x.column(feature);
        let mean = mean(column.iter().copied());
        let mut sums = vec![0.0; n_classes];
        column.iter().zip(y).for_each(|(v, &class)| sums[class] += v - mean);
        let of_class = |class: usize| sums[class] / counts[class].max(1) as f64;
        let apart: f64 = sums.iter().zip(&counts).map(|(s, &c)| s * s / c.max(1) as f64).sum();
        let spread: f64 = column.iter().zip(y).map(|(v, &c)| (v - mean - of_class(c)).powi(2)).sum();
        // What rounding alone makes of a constant.
        let rounding = y.len() as f64 * (mean * f64::EPSILON * 8.0).powi(2);
        match (apart > rounding, spread > rounding) {
            (false, false) => (0.0, 1.0),
            (true, false) => (f64::MAX, 0.0),
            _ => {
                let f = ((apart / between) / (spread / within)).min(f64::MAX);
                (f, f_survival(f, between, within))
            }
        }
    });
    let (f, p): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
    Ok((f.into(), p.into()))
}

fn mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let n = values.len().max(1) as f64;
    let first = values.clone().sum::<f64>() / n;
    first + values.map(|v| v - first).sum::<f64>() / n
}

/// Mutual information (in nats) of each feature with the class, estimated from distances to the nearest neighbours of the
/// same class (Ross 2014); not negative.
///
/// Features are brought to standard deviation 1 first and get noise of about 1e-10, which separates equal values; on
/// values that differ it is without consequence. Rows whose class has no other row are left out.
///
/// # Errors
///
/// As [`Learner::fit`](crate::Learner::fit), and [`ClassicError::Config`] if `n_neighbors` is 0.
pub fn mutual_info_classif(
    x: ArrayView2<'_, f64>,
    y: &[usize],
    n_classes: usize,
    n_neighbors: usize,
    seed: u64,
) -> Result<Array1<f64>, ClassicError> {
    let counts = check_training(x, y, n_classes)?;
    if n_neighbors == 0 {
        return Err(ClassicError::config("n_neighbors", 0, "at least 1"));
    }
    let rows: Vec<usize> = (0..y.len()).filter(|&row| counts[y[row]] > 1).collect();
    let information = |feature: usize| {
        let values = spread_out(x.column(feature), seed, feature as u64);
        feature_information(&values, y, &rows, &counts, n_neighbors)
    };
    Ok(parallel::map(x.ncols(), information).into())
}

/// A column at standard deviation 1, with a little normal noise.
fn spread_out(column: ArrayView1<'_, f64>, seed: u64, feature: u64) -> Vec<f64> {
    let n = column.len() as f64;
    let mean = mean(column.iter().copied());
    let deviation = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let scale =
        if deviation > 10.0 * f64::EPSILON * mean.abs() && deviation.is_finite() { deviation } else { 1.0 };
    let mut rng = seeded(seed, feature);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let size = 1e-10 * (column.iter().map(|v| (v / scale).abs()).sum::<f64>() / n).max(1.0);
    let noisy = |v: &f64| v / scale + size * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0);
    column.iter().map(noisy).collect()
}

fn feature_information(
    values: &[f64],
    y: &[usize],
    rows: &[usize],
    counts: &[usize],
    n_neighbors: usize,
) -> f64 {
    if rows.is_empty() {
        return 0.0;
    }
    let mut all: Vec<f64> = rows.iter().map(|&row| values[row]).collect();
    all.sort_unstable_by(f64::total_cmp);
    let mut of_class: Vec<Vec<f64>> = vec![Vec::new(); counts.len()];
    rows.iter().for_each(|&row| of_class[y[row]].push(values[row]));
    let n = rows.len() as f64;
    let mut sum = 0.0;
    for class in of_class.iter_mut().filter(|class| !class.is_empty()) {
        class.sort_unstable_by(f64::total_cmp);
        let k = n_neighbors.min(class.len() - 1);
        let of_count = digamma(k as f64) - digamma(class.len() as f64);
        for (at, &value) in class.iter().enumerate() {
            let radius = neighbor_distance(class, at, k).next_down().max(0.0);
            let from = all.partition_point(|v| value - v > radius);
            let to = all.partition_point(|v| v - value <= radius);
            sum += of_count - digamma((to - from).max(1) as f64);
        }
    }
    (digamma(n) + sum / n).max(0.0)
}

/// Distance of the `k`th nearest of the other values from that at `at` of a sorted list.
fn neighbor_distance(sorted: &[f64], at: usize, k: usize) -> f64 {
    let (mut low, mut high) = (at, at);
    let mut distance = 0.0;
    for _ in 0..k {
        let below = low.checked_sub(1).map(|i| sorted[at] - sorted[i]);
        let above = sorted.get(high + 1).map(|v| v - sorted[at]);
        match (below, above) {
            (Some(b), Some(a)) if b <= a => (distance, low) = (b, low - 1),
            (Some(b), None) => (distance, low) = (b, low - 1),
            (_, Some(a)) => (distance, high) = (a, high + 1),
            (None, None) => break,
        }
    }
    distance
}
