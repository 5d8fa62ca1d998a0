//! Streams against the whole signal at once: the same bits for any configuration and any chunks.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input shall fail")]

use std::fmt::Debug;
use timbral_features::FeaturePlan;

use ndarray::Array2;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use timbral_features::compat::kaldi;
use timbral_features::db::Reference;
use timbral_features::delta::{Delta, DeltaConfig, DeltaMode};
use timbral_features::onset::{OnsetAggregate, OnsetEnvelope, OnsetEnvelopeConfig, OnsetStrengthConfig};
use timbral_features::pcen::{Pcen, PcenConfig, PcenStream};
use timbral_features::spectral::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, PolyConfig, PolyFeatures, Rms, RmsConfig, RolloffConfig,
    SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff, ZeroCrossingRate,
    ZeroCrossingRateConfig,
};
use timbral_features::stream::{DeltaStream, FeatureStream, FrameStage, OnsetStream, StreamPlan};
use timbral_features::{
    ChromaStft, ChromaStftConfig, Complex32, ContrastConfig, FeatureError, LogMelConfig, LogMelSpectrogram,
    MelConfig, MelSpectrogram, Mfcc, MfccConfig, PadMode, SpectralContrast, Spectrogram, SpectrogramConfig,
    Stft, StftConfig,
};

/// Values whose bits can be compared.
trait Bits: Copy {
    fn bits(self) -> u64;
}

impl Bits for f32 {
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Bits for Complex32 {
    fn bits(self) -> u64 {
        u64::from(self.re.to_bits()) << 32 | u64::from(self.im.to_bits())
    }
}

fn bits<T: Bits>(array: &Array2<T>) -> Vec<Vec<u64>> {
    let frames = array.columns();
    frames.into_iter().map(|frame| frame.iter().map(|v| v.bits()).collect()).collect()
}

fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..length)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            // Passages of silence, of noise and of a tone.
            match i / 300 % 3 {
                0 => noise,
                1 => (i as f32 * 0.21).sin(),
                _ => 0.0,
            }
        })
        .collect()
}

/// What a stream gives for a signal that is cut into chunks of these lengths, over and over.
fn streamed<P: StreamPlan<Value: Bits>>(
    stream: &mut FeatureStream<P>,
    samples: &[f32],
    chunks: &[usize],
) -> Result<Vec<Vec<u64>>, FeatureError> {
    let mut frame = vec![P::Value::default(); stream.n_rows()];
    let mut frames = Vec::new();
    let mut take = |stream: &mut FeatureStream<P>| {
        while stream.pop_into(&mut frame).unwrap() {
            frames.push(frame.iter().map(|v| v.bits()).collect());
        }
        assert_eq!(stream.frames_ready(), 0);
    };
    let mut rest = samples;
    // A chunk of no samples is followed by one of some, so that this ends.
    for length in chunks.iter().flat_map(|n| [*n, 1]).cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(length.min(rest.len()));
        stream.push(now)?;
        take(stream);
        rest = later;
    }
    stream.finish()?;
    take(stream);
    Ok(frames)
}

#[derive(Clone, Debug)]
struct Case {
    stft: StftConfig,
    samples: Vec<f32>,
    chunks: Vec<usize>,
}

impl Case {
    /// The stream equals `expected`, and does so once more after a reset in the middle of a signal.
    fn check_stream<P: StreamPlan<Value: Bits>>(
        &self,
        mut stream: FeatureStream<P>,
        expected: Result<Array2<P::Value>, FeatureError>,
    ) -> Result<(), TestCaseError> {
        let expected = expected.map(|array| bits(&array));
        prop_assert_eq!(&streamed(&mut stream, &self.samples, &self.chunks), &expected);
        stream.reset();
        stream.push(&self.samples[..self.samples.len() / 2]).unwrap();
        stream.reset();
        let mut frames: Vec<Vec<u64>> = Vec::new();
        stream
            .push_with(&self.samples, |frame| frames.push(frame.iter().map(|v| v.bits()).collect()))
            .unwrap();
        let finished = stream.finish_with(|frame| frames.push(frame.iter().map(|v| v.bits()).collect()));
        prop_assert_eq!(finished.map(|()| frames), expected);
        Ok(())
    }

    fn check<P: StreamPlan<Value: Bits>>(&self, plan: &P) -> Result<(), TestCaseError> {
        self.check_stream(plan.stream().unwrap(), plan.compute(&self.samples))
    }

    fn mel(&self) -> MelConfig {
        let StftConfig { n_fft, hop_length, win_length, window, center, pad_mode } = self.stft.clone();
        MelConfig {
            n_fft,
            hop_length,
            win_length,
            window,
            center,
            pad_mode,
            n_mels: 12,
            ..MelConfig::default()
        }
    }

    fn log_mel(&self) -> LogMelConfig {
        LogMelConfig { mel: self.mel(), top_db: None, ..LogMelConfig::default() }
    }
}

fn stft() -> impl Strategy<Value = StftConfig> {
    let modes = vec![PadMode::Constant, PadMode::Edge, PadMode::Reflect, PadMode::Symmetric];
    let lengths = prop_oneof![select(vec![64usize, 101, 128, 256]), 30usize..300];
    let hops = prop_oneof![1usize..40, 40usize..400];
    (lengths, hops, any::<bool>(), select(modes), 0usize..3).prop_map(
        |(n_fft, hop_length, center, pad_mode, shorter)| StftConfig {
            n_fft,
            hop_length,
            win_length: (shorter > 0).then_some(n_fft - shorter),
            center,
            pad_mode,
            ..StftConfig::default()
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let lengths = prop_oneof![0usize..4, 0usize..300, 300usize..3000];
    let sizes = prop_oneof![select(vec![0usize, 1, 2, 7, 13, 127, 509, 1021, 100_000]), 0usize..700];
    (stft(), lengths, any::<u64>(), prop::collection::vec(sizes, 1..8))
        .prop_map(|(stft, length, seed, chunks)| Case { stft, samples: noise(length, seed), chunks })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

    #[test]
    fn spectra(case in case(), power in select(vec![1.0f32, 2.0, 1.3])) {
        case.check(&Stft::new(case.stft.clone()).unwrap())?;
        case.check(&Spectrogram::new(SpectrogramConfig { stft: case.stft.clone(), power }).unwrap())?;
    }

    #[test]
    fn mel_and_cepstra(case in case(), lifter in select(vec![0.0f32, 22.0])) {
        case.check(&MelSpectrogram::new(case.mel()).unwrap())?;
        case.check(&LogMelSpectrogram::new(case.log_mel()).unwrap())?;
        let reference = LogMelConfig { reference: Reference::Value(0.3), ..case.log_mel() };
        case.check(&LogMelSpectrogram::new(reference).unwrap())?;
        let mfcc = MfccConfig { log_mel: case.log_mel(), n_mfcc: 7, lifter, ..MfccConfig::default() };
        case.check(&Mfcc::new(mfcc).unwrap())?;
    }

    #[test]
    fn spectral_shapes(case in case(), order in 0usize..4) {
        let stft = case.stft.clone();
        case.check(&SpectralCentroid::new(CentroidConfig { stft: stft.clone(), ..Default::default() }).unwrap())?;
        case.check(&SpectralBandwidth::new(BandwidthConfig { stft: stft.clone(), ..Default::default() }).unwrap())?;
        case.check(&SpectralRolloff::new(RolloffConfig { stft: stft.clone(), ..Default::default() }).unwrap())?;
        case.check(&SpectralFlatness::new(FlatnessConfig { stft: stft.clone(), ..Default::default() }).unwrap())?;
        case.check(&PolyFeatures::new(PolyConfig { stft: stft.clone(), order, ..Default::default() }).unwrap())?;
        for (linear, top_db) in [(true, Some(80.0)), (false, None), (false, Some(f32::INFINITY))] {
            let contrast = ContrastConfig {
                stft: stft.clone(), fmin: 1000.0, n_bands: 2, linear, top_db, ..Default::default()
            };
            case.check(&SpectralContrast::new(contrast).unwrap())?;
        }
        let chroma = ChromaStftConfig { stft, tuning: Some(0.1), ..Default::default() };
        case.check(&ChromaStft::new(chroma).unwrap())?;
    }

    #[test]
    fn level_and_zero_crossings(case in case(), pad: bool, zero_pos: bool) {
        let StftConfig { n_fft: frame_length, hop_length, center, pad_mode, .. } = case.stft;
        case.check(&Rms::new(RmsConfig { frame_length, hop_length, center, pad_mode }).unwrap())?;
        let rate = ZeroCrossingRateConfig { frame_length, hop_length, center, pad, zero_pos, ..Default::default() };
        case.check(&ZeroCrossingRate::new(rate).unwrap())?;
    }

    #[test]
    fn kaldi(case in case(), use_energy: bool, htk_compat: bool) {
        let fbank = kaldi::FbankConfig {
            sample_rate: 8000,
            frame_length: 20.0,
            frame_shift: case.stft.hop_length as f64 / 8.0,
            use_energy,
            htk_compat,
            ..kaldi::FbankConfig::default()
        };
        case.check(&kaldi::Fbank::new(fbank.clone()).unwrap())?;
        case.check(&kaldi::Mfcc::new(kaldi::MfccConfig { fbank, ..kaldi::MfccConfig::default() }).unwrap())?;
    }

    #[test]
    fn derivatives(
        case in case(),
        half in 1usize..6,
        order in 1usize..4,
        mode in select(vec![DeltaMode::Interp, DeltaMode::Nearest, DeltaMode::Mirror, DeltaMode::Constant]),
    ) {
        let width = 2 * half + 1;
        let delta = Delta::new(DeltaConfig { width, order: order.min(width - 1), mode }).unwrap();
        let plan = Mfcc::new(MfccConfig { log_mel: case.log_mel(), n_mfcc: 5, ..MfccConfig::default() }).unwrap();
        let stage = || DeltaStream::new(delta.clone(), 5).unwrap();
        let once = plan.compute(&case.samples).and_then(|mfcc| delta.compute(mfcc.view()));
        case.check_stream(plan.stream().unwrap().then(stage()).unwrap(), once.clone())?;
        let twice = once.and_then(|once| delta.compute(once.view()));
        case.check_stream(plan.stream().unwrap().then(stage()).unwrap().then(stage()).unwrap(), twice)?;
    }

    #[test]
    fn onsets(
        case in case(),
        (lag, max_size) in (1usize..5, 1usize..5),
        (detrend, center) in any::<(bool, bool)>(),
        aggregate in select(vec![OnsetAggregate::Mean, OnsetAggregate::Median, OnsetAggregate::Max, OnsetAggregate::Min]),
    ) {
        let plan = OnsetEnvelope::new(OnsetEnvelopeConfig {
            mel: case.mel(), top_db: None, lag, max_size, detrend, center, aggregate,
        }).unwrap();
        let envelope = plan.compute(&case.samples);
        let expected = envelope.map(|values| Array2::from_shape_vec((1, values.len()), values).unwrap());
        case.check_stream(plan.stream().unwrap(), expected)?;
    }

    #[test]
    fn energy_normalisation(case in case(), max_size in 1usize..4) {
        let plan = MelSpectrogram::new(case.mel()).unwrap();
        let pcen = Pcen::new(PcenConfig { max_size, ..PcenConfig::default() }).unwrap();
        let stream = plan.stream().unwrap().then(PcenStream::new(pcen.clone(), 12)).unwrap();
        let expected = plan.compute(&case.samples).and_then(|mel| pcen.compute(mel.view()));
        case.check_stream(stream, expected)?;
    }

    #[test]
    fn frames_are_ready_at_the_latency_and_not_before(stft in stft(), half in 0usize..3) {
        // A mirrored first frame waits for one sample more than others do, which a stage behind it waits for anyway.
        let tight = half == 0 || !stft.center || stft.pad_mode != PadMode::Reflect;
        let plan = Spectrogram::new(SpectrogramConfig { stft, power: 1.0 }).unwrap();
        let mut stream = plan.stream().unwrap();
        if half > 0 {
            let config = DeltaConfig { width: 2 * half + 1, order: 1, mode: DeltaMode::Nearest };
            let stage = DeltaStream::new(Delta::new(config).unwrap(), plan.n_bins()).unwrap();
            stream = stream.then(stage).unwrap();
        }
        let (latency, hop_length) = (stream.latency(), stream.hop_length());
        stream.push(&vec![0.1; latency - 1]).unwrap();
        prop_assert!(stream.frames_ready() == 0 || !tight);
        stream.push(&[0.1]).unwrap();
        // What the first frame waited for besides its own samples may have completed others.
        let early = stream.frames_ready();
        prop_assert!(early >= 1);
        stream.push(&vec![0.1; 5 * hop_length]).unwrap();
        prop_assert!((6..=early + 5).contains(&stream.frames_ready()));
    }
}

/// Configurations whose frames look at the whole signal.
#[test]
fn refuses_what_needs_the_whole_signal() {
    fn refused(parameter: &str, result: Result<impl Debug, FeatureError>) {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, FeatureError::Config { field, .. } if field == parameter),
            "{parameter}: {error}"
        );
    }
    let log_mel = LogMelConfig::default();
    refused("top_db", LogMelSpectrogram::new(log_mel.clone()).unwrap().stream());
    refused("top_db", Mfcc::new(MfccConfig::default()).unwrap().stream());
    let relative = LogMelConfig { reference: Reference::Max, top_db: None, ..log_mel };
    refused("reference", LogMelSpectrogram::new(relative).unwrap().stream());
    refused("top_db", SpectralContrast::new(Default::default()).unwrap().stream());
    refused("top_db", OnsetEnvelope::new(Default::default()).unwrap().stream());
    refused("tuning", ChromaStft::new(Default::default()).unwrap().stream());
    for (parameter, config) in [
        ("subtract_mean", kaldi::FbankConfig { subtract_mean: true, ..Default::default() }),
        ("snip_edges", kaldi::FbankConfig { snip_edges: false, ..Default::default() }),
        ("min_duration", kaldi::FbankConfig { min_duration: 0.5, ..Default::default() }),
    ] {
        refused(parameter, kaldi::Fbank::new(config).unwrap().stream());
    }
    let wrap = DeltaConfig { mode: DeltaMode::Wrap, ..Default::default() };
    refused("mode", DeltaStream::new(Delta::new(wrap).unwrap(), 3));
    refused("lag", OnsetStream::new(OnsetStrengthConfig { lag: 0, ..Default::default() }, 3));
}

#[test]
fn errors_leave_the_stream_as_it_was() {
    let plan = Rms::new(RmsConfig::default()).unwrap();
    let samples = noise(5000, 1);
    let mut stream = plan.stream().unwrap();
    stream.push(&samples[..3000]).unwrap();
    assert!(matches!(stream.push(&[0.0, f32::NAN]), Err(FeatureError::NonFinite { index: 1, .. })));
    assert!(matches!(stream.pop_into(&mut [0.0; 2]), Err(FeatureError::Shape { .. })));
    stream.push(&samples[3000..]).unwrap();
    stream.finish().unwrap();
    stream.finish().unwrap();
    assert!(matches!(stream.push(&samples), Err(FeatureError::Input(_))));
    assert_eq!(stream.take().unwrap(), plan.compute(&samples).unwrap());
    assert!(!stream.pop_into(&mut [0.0]).unwrap());
    assert_eq!(stream.take().unwrap().dim(), (1, 0));
}

#[test]
fn stages_fit_their_frames_and_come_first() {
    let plan = Rms::new(RmsConfig::default()).unwrap();
    let delta = Delta::new(DeltaConfig::default()).unwrap();
    let stage = |rows| DeltaStream::new(delta.clone(), rows).unwrap();
    assert!(matches!(plan.stream().unwrap().then(stage(2)), Err(FeatureError::Shape { .. })));
    let mut begun = plan.stream().unwrap();
    begun.push(&[0.0]).unwrap();
    assert!(matches!(begun.then(stage(1)), Err(FeatureError::Input(_))));
    assert!(stage(2).push_frame(&[0.0], &mut |_| Ok(())).is_err());
}
