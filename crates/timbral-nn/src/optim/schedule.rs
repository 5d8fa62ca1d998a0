//! Learning rates over the steps of a run.

use crate::error::NnError;

/// A learning rate as a function of the step; steps count from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// The same rate at every step.
    Constant {
        /// The rate.
        learning_rate: f64,
    },
    /// A linear rise over `warmup_steps`, then half a cosine down to `last` at step `total_steps - 1` (Loshchilov and
    /// Hutter 2017). Afterwards it stays there.
    WarmupCosine {
        /// The highest rate, reached at step `warmup_steps`.
        peak: f64,
        /// The rate at the end.
        last: f64,
        /// Steps of the rise; step 0 has the rate `peak / (warmup_steps + 1)`.
        warmup_steps: u64,
        /// All steps of the run.
        total_steps: u64,
    },
    /// `first * factor^(step / every)`, rounded down.
    Step {
        /// The rate at step 0.
        first: f64,
        /// What the rate is multiplied by.
        factor: f64,
        /// Steps between two falls, at least 1.
        every: u64,
    },
    /// Half cosines from `peak` to `last`, the first over `period` steps and each of the others `growth` times as long as the
    /// one before (Loshchilov and Hutter 2017), as PyTorch's `CosineAnnealingWarmRestarts`.
    CosineRestarts {
        /// The rate after each restart.
        peak: f64,
        /// The rate that each half cosine runs towards.
        last: f64,
        /// Steps of the first half cosine, at least 1.
        period: u64,
        /// Growth of the period, at least 1.
        growth: u64,
    },
    /// A linear rise over `warmup_steps` as of [`WarmupCosine`](Self::WarmupCosine), then
    /// [`CosineRestarts`](Self::CosineRestarts).
    WarmupRestarts {
        /// The rate after the rise and after each restart.
        peak: f64,
        /// The rate that each half cosine runs towards.
        last: f64,
        /// Steps of the rise.
        warmup_steps: u64,
        /// Steps of the first half cosine, at least 1.
        period: u64,
        /// Growth of the period, at least 1.
        growth: u64,
    },
    /// Half a cosine up and half a cosine down (Smith and Topin 2018), with PyTorch's `OneCycleLR` parameters and numbers.
    OneCycle {
        /// The highest rate.
        peak: f64,
        /// All steps of the run.
        total_steps: u64,
        /// Fraction of the steps that rise, within (0, 1). PyTorch's default: 0.3.
        rise: f64,
        /// `peak` divided by the first rate. PyTorch's default: 25.
        first_divisor: f64,
        /// The first rate divided by the last one. PyTorch's default: 1e4.
        last_divisor: f64,
    },
}

#[allow(clippy::cast_precision_loss, reason = "step counts stay far below 2^52")]
impl Schedule {
    /// Checks the settings: call it once, before the run.
    ///
    /// # Errors
    /// [`NnError::Config`] with the rule that is broken.
    pub fn check(&self) -> Result<(), NnError> {
        let fault = |what, given: f64, rule| Err(NnError::config(what, given, rule));
        let rate = |rate: f64| rate.is_finite() && rate >= 0.0;
        match *self {
            Self::Constant { learning_rate } if !rate(learning_rate) => {
                fault("learning_rate", learning_rate, "finite and not negative")
            }
            Self::WarmupCosine { peak, .. } | Self::OneCycle { peak, .. } if !rate(peak) => {
                fault("peak", peak, "finite and not negative")
            }
            Self::WarmupCosine { last, .. } if !rate(last) => fault("last", last, "finite and not negative"),
            Self::WarmupCosine { warmup_steps, total_steps, .. } if warmup_steps >= total_steps => {
                fault("warmup_steps", warmup_steps as f64, "below total_steps")
            }
            Self::Step { first, .. } if !rate(first) => fault("first", first, "finite and not negative"),
            Self::Step { factor, .. } if !rate(factor) => fault("factor", factor, "finite and not negative"),
            Self::Step { every: 0, .. } => fault("every", 0.0, "at least 1"),
            Self::CosineRestarts { peak, last, .. } | Self::WarmupRestarts { peak, last, .. }
                if !rate(peak) || !rate(last) =>
            {
                fault("peak or last", if rate(peak) { last } else { peak }, "finite and not negative")
            }
            Self::CosineRestarts { period: 0, .. } | Self::WarmupRestarts { period: 0, .. } => {
                fault("period", 0.0, "at least 1")
            }
            Self::CosineRestarts { growth: 0, .. } | Self::WarmupRestarts { growth: 0, .. } => {
                fault("growth", 0.0, "at least 1")
            }
            Self::OneCycle { total_steps: 0, .. } => fault("total_steps", 0.0, "at least 1"),
            Self::OneCycle { rise, .. } if !(rise > 0.0 && rise < 1.0) => {
                fault("rise", rise, "above 0 and below 1")
            }
            Self::OneCycle { first_divisor, .. } if !(first_divisor > 0.0 && first_divisor.is_finite()) => {
                fault("first_divisor", first_divisor, "finite and positive")
            }
            Self::OneCycle { last_divisor, .. } if !(last_divisor > 0.0 && last_divisor.is_finite()) => {
                fault("last_divisor", last_divisor, "finite and positive")
            }
            _ => Ok(()),
        }
    }

    /// The learning rate of a step.
    #[must_use]
    pub fn learning_rate(&self, step: u64) -> f64 {
        match *self {
            Self::Constant { learning_rate } => learning_rate,
            Self::WarmupCosine { peak, last, warmup_steps, total_steps } => {
                if step < warmup_steps {
                    return peak * (step + 1) as f64 / (warmup_steps + 1) as f64;
                }
                let span = total_steps.saturating_sub(warmup_steps + 1).max(1) as f64;
                cosine(peak, last, (step - warmup_steps) as f64 / span)
            }
            Self::Step { first, factor, every } => {
                first * factor.powi(i32::try_from(step / every.max(1)).unwrap_or(i32::MAX))
            }
            Self::CosineRestarts { peak, last, period, growth } => restarts(peak, last, period, growth, step),
            Self::WarmupRestarts { peak, last, warmup_steps, period, growth } => {
                if step < warmup_steps {
                    return peak * (step + 1) as f64 / (warmup_steps + 1) as f64;
                }
                restarts(peak, last, period, growth, step - warmup_steps)
            }
            Self::OneCycle { peak, total_steps, rise, first_divisor, last_divisor } => {
                let first = peak / first_divisor;
                let end = total_steps as f64 - 1.0;
                let turn = rise * total_steps as f64 - 1.0;
                let step = step as f64;
                if step <= turn {
                    cosine(first, peak, step / turn.max(f64::MIN_POSITIVE))
                } else {
                    cosine(peak, first / last_divisor, (step - turn) / (end - turn).max(f64::MIN_POSITIVE))
                }
            }
        }
    }
}

/// Half cosines from `peak` to `last`, each `growth` times as long as the one before.
#[allow(clippy::cast_precision_loss, reason = "step counts stay far below 2^52")]
fn restarts(peak: f64, last: f64, period: u64, growth: u64, mut step: u64) -> f64 {
    let mut period = period.max(1);
    if growth <= 1 {
        step %= period;
    }
    while step >= period {
        step -= period;
        period = period.saturating_mul(growth);
    }
    cosine(peak, last, step as f64 / period as f64)
}

/// Half a cosine from `start` at 0 to `end` at 1 and beyond.
pub(super) fn cosine(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress.clamp(0.0, 1.0)).cos())
}
