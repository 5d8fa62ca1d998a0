//! Optimizers, clipping, averages of weights and schedules.

mod adamw;
mod average;
mod clip;
mod schedule;
mod state;

pub use self::adamw::{AdamW, AdamWConfig};
pub use self::average::ExponentialMovingAverage;
pub use self::clip::{clip_gradient_norm, gradient_norm};
pub use self::schedule::Schedule;
