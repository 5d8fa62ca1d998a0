//! Gated recurrent layers, with PyTorch's weights and formulas.
//!
//! [`Gru`] has three quarters of the weights of an [`Lstm`] and is as good in most work on audio; both read a sequence in
//! one or two directions, and all steps are one operation.

mod gradients;
mod op;

use std::sync::Mutex;

use candle_core::{IndexOp, Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use self::op::RecurrenceOp;
use crate::error::shape_error;
pub use crate::kernels::RecurrentConfig;
use crate::kernels::recurrent::{Cell, Recurrence};
use crate::linear::Linear;

#[derive(Debug, Clone)]
struct Direction {
    input: Tensor,
    hidden: Tensor,
    input_bias: Tensor,
    hidden_bias: Tensor,
}

#[derive(Debug, Clone)]
struct Recurrent {
    cell: Cell,
    config: RecurrentConfig,
    directions: Vec<Direction>,
}

impl Recurrent {
    #[allow(clippy::cast_precision_loss, reason = "a size is far below 2^52")]
    fn new(cell: Cell, config: RecurrentConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let RecurrentConfig { input_size, hidden_size, bidirectional } = config;
        config.check()?;
        let gates = cell.gates() * hidden_size;
        let bound = 1.0 / (hidden_size as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let suffixes: &[&str] = if bidirectional { &["", "_reverse"] } else { &[""] };
        let mut directions = Vec::with_capacity(suffixes.len());
        for suffix in suffixes {
            directions.push(Direction {
                input: vb.get_with_hints((gates, input_size), &format!("weight_ih_l0{suffix}"), init)?,
                hidden: vb.get_with_hints((gates, hidden_size), &format!("weight_hh_l0{suffix}"), init)?,
                input_bias: vb.get_with_hints(gates, &format!("bias_ih_l0{suffix}"), init)?,
                hidden_bias: vb.get_with_hints(gates, &format!("bias_hh_l0{suffix}"), init)?,
            });
        }
        Ok(Self { cell, config, directions })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let &[batch, length, size] = x.dims() else {
            return Err(shape_error(
                "shape of the input of a recurrent layer",
                x.dims(),
                "(batch, length, input_size)",
            ));
        };
        if size != self.config.input_size || length == 0 || batch == 0 {
            let expected = format!("(batch, length, {}), not empty", self.config.input_size);
            return Err(shape_error("shape of the input of a recurrent layer", x.dims(), expected));
        }
        if x.device().is_cpu() {
            return self.at_once(x);
        }
        let mut outputs = Vec::with_capacity(self.directions.len());
        for (index, direction) in self.directions.iter().enumerate() {
            outputs.push(self.run(direction, x, index == 1)?);
        }
        Tensor::cat(&outputs, 2)
    }

    /// The inputs of all steps in one product, then all steps as one operation.
    fn at_once(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        let both = |part: fn(&Direction) -> &Tensor| -> Result<Tensor> {
            match &self.directions[..] {
                [only] => part(only).contiguous(),
                directions => Tensor::cat(&directions.iter().map(part).collect::<Vec<_>>(), 0),
            }
        };
        let inputs =
            Linear::new(both(|direction| &direction.input)?, Some(both(|direction| &direction.input_bias)?))?
                .forward(x)?;
        let (weight, bias) =
            (both(|direction| &direction.hidden)?, both(|direction| &direction.hidden_bias)?);
        let recurrence = Recurrence {
            cell: self.cell,
            batch,
            length,
            directions: self.directions.len(),
            size: self.config.hidden_size,
        };
        let keep = inputs.track_op() || weight.track_op() || bias.track_op();
        let op = RecurrenceOp { recurrence, keep, kept: Mutex::default() };
        inputs.contiguous()?.apply_op3(&weight, &bias, op)
    }

    /// One direction from candle's operations, for other devices.
    fn run(&self, direction: &Direction, x: &Tensor, reverse: bool) -> Result<Tensor> {
        let (batch, length, size) = x.dims3()?;
        let hidden_size = self.config.hidden_size;
        // The inputs of all steps in one product, time first so that each step is contiguous.
        let inputs = x.transpose(0, 1)?.reshape((length * batch, size))?.matmul(&direction.input.t()?)?;
        let inputs = inputs.broadcast_add(&direction.input_bias)?.reshape((length, batch, ()))?;
        let weight = direction.hidden.t()?;
        let mut hidden = Tensor::zeros((batch, hidden_size), x.dtype(), x.device())?;
        let mut memory = hidden.clone();
        let mut states = Vec::with_capacity(length);
        for step in 0..length {
            let step = if reverse { length - 1 - step } else { step };
            let input = inputs.i(step)?;
            let recurrent = hidden.matmul(&weight)?.broadcast_add(&direction.hidden_bias)?;
            let part = |x: &Tensor, first: usize, count: usize| {
                x.narrow(1, first * hidden_size, count * hidden_size)
            };
            match self.cell {
                Cell::Gru => {
                    let gates = sigmoid(&(part(&input, 0, 2)? + part(&recurrent, 0, 2)?)?)?;
                    let (reset, update) = (part(&gates, 0, 1)?, part(&gates, 1, 1)?);
                    let candidate = (part(&input, 2, 1)? + (reset * part(&recurrent, 2, 1)?)?)?.tanh()?;
                    hidden = (&candidate + (update * (&hidden - &candidate)?)?)?;
                }
                Cell::Lstm => {
                    let all = (input + recurrent)?;
                    let gates = sigmoid(&part(&all, 0, 2)?)?;
                    let (candidate, output) = (part(&all, 2, 1)?.tanh()?, sigmoid(&part(&all, 3, 1)?)?);
                    memory = ((part(&gates, 1, 1)? * memory)? + (part(&gates, 0, 1)? * candidate)?)?;
                    hidden = (output * memory.tanh()?)?;
                }
            }
            states.push(hidden.clone());
        }
        if reverse {
            states.reverse();
        }
        Tensor::stack(&states, 1)
    }
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    candle_nn::ops::sigmoid(x)
}

/// A gated recurrent unit (Cho et al. 2014) over (batch, length, input_size), as PyTorch's `nn.GRU(batch_first=True)`.
///
/// Parameters: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, and the same with `_reverse` for the second
/// direction; gates in the order reset, update, candidate.
#[derive(Debug, Clone)]
pub struct Gru(Recurrent);

/// A [`Gru`] whose variables are drawn as PyTorch does: uniform within `1 / sqrt(hidden_size)`.
///
/// # Errors
/// If a size is zero or the variables have other shapes.
pub fn gru(config: RecurrentConfig, vb: &VarBuilder<'_>) -> Result<Gru> {
    Recurrent::new(Cell::Gru, config, vb).map(Gru)
}

impl candle_core::Module for Gru {
    /// The states after each step, (batch, length, directions * hidden_size).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}

/// A long short-term memory (Hochreiter and Schmidhuber 1997) over (batch, length, input_size), as PyTorch's
/// `nn.LSTM(batch_first=True)`.
///
/// Parameters as of [`Gru`]; gates in the order input, forget, candidate, output.
#[derive(Debug, Clone)]
pub struct Lstm(Recurrent);

/// A [`Lstm`] whose variables are drawn as PyTorch does: uniform within `1 / sqrt(hidden_size)`.
///
/// # Errors
/// If a size is zero or the variables have other shapes.
pub fn lstm(config: RecurrentConfig, vb: &VarBuilder<'_>) -> Result<Lstm> {
    Recurrent::new(Cell::Lstm, config, vb).map(Lstm)
}

impl candle_core::Module for Lstm {
    /// The outputs after each step, (batch, length, directions * hidden_size).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}
