//! Enhancing diagonal paths.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::decompose::reflect;
use crate::error::FeatureError;
use crate::shape::frame_major;
use crate::window::{Window, get_window};

/// How paths are enhanced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathEnhanceConfig {
    /// Length of the filters in frames. Default: 51.
    pub n: usize,
    /// Shape of the filters along the path. Default: Hann.
    pub window: Window,
    /// Steepest slope, in frames of one sequence for one of the other. Default: 2.
    pub max_ratio: f64,
    /// Flattest slope. Default: `1 / max_ratio`.
    pub min_ratio: Option<f64>,
    /// Filters between both slopes, evenly spaced in their logarithm. Default: 7.
    pub n_filters: usize,
    /// Subtract each filter's mean, so that what is not a path is suppressed. Default: false.
    pub zero_mean: bool,
    /// Lift negative answers to 0. Default: true.
    pub clip: bool,
}

impl Default for PathEnhanceConfig {
    fn default() -> Self {
        Self {
            n: 51,
            window: Window::Hann,
            max_ratio: 2.0,
            min_ratio: None,
            n_filters: 7,
            zero_mean: false,
            clip: true,
        }
    }
}

/// The largest filter, in frames.
const MAX_LENGTH: usize = 4096;

/// Smooths a similarity matrix along diagonals of several slopes and keeps the largest answer (after Müller and Kurth, "Enhancing
/// similarity matrices for music audio analysis", ICASSP 2006). Edges are mirrored.
///
/// # Errors
///
/// [`FeatureError::Config`] if a length or a number of filters is 0 or a ratio is not above 0 or out of order,
/// [`FeatureError::Limit`] for filters longer than 4096, [`FeatureError::NonFinite`] for NaN or infinite values.
pub fn path_enhance(
    similarity: ArrayView2<'_, f32>,
    config: &PathEnhanceConfig,
) -> Result<Array2<f32>, FeatureError> {
    let max_ratio = config.max_ratio;
    let min_ratio = config.min_ratio.unwrap_or(1.0 / max_ratio);
    if !(min_ratio > 0.0 && max_ratio.is_finite() && min_ratio <= max_ratio) {
        return Err(FeatureError::config(
            "max_ratio",
            format!("ratios from {min_ratio} to {max_ratio}"),
            "such that 0 < min_ratio <= max_ratio",
        ));
    }
    if config.n_filters == 0 {
        return Err(FeatureError::config("n_filters", "0", "at least 1"));
    }
    if let Some((index, &value)) = similarity.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(FeatureError::NonFinite { array: "similarity", index, value });
    }
    let (rows, columns) = similarity.dim();
    let mut best = frame_major::<f32>(rows, columns)?;
    let (low, high) = (min_ratio.log2(), max_ratio.log2());
    for index in 0..config.n_filters {
        let share = index as f64 / (config.n_filters.max(2) - 1) as f64;
        let slope = (low + share * (high - low)).exp2();
        let filter = diagonal_filter(&config.window, config.n, slope, config.zero_mean)?;
        convolve(&similarity, &filter, |at, value| {
            if index == 0 || value > best[at] {
                best[at] = value;
            }
        });
    }
    if config.clip {
        best.mapv_inplace(|v| v.max(0.0));
    }
    Ok(best)
}

/// A filter that passes paths of this slope: a window on the diagonal, rotated, of sum 1 (or, with `zero_mean`, 0).
///
/// A slope other than 1 is made by rotating the diagonal one with quintic B-splines, as librosa does; the filter
/// is then a little larger than `n` by `n`.
///
/// # Errors
///
/// [`FeatureError::Config`] if `n` is 0, the slope is not positive and finite, or the window sums to nothing;
/// [`FeatureError::Limit`] if `n` exceeds 4096.
pub fn diagonal_filter(
    window: &Window,
    n: usize,
    slope: f64,
    zero_mean: bool,
) -> Result<Array2<f64>, FeatureError> {
    if n > MAX_LENGTH {
        return Err(FeatureError::Limit {
            what: "the length of a diagonal filter",
            requested: n as u64,
            maximum: MAX_LENGTH as u64,
        });
    }
    if !(slope > 0.0 && slope.is_finite()) {
        return Err(FeatureError::config("slope", slope, "finite and above 0"));
    }
    let weights = get_window(window, n, false)?;
    let angle = slope.atan();
    let quarter = std::f64::consts::FRAC_PI_4;
    let mut filter = if (angle - quarter).abs() <= 1e-8 + 1e-5 * quarter {
        Array2::from_diag(&ndarray::Array1::from(weights))
    } else {
        rotated_diagonal(&weights, quarter - angle)
    };
    filter.mapv_inplace(|v| v.max(0.0));
    let sum = filter.sum();
    if sum.is_nan() || sum <= 0.0 {
        return Err(FeatureError::config(
            "window",
            format!("{window:?} of {n} samples"),
            "one whose weights sum to more than 0",
        ));
    }
    filter.mapv_inplace(|v| v / sum);
    if zero_mean {
        let mean = 1.0 / filter.len() as f64;
        filter.mapv_inplace(|v| v - mean);
    }
    Ok(filter)
}

/// A diagonal matrix rotated about its middle, with the weights as coefficients of quintic B-splines.
fn rotated_diagonal(weights: &[f64], angle: f64) -> Array2<f64> {
    let n = weights.len() as f64;
    let (sine, cosine) = angle.sin_cos();
    let size = ((cosine.abs() + sine.abs()) * n + 0.5) as usize;
    let (middle_in, middle_out) = ((n - 1.0) / 2.0, (size as f64 - 1.0) / 2.0);
    Array2::from_shape_fn((size, size), |(row, column)| {
        let (y, x) = (row as f64 - middle_out, column as f64 - middle_out);
        let source = [cosine * y + sine * x + middle_in, cosine * x - sine * y + middle_in];
        if source.iter().any(|&s| s < 0.0 || s > n - 1.0) {
            return 0.0;
        }
        let [rows, columns] = source.map(|s| spline_weights(s, weights.len()));
        rows.iter()
            .map(|&(i, a)| {
                columns.iter().filter(|(j, _)| *j == i).map(|(_, b)| a * b * weights[i]).sum::<f64>()
            })
            .sum()
    })
}

/// The six elements that a quintic spline weighs at a position; beyond the ends they are mirrored about the last one.
fn spline_weights(position: f64, len: usize) -> [(usize, f64); 6] {
    let first = position.floor() as isize - 2;
    let last = len as isize - 1;
    std::array::from_fn(|k| {
        let index = first + k as isize;
        let inside = if last == 0 {
            0
        } else {
            let folded = index.rem_euclid(2 * last);
            if folded > last { 2 * last - folded } else { folded }
        };
        (inside as usize, quintic(position - index as f64))
    })
}

/// The B-spline of degree five, centred at 0.
fn quintic(x: f64) -> f64 {
    let x = x.abs();
    let power = |v: f64| v.max(0.0).powi(5);
    (power(3.0 - x) - 6.0 * power(2.0 - x) + 15.0 * power(1.0 - x)) / 120.0
}

/// Convolution with mirrored edges (`b a | a b c | c b`), the filter centred at half its size.
fn convolve(input: &ArrayView2<'_, f32>, filter: &Array2<f64>, mut put: impl FnMut([usize; 2], f32)) {
    let (rows, columns) = input.dim();
    // A convolution turns the filter around; an even size then reaches further to the other side.
    let reach = [(filter.nrows() - 1) / 2, (filter.ncols() - 1) / 2].map(|r| r as isize);
    let taps: Vec<(isize, isize, f64)> = filter
        .indexed_iter()
        .filter(|(_, w)| **w != 0.0)
        .map(|((i, j), &w)| {
            let turned = [filter.nrows() - 1 - i, filter.ncols() - 1 - j].map(|t| t as isize);
            (turned[0] - reach[0], turned[1] - reach[1], w)
        })
        .collect();
    for row in 0..rows {
        for column in 0..columns {
            let sum: f64 = taps
                .iter()
                .map(|&(dy, dx, w)| {
                    let at = [reflect(row as isize + dy, rows), reflect(column as isize + dx, columns)];
                    w * f64::from(input[at])
                })
                .sum();
            put([row, column], sum as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_are_a_partition_of_unity() {
        for position in [0.0, 0.25, 3.5, 7.9, 9.0] {
            let sum: f64 = spline_weights(position, 10).iter().map(|(_, w)| w).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
        assert!((quintic(0.0) - 66.0 / 120.0).abs() < 1e-15);
        assert!((quintic(1.0) - 26.0 / 120.0).abs() < 1e-15);
    }

    #[test]
    fn filters_sum_to_one_and_follow_their_slope() {
        for slope in [0.5, 0.8, 1.0, 2.0] {
            let filter = diagonal_filter(&Window::Hann, 15, slope, false).unwrap();
            assert!((filter.sum() - 1.0).abs() < 1e-12);
            let middle = (filter.nrows() as f64 - 1.0) / 2.0;
            let moment = |of: fn(f64, f64) -> f64| -> f64 {
                filter.indexed_iter().map(|((i, j), w)| w * of(i as f64 - middle, j as f64 - middle)).sum()
            };
            let (xx, xy, yy) = (moment(|_, x| x * x), moment(|y, x| x * y), moment(|y, _| y * y));
            let axis = 0.5 * (2.0 * xy).atan2(xx - yy);
            assert!((axis.tan() / slope - 1.0).abs() < 0.05, "{slope} {}", axis.tan());
            let zero = diagonal_filter(&Window::Hann, 15, slope, true).unwrap();
            assert!(zero.sum().abs() < 1e-12);
        }
    }

    #[test]
    fn a_path_is_lifted_over_noise() {
        let r = Array2::from_shape_fn((30, 30), |(i, j)| {
            if i == j { 1.0 } else { f32::from(u8::from((i * 7 + j * 13) % 10 == 0)) }
        });
        let config = PathEnhanceConfig { n: 9, ..PathEnhanceConfig::default() };
        let smooth = path_enhance(r.view(), &config).unwrap();
        let on: f32 = (5..25).map(|i| smooth[[i, i]]).sum::<f32>() / 20.0;
        let off: f32 = (5..20).map(|i| smooth[[i, i + 5]]).sum::<f32>() / 15.0;
        assert!(on > 0.95 && on > 2.0 * off, "{on} {off}");
        assert_eq!(path_enhance(Array2::zeros((0, 0)).view(), &config).unwrap().dim(), (0, 0));
    }

    #[test]
    fn faults_are_errors() {
        let r = Array2::<f32>::ones((3, 3));
        let good = PathEnhanceConfig { n: 3, ..PathEnhanceConfig::default() };
        for bad in [
            PathEnhanceConfig { n: 0, ..good.clone() },
            PathEnhanceConfig { n: 1 << 20, ..good.clone() },
            PathEnhanceConfig { n: 2, ..good.clone() },
            PathEnhanceConfig { n_filters: 0, ..good.clone() },
            PathEnhanceConfig { max_ratio: 0.5, ..good.clone() },
            PathEnhanceConfig { max_ratio: f64::NAN, ..good.clone() },
            PathEnhanceConfig { min_ratio: Some(-1.0), ..good.clone() },
        ] {
            assert!(path_enhance(r.view(), &bad).is_err(), "{bad:?}");
        }
    }
}
