//! Scaled dot-product attention of all heads. Scores exist for a block of rows at a time only (after Dao et al. 2022):
//! memory grows with the length, not with its square.

use std::ops::Range;

use rayon::prelude::*;

use super::check_length;
use super::linear::{LinearConfig, LinearPlan};
use super::matmul::{Left, copy_padded, copy_transposed, padded, product};
use super::real::Real;
use super::simd::widened;
use super::softmax::{softmax, softmax_row};
use crate::NnError;

/// Rows of scores that exist at once.
const BLOCK: usize = 64;

/// Attention of `heads` of `width` over sequences of `length` vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention {
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch<T> {
    scores: Vec<T>,
    keys_across: Vec<T>,
    values: Vec<T>,
    block: Vec<T>,
}

/// A mask with the distances of its axes.
pub(crate) struct Mask<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) start: usize,
    pub(crate) strides: [usize; 4],
}

impl<T: Real> Mask<'_, T> {
    #[inline(always)]
    pub(crate) fn add_to(&self, head: usize, heads: usize, row: usize, scores: &mut [T]) {
        let [batch_stride, head_stride, row_stride, column_stride] = self.strides;
        let start = self.start + head / heads * batch_stride + head % heads * head_stride + row * row_stride;
        for (column, score) in scores.iter_mut().enumerate() {
            *score += self.values[start + column * column_stride];
        }
    }
}

/// The buffer with space for `size` elements; what stands in it is what was there.
pub(crate) fn resize<T: Real>(buffer: &mut Vec<T>, size: usize) -> &mut [T] {
    buffer.resize(size, T::default());
    &mut buffer[..size]
}

impl Attention {
    /// One over the root of the width, which keeps scores of wide vectors from growing.
    #[allow(clippy::cast_precision_loss, reason = "a size is far below 2^52")]
    pub(crate) fn scale<T: Real>(&self) -> T {
        T::of(1.0 / (self.width as f64).sqrt())
    }

    /// Where a part (0 query, 1 key, 2 value) of a head starts, and the distance of its rows.
    pub(crate) fn part(&self, head: usize, part: usize) -> (usize, usize) {
        let size = self.heads * self.width;
        let (example, head) = (head / self.heads, head % self.heads);
        (example * self.length * 3 * size + part * size + head * self.width, 3 * size)
    }

    /// The rows whose scores exist at once.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let length = self.length;
        (0..length).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(length))
    }

    /// The probabilities of a block of rows, with rows of `padded(length)` elements of which those behind are zero.
    pub(crate) fn probabilities<T: Real>(
        &self,
        head: usize,
        rows: &Range<usize>,
        x: &[T],
        keys_across: &[T],
        mask: Option<&Mask<'_, T>>,
        scores: &mut [T],
    ) {
        let (start, distance) = self.part(head, 0);
        let columns = padded(self.length);
        let queries = Left::Rows(&x[start + rows.start * distance..], distance);
        product(queries, keys_across, columns, false, scores);
        let scale = self.scale::<T>();
        widened(
            #[inline(always)]
            || {
                for (row, scores) in rows.clone().zip(scores.chunks_exact_mut(columns)) {
                    let scores = &mut scores[..self.length];
                    match mask {
                        Some(mask) => {
                            for score in scores.iter_mut() {
                                *score *= scale;
                            }
                            mask.add_to(head, self.heads, row, scores);
                            softmax_row(scores, T::ONE);
                        }
                        None => softmax_row(scores, scale),
                    }
                }
            },
        );
    }

    /// Queries, keys and values side by side (batch, length, 3 * heads * width) to (batch, length, heads * width).
    pub(crate) fn forward<T: Real>(&self, x: &[T], mask: Option<&Mask<'_, T>>) -> Vec<T> {
        let (length, width) = (self.length, self.width);
        let (columns, wide) = (padded(length), padded(width));
        let mut by_head = vec![T::default(); self.batch * self.heads * length * width];
        by_head.par_chunks_mut(length * width).enumerate().for_each_init(
            Scratch::default,
            |scratch, (head, out)| {
                let ((key, distance), (value, _)) = (self.part(head, 1), self.part(head, 2));
                let keys_across = resize(&mut scratch.keys_across, width * columns);
                copy_transposed(&x[key..], distance, length, width, keys_across);
                let values = resize(&mut scratch.values, length * wide);
                copy_padded(&x[value..], distance, width, values);
                for rows in self.blocks() {
                    let scores = resize(&mut scratch.scores, rows.len() * columns);
                    self.probabilities(head, &rows, x, keys_across, mask, scores);
                    let block = resize(&mut scratch.block, rows.len() * wide);
                    product(Left::Rows(scores, columns), values, wide, false, block);
                    let out = &mut out[rows.start * width..rows.end * width];
                    for (out, block) in out.chunks_exact_mut(width).zip(block.chunks_exact(wide)) {
                        out.copy_from_slice(&block[..width]);
                    }
                }
            },
        );
        let size = self.heads * width;
        let mut out = vec![T::default(); by_head.len()];
        let examples = out.par_chunks_mut(length * size).zip(by_head.par_chunks(length * size));
        examples.for_each(|(out, heads)| self.gather(heads, size, 0, out));
        out
    }

    /// Puts heads, (heads, length, width), beside each other into rows of `distance` elements, from column `first` on.
    pub(crate) fn gather<T: Real>(&self, heads: &[T], distance: usize, first: usize, out: &mut [T]) {
        for (head, values) in heads.chunks_exact(self.length * self.width).enumerate() {
            let start = first + head * self.width;
            for (row, out) in values.chunks_exact(self.width).zip(out.chunks_exact_mut(distance)) {
                out[start..start + self.width].copy_from_slice(row);
            }
        }
    }
}

pub(crate) fn check_heads(size: usize, heads: usize) -> Result<(), NnError> {
    if size == 0 {
        return Err(NnError::config("size", size, "at least 1"));
    }
    if heads == 0 || !size.is_multiple_of(heads) {
        return Err(NnError::config("heads", heads, format!("a divisor of the size {size}")));
    }
    Ok(())
}

/// The weights of a multi-head attention, with PyTorch's names and shapes.
#[derive(Debug, Clone, Copy)]
pub struct MultiHeadAttentionWeights<'a> {
    /// Weights of queries, keys and values, (3 * size, size).
    pub in_proj_weight: &'a [f32],
    /// Biases of queries, keys and values, (3 * size).
    pub in_proj_bias: &'a [f32],
    /// Weights of the output, (size, size).
    pub out_proj_weight: &'a [f32],
    /// Biases of the output, (size).
    pub out_proj_bias: &'a [f32],
}

/// Scaled dot-product attention in several heads (Vaswani et al. 2017) with its weights put in order once.
#[derive(Debug, Clone)]
pub struct MultiHeadAttentionPlan {
    input: LinearPlan,
    output: LinearPlan,
    heads: usize,
}

impl MultiHeadAttentionPlan {
    /// Puts the weights in order for the kernel.
    ///
    /// # Errors
    /// [`NnError::Config`] if `heads` does not divide `size`, [`NnError::Shape`] if weights have not the length that follows.
    pub fn new(size: usize, heads: usize, weights: MultiHeadAttentionWeights<'_>) -> Result<Self, NnError> {
        check_heads(size, heads)?;
        let tripled = size.saturating_mul(3);
        let input = LinearConfig { in_features: size, out_features: tripled, bias: true };
        let output = LinearConfig { in_features: size, out_features: size, bias: true };
        Ok(Self {
            input: LinearPlan::new(input, weights.in_proj_weight, Some(weights.in_proj_bias))?,
            output: LinearPlan::new(output, weights.out_proj_weight, Some(weights.out_proj_bias))?,
            heads,
        })
    }

    /// Attends within (batch, length, size).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is empty or has not the length of its shape, or its vectors another size.
    pub fn forward(&self, x: &[f32], shape: [usize; 3]) -> Result<Vec<f32>, NnError> {
        self.attend(x, shape, None)
    }

    /// Attends within (batch, length, size) with a mask that is added to the scores: zero where a position may be seen,
    /// minus infinity where not. The mask has the shape (batch, heads, length, length), where each axis may be 1 instead
    /// and then holds for all.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the mask has neither size on an axis or not the length of its shape.
    pub fn forward_masked(
        &self,
        x: &[f32],
        shape: [usize; 3],
        mask: &[f32],
        mask_shape: [usize; 4],
    ) -> Result<Vec<f32>, NnError> {
        check_length("length of the mask", mask, &mask_shape)?;
        let full = [shape[0], self.heads, shape[1], shape[1]];
        if mask_shape.iter().zip(&full).any(|(&size, &full)| size != 1 && size != full) {
            return Err(NnError::shape(
                "shape of the mask",
                mask_shape,
                format!("{full:?}, or 1 on an axis"),
            ));
        }
        let mut strides = [0; 4];
        let mut stride = 1;
        for axis in (0..4).rev() {
            strides[axis] = if mask_shape[axis] == 1 { 0 } else { stride };
            stride *= mask_shape[axis];
        }
        self.attend(x, shape, Some(&Mask { values: mask, start: 0, strides }))
    }

    fn attend(
        &self,
        x: &[f32],
        shape: [usize; 3],
        mask: Option<&Mask<'_, f32>>,
    ) -> Result<Vec<f32>, NnError> {
        check_length("length of the input", x, &shape)?;
        let ([batch, length, given], size) = (shape, self.input.in_features());
        if given != size || x.is_empty() {
            return Err(NnError::shape(
                "shape of the input",
                shape,
                format!("(batch, length, {size}), not empty"),
            ));
        }
        let attention = Attention { batch, length, heads: self.heads, width: size / self.heads };
        self.output.forward(&attention.forward(&self.input.forward(x)?, mask))
    }
}

/// The mean over time weighted by a learned score of each step.
#[derive(Debug, Clone)]
pub struct AttentionPoolingPlan {
    score: LinearPlan,
}

impl AttentionPoolingPlan {
    /// A plan from the weights of the score, `weight` (size) and `bias` (1).
    ///
    /// # Errors
    /// [`NnError::Config`] if there is no weight, [`NnError::Shape`] if there is not one bias.
    pub fn new(weight: &[f32], bias: &[f32]) -> Result<Self, NnError> {
        let config = LinearConfig { in_features: weight.len(), out_features: 1, bias: true };
        Ok(Self { score: LinearPlan::new(config, weight, Some(bias))? })
    }

    /// Computes the weighted mean, (batch, length, size) to (batch, size).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is empty or has not the length of its shape, or its vectors another size.
    pub fn forward(&self, x: &[f32], shape: [usize; 3]) -> Result<Vec<f32>, NnError> {
        check_length("length of the input", x, &shape)?;
        let ([batch, length, given], size) = (shape, self.score.in_features());
        if given != size || x.is_empty() {
            return Err(NnError::shape(
                "shape of the input",
                shape,
                format!("(batch, length, {size}), not empty"),
            ));
        }
        let mut weights = self.score.forward(x)?;
        softmax(&mut weights, length)?;
        let mut out = vec![0.0; batch * size];
        let examples = out.chunks_exact_mut(size).zip(x.chunks_exact(length * size));
        for ((out, rows), weights) in examples.zip(weights.chunks_exact(length)) {
            for (row, &weight) in rows.chunks_exact(size).zip(weights) {
                for (sum, &value) in out.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
        Ok(out)
    }
}
