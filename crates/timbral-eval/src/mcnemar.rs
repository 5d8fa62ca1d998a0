//! McNemar's test of two models on the same rows.

use serde::{Deserialize, Serialize};

use crate::EvalError;

/// McNemar's test between two models on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Rows that only the first model has right.
    pub only_first: usize,
    /// Rows that only the second model has right.
    pub only_second: usize,
    /// The chance of so uneven a division, or more, if both were equally good: the exact two-sided binomial test.
    pub p_value: f64,
}

/// Compares two models by the rows that one has right and the other wrong (McNemar 1947, in its exact form).
///
/// # Errors
///
/// [`EvalError::Shape`] if the lists differ in length.
pub fn mcnemar(first_correct: &[bool], second_correct: &[bool]) -> Result<McNemar, EvalError> {
    if first_correct.len() != second_correct.len() {
        return Err(EvalError::shape(
            "predictions",
            format!("{} of the first model and {} of the second", first_correct.len(), second_correct.len()),
            "both models must predict the same rows",
        ));
    }
    let pairs = || first_correct.iter().zip(second_correct);
    let only_first = pairs().filter(|(a, b)| **a && !**b).count();
    let only_second = pairs().filter(|(a, b)| !**a && **b).count();
    let p_value = binomial_two_sided(only_first.min(only_second), only_first + only_second);
    Ok(McNemar { only_first, only_second, p_value })
}

/// Twice the chance of at most `k` heads of `n` fair coins, at most 1.
fn binomial_two_sided(k: usize, n: usize) -> f64 {
    // ln C(n, i) - n ln 2, from one i to the next; the largest term is that of k.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut log_terms = Vec::with_capacity(k + 1);
    for i in 0..=k {
        log_terms.push(log_term);
        log_term += ((n - i) as f64 / (i + 1) as f64).ln();
    }
    let sum: f64 = log_terms.iter().rev().map(|t| t.exp()).sum();
    (2.0 * sum).min(1.0)
}
