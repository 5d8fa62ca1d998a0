#![doc = include_str!("../README.md")]

#[cfg(feature = "rayon")]
mod batch;
mod channels;
mod chroma;
mod constant_q;
mod convert;
mod db;
mod decompose;
mod delta;
mod effects;
mod error;
mod feature_set;
mod fft;
mod filters;
mod framing;
mod frontends;
mod kaldi;
mod least_squares;
pub mod log_mel_statistics;
mod loudness;
mod mel;
mod mfcc;
mod onset;
mod pcen;
mod pitch;
mod plan;
mod resample;
mod rhythm;
mod segment;
mod sequence;
mod shape;
mod simd;
mod spectral;
mod statistics;
mod stft;
mod stream;
mod torchaudio;
mod util;
mod window;

#[cfg(feature = "rayon")]
pub use batch::compute_batch;
pub use channels::{compute_channels, compute_interleaved};
pub use chroma::{
    ChromaStft, ChromaStftConfig, ChromaStftScratch, PiptrackConfig, PiptrackReference, Pitches,
    TuningConfig, estimate_tuning, piptrack, pitch_tuning, tuning_of_spectrogram,
};
pub use constant_q::{
    ChromaCens, ChromaCensConfig, ChromaCqt, ChromaCqtConfig, ChromaVqt, ChromaVqtConfig, Cqt, CqtConfig,
    CqtMode, CqtScratch, FoldConfig, HybridCqt, Intervals, PseudoCqt, Vqt, VqtConfig, interval_frequencies,
    tonnetz,
};
pub use convert::{
    NoteStyle, Weighting, a_weighting, a4_to_tuning, b_weighting, c_weighting, cqt_frequencies, d_weighting,
    fft_frequencies, fourier_tempo_frequencies, frames_to_samples, frames_to_time, hz_to_mel, hz_to_midi,
    hz_to_note, hz_to_octs, mel_frequencies, mel_to_hz, midi_to_hz, midi_to_note, note_to_midi, octs_to_hz,
    samples_to_frames, samples_to_time, tempo_frequencies, time_to_frames, time_to_samples, tuning_to_a4,
};
pub use db::{
    DbConfig, Reference, amplitude_to_db, db_to_amplitude, db_to_power, perceptual_weighting, power_to_db,
};
pub use decompose::{
    HarmonicPercussive, Hpss, HpssConfig, NeighborAggregate, median_filter, nn_filter, softmask,
};
pub use delta::{Delta, DeltaConfig, DeltaMode, stack_memory};
pub use effects::{
    DEFAULT_EMPHASIS, GriffinLim, GriffinLimConfig, PitchShift, PitchShiftConfig, Separation,
    SeparationConfig, SilenceConfig, TimeStretch, TimeStretchConfig, deemphasis, phase_vocoder, preemphasis,
    split, trim,
};
pub use error::FeatureError;
pub use feature_set::{
    ColumnNaming, FEATURE_SET_VERSION, Feature, FeatureSet, FeatureSetConfig, FeatureSpec, FeatureSummary,
    PcenMelConfig, Precision, TempoFeatureConfig, TempogramFeatureConfig,
};
pub use filters::{
    ChromaFilterConfig, CqToChromaConfig, DctNorm, DctType, MelFilterBank, MelFilterConfig, MelNorm,
    WaveletConfig, Wavelets, chroma_filters, cq_to_chroma, dct_matrix, relative_bandwidth, wavelet,
    wavelet_lengths, window_bandwidth,
};
pub use framing::PadMode;
pub use frontends::{
    MusicnnMel, MusicnnMelConfig, SpeechFeatures, SpeechFeaturesConfig, SpeechMfccConfig, WhisperMel,
    WhisperMelConfig, speech_delta,
};
pub use kaldi::{KaldiFbank, KaldiFbankConfig, KaldiMfcc, KaldiMfccConfig, KaldiScratch, KaldiWindow};
pub use loudness::{
    Biquad, KWeighting, Loudness, LoudnessConfig, LoudnessMeter, integrated_loudness, loudness,
};
pub use mel::{LogMelConfig, LogMelSpectrogram, MelConfig, MelScratch, MelSpectrogram};
pub use mfcc::{Mfcc, MfccConfig, MfccScratch, MfccToMelConfig, mfcc_to_mel};
pub use onset::{
    OnsetAggregate, OnsetEnvelope, OnsetEnvelopeConfig, OnsetStrengthConfig, PeakPickConfig, onset_backtrack,
    onset_detect, onset_strength, onset_strength_multi, peak_pick,
};
pub use pcen::{Pcen, PcenConfig, PcenState, PcenStream};
pub use pitch::{PitchScratch, PitchTrack, Pyin, PyinConfig, Yin, YinConfig};
pub use plan::FeaturePlan;
pub use realfft::num_complex::{Complex32, Complex64};
pub use resample::{ResampleConfig, ResampleScratch, ResampleType, Resampler, resample};
pub use rhythm::{
    BeatTempo, BeatTrackConfig, Beats, FourierTempogram, FourierTempogramConfig, PlpConfig, Tempo,
    TempoConfig, Tempogram, TempogramConfig, TempogramRatioConfig, TempogramScratch, beat_track, plp,
    tempogram_ratio,
};
pub use segment::{
    Bandwidth, CrossSimilarityConfig, PathEnhanceConfig, RecurrenceConfig, RecurrenceMode, agglomerative,
    cross_similarity, diagonal_filter, lag_to_recurrence, path_enhance, recurrence_matrix, recurrence_to_lag,
};
pub use sequence::{
    Alignment, DtwConfig, Metric, StatePath, cdist, dtw, dtw_cost, stack_states, transition_cycle,
    transition_local, transition_loop, transition_uniform, viterbi, viterbi_binary, viterbi_binary_each,
    viterbi_discriminative,
};
pub use shape::frame_major;
pub use spectral::{
    BandwidthConfig, CentroidConfig, ContrastConfig, ContrastScratch, FlatnessConfig, PolyConfig,
    PolyFeatures, Rms, RmsConfig, RolloffConfig, ShapeScratch, SpectralBandwidth, SpectralCentroid,
    SpectralContrast, SpectralFlatness, SpectralRolloff, ZeroCrossingRate, ZeroCrossingRateConfig,
    zero_crossings,
};
pub use statistics::Statistic;
pub use stft::{
    Istft, IstftConfig, Reassigned, ReassignedConfig, ReassignedSpectrogram, Spectrogram, SpectrogramConfig,
    Stft, StftConfig, StftScratch,
};
pub use stream::{DeltaStream, FeatureStream, FrameSink, FrameStage, OnsetStream, StreamPlan};
pub use torchaudio::{
    TorchaudioLfcc, TorchaudioLfccConfig, TorchaudioMel, TorchaudioMelConfig, TorchaudioMfcc,
    TorchaudioMfccConfig, TorchaudioSpectralCentroid, TorchaudioSpectralCentroidConfig,
    TorchaudioSpectrogramConfig,
};
pub use util::{
    Aggregate, Norm, autocorrelate, fix_length, frame, localmax, localmin, lpc, mu_compress, mu_expand,
    mu_quantize, normalize, pad_center, sync,
};
pub use window::{Window, get_window, window_sumsquare};
