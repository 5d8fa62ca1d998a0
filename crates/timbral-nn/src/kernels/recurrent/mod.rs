//! Gated recurrent layers: all steps of all examples in one go.
//!
//! The inputs of all steps are one matrix product; then each task takes one direction of a few examples through all steps,
//! so that the hidden weights stay in the cache from step to step. Groups depend on the batch alone: the result does not
//! depend on the number of threads.

mod cell;

use std::ops::Range;

use rayon::prelude::*;

use self::cell::{gru_step, lstm_step};
#[cfg(feature = "candle")]
pub(crate) use self::cell::{parts, parts_mut};
use super::matmul::{Left, Packed, copy_transposed, padded, product};
use super::real::Real;
use super::simd::widened;
use super::{check_length, volume};
use crate::NnError;

/// Examples of one task: rows of the products that are done at once.
pub(crate) const EXAMPLES: usize = 8;

/// Settings of a gated recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrentConfig {
    /// Size of each input vector. Default: 1.
    pub input_size: usize,
    /// Size of the state of each direction. Default: 1.
    pub hidden_size: usize,
    /// Whether a second set of weights reads the sequence from its end. Default: false.
    pub bidirectional: bool,
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self { input_size: 1, hidden_size: 1, bidirectional: false }
    }
}

impl RecurrentConfig {
    pub(crate) fn check(&self) -> Result<(), NnError> {
        for (field, given) in [("input_size", self.input_size), ("hidden_size", self.hidden_size)] {
            if given == 0 {
                return Err(NnError::config(field, given, "at least 1"));
            }
        }
        Ok(())
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Gru,
    Lstm,
}

impl Cell {
    /// Gates, each as long as the state.
    pub(crate) fn gates(self) -> usize {
        if self == Self::Gru { 3 } else { 4 }
    }

    /// Vectors as long as the state that the backward pass needs of each step.
    pub(crate) fn kept(self) -> usize {
        if self == Self::Gru { 4 } else { 6 }
    }
}

/// All steps from inputs (batch, length, directions * gates), hidden weights (directions, gates, size) and hidden biases
/// (directions, gates) to states (batch, length, directions * size).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recurrence {
    pub(crate) cell: Cell,
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) directions: usize,
    pub(crate) size: usize,
}

/// One direction of some examples.
pub(crate) struct Task {
    pub(crate) direction: usize,
    pub(crate) examples: Range<usize>,
}

/// What a task makes: states, and what is kept of each step.
type Passed<T> = (Vec<T>, Vec<T>);

impl Recurrence {
    pub(crate) fn gates(&self) -> usize {
        self.cell.gates() * self.size
    }

    /// Elements that are kept of each step of an example.
    pub(crate) fn kept_size(&self) -> usize {
        self.cell.kept() * self.size
    }

    /// The tasks of a group of examples, one for each direction.
    pub(crate) fn tasks(&self, group: usize) -> impl IndexedParallelIterator<Item = Task> {
        let start = group * EXAMPLES;
        let examples = start..(start + EXAMPLES).min(self.batch);
        (0..self.directions)
            .into_par_iter()
            .map(move |direction| Task { direction, examples: examples.clone() })
    }

    /// The time of a step: the second direction runs backwards.
    pub(crate) fn time(&self, direction: usize, step: usize) -> usize {
        if direction == 0 { step } else { self.length - 1 - step }
    }

    /// Where the part of one direction of one example at one time starts, among parts of `width` elements.
    pub(crate) fn place(&self, example: usize, time: usize, direction: usize, width: usize) -> usize {
        ((example * self.length + time) * self.directions + direction) * width
    }

    /// The hidden weights (directions, gates, size) as the steps read them: transposed, each direction by itself.
    pub(crate) fn weights<T: Real>(cell: Cell, size: usize, weight: &[T]) -> Vec<Vec<T>> {
        let gates = cell.gates() * size;
        weight
            .chunks_exact(gates * size)
            .map(|weight| {
                let mut transposed = vec![T::default(); size * padded(gates)];
                copy_transposed(weight, size, gates, size, &mut transposed);
                transposed
            })
            .collect()
    }

    /// All steps. Sets `out` to the states, and returns what the backward pass needs of each group of examples and
    /// direction, if it shall be kept.
    pub(crate) fn forward<T: Real>(
        &self,
        inputs: &[T],
        weights: &[Vec<T>],
        bias: &[T],
        keep: bool,
        out: &mut [T],
    ) -> Vec<Vec<Vec<T>>> {
        let (gates, size) = (self.gates(), self.size);
        let groups = out.par_chunks_mut(EXAMPLES * self.length * self.directions * size);
        groups
            .enumerate()
            .map(|(group, out)| {
                let pass = |task: Task| {
                    let bias = &bias[task.direction * gates..][..gates];
                    self.pass(&task, inputs, &weights[task.direction], bias, keep)
                };
                let passed: Vec<Passed<T>> = self.tasks(group).map(pass).collect();
                let put = |(direction, (states, kept)): (usize, Passed<T>)| {
                    self.spread(direction, &states, size, out);
                    kept
                };
                passed.into_iter().enumerate().map(put).collect()
            })
            .collect()
    }

    /// Copies what one direction of a group of examples made, (examples, length, width), to its places.
    pub(crate) fn spread<T: Real>(&self, direction: usize, values: &[T], width: usize, group: &mut [T]) {
        let places = group.chunks_exact_mut(self.directions * width);
        for (values, place) in values.chunks_exact(width).zip(places) {
            place[direction * width..][..width].copy_from_slice(values);
        }
    }

    fn pass<T: Real>(&self, task: &Task, inputs: &[T], weight: &[T], bias: &[T], keep: bool) -> Passed<T> {
        let (gates, size, count) = (self.gates(), self.size, task.examples.len());
        let (columns, kept_size) = (padded(gates), self.kept_size());
        let mut states = vec![T::default(); count * self.length * size];
        let mut kept = vec![T::default(); if keep { count * self.length * kept_size } else { 0 }];
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
                        let kept =
                            if keep { &mut kept[at * kept_size..][..kept_size] } else { &mut unkept[..] };
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
}

/// The weights of one direction, with PyTorch's names and shapes.
#[derive(Debug, Clone, Copy)]
pub struct DirectionWeights<'a> {
    /// Weights of the input, (gates * hidden_size, input_size).
    pub weight_ih: &'a [f32],
    /// Weights of the state, (gates * hidden_size, hidden_size).
    pub weight_hh: &'a [f32],
    /// Biases of the input, (gates * hidden_size).
    pub bias_ih: &'a [f32],
    /// Biases of the state, (gates * hidden_size).
    pub bias_hh: &'a [f32],
}

#[derive(Debug, Clone)]
struct RecurrentPlan {
    cell: Cell,
    config: RecurrentConfig,
    input: Packed<f32>,
    input_bias: Vec<f32>,
    hidden: Vec<Vec<f32>>,
    hidden_bias: Vec<f32>,
}

impl RecurrentPlan {
    fn new(cell: Cell, config: RecurrentConfig, weights: &[DirectionWeights<'_>]) -> Result<Self, NnError> {
        config.check()?;
        let directions = config.directions();
        if weights.len() != directions {
            return Err(NnError::shape(
                "number of directions with weights",
                weights.len(),
                directions.to_string(),
            ));
        }
        let gates = volume(&[cell.gates(), config.hidden_size])?;
        for direction in weights {
            check_length("length of weight_ih", direction.weight_ih, &[gates, config.input_size])?;
            check_length("length of weight_hh", direction.weight_hh, &[gates, config.hidden_size])?;
            check_length("length of bias_ih", direction.bias_ih, &[gates])?;
            check_length("length of bias_hh", direction.bias_hh, &[gates])?;
        }
        let join = |part: for<'a> fn(&'a DirectionWeights<'a>) -> &'a [f32]| -> Vec<f32> {
            weights.iter().flat_map(|direction| part(direction).iter().copied()).collect()
        };
        let input = join(|direction| direction.weight_ih);
        Ok(Self {
            cell,
            config,
            input: Packed::transposed(&input, directions * gates, config.input_size),
            input_bias: join(|direction| direction.bias_ih),
            hidden: Recurrence::weights(cell, config.hidden_size, &join(|direction| direction.weight_hh)),
            hidden_bias: join(|direction| direction.bias_hh),
        })
    }

    fn forward(&self, x: &[f32], shape: [usize; 3]) -> Result<Vec<f32>, NnError> {
        check_length("length of the input", x, &shape)?;
        let [batch, length, size] = shape;
        if size != self.config.input_size || x.is_empty() {
            let rule = format!("(batch, length, {}), not empty", self.config.input_size);
            return Err(NnError::shape("shape of the input", shape, rule));
        }
        let directions = self.config.directions();
        let recurrence =
            Recurrence { cell: self.cell, batch, length, directions, size: self.config.hidden_size };
        let mut inputs = vec![0.0; volume(&[batch, length, directions, recurrence.gates()])?];
        self.input.multiply(x, Some(&self.input_bias), &mut inputs);
        let mut out = vec![0.0; batch * length * directions * self.config.hidden_size];
        recurrence.forward(&inputs, &self.hidden, &self.hidden_bias, false, &mut out);
        Ok(out)
    }
}

/// A gated recurrent unit (Cho et al. 2014) with its weights put in order once; gates in the order reset, update,
/// candidate.
#[derive(Debug, Clone)]
pub struct GruPlan(RecurrentPlan);

impl GruPlan {
    /// Puts the weights of each direction (the second reads the sequence from its end) in order for the kernel.
    ///
    /// # Errors
    /// [`NnError::Config`] if a size is zero, [`NnError::Shape`] if there are not the weights that follow from `config`.
    pub fn new(config: RecurrentConfig, weights: &[DirectionWeights<'_>]) -> Result<Self, NnError> {
        RecurrentPlan::new(Cell::Gru, config, weights).map(Self)
    }

    /// Computes the states after each step, (batch, length, input_size) to (batch, length, directions * hidden_size).
    ///
    /// # Errors
    /// [`NnError::Shape`] if `x` is empty or has not the length of its shape, or its vectors another size.
    pub fn forward(&self, x: &[f32], shape: [usize; 3]) -> Result<Vec<f32>, NnError> {
        self.0.forward(x, shape)
    }
}

/// A long short-term memory (Hochreiter and Schmidhuber 1997) with its weights put in order once; gates in the order input,
/// forget, candidate, output.
#[derive(Debug, Clone)]
pub struct LstmPlan(RecurrentPlan);

impl LstmPlan {
    /// Puts the weights of each direction (the second reads the sequence from its end) in order for the kernel.
    ///
    /// # Errors
    /// As [`GruPlan::new`].
    pub fn new(config: RecurrentConfig, weights: &[DirectionWeights<'_>]) -> Result<Self, NnError> {
        RecurrentPlan::new(Cell::Lstm, config, weights).map(Self)
    }

    /// Computes the outputs after each step, (batch, length, input_size) to (batch, length, directions * hidden_size).
    ///
    /// # Errors
    /// As [`GruPlan::forward`].
    pub fn forward(&self, x: &[f32], shape: [usize; 3]) -> Result<Vec<f32>, NnError> {
        self.0.forward(x, shape)
    }
}
