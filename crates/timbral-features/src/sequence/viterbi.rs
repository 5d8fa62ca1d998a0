//! Viterbi decoding.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayView3, Axis};

use super::transition::sums_to_one;
use crate::error::FeatureError;
use crate::simd::dispatch;

/// Added to every probability before its logarithm, as in the reference.
const TINY: f64 = f64::MIN_POSITIVE;

/// A decoded sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct StatePath {
    /// The most likely state at each step; among equally likely ones the first.
    pub states: Vec<usize>,
    /// The logarithm of the likelihood of this sequence.
    pub logp: f64,
}

/// The most likely sequence of states of a hidden Markov model (Viterbi, 1967).
///
/// `prob[s, t]` is the likelihood, 0 to 1, of the observation at step `t` in state `s`. `transition[i, j]` is the
/// probability that `j` follows `i`; its rows sum to 1. `p_init` is the distribution of the first state, by default
/// uniform. Impossible events count as probability 2.2e-308, so there always is an answer. Zero entries of
/// `transition` cost nothing, so banded matrices are fast.
///
/// # Errors
///
/// [`FeatureError::Shape`] if the arrays do not fit together or are empty, [`FeatureError::Input`] if probabilities lie outside of
/// `[0, 1]` or distributions do not sum to 1.
///
/// ```
/// use ndarray::array;
/// use timbral_features::sequence::viterbi;
/// let prob = array![[0.9, 0.2, 0.8], [0.1, 0.3, 0.2]];
/// let transition = array![[0.95, 0.05], [0.05, 0.95]];
/// assert_eq!(viterbi(prob.view(), transition.view(), None)?.states, [0, 0, 0]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn viterbi(
    prob: ArrayView2<'_, f64>,
    transition: ArrayView2<'_, f64>,
    p_init: Option<ArrayView1<'_, f64>>,
) -> Result<StatePath, FeatureError> {
    check_probabilities("prob", prob.iter())?;
    let model = Model::new(prob.dim(), transition, p_init)?;
    Ok(model.decode(|t, out| {
        for (value, p) in out.iter_mut().zip(prob.column(t)) {
            *value = (p + TINY).ln();
        }
    }))
}

/// As [`viterbi`], from the probabilities of states given observations: each column of `prob` sums to 1.
///
/// They are divided by `p_state`, the distribution of states overall, by default uniform.
///
/// # Errors
///
/// As [`viterbi`].
pub fn viterbi_discriminative(
    prob: ArrayView2<'_, f64>,
    transition: ArrayView2<'_, f64>,
    p_state: Option<ArrayView1<'_, f64>>,
    p_init: Option<ArrayView1<'_, f64>>,
) -> Result<StatePath, FeatureError> {
    check_probabilities("prob", prob.iter())?;
    if let Some(step) = prob.columns().into_iter().position(|c| !sums_to_one(&c.to_owned())) {
        return Err(FeatureError::Input(format!("the states' probabilities at step {step} do not sum to 1")));
    }
    let model = Model::new(prob.dim(), transition, p_init)?;
    let marginal = distribution("p_state", p_state, prob.nrows())?.mapv(|p| (p + TINY).ln());
    Ok(model.decode(|t, out| {
        for ((value, p), m) in out.iter_mut().zip(prob.column(t)).zip(&marginal) {
            *value = (p + TINY).ln() - m;
        }
    }))
}

/// Decodes independent yes-no labels: `prob[s, t]` is the probability that label `s` holds at step `t`.
///
/// `transition` is `(2, 2)` for all labels, or `(labels, 2, 2)` through [`viterbi_binary_each`]. `p_state` and `p_init` are the overall
/// and the initial probability that each label holds, by default 0.5. The answer holds 0 or 1 for each label and step,
/// and one log-likelihood a label.
///
/// # Errors
///
/// As [`viterbi`].
pub fn viterbi_binary(
    prob: ArrayView2<'_, f64>,
    transition: ArrayView2<'_, f64>,
    p_state: Option<ArrayView1<'_, f64>>,
    p_init: Option<ArrayView1<'_, f64>>,
) -> Result<Vec<StatePath>, FeatureError> {
    let shape = (prob.nrows(), transition.nrows(), transition.ncols());
    let each: Option<ArrayView3<'_, f64>> = transition.broadcast(shape);
    match each {
        Some(each) => viterbi_binary_each(prob, each, p_state, p_init),
        None => Err(FeatureError::shape("transition", transition.shape(), "(2, 2)")),
    }
}

/// As [`viterbi_binary`], with a transition matrix for each label.
///
/// # Errors
///
/// As [`viterbi`].
pub fn viterbi_binary_each(
    prob: ArrayView2<'_, f64>,
    transition: ArrayView3<'_, f64>,
    p_state: Option<ArrayView1<'_, f64>>,
    p_init: Option<ArrayView1<'_, f64>>,
) -> Result<Vec<StatePath>, FeatureError> {
    let labels = prob.nrows();
    if transition.dim() != (labels, 2, 2) {
        return Err(FeatureError::shape("transition", transition.shape(), format!("({labels}, 2, 2)")));
    }
    let given = |name, p: Option<ArrayView1<'_, f64>>| match p {
        None => Ok(Array1::from_elem(labels, 0.5)),
        Some(p) if p.len() == labels => {
            check_probabilities(name, p.iter())?;
            Ok(p.to_owned())
        }
        Some(p) => Err(FeatureError::shape(name, p.shape(), format!("({labels})"))),
    };
    let (p_state, p_init) = (given("p_state", p_state)?, given("p_init", p_init)?);
    let both = |p: f64| Array1::from_vec(vec![1.0 - p, p]);
    (0..labels)
        .map(|label| {
            let mut pair = Array2::zeros((2, prob.ncols()));
            pair.row_mut(1).assign(&prob.row(label));
            pair.row_mut(0).assign(&prob.row(label).mapv(|p| 1.0 - p));
            viterbi_discriminative(
                pair.view(),
                transition.index_axis(Axis(0), label),
                Some(both(p_state[label]).view()),
                Some(both(p_init[label]).view()),
            )
        })
        .collect()
}

fn check_probabilities<'a>(
    name: &'static str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<(), FeatureError> {
    match values.into_iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(p) => {
            Err(FeatureError::Input(format!("{p} given in {name}, a probability lies between 0 and 1")))
        }
        None => Ok(()),
    }
}

fn distribution(
    name: &'static str,
    given: Option<ArrayView1<'_, f64>>,
    n_states: usize,
) -> Result<Array1<f64>, FeatureError> {
    match given {
        None => Ok(Array1::from_elem(n_states, 1.0 / n_states as f64)),
        Some(p) if p.len() != n_states => Err(FeatureError::shape(name, p.shape(), format!("({n_states})"))),
        Some(p) => {
            check_probabilities(name, p.iter())?;
            if !sums_to_one(&p.to_owned()) {
                return Err(FeatureError::Input(format!("{name} sums to {}, it must sum to 1", p.sum())));
            }
            Ok(p.to_owned())
        }
    }
}

/// States `first..first + weights.len()` that lead to a state, with the logarithms of their probabilities.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) first: usize,
    pub(crate) log_weights: Vec<f64>,
}

/// A hidden Markov model whose transitions are stored as runs of possible predecessors of each state.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    predecessors: Vec<Vec<Run>>,
    log_init: Vec<f64>,
    n_steps: usize,
}

impl Model {
    fn new(
        (n_states, n_steps): (usize, usize),
        transition: ArrayView2<'_, f64>,
        p_init: Option<ArrayView1<'_, f64>>,
    ) -> Result<Self, FeatureError> {
        if n_states == 0 || n_steps == 0 {
            return Err(FeatureError::shape("prob", &[n_states, n_steps], "at least one state and one step"));
        }
        if transition.dim() != (n_states, n_states) {
            return Err(FeatureError::shape(
                "transition",
                transition.shape(),
                format!("({n_states}, {n_states})"),
            ));
        }
        check_probabilities("transition", transition.iter())?;
        if let Some(row) = transition.rows().into_iter().position(|r| !sums_to_one(&r.to_owned())) {
            return Err(FeatureError::Input(format!("row {row} of transition does not sum to 1")));
        }
        let predecessors = transition
            .axis_iter(Axis(1))
            .map(|column| runs(column.iter().copied().enumerate().filter(|&(_, p)| p > 0.0)))
            .collect();
        Ok(Self::from_runs(predecessors, distribution("p_init", p_init, n_states)?.to_vec(), n_steps))
    }

    pub(crate) fn from_runs(predecessors: Vec<Vec<Run>>, p_init: Vec<f64>, n_steps: usize) -> Self {
        let log_init = p_init.into_iter().map(|p| (p + TINY).ln()).collect();
        Self { predecessors, log_init, n_steps }
    }

    /// Decodes; `observe(t, out)` writes the log-likelihood of each state at step `t`.
    pub(crate) fn decode(&self, mut observe: impl FnMut(usize, &mut [f64])) -> StatePath {
        let n_states = self.log_init.len();
        let never = TINY.ln();
        let mut pointers = Array2::<u32>::zeros((self.n_steps, n_states));
        let mut observation = vec![0.0; n_states];
        observe(0, &mut observation);
        let mut value: Vec<f64> = observation.iter().zip(&self.log_init).map(|(o, p)| o + p).collect();
        let mut next = vec![0.0; n_states];
        for t in 1..self.n_steps {
            observe(t, &mut observation);
            // A state outside all runs can still precede, at the price of `never`; the likeliest one is enough to know.
            let (likeliest, height) = first_maximum(&value);
            let mut row = pointers.row_mut(t);
            dispatch!({
                let states = self.predecessors.iter().zip(&observation);
                for ((runs, seen), (to, pointer)) in states.zip(next.iter_mut().zip(row.iter_mut())) {
                    let (mut best, mut from) = (height + never, likeliest);
                    for run in runs {
                        let candidates = &value[run.first..run.first + run.log_weights.len()];
                        let top = largest_sum(candidates, &run.log_weights);
                        if top > best || (top == best && run.first < from) {
                            let first = candidates
                                .iter()
                                .zip(&run.log_weights)
                                .position(|(v, w)| v + w == top)
                                .map_or(from, |i| run.first + i);
                            from = if top > best { first } else { first.min(from) };
                            best = top;
                        }
                    }
                    *to = seen + best;
                    *pointer = from as u32;
                }
            });
            std::mem::swap(&mut value, &mut next);
        }
        let (mut state, logp) = first_maximum(&value);
        let mut states = vec![state; self.n_steps];
        for t in (1..self.n_steps).rev() {
            state = pointers[[t, state]] as usize;
            states[t - 1] = state;
        }
        StatePath { states, logp }
    }
}

/// Groups `(index, probability)` pairs in ascending order into runs of neighbouring indices.
pub(crate) fn runs(entries: impl Iterator<Item = (usize, f64)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, probability) in entries {
        let log = (probability + TINY).ln();
        match runs.last_mut() {
            Some(run) if run.first + run.log_weights.len() == index => run.log_weights.push(log),
            _ => runs.push(Run { first: index, log_weights: vec![log] }),
        }
    }
    runs
}

fn first_maximum(values: &[f64]) -> (usize, f64) {
    values.iter().copied().enumerate().fold(
        (0, f64::NEG_INFINITY),
        |best, (i, v)| {
            if v > best.1 { (i, v) } else { best }
        },
    )
}

#[inline(always)]
fn largest_sum(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [f64::NEG_INFINITY; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..LANES {
            let sum = x[i] + y[i];
            lanes[i] = if sum > lanes[i] { sum } else { lanes[i] };
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(x, y)| x + y).fold(f64::NEG_INFINITY, f64::max);
    lanes.into_iter().fold(rest, f64::max)
}

/// Stacks the decoded labels of [`viterbi_binary`] into one array of shape `(labels, steps)`.
#[must_use]
pub fn stack_states(paths: &[StatePath]) -> Array2<usize> {
    let steps = paths.iter().map(|p| p.states.len()).min().unwrap_or(0);
    Array2::from_shape_fn((paths.len(), steps), |(label, t)| paths[label].states[t])
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn random(shape: (usize, usize), state: &mut u32, zeros: bool) -> Array2<f64> {
        Array2::from_shape_simple_fn(shape, || {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f64::from(*state >> 16) / 65_536.0;
            if zeros && value < 0.4 { 0.0 } else { value }
        })
    }

    fn likelihood(prob: &Array2<f64>, transition: &Array2<f64>, path: &[usize]) -> f64 {
        let log = |p: f64| (p + TINY).ln();
        let mut sum = log(1.0 / prob.nrows() as f64) + log(prob[[path[0], 0]]);
        for t in 1..path.len() {
            sum += log(transition[[path[t - 1], path[t]]]) + log(prob[[path[t], t]]);
        }
        sum
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn the_best_of_all_sequences(states in 1_usize..5, steps in 1_usize..6, seed in any::<u32>(), zeros in any::<bool>()) {
            let mut state = seed;
            let prob = random((states, steps), &mut state, zeros);
            let mut transition = random((states, states), &mut state, zeros);
            for (i, mut row) in transition.rows_mut().into_iter().enumerate() {
                row[i] += 0.1;
                let sum = row.sum();
                row.mapv_inplace(|p| p / sum);
            }
            let found = viterbi(prob.view(), transition.view(), None).unwrap();
            let mut best = f64::NEG_INFINITY;
            for code in 0..states.pow(steps as u32) {
                let path: Vec<usize> = (0..steps).map(|t| code / states.pow(t as u32) % states).collect();
                best = best.max(likelihood(&prob, &transition, &path));
            }
            prop_assert!((found.logp - best).abs() < 1e-9 * best.abs().max(1.0));
            prop_assert!((likelihood(&prob, &transition, &found.states) - best).abs() < 1e-9 * best.abs().max(1.0));
        }
    }

    #[test]
    fn impossible_transitions_are_the_last_resort() {
        let prob = array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]];
        let stay = Array2::eye(3);
        // Each step is impossible either way; switching is as bad as staying, and the answer is still a path.
        let path = viterbi(prob.view(), stay.view(), None).unwrap();
        assert_eq!(path.states.len(), 3);
        assert!(path.logp.is_finite());
    }

    #[test]
    fn binary_labels_are_independent() {
        let prob = array![[0.9, 0.9, 0.4, 0.9], [0.1, 0.1, 0.1, 0.9]];
        let transition = array![[0.9, 0.1], [0.1, 0.9]];
        let both = viterbi_binary(prob.view(), transition.view(), None, None).unwrap();
        assert_eq!(stack_states(&both).row(0).to_vec(), [1, 1, 1, 1]);
        assert_eq!(both[1].states[..3], [0, 0, 0]);
        let stacked = ndarray::stack![Axis(0), transition, transition];
        let each = viterbi_binary_each(prob.view(), stacked.view(), None, None).unwrap();
        assert_eq!(both, each);
    }

    #[test]
    fn faults_are_errors() {
        let prob = array![[0.5, 0.5], [0.5, 0.5]];
        let good = array![[0.5, 0.5], [0.5, 0.5]];
        assert!(viterbi(prob.view(), array![[0.5, 0.6], [0.5, 0.5]].view(), None).is_err());
        assert!(viterbi(prob.view(), array![[1.5, -0.5], [0.5, 0.5]].view(), None).is_err());
        assert!(viterbi(prob.view(), array![[1.0]].view(), None).is_err());
        assert!(viterbi(array![[f64::NAN, 0.1], [0.1, 0.1]].view(), good.view(), None).is_err());
        assert!(viterbi(prob.view(), good.view(), Some(array![0.9, 0.9].view())).is_err());
        assert!(viterbi(Array2::zeros((0, 0)).view(), Array2::zeros((0, 0)).view(), None).is_err());
        assert!(viterbi(Array2::zeros((2, 0)).view(), good.view(), None).is_err());
        assert!(viterbi_discriminative(array![[0.5], [0.6]].view(), good.view(), None, None).is_err());
        assert!(viterbi_binary(prob.view(), array![[1.0]].view(), None, None).is_err());
    }
}
