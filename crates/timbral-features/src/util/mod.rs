//! Helpers around arrays and signals.

mod arrays;
mod norm;
mod signal;

pub use arrays::{Aggregate, fix_length, frame, localmax, localmin, pad_center, sync};
pub use norm::{Norm, normalize};
pub use signal::{autocorrelate, lpc, mu_compress, mu_expand, mu_quantize};
