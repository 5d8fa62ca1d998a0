//! The shape of spectra and frames, in a few numbers per frame.
//!
//! | plan | what it measures |
//! |---|---|
//! | [`SpectralCentroid`], [`SpectralBandwidth`] | mean and spread of the spectrum in Hz: brightness |
//! | [`SpectralRolloff`] | the frequency below which 85 % of the magnitude lies |
//! | [`SpectralContrast`] | peaks against valleys in octave bands: tones against noise |
//! | [`SpectralFlatness`] | geometric over arithmetic mean: 1 for white noise, 0 for a tone |
//! | [`PolyFeatures`] | coefficients of a polynomial fitted to the spectrum |
//! | [`Rms`] | level of the frame |
//! | [`ZeroCrossingRate`] | fraction of samples at which the sign changes |
//!
//! Several of them over the same spectrogram cost one Fourier transform in a
//! [`FeatureSet`](crate::feature_set::FeatureSet).
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::spectral::{CentroidConfig, SpectralCentroid};
//! let tone: Vec<f32> = (0..22_050).map(|i| (i as f32 * std::f32::consts::TAU * 1000.0 / 22_050.0).sin()).collect();
//! let centroid = SpectralCentroid::new(CentroidConfig::default())?.compute(&tone)?;
//! assert!((centroid[[0, 20]] - 1000.0).abs() < 20.0);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

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
pub use waveform::{FrameScratch, Rms, RmsConfig, ZeroCrossingRate, ZeroCrossingRateConfig, zero_crossings};
