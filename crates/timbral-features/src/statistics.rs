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
    pub const ALL: [Self; 8] =
        [Self::Mean, Self::Std, Self::Var, Self::Skew, Self::Kurtosis, Self::Median, Self::Min, Self::Max];

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
        summarize(values, &[self]).into_iter().next().unwrap_or(0.0)
    }

    /// The statistic of each row.
    pub fn of_rows(self, features: ArrayView2<'_, f32>) -> Array1<f64> {
        features.rows().into_iter().map(|row| self.of(row)).collect()
    }
}

/// Several statistics of the same values. What they share is computed once.
pub(crate) fn summarize(values: ArrayView1<'_, f32>, statistics: &[Statistic]) -> Vec<f64> {
    if values.is_empty() {
        return vec![0.0; statistics.len()];
    }
    let mut values = values.to_vec();
    let needs = |wanted: &[Statistic]| statistics.iter().any(|statistic| wanted.contains(statistic));
    let n = values.len() as f64;
    let mean = sum(&values, f64::from) / n;
    let moment = |power: i32| sum(&values, |v| (f64::from(v) - mean).powi(power)) / n;
    let variance = if needs(&[Statistic::Var, Statistic::Std, Statistic::Skew, Statistic::Kurtosis]) {
        moment(2)
    } else {
        0.0
    };
    // Deviations from the mean first, then their powers (two passes): raw moments would cancel where the mean is large
    // beside the spread, as it is for decibels.
    // A constant's deviations are 0 up to rounding, and so are its higher moments.
    let constant = variance <= (f64::EPSILON * mean).powi(2);
    let standardised = |power: i32| match constant {
        true => 0.0,
        false => moment(power) / variance.powf(f64::from(power) / 2.0),
    };
    let skew = if needs(&[Statistic::Skew]) { standardised(3) } else { 0.0 };
    let kurtosis = if needs(&[Statistic::Kurtosis]) { standardised(4) - 3.0 } else { 0.0 };
    let bound = |better: fn(f32, f32) -> f32| f64::from(values.iter().copied().fold(values[0], better));
    let (least, most) = (bound(f32::min), bound(f32::max));
    let median = if needs(&[Statistic::Median]) { median(&mut values) } else { 0.0 };
    let value = |statistic: &Statistic| match statistic {
        Statistic::Mean => mean,
        Statistic::Std => variance.sqrt(),
        Statistic::Var => variance,
        Statistic::Skew => skew,
        Statistic::Kurtosis => kurtosis,
        Statistic::Median => median,
        Statistic::Min => least,
        Statistic::Max => most,
    };
    statistics.iter().map(value).collect()
}

/// A sum in eight interleaved parts, which need not wait for each other.
fn sum(values: &[f32], f: impl Fn(f32) -> f64) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for i in 0..8 {
            lanes[i] += f(chunk[i]);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|v| f(*v)).sum::<f64>()
}

/// The middle of values, whose order is lost.
fn median(values: &mut [f32]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    let upper = f64::from(*upper);
    if !even {
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
        assert_eq!((Statistic::Min.of(x.view()), Statistic::Max.of(x.view())), (1.0, 10.0));
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
