//! All steps of a gated recurrent layer as one operation with its own backward pass.
//!
//! A task is one direction of a group of a few examples: their states stay in the cache from step to step. Groups depend on
//! the batch alone and their weight gradients are added in order, so that the result does not depend on the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::Cell;
use super::cell::{gru_gradients, gru_step, lstm_gradients, lstm_step};
use crate::error::shape_error;
use crate::product::{Left, copy_padded, copy_transposed, padded, product};
use crate::real::{Real, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::simd::widened;

/// Examples of one task: rows of the products that are done at once.
const EXAMPLES: usize = 8;

/// The operation: inputs (batch, length, directions * gates), hidden weights (directions, gates, size) and hidden biases
/// (directions, gates) to states (batch, length, directions * size).
#[derive(Debug)]
pub(super) struct Recurrence {
    pub(super) cell: Cell,
    pub(super) batch: usize,
    pub(super) length: usize,
    pub(super) directions: usize,
    pub(super) size: usize,
    /// Whether somebody needs gradients.
    pub(super) keep: bool,
    /// What the forward pass of each group of examples and direction leaves for the backward pass, which takes it: a second one computes it again.
    pub(super) kept: Mutex<Vec<Vec<CpuStorage>>>,
}

/// One direction of some examples.
struct Task {
    direction: usize,
    examples: Range<usize>,
}

/// What a task makes: states, and what is kept of each step.
type Passed<T> = (Vec<T>, Vec<T>);

/// The gradients that a task makes: of the inputs of its steps, of the hidden weights and of the hidden biases.
struct Gradients<T> {
    inputs: Vec<T>,
    weight: Vec<T>,
    bias: Vec<T>,
}

impl Recurrence {
    fn take(&self) -> Vec<Vec<CpuStorage>> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn gates(&self) -> usize {
        self.cell.gates() * self.size
    }

    /// Elements that are kept of each step of an example.
    fn kept_size(&self) -> usize {
        self.cell.kept() * self.size
    }

    /// The tasks of a group of examples, one for each direction.
    fn tasks(&self, group: usize) -> impl IndexedParallelIterator<Item = Task> {
        let start = group * EXAMPLES;
        let examples = start..(start + EXAMPLES).min(self.batch);
        (0..self.directions)
            .into_par_iter()
            .map(move |direction| Task { direction, examples: examples.clone() })
    }

    /// The time of a step: the second direction runs backwards.
    fn time(&self, direction: usize, step: usize) -> usize {
        if direction == 0 { step } else { self.length - 1 - step }
    }

    /// Where the part of one direction of one example at one time starts, among parts of `width` elements.
    fn place(&self, example: usize, time: usize, direction: usize, width: usize) -> usize {
        ((example * self.length + time) * self.directions + direction) * width
    }

    fn forward<T: Real>(&self, inputs: &[T], weight: &[T], bias: &[T]) -> Result<Vec<T>> {
        let (gates, size) = (self.gates(), self.size);
        let weights: Vec<Vec<T>> = weight
            .chunks_exact(gates * size)
            .map(|weight| {
                let mut transposed = vec![T::default(); size * padded(gates)];
                copy_transposed(weight, size, gates, size, &mut transposed);
                transposed
            })
            .collect();
        let mut out = vec![T::default(); self.batch * self.length * self.directions * size];
        let groups = out.par_chunks_mut(EXAMPLES * self.length * self.directions * size);
        let kept: Vec<Vec<CpuStorage>> = groups
            .enumerate()
            .map(|(group, out)| {
                let pass = |task: Task| {
                    let bias = &bias[task.direction * gates..][..gates];
                    self.pass(&task, inputs, &weights[task.direction], bias)
                };
                let passed: Vec<Passed<T>> = self.tasks(group).map(pass).collect();
                let keep = |(direction, (states, kept)): (usize, Passed<T>)| {
                    self.spread(direction, &states, size, out);
                    storage(kept)
                };
                passed.into_iter().enumerate().map(keep).collect()
            })
            .collect();
        if self.keep {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        }
        Ok(out)
    }

    /// Copies what one direction of a group of examples made, (examples, length, width), to its places.
    fn spread<T: Real>(&self, direction: usize, values: &[T], width: usize, group: &mut [T]) {
        let places = group.chunks_exact_mut(self.directions * width);
        for (values, place) in values.chunks_exact(width).zip(places) {
            place[direction * width..][..width].copy_from_slice(values);
        }
    }

    fn pass<T: Real>(&self, task: &Task, inputs: &[T], weight: &[T], bias: &[T]) -> Passed<T> {
        let (gates, size, count) = (self.gates(), self.size, task.examples.len());
        let (columns, kept_size) = (padded(gates), self.kept_size());
        let mut states = vec![T::default(); count * self.length * size];
        let mut kept = vec![T::default(); if self.keep { count * self.length * kept_size } else { 0 }];
        let mut unkept = vec![T::default(); kept_size];
        let mut hidden = vec![T::default(); count * size];
        let mut memory = vec![T::default(); count * size];
        let mut recurrent = vec![T::default(); count * columns];
        for step in 0..self.length {
            let time = self.time(task.direction, step);
            product(Left::Rows(&hidden, size), weight, columns, false, &mut recurrent);
            widened(
                #[inline(always)]
                || {
                    for (row, example) in task.examples.clone().enumerate() {
                        let input = &inputs[self.place(example, time, task.direction, gates)..][..gates];
                        let recurrent = &recurrent[row * columns..][..gates];
                        let hidden = &mut hidden[row * size..][..size];
                        let at = row * self.length + time;
                        let kept = if self.keep {
                            &mut kept[at * kept_size..][..kept_size]
                        } else {
                            &mut unkept[..]
                        };
                        match self.cell {
                            Cell::Gru => gru_step(input, recurrent, bias, hidden, kept),
                            Cell::Lstm => {
                                let memory = &mut memory[row * size..][..size];
                                lstm_step(input, recurrent, bias, memory, hidden, kept);
                            }
                        }
                        states[at * size..][..size].copy_from_slice(hidden);
                    }
                },
            );
        }
        (states, kept)
    }

    fn backward<T: Real>(
        &self,
        kept: Vec<Vec<CpuStorage>>,
        weight: &[T],
        states: &[T],
        grad: &[T],
    ) -> Result<[Vec<T>; 3]> {
        let (gates, size) = (self.gates(), self.size);
        let weights: Vec<Vec<T>> = weight
            .chunks_exact(gates * size)
            .map(|weight| {
                let mut wide = vec![T::default(); gates * padded(size)];
                copy_padded(weight, size, size, &mut wide);
                wide
            })
            .collect();
        let groups = self.batch.div_ceil(EXAMPLES);
        if kept.len() != groups {
            return Err(shape_error(
                "backward pass of a recurrent layer",
                kept.len(),
                format!("{groups} groups of examples kept by the forward pass"),
            ));
        }
        let mut inputs = vec![T::default(); self.batch * self.length * self.directions * gates];
        let parts: Vec<Vec<(Vec<T>, Vec<T>)>> = inputs
            .par_chunks_mut(EXAMPLES * self.length * self.directions * gates)
            .zip(kept)
            .enumerate()
            .map(|(group, (inputs, kept))| {
                let pass = |(task, kept): (Task, CpuStorage)| {
                    let kept = T::cpu_storage_as_slice(&kept)?;
                    Ok(self.pass_back(&task, kept, &weights[task.direction], states, grad))
                };
                let gradients: Vec<Gradients<T>> =
                    self.tasks(group).zip(kept).map(pass).collect::<Result<_>>()?;
                let put = |(direction, own): (usize, Gradients<T>)| {
                    self.spread(direction, &own.inputs, gates, inputs);
                    (own.weight, own.bias)
                };
                Ok(gradients.into_iter().enumerate().map(put).collect())
            })
            .collect::<Result<_>>()?;
        let mut weight = vec![T::default(); self.directions * gates * size];
        let mut bias = vec![T::default(); self.directions * gates];
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

    fn pass_back<T: Real>(
        &self,
        task: &Task,
        kept: &[T],
        weight: &[T],
        states: &[T],
        grad: &[T],
    ) -> Gradients<T> {
        let (gates, size, count) = (self.gates(), self.size, task.examples.len());
        let (columns, kept_size) = (padded(size), self.kept_size());
        let rows = count * self.length;
        let mut inputs = vec![T::default(); rows * gates];
        // Gradients of the hidden products and the states before them, step after step.
        let mut hidden_grads = vec![T::default(); rows * gates];
        let mut before = vec![T::default(); rows * columns];
        let mut carried = vec![T::default(); count * columns];
        let mut memory = vec![T::default(); count * size];
        let none = vec![T::default(); size];
        for step in (0..self.length).rev() {
            let time = self.time(task.direction, step);
            let block = step * count..(step + 1) * count;
            let hidden_grads = &mut hidden_grads[block.start * gates..block.end * gates];
            let before = &mut before[block.start * columns..block.end * columns];
            widened(
                #[inline(always)]
                || {
                    for (row, example) in task.examples.clone().enumerate() {
                        let place = |time| self.place(example, time, task.direction, size);
                        let at = row * self.length + time;
                        let previous = (step > 0).then(|| self.time(task.direction, step - 1));
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
                        match self.cell {
                            Cell::Gru => {
                                gru_gradients(kept_now, previous_state, carried, inputs, hidden_grads)
                            }
                            Cell::Lstm => {
                                let previous_memory = match previous {
                                    Some(time) => {
                                        let at = row * self.length + time;
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
fn add<T: Real>(sums: &mut [T], parts: &[T]) {
    for (sum, &part) in sums.iter_mut().zip(parts) {
        *sum += part;
    }
}

impl CustomOp3 for Recurrence {
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
            let out = self.forward::<T>(slice(x, lx)?, slice(w, lw)?, slice(b, lb)?)?;
            Ok((storage(out), (self.batch, self.length, self.directions * self.size).into()))
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
                    with_slice(b, |b| self.forward(x, w, b))
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
