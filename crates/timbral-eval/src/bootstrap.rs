//! Percentile bootstrap intervals, over rows or over groups of rows.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::rng::{below, seeded};

/// How an interval is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapConfig {
    /// Number of resamples. Default: 10 000.
    pub draws: usize,
    /// Fraction of the draws inside the interval, above 0 and below 1. Default: 0.95.
    pub level: f64,
    /// Seed. Default: 0.
    pub seed: u64,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self { draws: 10_000, level: 0.95, seed: 0 }
    }
}

/// An interval for a measured value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Percentile bootstrap interval of a statistic (Efron 1979).
///
/// `units` are what is drawn with replacement, as lists of row indices: one row each for tracks, all rows of an artist for
/// groups, whose interval is wider because tracks of an artist are alike. `statistic` gets the rows of a draw. The same seed
/// gives the same interval on any number of threads. Draws whose statistic is NaN are left out.
///
/// # Errors
///
/// [`EvalError::Config`] if there are no draws, no units, or the level lies outside 0..1.
pub fn bootstrap(
    units: &[Vec<usize>],
    config: &BootstrapConfig,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<Interval, EvalError> {
    let [interval] = bootstrap_all(units, config, |rows| [statistic(rows)])?;
    Ok(interval)
}

/// [`bootstrap`] of several statistics of the same draws.
pub(crate) fn bootstrap_all<const N: usize>(
    units: &[Vec<usize>],
    config: &BootstrapConfig,
    statistics: impl Fn(&[usize]) -> [f64; N] + Sync,
) -> Result<[Interval; N], EvalError> {
    let BootstrapConfig { draws, level, seed } = *config;
    if draws == 0 {
        return Err(EvalError::config("draws", draws, "at least 1"));
    }
    if !(level > 0.0 && level < 1.0) {
        return Err(EvalError::config("level", level, "above 0 and below 1"));
    }
    if units.iter().all(Vec::is_empty) {
        return Err(EvalError::config("units", "without rows", "lists of rows, at least one"));
    }
    let values: Vec<[f64; N]> = (0..draws)
        .into_par_iter()
        .map_init(Vec::new, |rows, draw| {
            let mut rng = seeded(seed, draw as u64);
            rows.clear();
            while rows.is_empty() {
                for _ in 0..units.len() {
                    rows.extend_from_slice(&units[below(&mut rng, units.len())]);
                }
            }
            statistics(rows)
        })
        .collect();
    let tail = (1.0 - level) / 2.0;
    Ok(std::array::from_fn(|i| {
        let mut values: Vec<f64> = values.iter().map(|v| v[i]).filter(|v| !v.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) }
    }))
}

/// What is drawn: the rows of each distinct name, in the order of the names.
#[must_use]
pub fn units_of<S: AsRef<str>>(names: &[S]) -> Vec<Vec<usize>> {
    let mut units: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, name) in names.iter().enumerate() {
        units.entry(name.as_ref()).or_default().push(row);
    }
    units.into_values().collect()
}

/// The quantile of sorted values, linear between neighbours; NaN of none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = q * last as f64;
    let below = (at.floor() as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the values are exact in binary")]

    use super::*;

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        let sorted = [0.0, 1.0, 3.0, 7.0, 15.0];
        for (q, expected) in
            [(0.0, 0.0), (0.125, 0.5), (0.25, 1.0), (0.625, 5.0), (0.9375, 13.0), (1.0, 15.0)]
        {
            assert_eq!(quantile(&sorted, q), expected, "{q}");
        }
        assert!(quantile(&[], 0.5).is_nan());
    }
}
