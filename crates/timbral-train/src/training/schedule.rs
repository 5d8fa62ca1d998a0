use serde::{Deserialize, Serialize};
use timbral_nn::optim::{Plateau, Schedule};

use super::config::TrainConfig;
use crate::TrainError;

/// Learning-rate schedule. In a file a name, `"one_cycle"`, or a table, `{ type = "step", every = 10 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ScheduleKind {
    /// Half a cosine up, half a cosine down (Smith and Topin 2018).
    OneCycle(OneCycleParameters),
    /// A linear rise, then half a cosine down (Loshchilov and Hutter 2017).
    WarmupCosine(WarmupCosineParameters),
    /// Always the highest rate.
    Constant {},
    /// Falls by a factor every some passes.
    Step(StepParameters),
    /// Half cosines down, each from the highest rate (Loshchilov and Hutter 2017).
    CosineRestarts(CosineRestartsParameters),
    /// Falls by a factor when passes no longer better the validation loss, or the training loss where there are no
    /// validation tracks.
    Plateau(PlateauParameters),
}

impl Default for ScheduleKind {
    fn default() -> Self {
        Self::OneCycle(OneCycleParameters::default())
    }
}

/// Settings of [`ScheduleKind::OneCycle`]; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OneCycleParameters {
    /// Fraction of the steps that rise, within (0, 1). Default: 0.3.
    pub rise: f64,
    /// The highest rate divided by the first one. Default: 25.
    pub first_divisor: f64,
    /// The first rate divided by the last one. Default: 10000.
    pub last_divisor: f64,
}

impl Default for OneCycleParameters {
    fn default() -> Self {
        Self { rise: 0.3, first_divisor: 25.0, last_divisor: 1e4 }
    }
}

/// Settings of [`ScheduleKind::WarmupCosine`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WarmupCosineParameters {
    /// Fraction of the steps that rise, in `[0, 1)`. Default: 0.05.
    pub warmup: f64,
    /// Fraction of the highest rate that is left at the end, in `[0, 1]`. Default: 0.
    pub last: f64,
}

impl Default for WarmupCosineParameters {
    fn default() -> Self {
        Self { warmup: 0.05, last: 0.0 }
    }
}

/// Settings of [`ScheduleKind::Step`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepParameters {
    /// Passes between two falls, at least 1. Default: 20.
    pub every: usize,
    /// What the rate is multiplied by, in `[0, 1]`. Default: 0.1.
    pub factor: f64,
}

impl Default for StepParameters {
    fn default() -> Self {
        Self { every: 20, factor: 0.1 }
    }
}

/// Settings of [`ScheduleKind::CosineRestarts`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineRestartsParameters {
    /// Passes of the first half cosine, at least 1. Default: 10.
    pub period: usize,
    /// How many times as long as the one before each further one is, 1 to 1000. Default: 2.
    pub growth: u64,
    /// Fraction of the highest rate that each half cosine runs towards, in `[0, 1]`. Default: 0.
    pub last: f64,
}

impl Default for CosineRestartsParameters {
    fn default() -> Self {
        Self { period: 10, growth: 2, last: 0.0 }
    }
}

/// Settings of [`ScheduleKind::Plateau`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlateauParameters {
    /// What the rate is multiplied by, within (0, 1). Default: 0.3.
    pub factor: f64,
    /// Patience: epochs without a better loss. Default: 5.
    pub patience: u32,
    /// Fraction of the highest rate below which it does not fall, in `[0, 1]`. Default: 0.001.
    pub least: f64,
}

impl Default for PlateauParameters {
    fn default() -> Self {
        Self { factor: 0.3, patience: 5, least: 1e-3 }
    }
}

impl ScheduleKind {
    /// Checks the settings that have a rule of their own here; the others are checked when a run starts.
    pub(super) fn validate(&self) -> Result<(), TrainError> {
        let shares: &[(&'static str, f64)] = match self {
            Self::WarmupCosine(p) => &[("warmup", p.warmup), ("last", p.last)],
            Self::Step(p) => &[("factor", p.factor)],
            Self::CosineRestarts(p) => &[("last", p.last)],
            Self::Plateau(p) => &[("least", p.least)],
            Self::OneCycle(_) | Self::Constant {} => &[],
        };
        if let Some((field, share)) = shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(TrainError::config(*field, share, "between 0 and 1"));
        }
        // Bounds keep counts of steps far from where they overflow.
        match self {
            Self::Step(p) if p.every > 1_000_000 => {
                Err(TrainError::config("every", p.every, "at most 1000000"))
            }
            Self::CosineRestarts(p) if p.period > 1_000_000 => {
                Err(TrainError::config("period", p.period, "at most 1000000"))
            }
            Self::CosineRestarts(p) if p.growth > 1000 => {
                Err(TrainError::config("growth", p.growth, "at most 1000"))
            }
            _ => Course::new(*self, 1.0, 1, 1).map(drop),
        }
    }
}

/// The learning rate of a run in progress.
#[derive(Debug, Clone, Copy)]
pub(super) enum Course {
    Steps(Schedule),
    Plateau(Plateau),
}

impl Course {
    pub(super) fn of(config: &TrainConfig, steps_per_pass: usize) -> Result<Self, TrainError> {
        Self::new(config.schedule, config.learning_rate, steps_per_pass as u64, config.epochs as u64)
    }

    fn new(kind: ScheduleKind, peak: f64, steps_per_pass: u64, passes: u64) -> Result<Self, TrainError> {
        let total_steps = steps_per_pass * passes;
        let schedule = match kind {
            ScheduleKind::OneCycle(p) => Schedule::OneCycle {
                peak,
                total_steps,
                rise: p.rise,
                first_divisor: p.first_divisor,
                last_divisor: p.last_divisor,
            },
            ScheduleKind::WarmupCosine(p) => Schedule::WarmupCosine {
                peak,
                last: peak * p.last,
                warmup_steps: (total_steps as f64 * p.warmup) as u64,
                total_steps,
            },
            ScheduleKind::Constant {} => Schedule::Constant { learning_rate: peak },
            ScheduleKind::Step(p) => {
                Schedule::Step { first: peak, factor: p.factor, every: p.every as u64 * steps_per_pass }
            }
            ScheduleKind::CosineRestarts(p) => Schedule::CosineRestarts {
                peak,
                last: peak * p.last,
                period: p.period as u64 * steps_per_pass,
                growth: p.growth,
            },
            ScheduleKind::Plateau(p) => {
                let plateau = Plateau::new(peak, p.factor, p.patience, peak * p.least)?;
                return Ok(Self::Plateau(plateau));
            }
        };
        schedule.check()?;
        Ok(Self::Steps(schedule))
    }

    /// The rate of a step.
    pub(super) fn rate(&self, step: u64) -> f64 {
        match self {
            Self::Steps(schedule) => schedule.learning_rate(step),
            Self::Plateau(plateau) => plateau.learning_rate(),
        }
    }

    /// Takes in the loss of a pass.
    pub(super) fn after_pass(&mut self, loss: f64) {
        if let Self::Plateau(plateau) = self {
            plateau.update(loss);
        }
    }
}
