//! Filter banks, windows and transform matrices that the plans are built from.
//!
//! [`MelFilterBank`] and [`chroma_filters`] map the bins of a Fourier transform to bands and pitch classes,
//! [`cq_to_chroma`] the bins of a constant-Q transform, [`wavelet`] is the basis of that transform, [`dct_matrix`] turns
//! bands into cepstra. [`get_window`] samples a [`Window`].
//!
//! ```
//! use timbral_features::filters::{MelFilterBank, MelFilterConfig};
//! let bank = MelFilterBank::new(MelFilterConfig { n_mels: 40, ..MelFilterConfig::default() })?;
//! assert_eq!(bank.to_dense().dim(), (40, 1025));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod chroma;
mod dct;
mod mel;
mod wavelet;

pub use crate::window::{Window, get_window, window_sumsquare};
pub use chroma::{ChromaFilterConfig, CqToChromaConfig, chroma_filters, cq_to_chroma};
pub use dct::{DctNorm, DctType, dct_matrix};
pub use mel::{MelFilterBank, MelFilterConfig, MelNorm};
pub use wavelet::{WaveletConfig, Wavelets, relative_bandwidth, wavelet, wavelet_lengths, window_bandwidth};
