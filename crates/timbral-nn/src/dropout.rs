//! Dropout whose masks are functions of seed, layer and step, and the clock that holds them.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use rand::RngCore;

use crate::error::config_error;
use crate::random::generator;

/// The seed and the step of a training run, shared by all layers that draw random numbers.
///
/// The training loop calls [`set_step`](Self::set_step) before each step; a run that is resumed at step `n` then draws
/// what the uninterrupted run drew.
#[derive(Debug, Clone)]
pub struct TrainingClock {
    seed: u64,
    step: Arc<Mutex<u64>>,
}

impl TrainingClock {
    /// A clock at step 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, step: Arc::new(Mutex::new(0)) }
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The current step.
    #[must_use]
    pub fn step(&self) -> u64 {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves all layers to `step`.
    pub fn set_step(&self, step: u64) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }
}

/// The generators of one layer: one for each call, counted within a step.
#[derive(Debug)]
pub(crate) struct LayerRandom {
    clock: TrainingClock,
    name: String,
    /// The step of the last call, and how many calls it has seen.
    calls: Mutex<(u64, u64)>,
}

impl LayerRandom {
    pub(crate) fn new(clock: &TrainingClock, name: String) -> Self {
        Self { clock: clock.clone(), name, calls: Mutex::new((0, 0)) }
    }

    pub(crate) fn next(&self) -> rand_chacha::ChaCha8Rng {
        let step = self.clock.step();
        let call = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if calls.0 != step {
                *calls = (step, 0);
            }
            calls.1 += 1;
            calls.1
        };
        let mut name = self.name.clone();
        name.push_str(&format!("#{call}"));
        generator(self.clock.seed, &name, step)
    }
}

/// Sets elements to zero with a given probability in training and scales the others up, so that the mean stays
/// (Srivastava et al. 2014). Does nothing otherwise.
///
/// The mask follows from the seed, the name of the layer, the step and the number of the call within the step.
#[derive(Debug)]
pub struct Dropout {
    probability: f64,
    random: LayerRandom,
}

/// A [`Dropout`] that is named by the path of `vb`; it has no variables.
///
/// # Errors
/// If `probability` is not within [0, 1).
pub fn dropout(probability: f64, clock: &TrainingClock, vb: &VarBuilder<'_>) -> Result<Dropout> {
    check_probability(probability)?;
    Ok(Dropout { probability, random: LayerRandom::new(clock, vb.prefix()) })
}

pub(crate) fn check_probability(probability: f64) -> Result<()> {
    if (0.0..1.0).contains(&probability) {
        Ok(())
    } else {
        Err(config_error("probability", probability, "at least 0 and below 1"))
    }
}

impl Dropout {
    /// The probability that an element is set to zero.
    #[must_use]
    pub fn probability(&self) -> f64 {
        self.probability
    }
}

impl ModuleT for Dropout {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !train || self.probability == 0.0 {
            return Ok(x.clone());
        }
        x.mul(&mask(&mut self.random.next(), x.dims(), self.probability, x)?)
    }
}

/// A tensor like `like` with the given shape: zero with the given probability, else `1 / (1 - probability)`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability below one times 2^32 is within u32"
)]
pub(crate) fn mask(
    random: &mut impl RngCore,
    dims: &[usize],
    probability: f64,
    like: &Tensor,
) -> Result<Tensor> {
    let threshold = (probability * 4_294_967_296.0) as u32;
    let keep = (1.0 / (1.0 - probability)) as f32;
    let count = dims.iter().product();
    let values: Vec<f32> =
        (0..count).map(|_| if random.next_u32() < threshold { 0.0 } else { keep }).collect();
    Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}
