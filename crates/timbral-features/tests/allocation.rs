//! What is used again allocates nothing: plans with scratch, and streams.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input shall fail")]

use std::hint::black_box;

use allocation_counter::measure;
use timbral_features::compat::kaldi;
use timbral_features::delta::{Delta, DeltaConfig};
use timbral_features::onset::{OnsetAggregate, OnsetStrengthConfig};
use timbral_features::pcen::{Pcen, PcenConfig, PcenStream};
use timbral_features::spectral::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, PolyConfig, PolyFeatures, Rms, RmsConfig, RolloffConfig,
    SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff, ZeroCrossingRate,
    ZeroCrossingRateConfig,
};
use timbral_features::stream::{DeltaStream, FeatureStream, OnsetStream, StreamPlan};
use timbral_features::util::frame_major;
use timbral_features::{
    ChromaStft, ChromaStftConfig, ContrastConfig, LogMelConfig, LogMelSpectrogram, MelConfig, MelSpectrogram,
    Mfcc, MfccConfig, PadMode, SpectralContrast, Spectrogram, SpectrogramConfig, Stft, StftConfig,
};

fn samples(length: usize) -> Vec<f32> {
    (0..length).map(|i| (i as f32 * 0.07).sin() * (i as f32 * 0.0003).cos()).collect()
}

/// Chunks of many lengths, among them none, one sample and several frames.
const CHUNKS: [usize; 7] = [0, 1, 441, 1024, 37, 9000, 4096];

fn push_all<P: StreamPlan>(stream: &mut FeatureStream<P>, samples: &[f32], frame: &mut [P::Value]) {
    let mut rest = samples;
    for length in CHUNKS.iter().cycle() {
        let (now, later) = rest.split_at((*length).min(rest.len()));
        stream.push(now).unwrap();
        while stream.pop_into(frame).unwrap() {}
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    stream.finish().unwrap();
    while stream.pop_into(frame).unwrap() {}
    stream.reset();
}

fn stream_allocates_nothing<P: StreamPlan>(mut stream: FeatureStream<P>) {
    let samples = samples(60_000);
    let mut frame = vec![P::Value::default(); stream.n_rows()];
    push_all(&mut stream, &samples, &mut frame);
    let info = measure(|| push_all(&mut stream, &samples, &mut frame));
    assert_eq!(info.count_total, 0, "{stream:?}");
}

/// Scratch that has been used, and the stream.
fn allocates_nothing<P: StreamPlan>(plan: &P) {
    let samples = samples(60_000);
    let mut out = frame_major(plan.n_rows(), plan.n_frames(samples.len()).unwrap()).unwrap();
    let mut scratch = plan.scratch();
    plan.compute_into(&samples, &mut out, &mut scratch).unwrap();
    let info = measure(|| plan.compute_into(&samples, &mut out, &mut scratch).unwrap());
    assert_eq!(info.count_total, 0, "{}", std::any::type_name::<P>());
    stream_allocates_nothing(plan.stream().unwrap());
}

fn log_mel() -> LogMelConfig {
    LogMelConfig { top_db: None, ..LogMelConfig::default() }
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(vec![1u8; 100]))).count_total, 1);
}

#[test]
fn spectra_and_what_is_made_of_them() {
    allocates_nothing(&Stft::new(StftConfig::default()).unwrap());
    let reflected = StftConfig { pad_mode: PadMode::Reflect, ..StftConfig::default() };
    allocates_nothing(&Stft::new(reflected).unwrap());
    allocates_nothing(&Spectrogram::new(SpectrogramConfig::default()).unwrap());
    allocates_nothing(&MelSpectrogram::new(MelConfig::default()).unwrap());
    allocates_nothing(&LogMelSpectrogram::new(log_mel()).unwrap());
    let mfcc = MfccConfig { log_mel: log_mel(), ..MfccConfig::default() };
    allocates_nothing(&Mfcc::new(mfcc).unwrap());
    let chroma = ChromaStftConfig { tuning: Some(0.0), ..ChromaStftConfig::default() };
    allocates_nothing(&ChromaStft::new(chroma).unwrap());
}

#[test]
fn spectral_shapes() {
    allocates_nothing(&SpectralCentroid::new(CentroidConfig::default()).unwrap());
    allocates_nothing(&SpectralBandwidth::new(BandwidthConfig::default()).unwrap());
    allocates_nothing(&SpectralRolloff::new(RolloffConfig::default()).unwrap());
    allocates_nothing(&SpectralFlatness::new(FlatnessConfig::default()).unwrap());
    allocates_nothing(&PolyFeatures::new(PolyConfig::default()).unwrap());
    let contrast = ContrastConfig { top_db: None, ..ContrastConfig::default() };
    allocates_nothing(&SpectralContrast::new(contrast).unwrap());
}

#[test]
fn frames_of_samples() {
    allocates_nothing(&Rms::new(RmsConfig::default()).unwrap());
    allocates_nothing(&ZeroCrossingRate::new(ZeroCrossingRateConfig::default()).unwrap());
    allocates_nothing(&kaldi::Fbank::new(kaldi::FbankConfig::default()).unwrap());
    allocates_nothing(&kaldi::Mfcc::new(kaldi::MfccConfig::default()).unwrap());
}

#[test]
fn stages() {
    let plan = LogMelSpectrogram::new(log_mel()).unwrap();
    let delta = Delta::new(DeltaConfig::default()).unwrap();
    let stage = DeltaStream::new(delta, plan.n_mels()).unwrap();
    let stream = plan.stream().unwrap().then(stage.clone()).unwrap();
    stream_allocates_nothing(stream.then(stage).unwrap());
    for aggregate in [OnsetAggregate::Mean, OnsetAggregate::Median] {
        let config = OnsetStrengthConfig {
            lag: 2,
            max_size: 3,
            detrend: true,
            aggregate,
            ..OnsetStrengthConfig::default()
        };
        let stage = OnsetStream::new(config, plan.n_mels()).unwrap();
        stream_allocates_nothing(plan.stream().unwrap().then(stage).unwrap());
    }
    let pcen = PcenStream::new(Pcen::new(PcenConfig::default()).unwrap(), plan.n_mels());
    let stream = plan.mel().stream().unwrap().then(pcen).unwrap();
    stream_allocates_nothing(stream);
}

/// Memory does not grow with the signal: one long chunk, whose frames are handed on, allocates nothing either.
#[test]
fn a_long_chunk_is_not_held() {
    let plan = LogMelSpectrogram::new(log_mel()).unwrap();
    let long = samples(500_000);
    let mut stream = plan.stream().unwrap();
    stream.push_with(&long[..5000], |_| ()).unwrap();
    let mut frames = 0;
    let info = measure(|| stream.push_with(&long, |_| frames += 1).unwrap());
    assert_eq!((info.count_total, frames), (0, 500_000 / 512 + 1));
}
