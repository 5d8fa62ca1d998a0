//! Features over time: derivatives and stacked history (`librosa.feature.delta` and `stack_memory`).
//!
//! [`Delta`] fits a polynomial to a few frames around each and takes its derivative, which is what accompanies MFCCs;
//! [`stack_memory`] puts earlier frames beside each frame, which is what recurrence matrices are made from.
//!
//! ```
//! use ndarray::Array2;
//! use timbral_features::delta::{Delta, DeltaConfig};
//! let ramp = Array2::from_shape_fn((1, 20), |(_, t)| 3.0 * t as f32);
//! let slope = Delta::new(DeltaConfig::default())?.compute(ramp.view())?;
//! assert!((slope[[0, 10]] - 3.0).abs() < 1e-6);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::framing::PadMode;
use crate::least_squares::polynomial_fit;
use crate::shape::frame_major;

/// What a derivative sees beyond the first and the last frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeltaMode {
    /// Nothing: the polynomial through the outermost `width` frames holds up to the end.
    #[default]
    Interp,
    /// The outermost frame, repeated.
    Nearest,
    /// The frames mirrored, without repeating the outermost.
    Mirror,
    /// Zeros.
    Constant,
    /// The other end.
    Wrap,
}

/// A derivative over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeltaConfig {
    /// Number of frames that the derivative looks at, odd, at least 3. Default: 9.
    pub width: usize,
    /// Order of the derivative and degree of the fitted polynomial, at least 1, below `width`. Default: 1.
    pub order: usize,
    /// Treatment of the ends. Default: interpolation.
    pub mode: DeltaMode,
}

impl Default for DeltaConfig {
    fn default() -> Self {
        Self { width: 9, order: 1, mode: DeltaMode::Interp }
    }
}

/// Derivatives of features over time, per frame, by Savitzky-Golay filters (Savitzky and Golay, Analytical Chemistry
/// 36(8), 1964): the derivative of the polynomial that fits the frames around each frame best.
#[derive(Clone, Debug)]
pub struct Delta {
    config: DeltaConfig,
    weights: Vec<f64>,
}

impl Delta {
    /// Checks the configuration and computes the weights.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if the width is even, below 3 or above 65 535, or the order 0 or not below the width.
    pub fn new(config: DeltaConfig) -> Result<Self, FeatureError> {
        let DeltaConfig { width, order, .. } = config;
        if width < 3 || width.is_multiple_of(2) || width > 65_535 {
            return Err(FeatureError::config("width", width, "odd and between 3 and 65535"));
        }
        if order == 0 || order >= width {
            return Err(FeatureError::config(
                "order",
                order,
                format!("between 1 and width - 1 = {}", width - 1),
            ));
        }
        let half = (width / 2) as f64;
        let positions: Vec<f64> = (0..width).map(|i| i as f64 - half).collect();
        let fit = polynomial_fit(&positions, order).ok_or_else(|| {
            FeatureError::config("order", order, format!("low enough to be computed for a width of {width}"))
        })?;
        let factorial: f64 = (1..=order).map(|k| k as f64).product();
        let weights = fit.row(order).iter().map(|w| w * factorial).collect();
        Ok(Self { config, weights })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &DeltaConfig {
        &self.config
    }

    /// The weights of the `width` frames around a frame, earliest first.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Frames by which an answer lags behind its newest input: half the width, rounded down.
    pub fn latency(&self) -> usize {
        self.config.width / 2
    }

    /// The derivative of each row of `features`, of the same shape.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if there are fewer than `width` frames in the mode `Interp`, or none at all.
    pub fn compute(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> {
        let n = features.ncols();
        let half = self.latency();
        self.check_length(n)?;
        let interp = self.config.mode == DeltaMode::Interp;
        let mut out = frame_major(features.nrows(), n)?;
        let mut sums = vec![0.0f64; features.nrows()];
        for (t, mut frame) in out.axis_iter_mut(Axis(1)).enumerate() {
            // The highest derivative of a polynomial is the same everywhere, so the ends repeat the first and the last
            // frame with a full neighbourhood.
            let middle = if interp { t.clamp(half, n - 1 - half) } else { t };
            sums.fill(0.0);
            self.visit(middle, n, |weight, source| {
                let column = features.column(source);
                sums.iter_mut().zip(column).for_each(|(s, v)| *s += weight * f64::from(*v));
            });
            frame.iter_mut().zip(&sums).for_each(|(to, s)| *to = *s as f32);
        }
        Ok(out)
    }

    /// Checks that there are enough frames.
    pub(crate) fn check_length(&self, n: usize) -> Result<(), FeatureError> {
        let needed = match self.config.mode {
            DeltaMode::Interp => self.config.width,
            _ => 1,
        };
        if n >= needed {
            return Ok(());
        }
        Err(FeatureError::TooShort { samples: n, needed, reason: "frames for a derivative" })
    }

    /// Gives each weight and the frame of `n` that it belongs to, around `middle`, to `add`.
    #[inline(always)]
    pub(crate) fn visit(&self, middle: usize, n: usize, mut add: impl FnMut(f64, usize)) {
        let first = middle as isize - self.latency() as isize;
        for (i, weight) in self.weights.iter().enumerate() {
            if let Some(source) = self.resolve(first + i as isize, n) {
                add(*weight, source);
            }
        }
    }

    fn resolve(&self, position: isize, n: usize) -> Option<usize> {
        match self.config.mode {
            DeltaMode::Interp | DeltaMode::Nearest => PadMode::Edge.resolve(position, n),
            DeltaMode::Mirror => PadMode::Reflect.resolve(position, n),
            DeltaMode::Constant => PadMode::Constant.resolve(position, n),
            DeltaMode::Wrap => usize::try_from(position.rem_euclid(n as isize)).ok(),
        }
    }
}

/// Stacks each frame on `n_steps - 1` others, `delay` frames apart: shape `(n_steps * rows, n_frames)`.
///
/// Row block 0 is the frame itself, block `k` the frame `k * delay` earlier; a negative delay looks ahead. Beyond the
/// ends lies what `pad_mode` says.
///
/// # Errors
///
/// [`FeatureError::Config`] for no steps or a delay of 0, [`FeatureError::TooShort`] for no frames,
/// [`FeatureError::Limit`] if the answer does not fit in memory.
pub fn stack_memory(
    features: ArrayView2<'_, f32>,
    n_steps: usize,
    delay: isize,
    pad_mode: PadMode,
) -> Result<Array2<f32>, FeatureError> {
    let (rows, n) = features.dim();
    if n_steps == 0 {
        return Err(FeatureError::config("n_steps", "0", "at least 1"));
    }
    if delay == 0 {
        return Err(FeatureError::config("delay", "0", "above or below 0"));
    }
    if n == 0 {
        return Err(FeatureError::TooShort { samples: 0, needed: 1, reason: "frames to stack" });
    }
    let mut out = frame_major(rows.saturating_mul(n_steps), n)?;
    for (t, mut frame) in out.axis_iter_mut(Axis(1)).enumerate() {
        for step in 0..n_steps {
            let shift = isize::try_from(step).unwrap_or(isize::MAX).saturating_mul(delay);
            let Some(source) = pad_mode.resolve((t as isize).saturating_sub(shift), n) else {
                continue;
            };
            for (row, value) in features.column(source).iter().enumerate() {
                frame[step * rows + row] = *value;
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
    fn derivative_of_a_line_and_a_parabola() {
        let x = Array2::from_shape_fn((2, 20), |(r, t)| if r == 0 { 3.0 * t as f32 } else { (t * t) as f32 });
        let first = Delta::new(DeltaConfig::default()).unwrap().compute(x.view()).unwrap();
        assert!(first.row(0).iter().all(|v| (v - 3.0).abs() < 1e-5));
        assert!((first[[1, 10]] - 20.0).abs() < 1e-4);
        let second = Delta::new(DeltaConfig { order: 2, ..Default::default() }).unwrap();
        assert!(second.compute(x.view()).unwrap().row(1).iter().all(|v| (v - 2.0).abs() < 1e-4));
    }

    #[test]
    fn the_first_derivative_has_the_textbook_weights() {
        let delta = Delta::new(DeltaConfig { width: 5, ..Default::default() }).unwrap();
        for (w, expected) in delta.weights().iter().zip([-0.2, -0.1, 0.0, 0.1, 0.2]) {
            assert!((w - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn refuses_bad_widths() {
        for (width, order) in [(2, 1), (1, 1), (4, 1), (3, 3), (3, 0), (usize::MAX, 1)] {
            assert!(Delta::new(DeltaConfig { width, order, mode: DeltaMode::Interp }).is_err());
        }
        let delta = Delta::new(DeltaConfig::default()).unwrap();
        assert!(matches!(delta.compute(Array2::zeros((1, 8)).view()), Err(FeatureError::TooShort { .. })));
    }

    #[test]
    fn stacks_the_past_and_the_future() {
        let x = array![[1.0f32, 2.0, 3.0]];
        let past = stack_memory(x.view(), 2, 1, PadMode::Constant).unwrap();
        assert_eq!(past, array![[1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]);
        let ahead = stack_memory(x.view(), 2, -1, PadMode::Edge).unwrap();
        assert_eq!(ahead, array![[1.0, 2.0, 3.0], [2.0, 3.0, 3.0]]);
        assert!(stack_memory(x.view(), 0, 1, PadMode::Edge).is_err());
        assert!(stack_memory(x.view(), 2, 0, PadMode::Edge).is_err());
        assert!(stack_memory(x.view(), usize::MAX, isize::MIN, PadMode::Edge).is_err());
    }
}
