use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, Slice};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Gamma;
use super::kernel::{Kernel, squares};
use super::model::Svc;
use super::platt::{Sigmoid, fit_sigmoid};
use super::solver::{Problem, RowCache, Solution, solve};
use crate::ClassicError;
use crate::learner::{Checked, Learner, Parameters, check_training};

/// Folds of the held-out values that probabilities are fitted on.
const PLATT_FOLDS: usize = 5;

/// How much the rows of a class weigh.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// All rows alike.
    #[default]
    Uniform,
    /// All classes alike: rows / (classes x rows of the class).
    Balanced,
    /// A factor for each class, finite and above 0.
    Given(Vec<f64>),
}

/// Parameters of an [`Svc`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SvcParameters {
    /// Weight of violations against the width of the margin, above 0. Default: 1.
    pub c: f64,
    /// How alike two rows are. Default: RBF with gamma "scale".
    pub kernel: Kernel,
    /// How much the rows of a class weigh. Default: all alike.
    pub class_weight: ClassWeight,
    /// Whether probabilities are fitted too, which takes about five times as long. Default: false.
    pub probability: bool,
    /// Largest violation of the optimality conditions. Default: 1e-3.
    pub tolerance: f64,
    /// Whether rows that stay at their bounds are left out of the search. Default: true.
    pub shrinking: bool,
    /// Memory for kernel values in MiB, at least 1. Default: 512.
    pub cache_mib: usize,
}

impl Default for SvcParameters {
    fn default() -> Self {
        Self {
            c: 1.0,
            kernel: Kernel::Rbf { gamma: Gamma::Scale },
            class_weight: ClassWeight::Uniform,
            probability: false,
            tolerance: 1e-3,
            shrinking: true,
            cache_mib: 512,
        }
    }
}

impl Parameters for SvcParameters {
    fn validate(&self) -> Result<(), ClassicError> {
        if !(self.c.is_finite() && self.c > 0.0) {
            return Err(ClassicError::config("c", self.c, "it must be finite and above 0"));
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(ClassicError::config(
                "tolerance",
                self.tolerance,
                "it must be finite and above 0",
            ));
        }
        if self.cache_mib == 0 {
            return Err(ClassicError::config("cache_mib", 0, "at least 1 MiB is needed"));
        }
        if let ClassWeight::Given(weights) = &self.class_weight
            && let Some(w) = weights.iter().find(|w| !(w.is_finite() && **w > 0.0))
        {
            return Err(ClassicError::config(
                "class_weight",
                w,
                "it must be finite and above 0",
            ));
        }
        self.kernel.validate()
    }
}

/// Training rows sorted by class, with what all pairs share.
struct Sorted<'a> {
    x: Array2<f64>,
    /// Row of the caller's data.
    original: Vec<usize>,
    /// Rows of each class.
    ranges: Vec<Range<usize>>,
    kernel: Kernel,
    squares: Vec<f64>,
    diagonal: Vec<f64>,
    /// All kernel values, where they fit into the memory allowed.
    gram: Option<Array2<f64>>,
    /// Bound of the rows of each class.
    bounds: Vec<f64>,
    parameters: &'a SvcParameters,
}

/// What was learnt of two classes.
struct PairSolution {
    /// y_i a_i of the rows of the first class, then of the second.
    coefficients: Vec<f64>,
    intercept: f64,
    sigmoid: Option<Sigmoid>,
}

impl Learner for Checked<SvcParameters> {
    type Model = Svc;

    fn fit(&self, x: ArrayView2<'_, f64>, y: &[usize], n_classes: usize) -> Result<Svc, ClassicError> {
        let counts = check_training(x, y, n_classes)?;
        let sorted = self.sort(x, y, &counts)?;
        let present: Vec<usize> = (0..n_classes).filter(|&c| counts[c] > 0).collect();
        let pairs: Vec<(usize, usize)> = present
            .iter()
            .enumerate()
            .flat_map(|(i, &a)| present[i + 1..].iter().map(move |&b| (a, b)))
            .collect();
        let solutions = pairs
            .par_iter()
            .map(|&(a, b)| sorted.fit_pair(a, b))
            .collect::<Result<Vec<PairSolution>, _>>()?;

        let mut coefficients = Array2::<f64>::zeros((pairs.len(), x.nrows()));
        for ((&(a, b), solution), mut row) in pairs.iter().zip(&solutions).zip(coefficients.rows_mut()) {
            let places = sorted.ranges[a].clone().chain(sorted.ranges[b].clone());
            places.zip(&solution.coefficients).for_each(|(i, c)| row[i] = *c);
        }
        let support: Vec<usize> = (0..x.nrows())
            .filter(|&i| coefficients.column(i).iter().any(|c| *c != 0.0))
            .collect();
        Ok(Svc::new(
            sorted.kernel,
            n_classes,
            pairs,
            sorted.x.select(Axis(0), &support),
            support.iter().map(|&i| sorted.original[i]).collect(),
            coefficients.select(Axis(1), &support),
            solutions.iter().map(|s| s.intercept).collect(),
            solutions.into_iter().map(|s| s.sigmoid).collect(),
        ))
    }
}

impl Checked<SvcParameters> {
    fn sort(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        counts: &[usize],
    ) -> Result<Sorted<'_>, ClassicError> {
        let p = &self.0;
        let (n, n_classes) = (x.nrows(), counts.len());
        let mut original: Vec<usize> = (0..n).collect();
        original.sort_by_key(|&i| y[i]);
        let mut start = 0;
        let ranges = counts
            .iter()
            .map(|count| {
                start += count;
                start - count..start
            })
            .collect();
        let present = counts.iter().filter(|c| **c > 0).count() as f64;
        let bounds = match &p.class_weight {
            ClassWeight::Uniform => vec![p.c; n_classes],
            ClassWeight::Balanced => counts
                .iter()
                .map(|&count| p.c * n as f64 / (present * count.max(1) as f64))
                .collect(),
            ClassWeight::Given(weights) if weights.len() == n_classes => {
                weights.iter().map(|w| p.c * w).collect()
            }
            ClassWeight::Given(weights) => {
                return Err(ClassicError::data(
                    format!("there are {} class weights", weights.len()),
                    format!("there are {n_classes} classes"),
                ));
            }
        };
        let x = x.select(Axis(0), &original);
        let kernel = p.kernel.resolve(x.view());
        let squares = squares(x.view()).to_vec();
        let fits = n.saturating_mul(n).saturating_mul(8) <= p.cache_mib.saturating_mul(1 << 20);
        let gram = fits.then(|| kernel.gram(x.view()));
        let diagonal = x
            .rows()
            .into_iter()
            .zip(&squares)
            .map(|(row, &square)| {
                let mut value = [0.0];
                kernel.row(row, square, row.insert_axis(Axis(0)), &[square], &mut value);
                value[0]
            })
            .collect();
        Ok(Sorted {
            x,
            original,
            ranges,
            kernel,
            squares,
            diagonal,
            gram,
            bounds,
            parameters: p,
        })
    }
}

impl Sorted<'_> {
    fn fit_pair(&self, a: usize, b: usize) -> Result<PairSolution, ClassicError> {
        let (rows_a, rows_b) = (self.ranges[a].clone(), self.ranges[b].clone());
        let all: Vec<usize> = rows_a.clone().chain(rows_b).collect();
        let solution = self.solve(a, &all)?;
        let sign = |i: usize| if rows_a.contains(&all[i]) { 1.0 } else { -1.0 };
        let coefficients: Vec<f64> = solution
            .alpha
            .iter()
            .enumerate()
            .map(|(i, alpha)| sign(i) * alpha)
            .collect();
        let sigmoid = if self.parameters.probability {
            Some(self.held_out_sigmoid(a, &all)?)
        } else {
            None
        };
        Ok(PairSolution {
            coefficients,
            intercept: solution.intercept,
            sigmoid,
        })
    }

    /// Separates class `a`, whose rows come first, from the other class among `rows`.
    fn solve(&self, a: usize, rows: &[usize]) -> Result<Solution, ClassicError> {
        let is_a = |row: usize| self.ranges[a].contains(&row);
        let signs: Vec<f64> = rows.iter().map(|&r| if is_a(r) { 1.0 } else { -1.0 }).collect();
        let class = |row: usize| {
            self.ranges
                .iter()
                .position(|range| range.contains(&row))
                .unwrap_or(a)
        };
        let other = rows.iter().find(|&&r| !is_a(r)).map_or(a, |&r| class(r));
        let bounds: Vec<f64> = rows
            .iter()
            .map(|&r| {
                if is_a(r) {
                    self.bounds[a]
                } else {
                    self.bounds[other]
                }
            })
            .collect();
        let diagonal: Vec<f64> = rows.iter().map(|&r| self.diagonal[r]).collect();
        let n = rows.len();
        let problem = Problem {
            signs: &signs,
            bounds: &bounds,
            tolerance: self.parameters.tolerance,
            max_iterations: n.saturating_mul(1000).max(10_000_000),
            shrinking: self.parameters.shrinking,
        };
        // All pairs that are worked on at once share the memory allowed.
        let budget = (self.parameters.cache_mib << 17) / rayon::current_num_threads().max(1);
        let capacity = budget / n.max(1);
        match &self.gram {
            Some(gram) => {
                let runs = runs(rows);
                let compute = |i: usize, out: &mut [f64]| {
                    let row = gram.row(rows[i]);
                    let Some(row) = row.as_slice() else { return };
                    let mut at = 0;
                    for run in &runs {
                        out[at..at + run.len()].copy_from_slice(&row[run.clone()]);
                        at += run.len();
                    }
                };
                solve(&problem, &diagonal, &mut RowCache::new(n, capacity, compute))
            }
            None => {
                let x = self.x.select(Axis(0), rows);
                let squares: Vec<f64> = rows.iter().map(|&r| self.squares[r]).collect();
                let compute = |i: usize, out: &mut [f64]| {
                    self.kernel.row(x.row(i), squares[i], x.view(), &squares, out);
                };
                solve(&problem, &diagonal, &mut RowCache::new(n, capacity, compute))
            }
        }
    }

    /// Fits the sigmoid on values of rows that the machine giving them was not fitted on.
    ///
    /// The rows of both classes, numbered in the order of the caller's data, go to the fold of their number modulo five.
    fn held_out_sigmoid(&self, a: usize, all: &[usize]) -> Result<Sigmoid, ClassicError> {
        let is_a = |row: usize| self.ranges[a].contains(&row);
        let mut by_order = all.to_vec();
        by_order.sort_by_key(|&row| self.original[row]);
        let mut values = Vec::with_capacity(all.len());
        let mut positive = Vec::with_capacity(all.len());
        for fold in 0..PLATT_FOLDS {
            let in_fold = |number: usize| number % PLATT_FOLDS == fold;
            let mut fitted: Vec<usize> = by_order
                .iter()
                .enumerate()
                .filter(|(i, _)| !in_fold(*i))
                .map(|(_, &r)| r)
                .collect();
            fitted.sort_unstable();
            let held: Vec<usize> = by_order
                .iter()
                .enumerate()
                .filter(|(i, _)| in_fold(*i))
                .map(|(_, &r)| r)
                .collect();
            positive.extend(held.iter().map(|&r| is_a(r)));
            let n_a = fitted.iter().filter(|&&r| is_a(r)).count();
            if n_a == 0 || n_a == fitted.len() {
                // Only one class is left: the answer is that class, or none if nothing is left.
                let value = if fitted.is_empty() {
                    0.0
                } else if n_a > 0 {
                    1.0
                } else {
                    -1.0
                };
                values.extend(held.iter().map(|_| value));
                continue;
            }
            let solution = self.solve(a, &fitted)?;
            for &row in &held {
                let mut kernel = vec![0.0; fitted.len()];
                self.kernel_row(row, &fitted, &mut kernel);
                let sum: f64 = fitted
                    .iter()
                    .zip(&kernel)
                    .zip(&solution.alpha)
                    .map(|((&r, k), alpha)| if is_a(r) { alpha * k } else { -alpha * k })
                    .sum();
                values.push(sum + solution.intercept);
            }
        }
        Ok(fit_sigmoid(&values, &positive))
    }

    fn kernel_row(&self, row: usize, others: &[usize], out: &mut [f64]) {
        if let Some(gram) = &self.gram {
            let values = gram.row(row);
            out.iter_mut().zip(others).for_each(|(o, &r)| *o = values[r]);
            return;
        }
        let mut at = 0;
        for run in runs(others) {
            let n = run.len();
            let block = self.x.slice_axis(Axis(0), Slice::from(run.clone()));
            self.kernel.row(
                self.x.row(row),
                self.squares[row],
                block,
                &self.squares[run],
                &mut out[at..at + n],
            );
            at += n;
        }
    }
}

/// Sorted indices as stretches of neighbours.
fn runs(rows: &[usize]) -> Vec<Range<usize>> {
    rows.chunk_by(|a, b| a + 1 == *b)
        .filter_map(|run| Some(*run.first()?..run.last()? + 1))
        .collect()
}
