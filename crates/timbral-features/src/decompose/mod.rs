//! Decomposition of spectrograms: harmonic and percussive parts, soft masks, non-local filters.
//!
//! [`Hpss`] works on spectrograms; [`effects::Separation`](crate::effects::Separation) does the same from samples to
//! samples. [`nn_filter`] replaces each frame by the aggregate of its nearest neighbours, which lifts a voice from a
//! repeating background; [`softmask`] turns two such estimates into a mask.
//!
//! ```
//! use ndarray::Array2;
//! use timbral_features::decompose::{Hpss, HpssConfig};
//! let mut s = Array2::<f32>::zeros((65, 40));
//! s.row_mut(20).fill(1.0); // a steady tone
//! s.column_mut(10).fill(1.0); // a click
//! let parts = Hpss::new(HpssConfig::default())?.compute(s.view())?;
//! assert!(parts.harmonic[[20, 30]] > 0.9 && parts.percussive[[40, 10]] > 0.9);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

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
