//! Transforms with the numbers of `torchaudio.transforms`: HTK's mel scale, filters without a norm, reflection at the
//! ends.

mod centroid;
mod cepstra;
mod spectrogram;

pub use centroid::{SpectralCentroid, SpectralCentroidConfig};
pub use cepstra::{Lfcc, LfccConfig, Mfcc, MfccConfig};
pub use spectrogram::{MelConfig, MelSpectrogram, SpectrogramConfig};
