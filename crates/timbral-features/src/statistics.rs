//! Statistics of a feature over time.

use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// A statistic of a row of values, computed in double precision with the population definition.
///
/// Of no values every statistic is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The standard deviation, dividing by the count.
    Std,
    /// The variance, dividing by the count.
    Var,
    /// The third standardised moment, biased. 0 for a constant, where SciPy gives NaN since version 1.9 and gave 0 before.
    Skew,
    /// The fourth standardised moment less 3, biased. -3 for a constant, where SciPy gives NaN since version 1.9 and gave
    /// -3 before.
    Kurtosis,
    /// The middle value; of an even count the mean of the two.
    Median,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

impl Statistic {
    /// All statistics.
    pub const ALL: [Self; 8] = [
        Self::Mean,
        Self::Std,
        Self::Var,
        Self::Skew,
        Self::Kurtosis,
        Self::Median,
        Self::Min,
        Self::Max,
    ];

    /// The name in column names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Var => "var",
            Self::Skew => "skew",
            Self::Kurtosis => "kurtosis",
            Self::Median => "median",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// The statistic of some values.
    pub fn of(self, values: ArrayView1<'_, f32>) -> f64 {
        if values.is_empty() {
            return 0.0;
        }
        let n = values.len() as f64;
        match self {
            Self::Mean => mean(values),
            Self::Var => moment(values, mean(values), 2) / n,
            Self::Std => (moment(values, mean(values), 2) / n).sqrt(),
            Self::Skew => standardised(values, 3).unwrap_or(0.0),
            Self::Kurtosis => standardised(values, 4).unwrap_or(0.0) - 3.0,
            Self::Median => median(values),
            Self::Min => values
                .iter()
                .copied()
                .map(f64::from)
                .fold(f64::INFINITY, f64::min),
            Self::Max => values
                .iter()
                .copied()
                .map(f64::from)
                .fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The statistic of each row.
    pub fn of_rows(self, features: ArrayView2<'_, f32>) -> Array1<f64> {
        features.rows().into_iter().map(|row| self.of(row)).collect()
    }
}

fn mean(values: ArrayView1<'_, f32>) -> f64 {
    values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64
}

/// The sum of powers of the deviations.
fn moment(values: ArrayView1<'_, f32>, mean: f64, power: i32) -> f64 {
    values.iter().map(|v| (f64::from(*v) - mean).powi(power)).sum()
}

/// A central moment over the matching power of the standard deviation; `None` where that is 0 up to rounding.
fn standardised(values: ArrayView1<'_, f32>, power: i32) -> Option<f64> {
    let n = values.len() as f64;
    let mean = mean(values);
    let variance = moment(values, mean, 2) / n;
    if variance <= (f64::EPSILON * mean).powi(2) {
        return None;
    }
    Some(moment(values, mean, power) / n / variance.powf(f64::from(power) / 2.0))
}

fn median(values: ArrayView1<'_, f32>) -> f64 {
    let mut sorted: Vec<f32> = values.to_vec();
    let middle = sorted.len() / 2;
    let (below, upper, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);
    let upper = f64::from(*upper);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (f64::from(lower) + upper) / 2.0
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn known_values() {
        let x = array![1.0f32, 2.0, 3.0, 10.0];
        assert_eq!(Statistic::Mean.of(x.view()), 4.0);
        assert_eq!(Statistic::Var.of(x.view()), 12.5);
        assert_eq!(Statistic::Median.of(x.view()), 2.5);
        assert_eq!(
            (Statistic::Min.of(x.view()), Statistic::Max.of(x.view())),
            (1.0, 10.0)
        );
        assert!((Statistic::Skew.of(x.view()) - 45.0 / 12.5f64.powf(1.5)).abs() < 1e-12);
        assert!((Statistic::Kurtosis.of(x.view()) - (348.5 / 156.25 - 3.0)).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_nan() {
        for x in [array![], array![0.3f32], array![0.1f32, 0.1, 0.1]] {
            for statistic in Statistic::ALL {
                assert!(statistic.of(x.view()).is_finite(), "{statistic:?} of {x}");
            }
        }
        assert_eq!(Statistic::Kurtosis.of(array![0.1f32, 0.1].view()), -3.0);
    }
}
