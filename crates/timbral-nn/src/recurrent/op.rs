//! All steps of a gated recurrent layer as one operation with its own backward pass.
//!
//! A task is one direction of a group of a few examples: their states stay in the cache from step to step. Groups depend on
//! the batch alone and their weight gradients are added in order, so that the result does not depend on the number of threads.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::gradients::{gru_gradients, lstm_gradients};
use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::error::shape_error;
use crate::kernels::matmul::{Left, copy_padded, padded, product};
use crate::kernels::recurrent::{Cell, EXAMPLES, Recurrence, Task};
use crate::kernels::simd::widened;

/// The gradients that a task makes: of the inputs of its steps, of the hidden weights and of the hidden biases.
struct Gradients<T> {
    inputs: Vec<T>,
    weight: Vec<T>,
    bias: Vec<T>,
}

/// The recurrence as candle's custom operation.
#[derive(Debug)]
pub(super) struct RecurrenceOp {
    pub(super) recurrence: Recurrence,
    /// Whether somebody needs gradients.
    pub(super) keep: bool,
    /// What the forward pass of each group of examples and direction leaves for the backward pass, which takes it: a second
    /// one computes it again.
    pub(super) kept: Mutex<Vec<Vec<CpuStorage>>>,
}

impl RecurrenceOp {
    fn take(&self) -> Vec<Vec<CpuStorage>> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn forward<T: Element>(&self, inputs: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let Recurrence { cell, batch, length, directions, size } = self.recurrence;
        let weights = Recurrence::weights(cell, size, weight);
        let mut out = vec![T::default(); batch * length * directions * size];
        let kept = self.recurrence.forward(inputs, &weights, bias, self.keep, &mut out);
        if self.keep {
            let kept = kept.into_iter().map(|group| group.into_iter().map(storage).collect()).collect();
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        }
        out
    }

    fn backward<T: Element>(
        &self,
        kept: Vec<Vec<CpuStorage>>,
        weight: &[T],
        states: &[T],
        grad: &[T],
    ) -> Result<[Vec<T>; 3]> {
        let (gates, size) = (self.recurrence.gates(), self.recurrence.size);
        let weights: Vec<Vec<T>> = weight
            .chunks_exact(gates * size)
            .map(|weight| {
                let mut wide = vec![T::default(); gates * padded(size)];
                copy_padded(weight, size, size, &mut wide);
                wide
            })
            .collect();
        let groups = self.recurrence.batch.div_ceil(EXAMPLES);
        if kept.len() != groups {
            return Err(shape_error(
                "number of groups of examples kept by the forward pass",
                kept.len(),
                groups.to_string(),
            ));
        }
        let mut inputs =
            vec![
                T::default();
                self.recurrence.batch * self.recurrence.length * self.recurrence.directions * gates
            ];
        let parts: Vec<Vec<(Vec<T>, Vec<T>)>> = inputs
            .par_chunks_mut(EXAMPLES * self.recurrence.length * self.recurrence.directions * gates)
            .zip(kept)
            .enumerate()
            .map(|(group, (inputs, kept))| {
                let pass = |(task, kept): (Task, CpuStorage)| {
                    let kept = T::cpu_storage_as_slice(&kept)?;
                    Ok(self.pass_back(&task, kept, &weights[task.direction], states, grad))
                };
                let gradients: Vec<Gradients<T>> =
                    self.recurrence.tasks(group).zip(kept).map(pass).collect::<Result<_>>()?;
                let put = |(direction, own): (usize, Gradients<T>)| {
                    self.recurrence.spread(direction, &own.inputs, gates, inputs);
                    (own.weight, own.bias)
                };
                Ok(gradients.into_iter().enumerate().map(put).collect())
            })
            .collect::<Result<_>>()?;
        let mut weight = vec![T::default(); self.recurrence.directions * gates * size];
        let mut bias = vec![T::default(); self.recurrence.directions * gates];
        for (direction, (weight_part, bias_part)) in
            parts.iter().flat_map(|directions| directions.iter().enumerate())
        {
            let sums = weight[direction * gates * size..].chunks_exact_mut(size);
            for (sums, parts) in sums.zip(weight_part.chunks_exact(padded(size))) {
                add(sums, parts);
            }
            add(&mut bias[direction * gates..][..gates], bias_part);
        }
        Ok([inputs, weight, bias])
    }

    fn pass_back<T: Element>(
        &self,
        task: &Task,
        kept: &[T],
        weight: &[T],
        states: &[T],
        grad: &[T],
    ) -> Gradients<T> {
        let (gates, size, count) = (self.recurrence.gates(), self.recurrence.size, task.examples.len());
        let (columns, kept_size) = (padded(size), self.recurrence.kept_size());
        let rows = count * self.recurrence.length;
        let mut inputs = vec![T::default(); rows * gates];
        // Gradients of the hidden products and the states before them, step after step.
        let mut hidden_grads = vec![T::default(); rows * gates];
        let mut before = vec![T::default(); rows * columns];
        let mut carried = vec![T::default(); count * columns];
        let mut memory = vec![T::default(); count * size];
        let none = vec![T::default(); size];
        for step in (0..self.recurrence.length).rev() {
            let time = self.recurrence.time(task.direction, step);
            let block = step * count..(step + 1) * count;
            let hidden_grads = &mut hidden_grads[block.start * gates..block.end * gates];
            let before = &mut before[block.start * columns..block.end * columns];
            widened(
                #[inline(always)]
                || {
                    for (row, example) in task.examples.clone().enumerate() {
                        let place = |time| self.recurrence.place(example, time, task.direction, size);
                        let at = row * self.recurrence.length + time;
                        let previous = (step > 0).then(|| self.recurrence.time(task.direction, step - 1));
                        let previous_state = match previous {
                            Some(time) => &states[place(time)..][..size],
                            None => &none[..],
                        };
                        before[row * columns..][..size].copy_from_slice(previous_state);
                        let carried = &mut carried[row * columns..][..size];
                        add(carried, &grad[place(time)..][..size]);
                        let kept_now = &kept[at * kept_size..][..kept_size];
                        let inputs = &mut inputs[at * gates..][..gates];
                        let hidden_grads = &mut hidden_grads[row * gates..][..gates];
                        match self.recurrence.cell {
                            Cell::Gru => {
                                gru_gradients(kept_now, previous_state, carried, inputs, hidden_grads)
                            }
                            Cell::Lstm => {
                                let previous_memory = match previous {
                                    Some(time) => {
                                        let at = row * self.recurrence.length + time;
                                        &kept[(at + 1) * kept_size - size..][..size]
                                    }
                                    None => &none[..],
                                };
                                let memory = &mut memory[row * size..][..size];
                                lstm_gradients(kept_now, previous_memory, carried, memory, inputs);
                                hidden_grads.copy_from_slice(inputs);
                            }
                        }
                    }
                },
            );
            product(Left::Rows(hidden_grads, gates), weight, columns, true, &mut carried);
        }
        let mut weight_grads = vec![T::default(); gates * columns];
        product(Left::Columns(&hidden_grads, gates), &before, columns, false, &mut weight_grads);
        let mut bias = vec![T::default(); gates];
        for row in hidden_grads.chunks_exact(gates) {
            add(&mut bias, row);
        }
        Gradients { inputs, weight: weight_grads, bias }
    }
}

#[inline(always)]
fn add<T: Element>(sums: &mut [T], parts: &[T]) {
    for (sum, &part) in sums.iter_mut().zip(parts) {
        *sum += part;
    }
}

impl CustomOp3 for RecurrenceOp {
    fn name(&self) -> &'static str {
        "timbral-recurrence"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), "recurrent layer", T => {
            let out = self.forward::<T>(slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
            let Recurrence { batch, length, directions, size, .. } = self.recurrence;
            Ok((storage(out), (batch, length, directions * size).into()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        states: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        dispatch!(x.dtype(), "recurrent layer", T => {
            let mut kept = self.take();
            if kept.is_empty() {
                with_slice::<T, _>(x, |x| with_slice(w, |w| {
                    with_slice(b, |b| Ok(self.forward(x, w, b)))
                }))?;
                kept = self.take();
            }
            let [dx, dw, db] = with_slice::<T, _>(w, |w| with_slice(states, |states| {
                with_slice(grad, |grad| self.backward(kept, w, states, grad))
            }))?;
            Ok((
                Some(tensor(dx, x.shape())?),
                Some(tensor(dw, w.shape())?),
                Some(tensor(db, b.shape())?),
            ))
        })
    }
}
