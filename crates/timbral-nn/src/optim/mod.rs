//! Optimizers, clipping, averages of weights and schedules.

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
