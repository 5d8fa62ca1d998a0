#![doc = include_str!("../README.md")]

mod convert;
mod db;
mod delta;
mod error;
mod filters;
mod framing;
mod least_squares;
mod mel;
mod mfcc;
mod shape;
mod simd;
mod spectral;
mod statistics;
mod stft;
mod util;
mod window;

pub use convert::{
    NoteStyle, Weighting, a_weighting, a4_to_tuning, b_weighting, c_weighting, cqt_frequencies, d_weighting,
    fft_frequencies, fourier_tempo_frequencies, frames_to_samples, frames_to_time, hz_to_mel, hz_to_midi,
    hz_to_note, hz_to_octs, mel_frequencies, mel_to_hz, midi_to_hz, midi_to_note, note_to_midi, octs_to_hz,
    samples_to_frames, samples_to_time, tempo_frequencies, time_to_frames, time_to_samples, tuning_to_a4,
};
pub use db::{
    DbConfig, Reference, amplitude_to_db, db_to_amplitude, db_to_power, perceptual_weighting, power_to_db,
};
pub use delta::{Delta, DeltaConfig, DeltaMode, stack_memory};
pub use error::FeatureError;
pub use filters::{
    ChromaFilterConfig, CqToChromaConfig, DctNorm, DctType, MelFilterBank, MelFilterConfig, MelNorm,
    WaveletConfig, Wavelets, chroma_filters, cq_to_chroma, dct_matrix, relative_bandwidth, wavelet,
    wavelet_lengths, window_bandwidth,
};
pub use framing::PadMode;
pub use mel::{LogMelConfig, LogMelSpectrogram, MelConfig, MelScratch, MelSpectrogram};
pub use mfcc::{Mfcc, MfccConfig, MfccScratch, MfccToMelConfig, mfcc_to_mel};
pub use realfft::num_complex::{Complex32, Complex64};
pub use shape::frame_major;
pub use spectral::{
    BandwidthConfig, CentroidConfig, ContrastConfig, ContrastScratch, FlatnessConfig, PolyConfig,
    PolyFeatures, Rms, RmsConfig, RolloffConfig, ShapeScratch, SpectralBandwidth, SpectralCentroid,
    SpectralContrast, SpectralFlatness, SpectralRolloff, ZeroCrossingRate, ZeroCrossingRateConfig,
    zero_crossings,
};
pub use statistics::Statistic;
pub use stft::{Istft, IstftConfig};
pub use stft::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub use stft::{Spectrogram, SpectrogramConfig};
pub use stft::{Stft, StftConfig, StftScratch};
pub use util::{
    Aggregate, Norm, autocorrelate, fix_length, frame, localmax, localmin, lpc, mu_compress, mu_expand,
    mu_quantize, normalize, pad_center, sync,
};
pub use window::{Window, get_window, window_sumsquare};
