#![doc = include_str!("../README.md")]

mod error;
mod framing;
mod shape;
mod simd;
mod stft;
mod util;
mod window;

pub use error::FeatureError;
pub use framing::PadMode;
pub use realfft::num_complex::Complex32;
pub use shape::frame_major;
pub use stft::{Istft, IstftConfig};
pub use stft::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub use stft::{Spectrogram, SpectrogramConfig};
pub use stft::{Stft, StftConfig, StftScratch};
pub use util::{Norm, normalize};
pub use window::{Window, get_window, window_sumsquare};
