//! A learning rate that falls when a measure stops improving.

use crate::error::NnError;

/// Multiplies the learning rate by `factor` after `patience` checks without improvement, as PyTorch's
/// `ReduceLROnPlateau` with a relative threshold of 1e-4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    learning_rate: f64,
    factor: f64,
    patience: u32,
    minimum: f64,
    best: f64,
    bad: u32,
}

impl Plateau {
    /// A schedule that starts at `learning_rate` and never goes below `minimum`.
    ///
    /// # Errors
    /// If `factor` is not within (0, 1), or a rate is negative or not finite.
    pub fn new(learning_rate: f64, factor: f64, patience: u32, minimum: f64) -> Result<Self, NnError> {
        super::state::check_not_negative("learning_rate", learning_rate)?;
        super::state::check_not_negative("minimum", minimum)?;
        if !(factor > 0.0 && factor < 1.0) {
            return Err(NnError::config("factor", factor, "above 0 and below 1"));
        }
        Ok(Self { learning_rate, factor, patience, minimum, best: f64::INFINITY, bad: 0 })
    }

    /// Takes in a measure that should fall (a loss) and returns the learning rate from now on.
    pub fn update(&mut self, measure: f64) -> f64 {
        if measure < self.best * (1.0 - 1e-4) {
            (self.best, self.bad) = (measure, 0);
        } else {
            self.bad += 1;
        }
        if self.bad > self.patience {
            self.learning_rate = (self.learning_rate * self.factor).max(self.minimum);
            self.bad = 0;
        }
        self.learning_rate
    }

    /// The learning rate.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
}
