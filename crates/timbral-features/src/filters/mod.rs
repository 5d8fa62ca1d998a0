//! Filter banks and transform matrices.

mod chroma;
mod dct;
mod mel;
mod wavelet;

pub use chroma::{ChromaFilterConfig, CqToChromaConfig, chroma_filters, cq_to_chroma};
pub use dct::{DctNorm, DctType, dct_matrix};
pub use mel::{MelFilterBank, MelFilterConfig, MelNorm};
pub use wavelet::{WaveletConfig, Wavelets, relative_bandwidth, wavelet, wavelet_lengths, window_bandwidth};
