//! Scaled dot-product attention of all heads as one operation, whose backward pass computes the scores again.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::error::shape_error;
use crate::kernels::attention::{Attention, Mask, resize};
use crate::kernels::matmul::{Left, copy_padded, copy_transposed, padded, product};
use crate::kernels::simd::widened;

/// Buffers of one thread.
#[derive(Default)]
struct Scratch<T> {
    scores: Vec<T>,
    slopes: Vec<T>,
    keys_across: Vec<T>,
    values_across: Vec<T>,
    queries: Vec<T>,
    keys: Vec<T>,
    grads: Vec<T>,
    query_grads: Vec<T>,
    key_grads: Vec<T>,
    value_grads: Vec<T>,
}

/// The attention as candle's custom operation.
#[derive(Debug)]
pub(super) struct AttentionOp {
    pub(super) attention: Attention,
    /// Added to the scores, with the shape (batch, heads, length, length), usually broadcast.
    pub(super) mask: Option<Tensor>,
}

impl AttentionOp {
    /// Hands the mask, if there is one, to `f`.
    fn with_mask<T: Element, R>(&self, f: impl FnOnce(Option<Mask<'_, T>>) -> Result<R>) -> Result<R> {
        let Some(mask) = &self.mask else {
            return f(None);
        };
        let mask = mask.broadcast_as((
            self.attention.batch,
            self.attention.heads,
            self.attention.length,
            self.attention.length,
        ))?;
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

    fn backward<T: Element>(&self, x: &[T], grad: &[T]) -> Result<Vec<T>> {
        let (length, width) = (self.attention.length, self.attention.width);
        let plane = length * width;
        // Gradients of queries, keys and values of each head.
        let mut by_head = vec![T::default(); self.attention.batch * self.attention.heads * 3 * plane];
        self.with_mask::<T, _>(|mask| {
            by_head.par_chunks_mut(3 * plane).enumerate().for_each_init(
                Scratch::default,
                |scratch, (head, out)| {
                    self.head_gradients(head, x, grad, mask.as_ref(), scratch, out);
                },
            );
            Ok(())
        })?;
        let size = self.attention.heads * width;
        let mut dx = vec![T::default(); x.len()];
        let examples = dx.par_chunks_mut(length * 3 * size).zip(by_head.par_chunks(3 * length * size));
        examples.for_each(|(dx, heads)| {
            for (head, parts) in heads.chunks_exact(3 * plane).enumerate() {
                for (part, values) in parts.chunks_exact(plane).enumerate() {
                    self.attention.gather(values, 3 * size, part * size + head * width, dx);
                }
            }
        });
        Ok(dx)
    }

    fn head_gradients<T: Element>(
        &self,
        head: usize,
        x: &[T],
        grad: &[T],
        mask: Option<&Mask<'_, T>>,
        scratch: &mut Scratch<T>,
        out: &mut [T],
    ) {
        let (length, width, size) =
            (self.attention.length, self.attention.width, self.attention.heads * self.attention.width);
        let (columns, wide) = (padded(length), padded(width));
        let grad = &grad[head / self.attention.heads * length * size + head % self.attention.heads * width..];
        let ((query, distance), (key, _), (value, _)) =
            (self.attention.part(head, 0), self.attention.part(head, 1), self.attention.part(head, 2));
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
        let scale = self.attention.scale::<T>();
        for rows in self.attention.blocks() {
            let scores = resize(&mut scratch.scores, rows.len() * columns);
            self.attention.probabilities(head, &rows, x, keys_across, mask, scores);
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
fn softmax_slopes<T: Element>(probabilities: &[T], scale: T, grads: &mut [T]) {
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

impl CustomOp1 for AttentionOp {
    fn name(&self) -> &'static str {
        "timbral-attention"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "attention", T => {
            let x = slice::<T>(x, layout)?;
            let out = self.with_mask(|mask| Ok(self.attention.forward(x, mask.as_ref())))?;
            Ok((storage(out), (self.attention.batch, self.attention.length, self.attention.heads * self.attention.width).into()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), "attention", T => {
            let dx = with_slice::<T, _>(x, |x| with_slice(grad, |grad| self.backward(x, grad)))?;
            Ok(Some(tensor(dx, x.shape())?))
        })
    }
}
