//! Optimizers, clipping, averages of weights and learning-rate schedules.
//!
//! - Optimizers move [`Parameter`](crate::parameters::Parameter)s: [`AdamW`] (the one to start with), [`Sgd`], [`Lion`].
//!   Their state is named tensors, so that a run can be resumed.
//! - [`Schedule`] gives the learning rate of a step; [`Plateau`] follows a measure.
//! - [`clip_gradient_norm`] and [`clip_gradient_value`] before the step; [`add_gradients`] and [`scale_gradients`] to
//!   accumulate batches.
//! - [`ExponentialMovingAverage`] of the weights, which often generalises better than the last ones.

mod adamw;
mod average;
mod clip;
mod lion;
mod plateau;
mod schedule;
mod sgd;
mod state;

pub use self::adamw::{AdamW, AdamWConfig};
pub use self::average::ExponentialMovingAverage;
pub use self::clip::{
    add_gradients, clip_gradient_norm, clip_gradient_value, gradient_norm, scale_gradients,
};
pub use self::lion::{Lion, LionConfig};
pub use self::plateau::Plateau;
pub use self::schedule::Schedule;
pub use self::sgd::{Sgd, SgdConfig};
