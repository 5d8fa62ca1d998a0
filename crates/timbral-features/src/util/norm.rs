//! Norms and normalisation.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// The size of a vector, computed from magnitudes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Norm {
    /// The largest magnitude (`inf`).
    Max,
    /// The smallest magnitude (`-inf`).
    Min,
    /// The number of elements that are not zero.
    L0,
    /// The sum of magnitudes.
    L1,
    /// The Euclidean length.
    L2,
    /// `sum(|x|^p)^(1/p)`; p above 0.
    Lp(f64),
}

impl Norm {
    /// The norm of `values`; 0 for none.
    pub(crate) fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        let magnitudes = values.map(f64::abs);
        match self {
            Self::Max => magnitudes.fold(0.0, f64::max),
            Self::Min => magnitudes.reduce(f64::min).unwrap_or(0.0),
            Self::L0 => magnitudes.filter(|&v| v > 0.0).count() as f64,
            Self::L1 => magnitudes.sum(),
            Self::L2 => magnitudes.map(|v| v * v).sum::<f64>().sqrt(),
            Self::Lp(p) => magnitudes.map(|v| v.powf(p)).sum::<f64>().powf(p.recip()),
        }
    }

    /// The value that gives a vector of `n` equal elements the norm 1, if there is one.
    fn fill_value(self, n: usize) -> Option<f64> {
        let n = n as f64;
        match self {
            Self::Max | Self::Min => Some(1.0),
            Self::L0 => None,
            Self::L1 => Some(n.recip()),
            Self::L2 => Some(n.sqrt().recip()),
            Self::Lp(p) => Some(n.powf(-p.recip())),
        }
    }

    pub(crate) fn validate(self, parameter: &'static str) -> Result<(), FeatureError> {
        match self {
            Self::Lp(p) if !(p.is_finite() && p > 0.0) => {
                Err(FeatureError::config(parameter, format!("Lp({p})"), "a norm with p above 0"))
            }
            _ => Ok(()),
        }
    }
}

/// Divides every vector along `axis` by its norm.
///
/// A vector whose norm is below `threshold` (the smallest normal `f32`, if not given) is left as it is with
/// `fill: None`, becomes zeros with `Some(false)`, and a constant vector of norm 1 with `Some(true)`. So silence
/// never becomes NaN.
///
/// # Errors
///
/// [`FeatureError::Config`] for a threshold that is not above 0, an axis above 1, or `Some(true)` with [`Norm::L0`];
/// [`FeatureError::NonFinite`] for input with NaN or infinities.
pub fn normalize(
    array: ArrayView2<'_, f32>,
    norm: Norm,
    axis: usize,
    threshold: Option<f32>,
    fill: Option<bool>,
) -> Result<Array2<f32>, FeatureError> {
    norm.validate("norm")?;
    let threshold = threshold.unwrap_or(f32::MIN_POSITIVE);
    if threshold.is_nan() || threshold <= 0.0 {
        return Err(FeatureError::config("threshold", threshold, "above 0"));
    }
    if axis > 1 {
        return Err(FeatureError::config("axis", axis, "0 or 1"));
    }
    if let Some((index, &value)) = array.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(FeatureError::NonFinite { array: "input", index, value });
    }
    let fill_value = norm.fill_value(array.len_of(Axis(axis)));
    if fill == Some(true) && fill_value.is_none() {
        return Err(FeatureError::config("fill", true, "false for a norm that counts non-zero elements"));
    }
    let mut out = array.to_owned();
    for mut lane in out.lanes_mut(Axis(axis)) {
        let size = norm.of(lane.iter().map(|&v| f64::from(v)));
        if size >= f64::from(threshold) {
            lane.mapv_inplace(|v| (f64::from(v) / size) as f32);
        } else {
            match fill {
                None => {}
                Some(false) => lane.fill(0.0),
                Some(true) => lane.fill(fill_value.unwrap_or(0.0) as f32),
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn columns_get_the_norm_one_and_silence_stays() {
        let x = array![[3.0, 0.0], [4.0, 0.0]];
        let y = normalize(x.view(), Norm::L2, 0, None, None).unwrap();
        assert_eq!(y, array![[0.6, 0.0], [0.8, 0.0]]);
        let filled = normalize(x.view(), Norm::L1, 0, None, Some(true)).unwrap();
        assert_eq!(filled.column(1).to_vec(), [0.5, 0.5]);
    }

    #[test]
    fn refuses_bad_parameters() {
        let x = array![[1.0f32]];
        assert!(normalize(x.view(), Norm::Lp(0.0), 0, None, None).is_err());
        assert!(normalize(x.view(), Norm::L2, 2, None, None).is_err());
        assert!(normalize(x.view(), Norm::L2, 0, Some(0.0), None).is_err());
        assert!(normalize(x.view(), Norm::L0, 0, None, Some(true)).is_err());
        assert!(normalize(array![[f32::NAN]].view(), Norm::L2, 0, None, None).is_err());
    }
}
