//! Helpers for arrays and signals: framing, normalisation, aggregation, padding, linear prediction.
//!
//! [`sync`] aggregates features between beats or other boundaries, [`normalize`] scales rows or columns to unit norm,
//! [`frame_major`] allocates an output in the layout in which plans write fastest.
//!
//! ```
//! use ndarray::array;
//! use timbral_features::util::{Aggregate, sync};
//! let features = array![[1.0, 3.0, 10.0, 20.0]];
//! assert_eq!(sync(features.view(), &[0, 2], Aggregate::Mean, true)?, array![[2.0, 15.0]]);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod arrays;
mod norm;
mod signal;

pub use crate::shape::frame_major;
pub use arrays::{Aggregate, fix_length, frame, localmax, localmin, pad_center, sync};
pub use norm::{Norm, normalize};
pub use signal::{autocorrelate, lpc, mu_compress, mu_expand, mu_quantize};
