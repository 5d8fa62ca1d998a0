//! Mel spectrograms: powers in bands whose width follows the ear.
//!
//! Take [`LogMelSpectrogram`], in decibels, as the input of a network or before cepstra ([`mfcc`](crate::mfcc)); take
//! [`MelSpectrogram`], plain powers, before [`pcen`](crate::pcen) or a compression of your own. Both have librosa's
//! numbers by default; those of torchaudio, Kaldi, Whisper and MusiCNN are in [`compat`](crate::compat).
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::mel::{LogMelConfig, LogMelSpectrogram, MelConfig};
//! let mel = MelConfig { n_mels: 64, ..MelConfig::default() };
//! let plan = LogMelSpectrogram::new(LogMelConfig { mel, ..LogMelConfig::default() })?;
//! assert_eq!(plan.compute(&[0.0; 22_050])?.dim(), (64, 44));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod log;
mod plain;

pub use log::{LogMelConfig, LogMelSpectrogram};
pub use plain::{MelConfig, MelScratch, MelSpectrogram};
