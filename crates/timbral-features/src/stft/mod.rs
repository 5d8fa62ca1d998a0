//! The short-time Fourier transform, its inverse and the reassigned spectrogram.
//!
//! | take | for |
//! |---|---|
//! | [`Stft`] | complex spectra, to be changed and turned back into sound by [`Istft`] |
//! | [`Spectrogram`] | magnitudes or powers, what most features are computed from |
//! | [`ReassignedSpectrogram`] | times and frequencies finer than the grid of frames and bins |
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::stft::{Istft, IstftConfig, Stft, StftConfig};
//! let samples: Vec<f32> = (0..8192).map(|i| (i as f32 * 0.1).sin()).collect();
//! let spectra = Stft::new(StftConfig::default())?.compute(&samples)?;
//! assert_eq!(spectra.dim(), (1025, 17));
//! let back = Istft::new(IstftConfig::default())?.compute(spectra.view())?;
//! assert!(back.iter().zip(&samples).all(|(a, b)| (a - b).abs() < 1e-5));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod forward;
mod inverse;
mod reassigned;
mod spectrogram;

pub use crate::framing::PadMode;
pub use forward::{Stft, StftConfig, StftScratch};
pub use inverse::{Istft, IstftConfig};
pub use reassigned::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub(crate) use spectrogram::Power;
pub use spectrogram::{Spectrogram, SpectrogramConfig};
