#![doc = include_str!("../README.md")]

mod chroma;
mod constant_q;
mod convert;
mod decompose;
mod error;
mod filters;
mod framing;
mod kaldi;
mod onset;
mod pcen;
mod resample;
mod rhythm;
mod sequence;
mod shape;
mod simd;
mod stft;
mod util;
mod window;

pub use chroma::{ChromaStft, ChromaStftConfig, ChromaStftScratch};
pub use chroma::{PiptrackConfig, PiptrackReference, Pitches, piptrack};
pub use chroma::{TuningConfig, estimate_tuning, pitch_tuning, tuning_of_spectrogram};
pub use constant_q::{
    ChromaCens, ChromaCensConfig, ChromaCqt, ChromaCqtConfig, ChromaVqt, ChromaVqtConfig, CqtMode, FoldConfig,
};
pub use constant_q::{Cqt, CqtConfig, CqtScratch, HybridCqt, PseudoCqt, Vqt, VqtConfig};
pub use constant_q::{Intervals, interval_frequencies, tonnetz};
pub use convert::{
    NoteStyle, Weighting, a_weighting, a4_to_tuning, b_weighting, c_weighting, cqt_frequencies, d_weighting,
    fft_frequencies, fourier_tempo_frequencies, frames_to_samples, frames_to_time, hz_to_mel, hz_to_midi,
    hz_to_note, hz_to_octs, mel_frequencies, mel_to_hz, midi_to_hz, midi_to_note, note_to_midi, octs_to_hz,
    samples_to_frames, samples_to_time, tempo_frequencies, time_to_frames, time_to_samples, tuning_to_a4,
};
pub use decompose::{
    HarmonicPercussive, Hpss, HpssConfig, NeighborAggregate, median_filter, nn_filter, softmask,
};
pub use error::FeatureError;
pub use filters::{
    ChromaFilterConfig, CqToChromaConfig, DctNorm, DctType, MelFilterBank, MelFilterConfig, MelNorm,
    WaveletConfig, Wavelets, chroma_filters, cq_to_chroma, dct_matrix, relative_bandwidth, wavelet,
    wavelet_lengths, window_bandwidth,
};
pub use framing::PadMode;
pub use kaldi::{KaldiFbank, KaldiFbankConfig, KaldiMfcc, KaldiMfccConfig, KaldiScratch, KaldiWindow};
pub use onset::{OnsetAggregate, OnsetStrengthConfig, onset_strength, onset_strength_multi};
pub use onset::{PeakPickConfig, onset_backtrack, onset_detect, peak_pick};
pub use pcen::{Pcen, PcenConfig, PcenState, PcenStream};
pub use realfft::num_complex::{Complex32, Complex64};
pub use resample::{ResampleConfig, ResampleScratch, ResampleType, Resampler, resample};
pub use rhythm::{BeatTempo, BeatTrackConfig, Beats, beat_track};
pub use rhythm::{FourierTempogram, FourierTempogramConfig};
pub use rhythm::{PlpConfig, plp};
pub use rhythm::{Tempo, TempoConfig};
pub use rhythm::{Tempogram, TempogramConfig, TempogramScratch};
pub use rhythm::{TempogramRatioConfig, tempogram_ratio};
pub use sequence::{Alignment, DtwConfig, Metric, cdist, dtw, dtw_cost};
pub use sequence::{
    StatePath, stack_states, viterbi, viterbi_binary, viterbi_binary_each, viterbi_discriminative,
};
pub use sequence::{transition_cycle, transition_local, transition_loop, transition_uniform};
pub use shape::frame_major;
pub use stft::{Istft, IstftConfig};
pub use stft::{Reassigned, ReassignedConfig, ReassignedSpectrogram};
pub use stft::{Spectrogram, SpectrogramConfig};
pub use stft::{Stft, StftConfig, StftScratch};
pub use util::{Norm, normalize};
pub use window::{Window, get_window, window_sumsquare};
