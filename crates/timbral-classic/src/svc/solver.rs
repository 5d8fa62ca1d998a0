use std::rc::Rc;

use crate::ClassicError;

/// Curvature that stands in where two rows are alike.
const LEAST_CURVATURE: f64 = 1e-12;

/// A two-class problem: minimise 1/2 a'Qa - sum a with Q = y_i y_j K_ij, 0 <= a_i <= c_i, y . a = 0.
pub(super) struct Problem<'a> {
    /// +1 or -1 for each row.
    pub(super) signs: &'a [f64],
    /// Upper bound for each row.
    pub(super) bounds: &'a [f64],
    /// Largest violation of the optimality conditions that is let stand.
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
    pub(super) shrinking: bool,
}

/// What solves it: sum_j y_j a_j K(j, x) + intercept is positive on the side of +1.
#[derive(Debug)]
pub(super) struct Solution {
    pub(super) alpha: Vec<f64>,
    pub(super) intercept: f64,
}

/// Rows of the kernel matrix, computed when needed and kept while there is room.
pub(super) struct RowCache<F> {
    compute: F,
    rows: Vec<Option<Rc<[f64]>>>,
    last_use: Vec<u64>,
    clock: u64,
    held: usize,
    capacity: usize,
}

impl<F: FnMut(usize, &mut [f64])> RowCache<F> {
    /// `n` rows of `n` values, of which at most `capacity` (but two) are held.
    pub(super) fn new(n: usize, capacity: usize, compute: F) -> Self {
        Self {
            compute,
            rows: vec![None; n],
            last_use: vec![0; n],
            clock: 0,
            held: 0,
            capacity: capacity.max(2),
        }
    }

    fn row(&mut self, i: usize) -> Rc<[f64]> {
        self.clock += 1;
        self.last_use[i] = self.clock;
        if let Some(row) = &self.rows[i] {
            return Rc::clone(row);
        }
        if self.held >= self.capacity {
            let oldest = (0..self.rows.len())
                .filter(|&j| self.rows[j].is_some())
                .min_by_key(|&j| self.last_use[j]);
            if let Some(j) = oldest {
                self.rows[j] = None;
                self.held -= 1;
            }
        }
        let mut values = vec![0.0; self.rows.len()];
        (self.compute)(i, &mut values);
        let row: Rc<[f64]> = values.into();
        self.rows[i] = Some(Rc::clone(&row));
        self.held += 1;
        row
    }
}

struct State<'a> {
    problem: &'a Problem<'a>,
    alpha: Vec<f64>,
    gradient: Vec<f64>,
    /// Rows that the search still looks at.
    active: Vec<usize>,
}

impl State<'_> {
    /// Whether y_i a_i can grow.
    fn can_rise(&self, i: usize) -> bool {
        if self.problem.signs[i] > 0.0 {
            self.alpha[i] < self.problem.bounds[i]
        } else {
            self.alpha[i] > 0.0
        }
    }

    /// Whether y_i a_i can fall.
    fn can_fall(&self, i: usize) -> bool {
        if self.problem.signs[i] > 0.0 {
            self.alpha[i] > 0.0
        } else {
            self.alpha[i] < self.problem.bounds[i]
        }
    }

    /// -y_i times the gradient: all that can rise must not exceed any that can fall.
    fn score(&self, i: usize) -> f64 {
        -self.problem.signs[i] * self.gradient[i]
    }

    /// The largest score of those that can rise, and the smallest of those that can fall.
    fn extremes(&self) -> (f64, f64) {
        let (mut highest, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        for &i in &self.active {
            if self.can_rise(i) {
                highest = highest.max(self.score(i));
            }
            if self.can_fall(i) {
                lowest = lowest.min(self.score(i));
            }
        }
        (highest, lowest)
    }

    /// Leaves out rows at a bound that will most likely stay there.
    fn shrink(&mut self) {
        let (highest, lowest) = self.extremes();
        let mut active = std::mem::take(&mut self.active);
        active.retain(|&i| {
            let score = self.score(i);
            match (self.can_rise(i), self.can_fall(i)) {
                (true, false) => score >= lowest,
                (false, true) => score <= highest,
                _ => true,
            }
        });
        self.active = active;
    }
}

/// Sequential minimal optimisation with working sets chosen by second-order information (Fan, Chen and Lin 2005).
pub(super) fn solve<F: FnMut(usize, &mut [f64])>(
    problem: &Problem<'_>,
    diagonal: &[f64],
    cache: &mut RowCache<F>,
) -> Result<Solution, ClassicError> {
    let n = problem.signs.len();
    let mut state = State {
        problem,
        alpha: vec![0.0; n],
        gradient: vec![-1.0; n],
        active: (0..n).collect(),
    };
    let y = problem.signs;
    let period = n.clamp(1, 1000);
    for iteration in 0..problem.max_iterations {
        if problem.shrinking && iteration > 0 && iteration % period == 0 {
            state.shrink();
        }
        // The row that can rise with the largest score ...
        let mut first: Option<(usize, f64)> = None;
        let mut lowest = f64::INFINITY;
        for &t in &state.active {
            let score = state.score(t);
            if state.can_rise(t) && first.is_none_or(|(_, best)| score > best) {
                first = Some((t, score));
            }
            if state.can_fall(t) {
                lowest = lowest.min(score);
            }
        }
        let gap = first.map_or(f64::NEG_INFINITY, |(_, highest)| highest - lowest);
        if gap < problem.tolerance {
            if state.active.len() == n {
                return Ok(Solution {
                    intercept: intercept(&state),
                    alpha: state.alpha,
                });
            }
            // Converged on what was left: look at all again.
            restore(&mut state, cache);
            continue;
        }
        let Some((i, highest)) = first else { continue };
        let row_i = cache.row(i);
        // ... and the one whose joint step promises the largest gain.
        let mut second: Option<(usize, f64)> = None;
        for &t in &state.active {
            let difference = highest - state.score(t);
            if state.can_fall(t) && difference > 0.0 {
                let curvature = (diagonal[i] + diagonal[t] - 2.0 * row_i[t]).max(LEAST_CURVATURE);
                let gain = difference * difference / curvature;
                if second.is_none_or(|(_, best)| gain > best) {
                    second = Some((t, gain));
                }
            }
        }
        let Some((j, _)) = second else { continue };
        let row_j = cache.row(j);
        let curvature = (diagonal[i] + diagonal[j] - 2.0 * row_i[j]).max(LEAST_CURVATURE);
        // y_i a_i grows and y_j a_j falls by one step, as far as both bounds allow.
        let room_i = if y[i] > 0.0 {
            problem.bounds[i] - state.alpha[i]
        } else {
            state.alpha[i]
        };
        let room_j = if y[j] > 0.0 {
            state.alpha[j]
        } else {
            problem.bounds[j] - state.alpha[j]
        };
        let wanted = (highest - state.score(j)) / curvature;
        let step = wanted.min(room_i).min(room_j);
        let (before_i, before_j) = (state.alpha[i], state.alpha[j]);
        // A row that reaches its bound lies on it exactly.
        state.alpha[i] = match (step == room_i, y[i] > 0.0) {
            (true, true) => problem.bounds[i],
            (true, false) => 0.0,
            (false, _) => before_i + y[i] * step,
        };
        state.alpha[j] = match (step == room_j, y[j] > 0.0) {
            (true, true) => 0.0,
            (true, false) => problem.bounds[j],
            (false, _) => before_j - y[j] * step,
        };
        let change_i = y[i] * (state.alpha[i] - before_i);
        let change_j = y[j] * (state.alpha[j] - before_j);
        if state.active.len() == n {
            for (((g, y), k_i), k_j) in state.gradient.iter_mut().zip(y).zip(&*row_i).zip(&*row_j) {
                *g += y * (change_i * k_i + change_j * k_j);
            }
        } else {
            for &t in &state.active {
                state.gradient[t] += y[t] * (change_i * row_i[t] + change_j * row_j[t]);
            }
        }
    }
    Err(ClassicError::NotConverged {
        learner: "the support vector classifier",
        iterations: problem.max_iterations,
        detail: format!("the tolerance is {:.1e}", problem.tolerance),
    })
}

/// Brings the gradient of rows that were left out up to date and looks at all of them again.
fn restore<F: FnMut(usize, &mut [f64])>(state: &mut State<'_>, cache: &mut RowCache<F>) {
    let n = state.alpha.len();
    let mut is_active = vec![false; n];
    state.active.iter().for_each(|&i| is_active[i] = true);
    let idle: Vec<usize> = (0..n).filter(|&i| !is_active[i]).collect();
    idle.iter().for_each(|&t| state.gradient[t] = -1.0);
    let y = state.problem.signs;
    for i in (0..n).filter(|&i| state.alpha[i] > 0.0) {
        let row = cache.row(i);
        let weight = y[i] * state.alpha[i];
        for &t in &idle {
            state.gradient[t] += y[t] * weight * row[t];
        }
    }
    state.active = (0..n).collect();
}

/// The mean score of rows between their bounds, on the margin; the middle of the allowed range where there are none.
fn intercept(state: &State<'_>) -> f64 {
    let mut free = (0.0, 0_usize);
    for i in 0..state.alpha.len() {
        if state.can_rise(i) && state.can_fall(i) {
            free = (free.0 + state.score(i), free.1 + 1);
        }
    }
    if free.1 > 0 {
        return free.0 / free.1 as f64;
    }
    let (highest, lowest) = state.extremes();
    (highest + lowest) / 2.0
}
