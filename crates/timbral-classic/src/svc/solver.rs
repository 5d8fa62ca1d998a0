use super::kernel::Cell;
use super::rows::RowCache;
use crate::ClassicError;
use crate::simd::{LANES, dispatch};

/// Curvature that stands in where two rows are alike.
const LEAST_CURVATURE: f64 = 1e-12;

/// Chunks between two looks at the best value so far.
const BLOCK: usize = 16;

/// A two-class problem: minimise 1/2 b'Kb - y.b where y_i b_i lies between 0 and c_i and the sum of b is 0.
///
/// b_i is y_i a_i in the usual terms.
pub(super) struct Problem<'a> {
    /// +1 or -1 for each row.
    pub(super) signs: &'a [f64],
    /// Upper bound for each row.
    pub(super) bounds: &'a [f64],
    /// Kernel of each row with itself.
    pub(super) diagonal: &'a [f64],
    /// Largest violation of the optimality conditions that is let stand.
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
    pub(super) shrinking: bool,
}

/// What solves it: sum_j b_j K(j, x) + intercept is positive on the side of +1.
#[derive(Debug)]
pub(super) struct Solution {
    pub(super) coefficients: Vec<f64>,
    pub(super) intercept: f64,
}

/// The search. The lists after `coefficients` are over the rows looked at, padded to a multiple of [`LANES`].
struct State<'a> {
    problem: &'a Problem<'a>,
    coefficients: Vec<f64>,
    /// y_i - sum_j b_j K_ij: none that can rise must exceed any that can fall.
    scores: Vec<f64>,
    /// 0 where b_i can rise, negative infinity elsewhere.
    rise: Vec<f64>,
    /// 0 where b_i can fall, infinity elsewhere.
    fall: Vec<f64>,
    diagonal: Vec<f64>,
}

/// The largest score of those that can rise, with its place, and the smallest of those that can fall.
#[derive(Clone, Copy)]
struct Extremes {
    place: usize,
    highest: f64,
    lowest: f64,
}

impl State<'_> {
    /// Lowest and highest value of b_i.
    fn range(&self, row: usize) -> (f64, f64) {
        if self.problem.signs[row] > 0.0 {
            (0.0, self.problem.bounds[row])
        } else {
            (-self.problem.bounds[row], 0.0)
        }
    }

    fn mark(&mut self, place: usize, row: usize) {
        let (low, high) = self.range(row);
        let b = self.coefficients[row];
        self.rise[place] = if b < high { 0.0 } else { f64::NEG_INFINITY };
        self.fall[place] = if b > low { 0.0 } else { f64::INFINITY };
    }

    /// Lays the lists out for the rows looked at, whose scores are given.
    fn lay_out(&mut self, active: &[u32], scores: Vec<f64>) {
        let padded = active.len().next_multiple_of(LANES);
        self.scores = scores;
        self.scores.resize(padded, 0.0);
        self.diagonal = active.iter().map(|&row| self.problem.diagonal[row as usize]).collect();
        self.diagonal.resize(padded, 1.0);
        self.rise = vec![f64::NEG_INFINITY; padded];
        self.fall = vec![f64::INFINITY; padded];
        for (place, &row) in active.iter().enumerate() {
            self.mark(place, row as usize);
        }
    }
}

/// Sequential minimal optimisation with working sets chosen by second-order information (Fan, Chen and Lin 2005).
pub(super) fn solve<T: Cell>(
    problem: &Problem<'_>,
    cache: &mut RowCache<'_, '_, T>,
) -> Result<Solution, ClassicError> {
    let n = problem.signs.len();
    let mut state = State {
        problem,
        coefficients: vec![0.0; n],
        scores: Vec::new(),
        rise: Vec::new(),
        fall: Vec::new(),
        diagonal: Vec::new(),
    };
    state.lay_out(cache.active(), problem.signs.to_vec());
    let mut extremes = look::<T>(&mut state);
    let period = n.clamp(1, 1000);
    for iteration in 1..=problem.max_iterations {
        if problem.shrinking && iteration % period == 0 {
            extremes = shrink(&mut state, cache, extremes);
        }
        let Extremes { place: i, highest, lowest } = extremes;
        if highest - lowest < problem.tolerance {
            if cache.active().len() == n {
                return Ok(Solution {
                    intercept: intercept(&state, extremes),
                    coefficients: state.coefficients,
                });
            }
            // Converged on what was left: look at all again.
            extremes = restore(&mut state, cache);
            continue;
        }
        let row_i = cache.active()[i] as usize;
        let kernel_i = cache.row(row_i);
        let Some(j) = partner(&state, &kernel_i, i, highest) else {
            return Err(unfinished(problem, iteration));
        };
        let row_j = cache.active()[j] as usize;
        let kernel_j = cache.row(row_j);
        let product: f64 = kernel_i[j].into();
        let curvature = (state.diagonal[i] + state.diagonal[j] - 2.0 * product).max(LEAST_CURVATURE);
        // One grows and the other falls by one step, as far as both bounds allow.
        let ((_, top), (bottom, _)) = (state.range(row_i), state.range(row_j));
        let (b_i, b_j) = (state.coefficients[row_i], state.coefficients[row_j]);
        let (room_i, room_j) = (top - b_i, b_j - bottom);
        let length = ((highest - state.scores[j]) / curvature).min(room_i).min(room_j);
        if !length.is_finite() {
            return Err(unfinished(problem, iteration));
        }
        // A row that reaches its bound lies on it exactly.
        let new_i = if length == room_i { top } else { b_i + length };
        let new_j = if length == room_j { bottom } else { b_j - length };
        state.coefficients[row_i] = new_i;
        state.coefficients[row_j] = new_j;
        state.mark(i, row_i);
        state.mark(j, row_j);
        extremes = step(&mut state, &kernel_i, &kernel_j, new_i - b_i, new_j - b_j);
    }
    Err(unfinished(problem, problem.max_iterations))
}

fn unfinished(problem: &Problem<'_>, iterations: usize) -> ClassicError {
    ClassicError::NotConverged {
        learner: "the support vector classifier",
        iterations,
        detail: format!("the tolerance is {:.1e}; scaled features may help", problem.tolerance),
    }
}

/// Looks for the next row when no coefficient changed.
fn look<T: Cell>(state: &mut State<'_>) -> Extremes {
    let nothing = vec![T::default(); state.scores.len()];
    step(state, &nothing, &nothing, 0.0, 0.0)
}

/// Brings the scores up to date after two coefficients changed, and looks for the next row.
fn step<T: Cell>(
    state: &mut State<'_>,
    kernel_i: &[T],
    kernel_j: &[T],
    change_i: f64,
    change_j: f64,
) -> Extremes {
    dispatch(
        #[inline(always)]
        || {
            let (scores, _) = state.scores.as_chunks_mut::<LANES>();
            let (rise, _) = state.rise.as_chunks::<LANES>();
            let (fall, _) = state.fall.as_chunks::<LANES>();
            let (kernel_i, _) = kernel_i.as_chunks::<LANES>();
            let (kernel_j, _) = kernel_j.as_chunks::<LANES>();
            let (mut best, mut highest) = (0, f64::NEG_INFINITY);
            let mut lowest = [f64::INFINITY; LANES];
            for (block, scores) in scores.chunks_mut(BLOCK).enumerate() {
                let from = block * BLOCK;
                let mut high = [f64::NEG_INFINITY; LANES];
                let lists = rise[from..].iter().zip(&fall[from..]);
                let kernels = kernel_i[from..].iter().zip(&kernel_j[from..]);
                for ((scores, (rise, fall)), (k_i, k_j)) in scores.iter_mut().zip(lists).zip(kernels) {
                    for l in 0..LANES {
                        let (k_i, k_j): (f64, f64) = (k_i[l].into(), k_j[l].into());
                        let score = scores[l] - (change_i * k_i + change_j * k_j);
                        scores[l] = score;
                        let up = score + rise[l];
                        high[l] = if up > high[l] { up } else { high[l] };
                        let down = score + fall[l];
                        lowest[l] = if down < lowest[l] { down } else { lowest[l] };
                    }
                }
                let high = high.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if high > highest {
                    (best, highest) = (from, high);
                }
            }
            let from = best * LANES;
            let place = (from..state.scores.len())
                .find(|&t| state.scores[t] + state.rise[t] == highest)
                .unwrap_or(from);
            Extremes { place, highest, lowest: lowest.iter().copied().fold(f64::INFINITY, f64::min) }
        },
    )
}

/// The row whose joint step with row `i` promises the largest gain.
fn partner<T: Cell>(state: &State<'_>, kernel: &[T], i: usize, highest: f64) -> Option<usize> {
    let own = state.diagonal[i];
    // Written once for both looks at it: they must agree to the bit.
    #[inline(always)]
    fn gain(own: f64, highest: f64, score: f64, fall: f64, diagonal: f64, kernel: f64) -> f64 {
        let difference = highest - (score + fall);
        let difference = if difference > 0.0 { difference } else { 0.0 };
        let curvature = own + diagonal - 2.0 * kernel;
        let curvature = if curvature > LEAST_CURVATURE { curvature } else { LEAST_CURVATURE };
        difference * difference / curvature
    }
    dispatch(
        #[inline(always)]
        || {
            let (scores, _) = state.scores.as_chunks::<LANES>();
            let (fall, _) = state.fall.as_chunks::<LANES>();
            let (diagonal, _) = state.diagonal.as_chunks::<LANES>();
            let (kernels, _) = kernel.as_chunks::<LANES>();
            let (mut best, mut most) = (None, 0.0);
            for (block, scores) in scores.chunks(BLOCK).enumerate() {
                let from = block * BLOCK;
                let mut top = [0.0; LANES];
                let lists = fall[from..].iter().zip(&diagonal[from..]).zip(&kernels[from..]);
                for (scores, ((fall, diagonal), kernel)) in scores.iter().zip(lists) {
                    for l in 0..LANES {
                        let gain = gain(own, highest, scores[l], fall[l], diagonal[l], kernel[l].into());
                        top[l] = if gain > top[l] { gain } else { top[l] };
                    }
                }
                let top = top.iter().copied().fold(0.0, f64::max);
                if top > most {
                    (best, most) = (Some(from * LANES), top);
                }
            }
            let from = best?;
            (from..state.scores.len()).find(|&t| {
                let (score, fall) = (state.scores[t], state.fall[t]);
                gain(own, highest, score, fall, state.diagonal[t], kernel[t].into()) == most
            })
        },
    )
}

/// Leaves out rows at a bound that will most likely stay there.
fn shrink<T: Cell>(state: &mut State<'_>, cache: &mut RowCache<'_, '_, T>, extremes: Extremes) -> Extremes {
    let stays = |place: usize| {
        let score = state.scores[place];
        match (state.rise[place] == 0.0, state.fall[place] == 0.0) {
            (true, false) => score >= extremes.lowest,
            (false, true) => score <= extremes.highest,
            _ => true,
        }
    };
    let active = cache.active();
    let kept: Vec<usize> = (0..active.len()).filter(|&place| stays(place)).collect();
    // Every kept row is copied: a small gain is not worth it.
    if kept.len() * 10 > active.len() * 9 {
        return extremes;
    }
    let rows: Vec<u32> = kept.iter().map(|&place| active[place]).collect();
    let scores = kept.iter().map(|&place| state.scores[place]).collect();
    cache.shrink(rows);
    state.lay_out(cache.active(), scores);
    look::<T>(state)
}

/// Looks at all rows again, with the scores of those that were left out computed afresh.
fn restore<T: Cell>(state: &mut State<'_>, cache: &mut RowCache<'_, '_, T>) -> Extremes {
    let n = state.coefficients.len();
    let mut scores = vec![f64::NAN; n];
    for (&row, score) in cache.active().iter().zip(&state.scores) {
        scores[row as usize] = *score;
    }
    let idle: Vec<usize> = (0..n).filter(|&row| scores[row].is_nan()).collect();
    idle.iter().for_each(|&row| scores[row] = state.problem.signs[row]);
    cache.look_at_all();
    for row in (0..n).filter(|&row| state.coefficients[row] != 0.0) {
        let (kernel, b) = (cache.row(row), state.coefficients[row]);
        for &t in &idle {
            let value: f64 = kernel[t].into();
            scores[t] -= b * value;
        }
    }
    state.lay_out(cache.active(), scores);
    look::<T>(state)
}

/// The mean score of rows between their bounds, on the margin; the middle of the allowed range where there are none.
fn intercept(state: &State<'_>, extremes: Extremes) -> f64 {
    let mut free = (0.0, 0_usize);
    for ((score, rise), fall) in state.scores.iter().zip(&state.rise).zip(&state.fall) {
        if *rise == 0.0 && *fall == 0.0 {
            free = (free.0 + score, free.1 + 1);
        }
    }
    if free.1 > 0 {
        return free.0 / free.1 as f64;
    }
    (extremes.highest + extremes.lowest) / 2.0
}
