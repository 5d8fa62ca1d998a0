use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};

use super::kernel::Kernel;
use super::platt::{Sigmoid, couple};
use crate::ClassicError;
use crate::learner::{Predictor, argmax, check_input};
use crate::matrix::Matrix;
use crate::parallel;

/// Rows that are worked on at once: their kernel values stay in the cache.
const BLOCK: usize = 128;

/// Support vector classifier (Cortes and Vapnik 1995), one machine for each pair of classes.
///
/// A pair's value is positive for its first class. The class with the most won pairs is chosen, the first of equal ones.
/// Where probabilities were fitted, each pair has a sigmoid, and the class probabilities are those that agree best with
/// all of them; the most probable class may differ from the chosen one, near the borders.
#[derive(Clone, Debug, PartialEq)]
pub struct Svc {
    pub(crate) kernel: Kernel,
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Number of support vectors of each class.
    pub(crate) n_support: Vec<usize>,
    pub(crate) support_vectors: Matrix,
    pub(crate) support: Vec<usize>,
    pub(crate) coefficients: Matrix,
    pub(crate) intercepts: Array1<f64>,
    pub(crate) sigmoids: Option<Vec<Sigmoid>>,
}

/// What the support vectors of a class add to the pairs of that class.
struct ClassBlock {
    vectors: Range<usize>,
    pairs: Vec<usize>,
    /// Shape (vectors, pairs).
    weights: Array2<f64>,
}

/// The parts of a fitted model, named as its fields.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) kernel: Kernel,
    pub(crate) pairs: Vec<(usize, usize)>,
    pub(crate) n_support: Vec<usize>,
    pub(crate) support_vectors: Matrix,
    pub(crate) support: Vec<usize>,
    pub(crate) coefficients: Matrix,
    pub(crate) intercepts: Array1<f64>,
    pub(crate) sigmoids: Option<Vec<Sigmoid>>,
}

impl Svc {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { kernel, pairs, n_support, support_vectors, support, coefficients, intercepts, sigmoids } =
            parts;
        Self { kernel, pairs, n_support, support_vectors, support, coefficients, intercepts, sigmoids }
    }

    /// With the slope and offset of each pair's sigmoid.
    pub(crate) fn with_sigmoids(mut self, sigmoids: Option<Vec<(f64, f64)>>) -> Self {
        let sigmoid = |(slope, offset)| Sigmoid { slope, offset };
        self.sigmoids = sigmoids.map(|s| s.into_iter().map(sigmoid).collect());
        self
    }

    /// The kernel, its width as a number.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The pairs of classes, in the order of the columns of [`Svc::decision_function`].
    #[must_use]
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.pairs
    }

    /// Training rows that the borders rest on, by class, in the order of the training data within a class.
    #[must_use]
    pub fn support(&self) -> &[usize] {
        &self.support
    }

    /// Number of support vectors of each class.
    #[must_use]
    pub fn n_support(&self) -> &[usize] {
        &self.n_support
    }

    /// Signed dual coefficients, shape (pairs, support vectors): positive for the first class of the pair.
    #[must_use]
    pub fn coefficients(&self) -> Array2<f64> {
        self.coefficients.to_array()
    }

    /// What is added to the sum over support vectors, for each pair.
    #[must_use]
    pub fn intercepts(&self) -> &Array1<f64> {
        &self.intercepts
    }

    /// Slope and offset of each pair's sigmoid 1 / (1 + exp(slope x value + offset)), where probabilities were fitted.
    #[must_use]
    pub fn sigmoids(&self) -> Option<Vec<(f64, f64)>> {
        Some(self.sigmoids.as_ref()?.iter().map(|s| (s.slope, s.offset)).collect())
    }

    /// The value of each pair for each row, shape (rows, pairs).
    ///
    /// # Errors
    ///
    /// As [`Predictor::predict_proba`].
    pub fn decision_function(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.n_features())?;
        let x = x.as_standard_layout();
        let mut out = Array2::zeros((x.nrows(), self.pairs.len()));
        let squares = self.support_vectors.squares();
        let classes = self.class_blocks();
        let blocks: Vec<_> = out.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
        parallel::for_each(blocks, |block, mut values| {
            let start = block * BLOCK;
            let rows = x.slice_axis(Axis(0), Slice::from(start..start + values.nrows()));
            values += &self.intercepts;
            for class in &classes {
                let products = self.support_vectors.products(rows, class.vectors.clone());
                let kernel = self.kernel.matrix(rows, products, &squares[class.vectors.clone()]);
                let parts = kernel.dot(&class.weights);
                for (&pair, part) in class.pairs.iter().zip(parts.columns()) {
                    let mut column = values.column_mut(pair);
                    column += &part;
                }
            }
        });
        Ok(out)
    }

    /// The support vectors of each class take part in the pairs of that class alone.
    fn class_blocks(&self) -> Vec<ClassBlock> {
        let all = self.coefficients.rows(0..self.pairs.len());
        let mut start = 0;
        let with_range = self.n_support.iter().enumerate().map(|(class, &count)| {
            start += count;
            (class, start - count..start)
        });
        with_range
            .filter(|(_, vectors)| !vectors.is_empty())
            .map(|(class, vectors)| {
                let pairs: Vec<usize> = (0..self.pairs.len())
                    .filter(|&p| self.pairs[p].0 == class || self.pairs[p].1 == class)
                    .collect();
                let coefficients = all.slice_axis(Axis(1), Slice::from(vectors.clone()));
                ClassBlock { weights: coefficients.select(Axis(0), &pairs).reversed_axes(), vectors, pairs }
            })
            .collect()
    }

    /// One score for each class, shape (rows, classes): won pairs, plus the sum of the pair values brought into -1/3..1/3.
    ///
    /// # Errors
    ///
    /// As [`Predictor::predict_proba`].
    pub fn decision_function_one_vs_rest(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        let values = self.decision_function(x)?;
        let mut votes = self.votes(&values);
        let mut sums = Array2::<f64>::zeros(votes.dim());
        for (row, mut sum) in values.rows().into_iter().zip(sums.rows_mut()) {
            for (&(a, b), value) in self.pairs.iter().zip(row) {
                sum[a] += value;
                sum[b] -= value;
            }
        }
        votes += &sums.mapv(|m| m / (3.0 * (m.abs() + 1.0)));
        Ok(votes)
    }

    fn votes(&self, values: &Array2<f64>) -> Array2<f64> {
        let mut votes = Array2::zeros((values.nrows(), self.n_classes()));
        for (row, mut vote) in values.rows().into_iter().zip(votes.rows_mut()) {
            for (&(a, b), &value) in self.pairs.iter().zip(row) {
                vote[if value > 0.0 { a } else { b }] += 1.0;
            }
        }
        votes
    }
}

impl Predictor for Svc {
    fn n_classes(&self) -> usize {
        self.n_support.len()
    }

    fn n_features(&self) -> usize {
        self.support_vectors.ncols()
    }

    /// Probability of each class. A model fitted without probabilities gives an error: its values have no scale.
    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        let Some(sigmoids) = &self.sigmoids else {
            return Err(ClassicError::data(
                "the support vector classifier has no probabilities",
                "fit it with `probability: true`",
            ));
        };
        let mut pairwise = self.decision_function(x)?;
        for mut row in pairwise.rows_mut() {
            row.iter_mut().zip(sigmoids).for_each(|(v, s)| *v = s.probability(*v));
        }
        let mut out = Array2::zeros((x.nrows(), self.n_classes()));
        for (row, target) in pairwise.rows().into_iter().zip(out.rows_mut()) {
            couple(&self.pairs, row, target);
        }
        Ok(out)
    }

    /// The class that wins the most pairs, the first of equal ones.
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<usize>, ClassicError> {
        let votes = self.votes(&self.decision_function(x)?);
        Ok(votes.rows().into_iter().map(argmax).collect())
    }
}
