//! Scaled dot-product attention of all heads as one operation. Scores exist for a block of rows at a time only, and the
//! backward pass computes them again (after Dao et al. 2022): memory grows with the length, not with its square.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use crate::activation::softmax_row;
use crate::error::shape_error;
use crate::product::{Left, copy_padded, copy_transposed, padded, product};
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::simd::widened;

/// Rows of scores that exist at once.
const BLOCK: usize = 64;

/// The operation: queries, keys and values side by side (batch, length, 3 * heads * width) to (batch, length,
/// heads * width).
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) batch: usize,
    pub(super) length: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
    /// Added to the scores, with the shape (batch, heads, length, length), usually broadcast.
    pub(super) mask: Option<Tensor>,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch<T> {
    scores: Vec<T>,
    slopes: Vec<T>,
    keys_across: Vec<T>,
    values_across: Vec<T>,
    queries: Vec<T>,
    keys: Vec<T>,
    values: Vec<T>,
    grads: Vec<T>,
    block: Vec<T>,
    query_grads: Vec<T>,
    key_grads: Vec<T>,
    value_grads: Vec<T>,
}

/// A mask with the distances of its axes.
struct Mask<'a, T> {
    values: &'a [T],
    start: usize,
    strides: [usize; 4],
}

impl<T: Real> Mask<'_, T> {
    #[inline(always)]
    fn add_to(&self, head: usize, heads: usize, row: usize, scores: &mut [T]) {
        let [batch_stride, head_stride, row_stride, column_stride] = self.strides;
        let start = self.start + head / heads * batch_stride + head % heads * head_stride + row * row_stride;
        for (column, score) in scores.iter_mut().enumerate() {
            *score += self.values[start + column * column_stride];
        }
    }
}

fn resize<T: Real>(buffer: &mut Vec<T>, size: usize) -> &mut [T] {
    buffer.resize(size, T::default());
    &mut buffer[..size]
}

impl Attention {
    #[allow(clippy::cast_precision_loss, reason = "a size is far below 2^52")]
    fn scale<T: Real>(&self) -> T {
        T::of(1.0 / (self.width as f64).sqrt())
    }

    /// Where a part (0 query, 1 key, 2 value) of a head starts, and the distance of its rows.
    fn part(&self, head: usize, part: usize) -> (usize, usize) {
        let size = self.heads * self.width;
        let (example, head) = (head / self.heads, head % self.heads);
        (example * self.length * 3 * size + part * size + head * self.width, 3 * size)
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let length = self.length;
        (0..length).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(length))
    }

    /// Hands the mask, if there is one, to `f`.
    fn with_mask<T: Real, R>(&self, f: impl FnOnce(Option<Mask<'_, T>>) -> Result<R>) -> Result<R> {
        let Some(mask) = &self.mask else {
            return f(None);
        };
        let mask = mask.broadcast_as((self.batch, self.heads, self.length, self.length))?;
        let (held, layout) = mask.storage_and_layout();
        let (Storage::Cpu(held), &[a, b, c, d]) = (&*held, layout.stride()) else {
            return Err(shape_error("device of the mask", mask.device().location(), "the CPU"));
        };
        f(Some(Mask {
            values: T::cpu_storage_as_slice(held)?,
            start: layout.start_offset(),
            strides: [a, b, c, d],
        }))
    }

    /// The probabilities of a block of rows, with rows of `padded(length)` elements of which those behind are zero.
    fn probabilities<T: Real>(
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
                            softmax_row(scores, T::one());
                        }
                        None => softmax_row(scores, scale),
                    }
                }
            },
        );
    }

    fn forward<T: Real>(&self, x: &[T]) -> Result<Vec<T>> {
        let (length, width) = (self.length, self.width);
        let (columns, wide) = (padded(length), padded(width));
        let mut by_head = vec![T::default(); self.batch * self.heads * length * width];
        self.with_mask::<T, _>(|mask| {
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
                        self.probabilities(head, &rows, x, keys_across, mask.as_ref(), scores);
                        let block = resize(&mut scratch.block, rows.len() * wide);
                        product(Left::Rows(scores, columns), values, wide, false, block);
                        let out = &mut out[rows.start * width..rows.end * width];
                        for (out, block) in out.chunks_exact_mut(width).zip(block.chunks_exact(wide)) {
                            out.copy_from_slice(&block[..width]);
                        }
                    }
                },
            );
            Ok(())
        })?;
        let size = self.heads * width;
        let mut out = vec![T::default(); by_head.len()];
        let examples = out.par_chunks_mut(length * size).zip(by_head.par_chunks(length * size));
        examples.for_each(|(out, heads)| self.gather(heads, size, 0, out));
        Ok(out)
    }

    /// Puts heads, (heads, length, width), beside each other into rows of `distance` elements, from column `first` on.
    fn gather<T: Real>(&self, heads: &[T], distance: usize, first: usize, out: &mut [T]) {
        for (head, values) in heads.chunks_exact(self.length * self.width).enumerate() {
            let start = first + head * self.width;
            for (row, out) in values.chunks_exact(self.width).zip(out.chunks_exact_mut(distance)) {
                out[start..start + self.width].copy_from_slice(row);
            }
        }
    }

    fn backward<T: Real>(&self, x: &[T], grad: &[T]) -> Result<Vec<T>> {
        let (length, width) = (self.length, self.width);
        let plane = length * width;
        // Gradients of queries, keys and values of each head.
        let mut by_head = vec![T::default(); self.batch * self.heads * 3 * plane];
        self.with_mask::<T, _>(|mask| {
            by_head.par_chunks_mut(3 * plane).enumerate().for_each_init(
                Scratch::default,
                |scratch, (head, out)| {
                    self.head_gradients(head, x, grad, mask.as_ref(), scratch, out);
                },
            );
            Ok(())
        })?;
        let size = self.heads * width;
        let mut dx = vec![T::default(); x.len()];
        let examples = dx.par_chunks_mut(length * 3 * size).zip(by_head.par_chunks(3 * length * size));
        examples.for_each(|(dx, heads)| {
            for (head, parts) in heads.chunks_exact(3 * plane).enumerate() {
                for (part, values) in parts.chunks_exact(plane).enumerate() {
                    self.gather(values, 3 * size, part * size + head * width, dx);
                }
            }
        });
        Ok(dx)
    }

    fn head_gradients<T: Real>(
        &self,
        head: usize,
        x: &[T],
        grad: &[T],
        mask: Option<&Mask<'_, T>>,
        scratch: &mut Scratch<T>,
        out: &mut [T],
    ) {
        let (length, width, size) = (self.length, self.width, self.heads * self.width);
        let (columns, wide) = (padded(length), padded(width));
        let grad = &grad[head / self.heads * length * size + head % self.heads * width..];
        let ((query, distance), (key, _), (value, _)) =
            (self.part(head, 0), self.part(head, 1), self.part(head, 2));
        let keys_across = resize(&mut scratch.keys_across, width * columns);
        copy_transposed(&x[key..], distance, length, width, keys_across);
        let values_across = resize(&mut scratch.values_across, width * columns);
        copy_transposed(&x[value..], distance, length, width, values_across);
        let queries = resize(&mut scratch.queries, length * wide);
        copy_padded(&x[query..], distance, width, queries);
        let keys = resize(&mut scratch.keys, length * wide);
        copy_padded(&x[key..], distance, width, keys);
        let grads = resize(&mut scratch.grads, length * wide);
        copy_padded(grad, size, width, grads);
        let query_grads = resize(&mut scratch.query_grads, length * wide);
        let key_grads = resize(&mut scratch.key_grads, length * wide);
        let value_grads = resize(&mut scratch.value_grads, length * wide);
        key_grads.fill(T::default());
        value_grads.fill(T::default());
        let scale = self.scale::<T>();
        for rows in self.blocks() {
            let scores = resize(&mut scratch.scores, rows.len() * columns);
            self.probabilities(head, &rows, x, keys_across, mask, scores);
            let slopes = resize(&mut scratch.slopes, rows.len() * columns);
            let block = rows.start * wide..rows.end * wide;
            let out_grads = Left::Rows(&grads[block.clone()], wide);
            product(out_grads, values_across, columns, false, slopes);
            let row_grads = &grads[block.clone()];
            product(Left::Columns(scores, columns), row_grads, wide, true, value_grads);
            widened(
                #[inline(always)]
                || {
                    for (slopes, scores) in slopes.chunks_exact_mut(columns).zip(scores.chunks_exact(columns))
                    {
                        softmax_slopes(&scores[..length], scale, &mut slopes[..length]);
                    }
                },
            );
            product(Left::Rows(slopes, columns), keys, wide, false, &mut query_grads[block.clone()]);
            product(Left::Columns(slopes, columns), &queries[block], wide, true, key_grads);
        }
        let parts = out.chunks_exact_mut(length * width);
        for (out, grads) in parts.zip([query_grads, key_grads, value_grads]) {
            for (out, grads) in out.chunks_exact_mut(width).zip(grads.chunks_exact(wide)) {
                out.copy_from_slice(&grads[..width]);
            }
        }
    }
}

/// Turns gradients of probabilities into those of the products behind the scores.
#[inline(always)]
fn softmax_slopes<T: Real>(probabilities: &[T], scale: T, grads: &mut [T]) {
    let mut lanes = [T::default(); 16];
    let ((p, p_rest), (g, g_rest)) = (probabilities.as_chunks::<16>(), grads.as_chunks::<16>());
    for (p, g) in p.iter().zip(g) {
        for ((lane, &p), &g) in lanes.iter_mut().zip(p).zip(g) {
            *lane += p * g;
        }
    }
    for ((lane, &p), &g) in lanes.iter_mut().zip(p_rest).zip(g_rest) {
        *lane += p * g;
    }
    let total: T = lanes.into_iter().sum();
    for (grad, &probability) in grads.iter_mut().zip(probabilities) {
        *grad = probability * (*grad - total) * scale;
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "timbral-attention"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "attention", T => {
            let out = self.forward::<T>(slice(x, layout)?)?;
            Ok((storage(out), (self.batch, self.length, self.heads * self.width).into()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "attention", T => {
            let dx = with_slice::<T, _>(x, |x| with_slice(grad, |grad| self.backward(x, grad)))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
