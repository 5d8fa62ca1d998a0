use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::Gamma;
use super::kernel::{Cell, Kernel, squares};
use super::model::{Parts, Svc};
use super::platt::{Sigmoid, fit_sigmoid};
use super::rows::{RowCache, Rows, Source, Store};
use super::solver::{Problem, Solution, solve};
use crate::ClassicError;
use crate::learner::{Checked, Config, Learner, check_training};
use crate::parallel;
use crate::simd::{LANES, dispatch, dot};

/// Folds of the held-out values that probabilities are fitted on.
const PLATT_FOLDS: usize = 5;

/// Below this tolerance kernel values are kept in double precision, as they are where they may be larger than
/// [`LARGEST_SINGLE`].
const SINGLE_TOLERANCE: f64 = 1e-5;
const LARGEST_SINGLE: f64 = 1e30;

/// How much the rows of a class weigh.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassWeight {
    /// All rows alike.
    #[default]
    Uniform,
    /// All classes alike: rows / (classes x rows of the class).
    Balanced,
    /// A factor for each class, finite and above 0.
    Given(Vec<f64>),
}

/// Settings of an [`Svc`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SvcConfig {
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

impl Default for SvcConfig {
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

impl Config for SvcConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if !(self.c.is_finite() && self.c > 0.0) {
            return Err(ClassicError::config("c", self.c, "finite and above 0"));
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(ClassicError::config("tolerance", self.tolerance, "finite and above 0"));
        }
        if self.cache_mib == 0 {
            return Err(ClassicError::config("cache_mib", 0, "at least 1"));
        }
        if let ClassWeight::Given(weights) = &self.class_weight
            && let Some(w) = weights.iter().find(|w| !(w.is_finite() && **w > 0.0))
        {
            return Err(ClassicError::config("class_weight", w, "finite and above 0"));
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
    /// Bound of the rows of each class.
    bounds: Vec<f64>,
    parameters: &'a SvcConfig,
}

/// What was learnt of two classes.
struct PairSolution {
    /// Of the rows of the first class, then of the second; positive for the first.
    coefficients: Vec<f64>,
    intercept: f64,
    sigmoid: Option<Sigmoid>,
}

impl Learner for Checked<SvcConfig> {
    type Model = Svc;

    fn fit(&self, x: ArrayView2<'_, f64>, y: &[usize], n_classes: usize) -> Result<Svc, ClassicError> {
        let counts = check_training(x, y, n_classes)?;
        if u32::try_from(x.nrows()).is_err() {
            return Err(ClassicError::data(
                format!("there are {} rows", x.nrows()),
                "a support vector classifier takes at most 2^32 - 1",
            ));
        }
        let sorted = self.sort(x, y, &counts)?;
        let present: Vec<usize> = (0..n_classes).filter(|&c| counts[c] > 0).collect();
        let pairs: Vec<(usize, usize)> = present
            .iter()
            .enumerate()
            .flat_map(|(i, &a)| present[i + 1..].iter().map(move |&b| (a, b)))
            .collect();
        let bound = sorted.kernel.bound(&sorted.squares);
        if bound.is_nan() || bound >= 1e150 {
            return Err(ClassicError::data(
                format!("kernel values may be as large as {bound:.1e}"),
                "they must stay below 1e150: scale the features",
            ));
        }
        let single = self.0.tolerance >= SINGLE_TOLERANCE && bound < LARGEST_SINGLE;
        let solutions = parallel::map(pairs.len(), |i| {
            let (a, b) = pairs[i];
            if single { sorted.fit_pair::<f32>(a, b) } else { sorted.fit_pair::<f64>(a, b) }
        });
        let solutions = solutions.into_iter().collect::<Result<Vec<PairSolution>, _>>()?;

        let mut coefficients = Array2::<f64>::zeros((pairs.len(), x.nrows()));
        for ((&(a, b), solution), mut row) in pairs.iter().zip(&solutions).zip(coefficients.rows_mut()) {
            let places = sorted.ranges[a].clone().chain(sorted.ranges[b].clone());
            places.zip(&solution.coefficients).for_each(|(i, c)| row[i] = *c);
        }
        let support: Vec<usize> =
            (0..x.nrows()).filter(|&i| coefficients.column(i).iter().any(|c| *c != 0.0)).collect();
        let in_range = |range: &Range<usize>| support.iter().filter(|i| range.contains(i)).count();
        Ok(Svc::new(Parts {
            kernel: sorted.kernel,
            pairs,
            n_support: sorted.ranges.iter().map(in_range).collect(),
            support_vectors: sorted.x.select(Axis(0), &support).into(),
            support: support.iter().map(|&i| sorted.original[i]).collect(),
            coefficients: coefficients.select(Axis(1), &support).into(),
            intercepts: solutions.iter().map(|s| s.intercept).collect(),
            sigmoids: solutions.into_iter().map(|s| s.sigmoid).collect(),
        }))
    }
}

impl Checked<SvcConfig> {
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
            ClassWeight::Balanced => {
                counts.iter().map(|&count| p.c * n as f64 / (present * count.max(1) as f64)).collect()
            }
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
        let x = x.select(Axis(0), &original).as_standard_layout().into_owned();
        Ok(Sorted {
            kernel: p.kernel.resolve(x.view()),
            squares: squares(x.view()),
            x,
            original,
            ranges,
            bounds,
            parameters: p,
        })
    }
}

impl Sorted<'_> {
    fn rows<'r>(&'r self, rows: &'r [u32]) -> Rows<'r> {
        Rows { kernel: self.kernel, x: self.x.view(), squares: &self.squares, rows }
    }

    /// Kernel values that one thread may hold.
    fn budget<T>(&self) -> usize {
        let bytes = self.parameters.cache_mib.saturating_mul(1 << 20);
        bytes / parallel::threads() / size_of::<T>()
    }

    fn fit_pair<T: Cell>(&self, a: usize, b: usize) -> Result<PairSolution, ClassicError> {
        let rows: Vec<u32> =
            [a, b].iter().flat_map(|&c| self.ranges[c].start as u32..self.ranges[c].end as u32).collect();
        let n = rows.len();
        // Folds share kernel values where there is room for them twice.
        let shares =
            self.parameters.probability && n.saturating_mul(n).saturating_mul(2) <= self.budget::<T>();
        let mut store = shares.then(|| Store::<T>::new(self.rows(&rows)));
        let all: Vec<u32> = (0..n as u32).collect();
        let solution = self.solve((a, b), &rows, &all, store.as_mut())?;
        let sigmoid = if self.parameters.probability {
            Some(self.held_out_sigmoid((a, b), &rows, store.as_mut())?)
        } else {
            None
        };
        Ok(PairSolution { coefficients: solution.coefficients, intercept: solution.intercept, sigmoid })
    }

    /// Separates the classes of a pair, whose rows are given, by those at `places`.
    fn solve<'r, T: Cell>(
        &'r self,
        (a, b): (usize, usize),
        rows: &'r [u32],
        places: &[u32],
        store: Option<&mut Store<'r, T>>,
    ) -> Result<Solution, ClassicError> {
        let chosen: Vec<u32> = places.iter().map(|&place| rows[place as usize]).collect();
        let is_a = |row: &u32| self.ranges[a].contains(&(*row as usize));
        let signs: Vec<f64> = chosen.iter().map(|r| if is_a(r) { 1.0 } else { -1.0 }).collect();
        let bound = |r: &u32| self.bounds[if is_a(r) { a } else { b }];
        let bounds: Vec<f64> = chosen.iter().map(bound).collect();
        let itself = |r: &u32| self.kernel.with_itself(self.squares[*r as usize]);
        let diagonal: Vec<f64> = chosen.iter().map(itself).collect();
        let n = chosen.len();
        let problem = Problem {
            signs: &signs,
            bounds: &bounds,
            diagonal: &diagonal,
            tolerance: self.parameters.tolerance,
            max_iterations: n.saturating_mul(1000).max(10_000_000),
            shrinking: self.parameters.shrinking,
        };
        let source = match store {
            Some(store) => Source::Stored(store, places.to_vec()),
            None => Source::Direct(self.rows(&chosen)),
        };
        let capacity = self.budget::<T>() / n.max(1);
        solve(&problem, &mut RowCache::new(n, capacity, source))
    }

    /// Fits the sigmoid on values of rows that the machine giving them was not fitted on.
    ///
    /// The rows of both classes, numbered in the order of the caller's data, go to the fold of their number modulo five.
    fn held_out_sigmoid<'r, T: Cell>(
        &'r self,
        (a, b): (usize, usize),
        rows: &'r [u32],
        mut store: Option<&mut Store<'r, T>>,
    ) -> Result<Sigmoid, ClassicError> {
        let is_a = |place: u32| self.ranges[a].contains(&(rows[place as usize] as usize));
        let mut by_order: Vec<u32> = (0..rows.len() as u32).collect();
        by_order.sort_by_key(|&place| self.original[rows[place as usize] as usize]);
        let mut values = Vec::with_capacity(rows.len());
        let mut positive = Vec::with_capacity(rows.len());
        for fold in 0..PLATT_FOLDS {
            let of_fold = |held: bool| {
                let numbered = by_order.iter().enumerate();
                let wanted = numbered.filter(move |(i, _)| (i % PLATT_FOLDS == fold) == held);
                wanted.map(|(_, &place)| place).collect::<Vec<u32>>()
            };
            let (held, mut fitted) = (of_fold(true), of_fold(false));
            fitted.sort_unstable();
            positive.extend(held.iter().map(|&place| is_a(place)));
            let n_a = fitted.iter().filter(|&&place| is_a(place)).count();
            if n_a == 0 || n_a == fitted.len() {
                // Only one class is left: the answer is that class, or none if nothing is left.
                let value = match (fitted.is_empty(), n_a > 0) {
                    (true, _) => 0.0,
                    (false, true) => 1.0,
                    (false, false) => -1.0,
                };
                values.extend(held.iter().map(|_| value));
                continue;
            }
            let solution = self.solve((a, b), rows, &fitted, store.as_deref_mut())?;
            values.extend(self.values(rows, &fitted, &solution, &held));
        }
        Ok(fit_sigmoid(&values, &positive))
    }

    /// What a solution says of the rows at the places `held`.
    fn values(&self, rows: &[u32], fitted: &[u32], solution: &Solution, held: &[u32]) -> Vec<f64> {
        let row = |place: &u32| rows[*place as usize];
        let with_weight = fitted.iter().zip(&solution.coefficients).filter(|(_, b)| **b != 0.0);
        let (support, weights): (Vec<u32>, Vec<f64>) = with_weight.map(|(place, b)| (row(place), *b)).unzip();
        let at: Vec<u32> = (0..support.len() as u32).collect();
        let support = self.rows(&support);
        let panels = support.panels(&at);
        let mut kernel = vec![0.0; at.len().next_multiple_of(LANES)];
        held.iter()
            .map(|place| {
                support.compute(row(place), &panels, &mut kernel);
                let sum = dispatch(|| dot(&kernel[..weights.len()], &weights));
                sum + solution.intercept
            })
            .collect()
    }
}
