//! The short-time Fourier transform, its inverse and its relatives.

mod forward;
mod inverse;
mod reassigned;
mod spectrogram;

pub use forward::{Stft, StftConfig, StftScratch};
pub use inverse::{Istft, IstftConfig};
pub use reassigned::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub(crate) use spectrogram::Power;
pub use spectrogram::{Spectrogram, SpectrogramConfig};
