//! Loss functions.

mod cross_entropy;
mod more;

pub use self::cross_entropy::{CrossEntropyConfig, Target, cross_entropy};
pub use self::more::{binary_cross_entropy, distillation_loss, focal_loss};
