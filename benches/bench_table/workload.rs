//! What is measured: one plan each on a 30 s clip, and the bare Fourier transforms of the same frames.
#![allow(clippy::expect_used, reason = "a bench whose fixed settings are rejected should stop")]

use realfft::RealFftPlanner;
use timbral_features::compat::kaldi;
use timbral_features::cqt::{ChromaCqt, ChromaCqtConfig, Cqt, CqtConfig};
use timbral_features::decompose::{Hpss, HpssConfig};
use timbral_features::filters::get_window;
use timbral_features::onset::{OnsetAggregate, OnsetEnvelope, OnsetEnvelopeConfig};
use timbral_features::rhythm::{BeatTrackConfig, Tempo, TempoConfig, beat_track};
use timbral_features::spectral::{
    BandwidthConfig, CentroidConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid, SpectralRolloff,
};
use timbral_features::util::frame_major;
use timbral_features::{
    ChromaStft, ChromaStftConfig, ContrastConfig, FeaturePlan, FeatureSet, LogMelConfig, LogMelSpectrogram,
    MelConfig, MelSpectrogram, Mfcc, MfccConfig, SpectralContrast, Stft, StftConfig,
};

/// A feature, its floor, and the ratio to stay below.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    #[allow(dead_code, reason = "the table prints it, criterion has no use for it")]
    pub(crate) bar: f64,
    #[allow(dead_code, reason = "the table prints it, criterion has no use for it")]
    pub(crate) elsewhere: &'static str,
    pub(crate) timbral: Box<dyn FnMut() -> f32>,
    pub(crate) floor: Box<dyn FnMut() -> f32>,
}

/// Length of the clip in seconds.
const SECONDS: usize = 30;

/// Tones over noise, so that no branch is predicted for free.
pub(crate) fn clip(sample_rate: usize, seconds: usize) -> Vec<f32> {
    let mut state = 12_345u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..sample_rate * seconds)
        .map(|i| 0.4 * (i as f32 * 0.05).sin() + 0.2 * (i as f32 * 0.31).sin() + 0.1 * noise())
        .collect()
}

/// The transforms of `frames` windowed frames that lie one after the other.
fn transforms(frames: Vec<f32>, n_fft: usize) -> Box<dyn FnMut() -> f32> {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n_fft);
    let (mut spectrum, mut scratch) = (fft.make_output_vec(), fft.make_scratch_vec());
    // The transform overwrites its input, so a call finds what the last one left there. The numbers soon become infinite,
    // which costs nothing; restoring them would.
    let mut buffer = frames;
    Box::new(move || {
        let mut last = 0.0;
        for frame in buffer.chunks_exact_mut(n_fft) {
            fft.process_with_scratch(frame, &mut spectrum, &mut scratch).expect("the lengths fit");
            last += spectrum[7].re;
        }
        last
    })
}

/// The floor of everything at 22 050 Hz: frames of 2048 every 512 samples, centred.
fn floor() -> Box<dyn FnMut() -> f32> {
    let config = StftConfig::default();
    let window = get_window(&config.window, config.n_fft, true).expect("the default window is valid");
    let padding = vec![0.0; config.n_fft / 2];
    let padded = [&padding[..], &clip(22_050, SECONDS), &padding].concat();
    let windowed = |frame: &[f32]| -> Vec<f32> {
        let pairs = frame.iter().zip(&window);
        pairs.map(|(x, w)| x * *w as f32).collect()
    };
    let frames = padded.windows(config.n_fft).step_by(config.hop_length);
    transforms(frames.flat_map(windowed).collect(), config.n_fft)
}

/// The floor of Kaldi's features: frames of 25 ms every 10 ms at 16 kHz, filled up to 512 samples.
fn kaldi_floor() -> Box<dyn FnMut() -> f32> {
    let samples = clip(16_000, SECONDS);
    let filled = |frame: &[f32]| [frame, &[0.0; 112]].concat();
    transforms(samples.windows(400).step_by(160).flat_map(filled).collect(), 512)
}

/// A row of the table for a plan that writes into an array.
macro_rules! plan {
    ($name:literal, $bar:literal, $elsewhere:literal, $plan:expr, $rows:expr) => {{
        let plan = $plan.expect("the configuration is valid");
        let samples = clip(22_050, SECONDS);
        let frames = plan.n_frames(samples.len()).expect("the clip is long enough");
        let mut out = frame_major($rows, frames).expect("the answer fits");
        let mut scratch = plan.scratch();
        call($name, $bar, $elsewhere, move || {
            plan.compute_into(&samples, &mut out, &mut scratch).expect("the clip is valid");
            first(&out)
        })
    }};
}

/// A row of the table for anything that takes the clip.
fn call(
    name: &'static str,
    bar: f64,
    elsewhere: &'static str,
    timbral: impl FnMut() -> f32 + 'static,
) -> Work {
    Work { name, bar, elsewhere, timbral: Box::new(timbral), floor: floor() }
}

trait Real {
    fn real(&self) -> f32;
}

impl Real for f32 {
    fn real(&self) -> f32 {
        *self
    }
}

impl Real for timbral_features::Complex32 {
    fn real(&self) -> f32 {
        self.re
    }
}

fn first<T: Real>(array: &ndarray::Array2<T>) -> f32 {
    array.first().map_or(0.0, Real::real)
}

fn chroma(tuning: Option<f64>) -> ChromaStftConfig {
    ChromaStftConfig { tuning, ..ChromaStftConfig::default() }
}

fn kaldi() -> Work {
    let plan = kaldi::Fbank::new(kaldi::FbankConfig { num_mel_bins: 80, ..kaldi::FbankConfig::default() })
        .expect("the configuration is valid");
    let samples = clip(16_000, SECONDS);
    let mut out = frame_major(80, plan.n_frames(samples.len()).expect("the clip is long enough"))
        .expect("the answer fits");
    let mut scratch = plan.scratch();
    let timbral = move || {
        plan.compute_into(&samples, &mut out, &mut scratch).expect("the clip is valid");
        first(&out)
    };
    Work { floor: kaldi_floor(), ..call("kaldi_fbank80_16k", 1.5, "4.3", timbral) }
}

fn envelope(aggregate: OnsetAggregate) -> OnsetEnvelope {
    OnsetEnvelope::new(OnsetEnvelopeConfig { aggregate, ..OnsetEnvelopeConfig::default() })
        .expect("the configuration is valid")
}

fn onset_strength() -> Work {
    let samples = clip(22_050, SECONDS);
    let plan = envelope(OnsetAggregate::Mean);
    call("onset_strength", 1.6, "–", move || plan.compute(&samples).expect("the clip is valid")[1000])
}

fn tempo() -> Work {
    let samples = clip(22_050, SECONDS);
    let mean = envelope(OnsetAggregate::Mean);
    let plan = Tempo::new(TempoConfig::default()).expect("the configuration is valid");
    call("tempo", 2.0, "16.6", move || {
        let envelope = mean.compute(&samples).expect("the clip is valid");
        plan.compute(&envelope).expect("the envelope is valid") as f32
    })
}

fn beats() -> Work {
    let samples = clip(22_050, SECONDS);
    let median = envelope(OnsetAggregate::Median);
    call("beat_track", 2.5, "6.5", move || {
        let envelope = median.compute(&samples).expect("the clip is valid");
        let beats = beat_track(&envelope, &BeatTrackConfig::default()).expect("the envelope is valid");
        beats.bpm[0] as f32
    })
}

fn chroma_cqt() -> Work {
    let samples = clip(22_050, SECONDS);
    let plan = ChromaCqt::new(ChromaCqtConfig::default()).expect("the configuration is valid");
    call("chroma_cqt", 6.0, "43", move || first(&plan.compute(&samples).expect("the clip is valid")))
}

fn gtzan57() -> Work {
    let samples = clip(22_050, SECONDS);
    let plan = FeatureSet::preset("gtzan57").expect("the preset is valid");
    call("gtzan57", 30.0, "501", move || plan.compute(&samples).expect("the clip is valid")[0] as f32)
}

fn hpss() -> Work {
    let stft = Stft::new(StftConfig::default()).expect("the configuration is valid");
    let plan = Hpss::new(HpssConfig::default()).expect("the configuration is valid");
    let samples = clip(22_050, SECONDS);
    call("hpss31x31", 25.0, "461", move || {
        let transform = stft.compute(&samples).expect("the clip is valid");
        let parts = plan.compute_complex(transform.view()).expect("the transform is finite");
        first(&parts.harmonic) + first(&parts.percussive)
    })
}

/// All features that have a bar, in the order of the table, each made when its turn comes.
pub(crate) fn all() -> impl Iterator<Item = Work> {
    let all: [fn() -> Work; 18] = [
        || plan!("stft", 1.15, "2.4 (torch)", Stft::new(StftConfig::default()), 1025),
        || plan!("mel128", 1.3, "–", MelSpectrogram::new(MelConfig::default()), 128),
        || {
            plan!(
                "log_mel128",
                1.3,
                "1.8 (a Rust crate), 5.6 (torchaudio), 7.7 (librosa)",
                LogMelSpectrogram::new(LogMelConfig::default()),
                128
            )
        },
        || plan!("mfcc20", 1.4, "7.7", Mfcc::new(MfccConfig::default()), 20),
        || plan!("chroma_stft_given", 1.5, "4.8", ChromaStft::new(chroma(Some(0.0))), 12),
        || plan!("chroma_stft_estimated", 3.0, "18.8", ChromaStft::new(chroma(None)), 12),
        || plan!("spectral_contrast", 1.6, "9.0", SpectralContrast::new(ContrastConfig::default()), 7),
        || plan!("spectral_centroid", 1.3, "6.2", SpectralCentroid::new(CentroidConfig::default()), 1),
        || plan!("spectral_bandwidth", 1.4, "6.6", SpectralBandwidth::new(BandwidthConfig::default()), 1),
        || plan!("spectral_rolloff", 1.3, "–", SpectralRolloff::new(RolloffConfig::default()), 1),
        kaldi,
        onset_strength,
        tempo,
        beats,
        || plan!("cqt84", 5.0, "12.8", Cqt::new(CqtConfig::default()), 84),
        chroma_cqt,
        hpss,
        gtzan57,
    ];
    all.into_iter().map(|make| make())
}

/// The decibels of 128 mel bands of clips of 30 s, 5 min and 1 h: seconds, and what computes them.
#[allow(dead_code, reason = "the table prints it, criterion has no use for it")]
pub(crate) fn lengths() -> impl Iterator<Item = (usize, Box<dyn FnMut() -> f32>)> {
    [30, 300, 3600].into_iter().map(|seconds| {
        let work = {
            let plan = LogMelSpectrogram::new(LogMelConfig::default()).expect("the configuration is valid");
            let samples = clip(22_050, seconds);
            let frames = plan.n_frames(samples.len()).expect("the clip is long enough");
            let mut out = frame_major(128, frames).expect("the answer fits");
            let mut scratch = plan.scratch();
            move || {
                plan.compute_into(&samples, &mut out, &mut scratch).expect("the clip is valid");
                first(&out)
            }
        };
        (seconds, Box::new(work) as Box<dyn FnMut() -> f32>)
    })
}
