//! Transforms with the numbers of `torchaudio.transforms`: HTK's mel scale, filters without a norm, reflection at the
//! ends.

mod centroid;
mod cepstra;
mod spectrogram;

pub use centroid::{TorchaudioSpectralCentroid, TorchaudioSpectralCentroidConfig};
pub use cepstra::{TorchaudioLfcc, TorchaudioLfccConfig, TorchaudioMfcc, TorchaudioMfccConfig};
pub use spectrogram::{TorchaudioMel, TorchaudioMelConfig, TorchaudioSpectrogramConfig};
