//! Alignment and decoding of sequences: dynamic time warping and Viterbi.
//!
//! [`dtw`] aligns two feature sequences (or, as [`dtw_cost`], any cost matrix). [`viterbi`] finds the most probable states
//! given likelihoods; [`viterbi_discriminative`] takes the class probabilities of a classifier instead,
//! [`viterbi_binary`] those of independent labels. `transition_*` builds the usual transition matrices.
//!
//! ```
//! use ndarray::array;
//! use timbral_features::sequence::{transition_loop, viterbi_discriminative};
//! // A classifier that errs in one frame; staying in a state is more probable than changing it.
//! let prob = array![[0.9, 0.8, 0.4, 0.9, 0.8], [0.1, 0.2, 0.6, 0.1, 0.2]];
//! let transition = transition_loop(2, &[0.9])?;
//! let path = viterbi_discriminative(prob.view(), transition.view(), None, None)?;
//! assert_eq!(path.states, [0, 0, 0, 0, 0]);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod dtw;
mod metric;
mod transition;
mod viterbi;

pub use dtw::{Alignment, DtwConfig, dtw, dtw_cost};
pub use metric::{Metric, cdist};
pub(crate) use transition::local_row;
pub use transition::{transition_cycle, transition_local, transition_loop, transition_uniform};
pub(crate) use viterbi::{Model, Run, runs};
pub use viterbi::{
    StatePath, stack_states, viterbi, viterbi_binary, viterbi_binary_each, viterbi_discriminative,
};
