//! Alignment and decoding of sequences.

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
