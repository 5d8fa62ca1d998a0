#![doc = include_str!("../README.md")]

mod error;
mod framing;
mod kaldi;
mod rhythm;
mod shape;
mod simd;
mod stft;
mod util;
mod window;

pub use error::FeatureError;
pub use framing::PadMode;
pub use kaldi::{KaldiFbank, KaldiFbankConfig, KaldiMfcc, KaldiMfccConfig, KaldiScratch, KaldiWindow};
pub use realfft::num_complex::Complex32;
pub use rhythm::{BeatTempo, BeatTrackConfig, Beats, beat_track};
pub use rhythm::{FourierTempogram, FourierTempogramConfig};
pub use rhythm::{PlpConfig, plp};
pub use rhythm::{Tempo, TempoConfig};
pub use rhythm::{Tempogram, TempogramConfig, TempogramScratch};
pub use rhythm::{TempogramRatioConfig, tempogram_ratio};
pub use shape::frame_major;
pub use stft::{Istft, IstftConfig};
pub use stft::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub use stft::{Spectrogram, SpectrogramConfig};
pub use stft::{Stft, StftConfig, StftScratch};
pub use util::{Norm, normalize};
pub use window::{Window, get_window, window_sumsquare};
