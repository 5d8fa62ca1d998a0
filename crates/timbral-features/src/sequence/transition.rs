//! Transition matrices of hidden Markov models.

use ndarray::{Array1, Array2, Axis};

use crate::error::FeatureError;
use crate::shape::frame_major;
use crate::window::{Window, get_window};

fn square(n_states: usize) -> Result<Array2<f64>, FeatureError> {
    if n_states == 0 {
        return Err(FeatureError::config("n_states", "0", "at least 1"));
    }
    Ok(frame_major(n_states, n_states)?.reversed_axes())
}

fn check_probability(parameter: &'static str, value: f64) -> Result<(), FeatureError> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(FeatureError::config(parameter, value, "a probability between 0 and 1"))
    }
}

/// One probability for all states, or one for each.
fn for_each_state(prob: &[f64], n_states: usize) -> Result<Vec<f64>, FeatureError> {
    let all = match prob {
        &[single] => vec![single; n_states],
        many if many.len() == n_states => many.to_vec(),
        many => {
            return Err(FeatureError::config(
                "prob",
                format!("{} probabilities", many.len()),
                format!("one, or one for each of {n_states} states"),
            ));
        }
    };
    all.iter().try_for_each(|&p| check_probability("prob", p))?;
    Ok(all)
}

/// Every state follows every state with probability `1 / n_states`.
///
/// # Errors
///
/// [`FeatureError::Config`] if `n_states` is 0, [`FeatureError::Limit`] if the matrix cannot be allocated.
pub fn transition_uniform(n_states: usize) -> Result<Array2<f64>, FeatureError> {
    let mut matrix = square(n_states)?;
    matrix.fill(1.0 / n_states as f64);
    Ok(matrix)
}

/// Each state stays with probability `prob` (one number, or one for each state) and goes to the others equally.
///
/// # Errors
///
/// [`FeatureError::Config`] if there are fewer than two states or `prob` has another length or a value outside `[0, 1]`,
/// [`FeatureError::Limit`] if the matrix cannot be allocated.
pub fn transition_loop(n_states: usize, prob: &[f64]) -> Result<Array2<f64>, FeatureError> {
    several(n_states)?;
    let prob = for_each_state(prob, n_states)?;
    let mut matrix = square(n_states)?;
    for (i, (mut row, stay)) in matrix.axis_iter_mut(Axis(0)).zip(prob).enumerate() {
        row.fill((1.0 - stay) / (n_states - 1) as f64);
        row[i] = stay;
    }
    Ok(matrix)
}

/// Each state stays with probability `prob` (one number, or one for each state), else the next one follows; the first follows the last.
///
/// # Errors
///
/// As [`transition_loop`].
pub fn transition_cycle(n_states: usize, prob: &[f64]) -> Result<Array2<f64>, FeatureError> {
    several(n_states)?;
    let prob = for_each_state(prob, n_states)?;
    let mut matrix = square(n_states)?;
    for (i, stay) in prob.into_iter().enumerate() {
        matrix[[i, (i + 1) % n_states]] = 1.0 - stay;
        matrix[[i, i]] = stay;
    }
    Ok(matrix)
}

/// Each state goes to those around it, weighted by a symmetric `window` of `width` states (one number, or one for each
/// state). With `wrap` the first and the last state are neighbours.
///
/// # Errors
///
/// [`FeatureError::Config`] if there are fewer than two states, a width is 0 or exceeds `n_states`, a window sums to
/// nothing or cannot be made; [`FeatureError::Limit`] if the matrix cannot be allocated.
pub fn transition_local(
    n_states: usize,
    width: &[usize],
    window: &Window,
    wrap: bool,
) -> Result<Array2<f64>, FeatureError> {
    several(n_states)?;
    if width.len() != 1 && width.len() != n_states {
        return Err(FeatureError::config(
            "width",
            format!("{} widths", width.len()),
            format!("one, or one for each of {n_states} states"),
        ));
    }
    let mut matrix = square(n_states)?;
    for (state, mut row) in matrix.axis_iter_mut(Axis(0)).enumerate() {
        for (to, weight) in local_row(n_states, state, width[state % width.len()], window, wrap)? {
            row[to] = weight;
        }
    }
    Ok(matrix)
}

/// The states that follow `state`, and their probabilities.
pub(crate) fn local_row(
    n_states: usize,
    state: usize,
    width: usize,
    window: &Window,
    wrap: bool,
) -> Result<Vec<(usize, f64)>, FeatureError> {
    if width == 0 || width > n_states {
        return Err(FeatureError::config(
            "width",
            width,
            format!("between 1 and the number of states, {n_states}"),
        ));
    }
    let weights = get_window(window, width, false)?;
    // The window is centred in the row, an odd zero at its right end, then the row's middle is turned to `state`.
    let first = (n_states - width) / 2 + n_states / 2 + state + 1;
    let reach = width / 2;
    let mut row: Vec<(usize, f64)> = weights
        .into_iter()
        .enumerate()
        .map(|(i, weight)| ((first + i) % n_states, weight))
        .filter(|&(to, _)| wrap || to.abs_diff(state) <= reach)
        .collect();
    row.sort_unstable_by_key(|&(to, _)| to);
    // Decoding meets exact ties, which the last bits decide: the row is summed in the order of NumPy.
    let sum = pairwise_sum(&row, 0, n_states);
    if sum.is_nan() || sum <= 0.0 {
        return Err(FeatureError::config(
            "window",
            format!("{window:?} of {width} states"),
            "one whose weights sum to more than 0",
        ));
    }
    row.iter_mut().for_each(|(_, weight)| *weight /= sum);
    Ok(row)
}

fn several(n_states: usize) -> Result<(), FeatureError> {
    if n_states < 2 {
        return Err(FeatureError::config("n_states", n_states, "at least 2"));
    }
    Ok(())
}

/// The sum of the elements `start..start + length` of a sparse row, sorted by index, in pairs: eight partial sums for up
/// to 128 elements, halves beyond (Higham, "The accuracy of floating point summation", 1993). Zeros change no sum, so only what is stored is
/// visited.
fn pairwise_sum(row: &[(usize, f64)], start: usize, length: usize) -> f64 {
    let from = row.partition_point(|&(index, _)| index < start);
    let to = row.partition_point(|&(index, _)| index < start + length);
    let row = &row[from..to];
    if row.is_empty() {
        return 0.0;
    }
    if length > 128 {
        let half = length / 2;
        let half = half - half % 8;
        return pairwise_sum(row, start, half) + pairwise_sum(row, start + half, length - half);
    }
    let whole = if length < 8 { 0 } else { length - length % 8 };
    let mut lanes = [0.0; 8];
    let split = row.partition_point(|&(index, _)| index - start < whole);
    for &(index, value) in &row[..split] {
        lanes[(index - start) % 8] += value;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    row[split..].iter().fold(sum, |sum, (_, value)| sum + value)
}

/// Whether rows sum to 1, as closely as `numpy.allclose` asks.
pub(crate) fn sums_to_one(values: &Array1<f64>) -> bool {
    (values.sum() - 1.0).abs() <= 1.1e-5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_distributions() {
        let matrices = [
            transition_uniform(5).unwrap(),
            transition_loop(4, &[0.9]).unwrap(),
            transition_loop(3, &[0.0, 1.0, 0.5]).unwrap(),
            transition_cycle(4, &[0.3]).unwrap(),
            transition_local(9, &[3], &Window::Triang, false).unwrap(),
            transition_local(9, &[4], &Window::Hann, true).unwrap(),
            transition_local(3, &[1, 2, 3], &Window::Triang, true).unwrap(),
        ];
        for matrix in matrices {
            for row in matrix.rows() {
                assert!(sums_to_one(&row.to_owned()), "{matrix}");
                assert!(row.iter().all(|&p| (0.0..=1.0).contains(&p)));
            }
        }
    }

    #[test]
    fn local_windows_surround_their_state() {
        let matrix = transition_local(6, &[3], &Window::Triang, false).unwrap();
        assert_eq!(matrix.row(2).to_vec(), [0.0, 0.25, 0.5, 0.25, 0.0, 0.0]);
        assert!((matrix[[0, 0]] - 2.0 / 3.0).abs() < 1e-15 && matrix[[0, 5]] == 0.0);
        let wrapped = transition_local(6, &[3], &Window::Triang, true).unwrap();
        assert_eq!(wrapped.row(0).to_vec(), [0.5, 0.25, 0.0, 0.0, 0.0, 0.25]);
    }

    #[test]
    fn sums_in_pairs_are_sums() {
        for length in [1, 7, 8, 100, 128, 129, 1000] {
            let row: Vec<(usize, f64)> = (0..length).step_by(3).map(|i| (i, (i as f64).sqrt())).collect();
            let plain: f64 = row.iter().map(|(_, v)| v).sum();
            assert!((pairwise_sum(&row, 0, length) - plain).abs() <= 1e-12 * plain, "{length}");
        }
    }

    #[test]
    fn faults_are_errors() {
        assert!(transition_uniform(0).is_err());
        assert!(transition_uniform(usize::MAX).is_err());
        assert!(transition_loop(1, &[0.5]).is_err());
        assert!(transition_loop(3, &[0.5, 0.5]).is_err());
        assert!(transition_cycle(3, &[1.5]).is_err());
        assert!(transition_local(3, &[4], &Window::Hann, false).is_err());
        assert!(transition_local(3, &[0], &Window::Hann, false).is_err());
        assert!(transition_local(3, &[2], &Window::Hann, true).is_err(), "a symmetric Hann of 2 is zero");
    }
}
