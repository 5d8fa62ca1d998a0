//! Loss functions.

mod cross_entropy;

pub use self::cross_entropy::{CrossEntropyConfig, Target, cross_entropy};
