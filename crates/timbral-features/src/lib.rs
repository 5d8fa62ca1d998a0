#![doc = include_str!("../README.md")]

mod decompose;
mod error;
mod framing;
mod pcen;
mod resample;
mod sequence;
mod shape;
mod simd;
mod stft;
mod util;
mod window;

pub use decompose::{
    HarmonicPercussive, Hpss, HpssConfig, NeighborAggregate, median_filter, nn_filter, softmask,
};
pub use error::FeatureError;
pub use framing::PadMode;
pub use pcen::{Pcen, PcenConfig, PcenState, PcenStream};
pub use realfft::num_complex::Complex32;
pub use resample::{ResampleConfig, ResampleScratch, ResampleType, Resampler, resample};
pub use sequence::{Alignment, DtwConfig, Metric, cdist, dtw, dtw_cost};
pub use sequence::{
    StatePath, stack_states, viterbi, viterbi_binary, viterbi_binary_each, viterbi_discriminative,
};
pub use sequence::{transition_cycle, transition_local, transition_loop, transition_uniform};
pub use shape::frame_major;
pub use stft::{Istft, IstftConfig};
pub use stft::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub use stft::{Spectrogram, SpectrogramConfig};
pub use stft::{Stft, StftConfig, StftScratch};
pub use util::{Norm, normalize};
pub use window::{Window, get_window, window_sumsquare};
