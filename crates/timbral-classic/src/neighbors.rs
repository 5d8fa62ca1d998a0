use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Learner, Predictor, check_input, check_training};
use crate::matrix::Matrix;
use crate::parallel;

/// How far two rows are from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Distance {
    /// Square root of the sum of squared differences.
    #[default]
    Euclidean,
    /// Sum of magnitudes of differences.
    Manhattan,
    /// 1 - cosine of the angle; 1 to a row of zeros.
    Cosine,
}

/// How much a neighbour counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeighborWeight {
    /// All alike.
    #[default]
    Uniform,
    /// 1 / distance; where some are at distance 0, they alone count.
    Distance,
}

/// Settings of [`KNeighbors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KNeighborsConfig {
    /// Number of neighbours, at least 1; all rows where there are fewer. Default: 5.
    pub n_neighbors: usize,
    /// How much each counts. Default: all alike.
    pub weight: NeighborWeight,
    /// How far rows are from each other. Default: Euclidean.
    pub distance: Distance,
}

impl Default for KNeighborsConfig {
    fn default() -> Self {
        Self { n_neighbors: 5, weight: NeighborWeight::Uniform, distance: Distance::Euclidean }
    }
}

impl Config for KNeighborsConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.n_neighbors == 0 {
            return Err(ClassicError::config("n_neighbors", 0, "at least 1"));
        }
        Ok(())
    }
}

/// k nearest neighbours: a row is of the class that is most frequent among the training rows nearest to it.
///
/// Of rows at equal distance those that come first in the training data count as nearer.
#[derive(Clone, Debug, PartialEq)]
pub struct KNeighbors {
    pub(crate) parameters: KNeighborsConfig,
    pub(crate) x: Matrix,
    pub(crate) y: Vec<usize>,
    pub(crate) n_classes: usize,
}

impl Learner for Checked<KNeighborsConfig> {
    type Model = KNeighbors;

    fn fit(&self, x: ArrayView2<'_, f64>, y: &[usize], n_classes: usize) -> Result<KNeighbors, ClassicError> {
        check_training(x, y, n_classes)?;
        Ok(KNeighbors { parameters: self.0, x: x.to_owned().into(), y: y.to_vec(), n_classes })
    }
}

impl KNeighbors {
    /// For each row its neighbours, nearest first, as training rows with their distances.
    ///
    /// # Errors
    ///
    /// As [`Predictor::predict_proba`].
    pub fn neighbors(&self, x: ArrayView2<'_, f64>) -> Result<Vec<Vec<(usize, f64)>>, ClassicError> {
        check_input(x, self.x.ncols())?;
        let others = self.x.rows(0..self.x.nrows());
        Ok(parallel::map(x.nrows(), |i| self.nearest(x.row(i), others.view())))
    }

    fn nearest(&self, row: ArrayView1<'_, f64>, others: ArrayView2<'_, f64>) -> Vec<(usize, f64)> {
        let distance = self.parameters.distance;
        let mut all: Vec<(usize, f64)> =
            others.rows().into_iter().map(|other| measure(distance, row, other)).enumerate().collect();
        let k = self.parameters.n_neighbors.min(all.len());
        let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
        if k < all.len() {
            all.select_nth_unstable_by(k - 1, order);
            all.truncate(k);
        }
        all.sort_by(order);
        if distance == Distance::Euclidean {
            all.iter_mut().for_each(|(_, d)| *d = d.sqrt());
        }
        all
    }
}

/// The distance, squared if Euclidean: the order is the same.
fn measure(distance: Distance, a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let sum = |of: fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| of(*x, *y)).sum::<f64>();
    match distance {
        Distance::Euclidean => sum(|x, y| (x - y) * (x - y)),
        Distance::Manhattan => sum(|x, y| (x - y).abs()),
        Distance::Cosine => {
            let lengths = (a.dot(&a) * b.dot(&b)).sqrt();
            if lengths > 0.0 { (1.0 - a.dot(&b) / lengths).max(0.0) } else { 1.0 }
        }
    }
}

impl Predictor for KNeighbors {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn n_features(&self) -> usize {
        self.x.ncols()
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        let neighbors = self.neighbors(x)?;
        let mut out = Array2::zeros((x.nrows(), self.n_classes));
        for (mut row, near) in out.axis_iter_mut(Axis(0)).zip(&neighbors) {
            let exact = near.iter().any(|(_, d)| *d == 0.0);
            for &(i, d) in near {
                row[self.y[i]] += match self.parameters.weight {
                    NeighborWeight::Uniform => 1.0,
                    NeighborWeight::Distance if exact => f64::from(u8::from(d == 0.0)),
                    NeighborWeight::Distance => 1.0 / d,
                };
            }
            let sum = row.sum();
            row.mapv_inplace(|w| w / sum);
        }
        Ok(out)
    }
}
