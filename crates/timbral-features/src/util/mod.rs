//! Helpers around arrays and signals.

mod norm;

pub use norm::{Norm, normalize};
