//! Filter banks and cepstra as Kaldi defines them, with the numbers of `torchaudio.compliance.kaldi`.
//!
//! Kaldi differs from librosa in nearly every step: frames are not centred; each frame has its mean removed and is
//! pre-emphasised before the window; the mel triangles are straight lines on the mel axis rather than on the
//! frequency axis; logarithms are natural. Models of speech and audio tagging (wav2vec's baselines, AST, CLAP's speech
//! encoders, most ASR) are trained on these numbers.
//!
//! [`Fbank`] gives log-mel energies, [`Mfcc`] the cepstra of them. Neither dithers: the same samples give the
//! same numbers.

mod config;
mod fbank;
mod mel_bank;
mod mfcc;

pub use config::{FbankConfig, Window};
pub use fbank::{Fbank, Scratch};
pub use mfcc::{Mfcc, MfccConfig};
