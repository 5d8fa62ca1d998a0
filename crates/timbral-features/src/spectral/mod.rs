//! The shape of spectra and frames, in a few numbers.

mod contrast;
mod extremes;
mod kernels;
mod plan;
mod waveform;

pub use contrast::{ContrastConfig, ContrastScratch, SpectralContrast};
pub use plan::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, PolyConfig, PolyFeatures, RolloffConfig, ShapeScratch,
    SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff,
};
pub use waveform::{Rms, RmsConfig, ZeroCrossingRate, ZeroCrossingRateConfig, zero_crossings};
