//! Batch normalisation by running statistics, alone or fused with what usually follows it.

use rayon::prelude::*;

use super::check_length;
use super::real::Real;
use super::simd::widened;
use crate::NnError;

/// Settings of a batch normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormConfig {
    /// Channels, the second axis of the input. Default: 1.
    pub channels: usize,
    /// Added to the variance before the root. Default: 1e-5.
    pub epsilon: f64,
    /// Weight of the new batch in the running statistics, within [0, 1]. Default: 0.1.
    pub momentum: f64,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { channels: 1, epsilon: 1e-5, momentum: 0.1 }
    }
}

impl BatchNormConfig {
    pub(crate) fn check(&self) -> Result<(), NnError> {
        if self.channels == 0 {
            return Err(NnError::config("channels", 0, "at least 1"));
        }
        check_epsilon(self.epsilon)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(NnError::config("momentum", self.momentum, "between 0 and 1"));
        }
        Ok(())
    }
}

/// Checks what is added to a variance before its root is taken.
pub(crate) fn check_epsilon(epsilon: f64) -> Result<(), NnError> {
    if epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(NnError::config("epsilon", epsilon, "finite and not negative"))
}

pub(crate) fn inverse_deviation(variance: f64, epsilon: f64) -> f64 {
    1.0 / (variance + epsilon).sqrt()
}

/// What one channel does to its elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel<T> {
    #[cfg_attr(not(feature = "candle"), allow(dead_code, reason = "gradients are taken around it"))]
    pub(crate) mean: T,
    pub(crate) scale: T,
    pub(crate) shift: T,
}

impl<T: Real> Channel<T> {
    /// Scale and shift from the parameters and the statistics, in f64.
    pub(crate) fn new(weight: T, bias: T, mean: f64, inverse: f64) -> Self {
        let scale = weight.as_f64() * inverse;
        Self { mean: T::of(mean), scale: T::of(scale), shift: T::of(bias.as_f64() - mean * scale) }
    }

    #[inline(always)]
    pub(crate) fn apply(&self, x: T) -> T {
        x * self.scale + self.shift
    }

    /// The larger of `best` and the scaled `x`; a value that is not a number wins and stays.
    #[inline(always)]
    fn larger(&self, best: T, x: T) -> T {
        let value = self.apply(x);
        if value <= best { best } else { value }
    }
}

/// What is done to the elements of each plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Scale,
    Relu,
    /// ReLU, then the maximum of windows beside each other.
    ReluMaxPool((usize, usize)),
}

/// Scales the planes of (batch, channels, plane) and does what follows. `width` is the length of a row of a plane; only
/// pooling reads it. Images in parallel.
pub(crate) fn forward<T: Real>(
    x: &[T],
    channels: &[Channel<T>],
    plane: usize,
    width: usize,
    step: Step,
    out: &mut [T],
) {
    let images = x.len() / (channels.len() * plane);
    let out_plane = out.len() / (channels.len() * images);
    if out_plane == 0 {
        return;
    }
    out.par_chunks_mut(channels.len() * out_plane).zip(x.par_chunks(channels.len() * plane)).for_each(
        |(out, image)| {
            let planes = image.chunks_exact(plane).zip(out.chunks_exact_mut(out_plane));
            for ((image, out), channel) in planes.zip(channels) {
                match step {
                    Step::ReluMaxPool(pool) => widened(
                        #[inline(always)]
                        || pool_plane(image, width, pool, *channel, out),
                    ),
                    _ => widened(
                        #[inline(always)]
                        || scale_plane(image, *channel, step == Step::Relu, out),
                    ),
                }
            }
        },
    );
}

#[inline(always)]
fn scale_plane<T: Real>(x: &[T], channel: Channel<T>, relu: bool, out: &mut [T]) {
    for (y, &x) in out.iter_mut().zip(x) {
        let value = x * channel.scale + channel.shift;
        // The comparison lets a value that is not a number through instead of hiding it.
        *y = if relu && value <= T::default() { T::default() } else { value };
    }
}

/// The maximum of each window after scaling and ReLU.
#[inline(always)]
fn pool_plane<T: Real>(x: &[T], width: usize, pool: (usize, usize), channel: Channel<T>, out: &mut [T]) {
    let out_width = width / pool.1;
    for (rows, out) in x.chunks_exact(pool.0 * width).zip(out.chunks_exact_mut(out_width)) {
        out.fill(T::default());
        for row in rows.chunks_exact(width) {
            if pool.1 == 2 {
                for (best, &[a, b]) in out.iter_mut().zip(row.as_chunks().0) {
                    *best = channel.larger(channel.larger(*best, a), b);
                }
                continue;
            }
            for (best, window) in out.iter_mut().zip(row.chunks_exact(pool.1)) {
                for &x in window {
                    *best = channel.larger(*best, x);
                }
            }
        }
    }
}

/// Parameters and running statistics of a batch normalisation, one value for each channel.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormWeights<'a> {
    /// Factors.
    pub weight: &'a [f32],
    /// Summands.
    pub bias: &'a [f32],
    /// Running means.
    pub running_mean: &'a [f32],
    /// Running variances.
    pub running_var: &'a [f32],
}

/// A batch normalisation by running statistics, as a factor and a summand for each channel.
///
/// ```
/// use timbral_nn::kernels::{BatchNormConfig, BatchNormPlan, BatchNormWeights};
///
/// let config = BatchNormConfig { channels: 1, epsilon: 0., ..BatchNormConfig::default() };
/// let weights = BatchNormWeights { weight: &[2.], bias: &[1.], running_mean: &[3.], running_var: &[4.] };
/// let plan = BatchNormPlan::new(config, weights)?;
/// assert_eq!(plan.forward(&[3., 5., 1.], &[1, 1, 3])?, [1., 3., -1.]);
/// assert_eq!(plan.forward_relu_max_pool(&[3., 5., 1.], [1, 1, 1, 3], (1, 2))?, [3.]);
/// # Ok::<(), timbral_nn::NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchNormPlan {
    channels: Vec<Channel<f32>>,
}

impl BatchNormPlan {
    /// Joins parameters and statistics to a factor and a summand for each channel.
    ///
    /// # Errors
    /// [`NnError::Config`] if a setting breaks its rule, [`NnError::Shape`] if there is not one value for each channel.
    pub fn new(config: BatchNormConfig, weights: BatchNormWeights<'_>) -> Result<Self, NnError> {
        config.check()?;
        let BatchNormWeights { weight, bias, running_mean, running_var } = weights;
        for (what, values) in [
            ("length of weight", weight),
            ("length of bias", bias),
            ("length of running_mean", running_mean),
            ("length of running_var", running_var),
        ] {
            check_length(what, values, &[config.channels])?;
        }
        let parameters = weight.iter().zip(bias).zip(running_mean.iter().zip(running_var));
        let channels = parameters.map(|((&weight, &bias), (&mean, &variance))| {
            Channel::new(weight, bias, mean.into(), inverse_deviation(variance.into(), config.epsilon))
        });
        Ok(Self { channels: channels.collect() })
    }

    /// Normalises (batch, channels, ..).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` has not the length of its shape, or the shape other channels.
    pub fn forward(&self, x: &[f32], shape: &[usize]) -> Result<Vec<f32>, NnError> {
        self.run(x, shape, Step::Scale)
    }

    /// Normalises (batch, channels, ..), then applies ReLU.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_relu(&self, x: &[f32], shape: &[usize]) -> Result<Vec<f32>, NnError> {
        self.run(x, shape, Step::Relu)
    }

    /// Normalises (batch, channels, height, width), applies ReLU and takes the maximum of each window of `pool` (height,
    /// width) elements that lie beside each other; elements beyond the last whole window are left out. The output has
    /// the shape (batch, channels, height / pool height, width / pool width), rounded down.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the image is smaller than a window.
    pub fn forward_relu_max_pool(
        &self,
        x: &[f32],
        shape: [usize; 4],
        pool: (usize, usize),
    ) -> Result<Vec<f32>, NnError> {
        let [_, _, height, width] = shape;
        if pool.0 == 0 || pool.1 == 0 || pool.0 > height || pool.1 > width {
            let rule = format!("at least 1 and at most ({height}, {width}), the size of the image");
            return Err(NnError::config("window of pooling", pool, rule));
        }
        self.run(x, &shape, Step::ReluMaxPool(pool))
    }

    fn run(&self, x: &[f32], shape: &[usize], step: Step) -> Result<Vec<f32>, NnError> {
        check_length("length of the input", x, shape)?;
        if shape.len() < 2 || shape[1] != self.channels.len() || x.is_empty() {
            let rule = format!("(batch, {}, ..), not empty", self.channels.len());
            return Err(NnError::shape("shape of the input", shape, rule));
        }
        let plane = shape[2..].iter().product();
        let width = shape[shape.len() - 1];
        let out_plane = match step {
            Step::ReluMaxPool(pool) => (plane / width / pool.0) * (width / pool.1),
            _ => plane,
        };
        let mut out = vec![0.0; shape[0] * shape[1] * out_plane];
        forward(x, &self.channels, plane, width, step, &mut out);
        Ok(out)
    }
}
