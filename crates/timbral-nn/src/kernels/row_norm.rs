//! Layer, root-mean-square and group normalisation: each row by itself.

use rayon::prelude::*;

use super::batch_norm::check_epsilon;
use super::check_length;
use super::real::Real;
use super::simd::widened;
use crate::NnError;

/// Partial sums kept side by side, so that the compiler may use vector registers.
const LANES: usize = 16;
/// Elements that are summed in the element type; the sums of the blocks are added in f64.
const BLOCK: usize = 1024;
/// Rows of `segments * span` elements. Element `i` of row `r` is scaled by the weight number
/// `(r * segments + i / span) % weights`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowNorm {
    pub(crate) segments: usize,
    pub(crate) span: usize,
    /// Whether the mean is taken off.
    pub(crate) center: bool,
    pub(crate) epsilon: f64,
}

/// The sum of `f` of pairs of elements.
#[inline(always)]
pub(crate) fn sum<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [T::default(); LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *lane += f(a, b);
            }
        }
        for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
            *lane += f(a, b);
        }
        total += lanes.into_iter().sum::<T>().as_f64();
    }
    total
}

/// What a row is normalised by.
#[derive(Clone, Copy)]
pub(crate) struct Scale<T> {
    pub(crate) mean: T,
    pub(crate) inverse: T,
}

#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
impl RowNorm {
    pub(crate) fn length(&self) -> usize {
        self.segments * self.span
    }

    #[inline(always)]
    pub(crate) fn scale<T: Real>(&self, row: &[T]) -> Scale<T> {
        let count = row.len() as f64;
        let mean = if self.center {
            T::of(
                sum(
                    row,
                    row,
                    #[inline(always)]
                    |x, _| x,
                ) / count,
            )
        } else {
            T::default()
        };
        let square = sum(
            row,
            row,
            #[inline(always)]
            |x, _| (x - mean) * (x - mean),
        ) / count;
        Scale { mean, inverse: T::of(1.0 / (square + self.epsilon).sqrt()) }
    }

    /// The weights of a row: `segments` of them.
    #[inline(always)]
    fn of_row<'a, T>(&self, weights: &'a [T], row: usize) -> &'a [T] {
        let start = row * self.segments % weights.len();
        &weights[start..start + self.segments]
    }

    #[inline(always)]
    fn forward_row<T: Real>(&self, x: &[T], weights: &[T], shifts: Option<&[T]>, out: &mut [T]) {
        let Scale { mean, inverse } = self.scale(x);
        if self.span == 1 {
            match shifts {
                Some(shifts) => {
                    for (((y, &x), &weight), &shift) in out.iter_mut().zip(x).zip(weights).zip(shifts) {
                        *y = (x - mean) * inverse * weight + shift;
                    }
                }
                None => {
                    for ((y, &x), &weight) in out.iter_mut().zip(x).zip(weights) {
                        *y = (x - mean) * inverse * weight;
                    }
                }
            }
            return;
        }
        let segments = out.chunks_exact_mut(self.span).zip(x.chunks_exact(self.span));
        for (index, (out, x)) in segments.enumerate() {
            let weight = inverse * weights[index];
            let shift = shifts.map_or(T::default(), |shifts| shifts[index]);
            for (y, &x) in out.iter_mut().zip(x) {
                *y = (x - mean) * weight + shift;
            }
        }
    }

    /// Normalises all rows, in parallel.
    pub(crate) fn forward<T: Real>(&self, x: &[T], weights: &[T], shifts: Option<&[T]>, out: &mut [T]) {
        let length = self.length();
        out.par_chunks_mut(length)
            .with_min_len((BLOCK * LANES).div_ceil(length))
            .zip(x.par_chunks(length))
            .enumerate()
            .for_each(|(row, (out, x))| {
                let shifts = shifts.map(|shifts| self.of_row(shifts, row));
                widened(
                    #[inline(always)]
                    || self.forward_row(x, self.of_row(weights, row), shifts, &mut *out),
                );
            });
    }
}

pub(crate) fn check(size: usize, epsilon: f64) -> Result<(), NnError> {
    if size == 0 {
        return Err(NnError::config("size", size, "at least 1"));
    }
    check_epsilon(epsilon)
}

pub(crate) fn check_groups(groups: usize, channels: usize, epsilon: f64) -> Result<(), NnError> {
    check(channels, epsilon)?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(NnError::config("groups", groups, format!("a divisor of the {channels} channels")));
    }
    Ok(())
}

/// The normalisation over the last axis (Ba et al. 2016), with a factor and a summand for each of its elements.
#[derive(Debug, Clone)]
pub struct LayerNormPlan {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f64,
}

impl LayerNormPlan {
    /// A plan of as many elements as there are weights. PyTorch's default for `epsilon` is 1e-5.
    ///
    /// # Errors
    /// [`NnError::Config`] if there is no weight or `epsilon` is negative or not finite, [`NnError::Shape`] if the bias has
    /// another length than the weight.
    pub fn new(weight: &[f32], bias: &[f32], epsilon: f64) -> Result<Self, NnError> {
        check(weight.len(), epsilon)?;
        check_length("length of the bias", bias, &[weight.len()])?;
        Ok(Self { weight: weight.to_vec(), bias: bias.to_vec(), epsilon })
    }

    /// Normalises any number of rows, (.., size).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is not a whole number of rows.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>, NnError> {
        rows(x, &self.weight, Some(&self.bias), self.epsilon)
    }
}

/// The division by the root of the mean square over the last axis (Zhang and Sennrich 2019), with a factor for each of its
/// elements.
#[derive(Debug, Clone)]
pub struct RmsNormPlan {
    weight: Vec<f32>,
    epsilon: f64,
}

impl RmsNormPlan {
    /// A plan of as many elements as there are weights.
    ///
    /// # Errors
    /// [`NnError::Config`] if there is no weight or `epsilon` is negative or not finite.
    pub fn new(weight: &[f32], epsilon: f64) -> Result<Self, NnError> {
        check(weight.len(), epsilon)?;
        Ok(Self { weight: weight.to_vec(), epsilon })
    }

    /// Normalises any number of rows, (.., size).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is not a whole number of rows.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>, NnError> {
        rows(x, &self.weight, None, self.epsilon)
    }
}

fn rows(x: &[f32], weight: &[f32], bias: Option<&[f32]>, epsilon: f64) -> Result<Vec<f32>, NnError> {
    let segments = weight.len();
    if !x.len().is_multiple_of(segments) {
        return Err(NnError::shape("length of the input", x.len(), format!("a multiple of {segments}")));
    }
    let mut out = vec![0.0; x.len()];
    RowNorm { segments, span: 1, center: bias.is_some(), epsilon }.forward(x, weight, bias, &mut out);
    Ok(out)
}

/// The normalisation of groups of channels over all their elements (Wu and He 2018), with a factor and a summand for each
/// channel.
#[derive(Debug, Clone)]
pub struct GroupNormPlan {
    weight: Vec<f32>,
    bias: Vec<f32>,
    groups: usize,
    epsilon: f64,
}

impl GroupNormPlan {
    /// A plan of as many channels as there are weights, in `groups`.
    ///
    /// # Errors
    /// [`NnError::Config`] if `groups` does not divide the channels or `epsilon` is negative or not finite,
    /// [`NnError::Shape`] if the bias has another length than the weight.
    pub fn new(groups: usize, weight: &[f32], bias: &[f32], epsilon: f64) -> Result<Self, NnError> {
        check_groups(groups, weight.len(), epsilon)?;
        check_length("length of the bias", bias, &[weight.len()])?;
        Ok(Self { weight: weight.to_vec(), bias: bias.to_vec(), groups, epsilon })
    }

    /// Normalises (batch, channels, ..).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` has not the length of its shape, or the shape other channels.
    pub fn forward(&self, x: &[f32], shape: &[usize]) -> Result<Vec<f32>, NnError> {
        check_length("length of the input", x, shape)?;
        let channels = self.weight.len();
        if shape.len() < 2 || shape[1] != channels || x.is_empty() {
            return Err(NnError::shape(
                "shape of the input",
                shape,
                format!("(batch, {channels}, ..), not empty"),
            ));
        }
        let span = shape[2..].iter().product();
        let mut out = vec![0.0; x.len()];
        RowNorm { segments: channels / self.groups, span, center: true, epsilon: self.epsilon }.forward(
            x,
            &self.weight,
            Some(&self.bias),
            &mut out,
        );
        Ok(out)
    }
}
