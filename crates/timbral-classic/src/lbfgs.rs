use std::collections::VecDeque;

use crate::ClassicError;

/// Pairs of steps and gradient changes that stand for the curvature.
const MEMORY: usize = 20;

/// When a search ends, and how strongly magnitudes are penalised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    pub(crate) learner: &'static str,
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
    /// Weight of the sum of magnitudes of the first `l1_count` values.
    pub(crate) l1: f64,
    pub(crate) l1_count: usize,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minimises a smooth convex function, plus the L1 norm of some values, by limited-memory BFGS.
///
/// With an L1 part the search is the orthant-wise one of Andrew and Gao (2007). `function` writes the gradient and gives the
/// value of the smooth part.
pub(crate) fn minimise(
    mut x: Vec<f64>,
    function: impl Fn(&[f64], &mut [f64]) -> f64,
    search: &Search,
) -> Result<Vec<f64>, ClassicError> {
    let n = x.len();
    let l1_part =
        |x: &[f64]| -> f64 { search.l1 * x[..search.l1_count].iter().map(|v| v.abs()).sum::<f64>() };
    let mut gradient = vec![0.0; n];
    let mut value = function(&x, &mut gradient) + l1_part(&x);
    let mut steepest = pseudo_gradient(&x, &gradient, search);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(MEMORY);
    let (mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    for iteration in 0..search.max_iterations {
        if largest(&steepest) <= search.tolerance {
            return Ok(x);
        }
        let mut direction = two_loop(&steepest, &pairs);
        if search.l1 > 0.0 {
            // A step that disagrees with the steepest descent of the whole function would leave its model.
            direction.iter_mut().zip(&steepest).for_each(|(d, g)| {
                if *d * *g >= 0.0 {
                    *d = 0.0;
                }
            });
        }
        let mut slope = dot(&direction, &steepest);
        if slope >= 0.0 || !slope.is_finite() {
            pairs.clear();
            direction = steepest.iter().map(|g| -g).collect();
            slope = -dot(&steepest, &steepest);
        }
        let mut step = if pairs.is_empty() { (1.0 / largest(&steepest)).min(1.0) } else { 1.0 };
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut accepted = false;
        for _ in 0..60 {
            for i in 0..n {
                next[i] = x[i] + step * direction[i];
                // Crossing zero ends at zero.
                let orthant = if x[i] == 0.0 { -steepest[i] } else { x[i] };
                if search.l1 > 0.0 && i < search.l1_count && next[i] * orthant <= 0.0 {
                    next[i] = 0.0;
                }
            }
            let next_value = function(&next, &mut next_gradient) + l1_part(&next);
            let gained = if search.l1 > 0.0 {
                steepest.iter().zip(next.iter().zip(&x)).map(|(g, (a, b))| g * (a - b)).sum::<f64>()
            } else {
                step * slope
            };
            // Near the minimum differences of values are rounding errors; there the slopes decide.
            let rounding = 1e-14 * value.abs();
            let falls = next_value <= value + 1e-4 * gained + rounding;
            if !falls || !next_value.is_finite() {
                high = step;
                step = (low + high) / 2.0;
            } else if search.l1 == 0.0 && dot(&next_gradient, &direction) < 0.9 * slope && high > 1e3 * step {
                // Still steep: the curvature seen would be wrong.
                low = step;
                step *= 2.0;
            } else if search.l1 == 0.0 && dot(&next_gradient, &direction) < 0.9 * slope && high - low > 1e-9 {
                low = step;
                step = (low + high) / 2.0;
            } else {
                value = next_value;
                accepted = true;
                break;
            }
        }
        if !accepted {
            if pairs.is_empty() {
                // No step down exists within rounding: this is as near as numbers of this size come.
                if largest(&steepest) <= 1e3 * search.tolerance {
                    return Ok(x);
                }
                return Err(unfinished(search, iteration, &steepest));
            }
            pairs.clear();
            continue;
        }
        let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let t: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &t);
        if curvature > f64::EPSILON * dot(&t, &t) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back((s, t, 1.0 / curvature));
        }
        std::mem::swap(&mut x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        steepest = pseudo_gradient(&x, &gradient, search);
    }
    if largest(&steepest) <= search.tolerance {
        return Ok(x);
    }
    Err(unfinished(search, search.max_iterations, &steepest))
}

fn unfinished(search: &Search, iterations: usize, gradient: &[f64]) -> ClassicError {
    let detail = format!("the gradient is {:.1e}, the tolerance {:.1e}", largest(gradient), search.tolerance);
    ClassicError::NotConverged { learner: search.learner, iterations, detail }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| if v.is_nan() { f64::INFINITY } else { m.max(v.abs()) })
}

/// The smallest subgradient: at zero the L1 part takes back as much of the slope as it can.
fn pseudo_gradient(x: &[f64], gradient: &[f64], search: &Search) -> Vec<f64> {
    let mut out = gradient.to_vec();
    if search.l1 > 0.0 {
        for (g, &x) in out[..search.l1_count].iter_mut().zip(x) {
            *g = if x > 0.0 {
                *g + search.l1
            } else if x < 0.0 {
                *g - search.l1
            } else {
                g.signum() * (g.abs() - search.l1).max(0.0)
            };
        }
    }
    out
}

/// The product of the negative inverse Hessian's estimate and the gradient (Nocedal 1980).
fn two_loop(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for (s, t, rho) in pairs.iter().rev() {
        let alpha = rho * dot(s, &q);
        q.iter_mut().zip(t).for_each(|(q, t)| *q -= alpha * t);
        alphas.push(alpha);
    }
    if let Some((_, t, rho)) = pairs.back() {
        let scale = 1.0 / (rho * dot(t, t));
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, t, rho), alpha) in pairs.iter().zip(alphas.iter().rev()) {
        let beta = rho * dot(t, &q);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q
}
