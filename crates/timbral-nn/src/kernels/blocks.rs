//! Squeeze-excitation, patches and positions.

use super::activation::{Activation, relu};
use super::check_length;
use super::conv::{Conv2dConfig, Conv2dPlan};
use super::linear::{LinearConfig, LinearPlan};
use super::pool::mean_over;
use crate::NnError;

/// The weights of a squeeze-excitation, as of its two linear layers.
#[derive(Debug, Clone, Copy)]
pub struct SqueezeExcitationWeights<'a> {
    /// Weights of the first layer, (hidden, channels).
    pub reduce_weight: &'a [f32],
    /// Biases of the first layer, (hidden).
    pub reduce_bias: &'a [f32],
    /// Weights of the second layer, (channels, hidden).
    pub expand_weight: &'a [f32],
    /// Biases of the second layer, (channels).
    pub expand_bias: &'a [f32],
}

/// A factor for each channel, computed from the means of all channels (Hu et al. 2018).
#[derive(Debug, Clone)]
pub struct SqueezeExcitationPlan {
    reduce: LinearPlan,
    expand: LinearPlan,
}

impl SqueezeExcitationPlan {
    /// Puts the weights of a block of `channels` with `hidden` units between in order for the kernel.
    ///
    /// # Errors
    /// [`NnError::Config`] if a size is zero, [`NnError::Shape`] if weights have not the length that follows.
    pub fn new(
        channels: usize,
        hidden: usize,
        weights: SqueezeExcitationWeights<'_>,
    ) -> Result<Self, NnError> {
        let layer = |in_features, out_features, weight, bias| {
            LinearPlan::new(LinearConfig { in_features, out_features, bias: true }, weight, Some(bias))
        };
        Ok(Self {
            reduce: layer(channels, hidden, weights.reduce_weight, weights.reduce_bias)?,
            expand: layer(hidden, channels, weights.expand_weight, weights.expand_bias)?,
        })
    }

    /// Scales the channels of (batch, channels, height, width) in place.
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is empty or has not the length of its shape, or the shape other channels.
    pub fn apply_in_place(&self, x: &mut [f32], shape: [usize; 4]) -> Result<(), NnError> {
        let [batch, channels, height, width] = shape;
        if channels != self.reduce.in_features() {
            let rule = format!("(batch, {}, height, width)", self.reduce.in_features());
            return Err(NnError::shape("shape of the input", shape, rule));
        }
        check_length("length of the input", x, &shape)?;
        let mut hidden = self.reduce.forward(&mean_over(x, &[batch, channels, height * width], 2)?)?;
        relu(&mut hidden);
        let mut factors = self.expand.forward(&hidden)?;
        Activation::Sigmoid.apply_in_place(&mut factors)?;
        for (plane, &factor) in x.chunks_exact_mut(height * width).zip(&factors) {
            for value in plane {
                *value *= factor;
            }
        }
        Ok(())
    }
}

/// Patches of an image beside each other, each mapped to a vector (Dosovitskiy et al. 2021).
#[derive(Debug, Clone)]
pub struct PatchEmbeddingPlan(Conv2dPlan);

impl PatchEmbeddingPlan {
    /// Puts the weights, `weight` (size, channels, height, width) and `bias` (size), of patches of `patch` (height, width)
    /// elements in order for the kernel.
    ///
    /// # Errors
    /// [`NnError::Config`] if a size is zero, [`NnError::Shape`] if weights have not the length that follows.
    pub fn new(
        channels: usize,
        size: usize,
        patch: (usize, usize),
        weight: &[f32],
        bias: &[f32],
    ) -> Result<Self, NnError> {
        let config = Conv2dConfig {
            in_channels: channels,
            out_channels: size,
            kernel: patch,
            stride: patch,
            ..Conv2dConfig::default()
        };
        Conv2dPlan::new(config, weight, Some(bias)).map(Self)
    }

    /// Maps (batch, channels, height, width) to (batch, patches, size), patches row by row; returns it with its shape.
    ///
    /// # Errors
    /// As [`Conv2dPlan::forward`].
    pub fn forward(&self, x: &[f32], shape: [usize; 4]) -> Result<(Vec<f32>, [usize; 3]), NnError> {
        let [batch, size, rows, columns] = self.0.output_shape(shape)?;
        let (planes, patches) = (self.0.forward(x, shape)?, rows * columns);
        let mut out = vec![0.0; planes.len()];
        for (out, planes) in out.chunks_exact_mut(patches * size).zip(planes.chunks_exact(patches * size)) {
            for (index, plane) in planes.chunks_exact(patches).enumerate() {
                for (vector, &value) in out.chunks_exact_mut(size).zip(plane) {
                    vector[index] = value;
                }
            }
        }
        Ok((out, [batch, patches, size]))
    }
}

/// Adds a vector for each position, `positions` (length, size), to each example of (batch, length, size); a longer table
/// is read from its start.
///
/// # Errors
/// [`NnError::Shape`] if `x` has not the length of its shape, or the table is shorter than the sequences.
pub fn add_positions(x: &mut [f32], shape: [usize; 3], positions: &[f32]) -> Result<(), NnError> {
    check_length("length of the input", x, &shape)?;
    let example = shape[1] * shape[2];
    let Some(positions) = positions.get(..example) else {
        return Err(NnError::shape(
            "length of the positions",
            positions.len(),
            format!("at least {example}"),
        ));
    };
    if example > 0 {
        for x in x.chunks_exact_mut(example) {
            for (value, &position) in x.iter_mut().zip(positions) {
                *value += position;
            }
        }
    }
    Ok(())
}

/// Computes the sinusoids of Vaswani et al. (2017), (length, size): sines on even columns, cosines on odd ones, with
/// wavelengths from 2 pi to 10000 * 2 pi.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "f32 is what the caller asked for")]
pub fn sinusoidal_positions(length: usize, size: usize) -> Vec<f32> {
    positions(length, size).into_iter().map(|value| value as f32).collect()
}

/// The same in f64.
#[allow(clippy::cast_precision_loss, reason = "positions stay far below 2^52")]
pub(crate) fn positions(length: usize, size: usize) -> Vec<f64> {
    let value = |position: usize, column: usize| {
        let frequency = (-(10_000f64.ln()) * (column / 2 * 2) as f64 / size as f64).exp();
        let angle = position as f64 * frequency;
        if column.is_multiple_of(2) { angle.sin() } else { angle.cos() }
    };
    (0..length).flat_map(|row| (0..size).map(move |column| value(row, column))).collect()
}
