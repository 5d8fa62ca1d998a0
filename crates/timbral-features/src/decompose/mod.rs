//! Decomposition of spectrograms.

mod hpss;
mod median;
mod network;
mod nn_filter;
mod softmask;

pub use hpss::{HarmonicPercussive, Hpss, HpssConfig};
pub(crate) use hpss::{magnitudes, masked};
pub use median::median_filter;
pub(crate) use median::reflect;
pub(crate) use nn_filter::median;
pub use nn_filter::{NeighborAggregate, nn_filter};
pub use softmask::softmask;
