//! Sets equal the plans that they hold, and refuse what they cannot compute.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use ndarray::Array2;
use timbral_features::FeaturePlan;
use timbral_features::compat::{kaldi, musicnn};
use timbral_features::cqt::{ChromaCens, ChromaCqt, ChromaVqt, Cqt, Vqt, tonnetz};
use timbral_features::delta::{Delta, DeltaConfig};
use timbral_features::effects::Separation;
use timbral_features::feature_set::{Feature, FeatureSpec, Precision, Statistic};
use timbral_features::onset::{OnsetEnvelope, OnsetEnvelopeConfig};
use timbral_features::pcen::Pcen;
use timbral_features::pitch::Yin;
use timbral_features::rhythm::{Tempo, Tempogram};
use timbral_features::spectral::{
    PolyFeatures, Rms, RmsConfig, SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff,
    ZeroCrossingRate,
};
use timbral_features::{
    ChromaStft, ChromaStftConfig, FeatureError, FeatureSet, FeatureSetConfig, LogMelSpectrogram, MelConfig,
    MelSpectrogram, Mfcc, MfccConfig, PadMode, SpectralContrast, Spectrogram, SpectrogramConfig, StftConfig,
};

/// A second and more of chord, noise and clicks.
fn music() -> Vec<f32> {
    let mut state = 7u32;
    (0..30_011)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 9) as f32 / 8_388_608.0 - 0.5;
            let tone = |hz: f32| (i as f32 * hz * std::f32::consts::TAU / 22_050.0).sin();
            let click = if i % 7000 == 3500 { 0.5 } else { 0.0 };
            0.2 * (tone(220.0) + tone(277.2) + tone(330.0)) + 0.02 * noise + click
        })
        .collect()
}

fn set(features: Vec<FeatureSpec>) -> FeatureSet {
    FeatureSet::new(FeatureSetConfig::new("test", features)).unwrap()
}

fn row(values: Vec<f32>) -> Array2<f32> {
    Array2::from_shape_vec((1, values.len()), values).unwrap()
}

/// The answer of the plan alone.
fn alone(feature: &Feature, x: &[f32]) -> Array2<f32> {
    macro_rules! plan {
        ($plan:ty, $config:expr) => {
            <$plan>::new($config.clone()).unwrap().compute(x).unwrap()
        };
    }
    let onset = |config: &OnsetEnvelopeConfig| plan!(OnsetEnvelope, config);
    match feature {
        Feature::ChromaStft(c) => plan!(ChromaStft, c),
        Feature::ChromaCqt(c) => plan!(ChromaCqt, c),
        Feature::ChromaCens(c) => plan!(ChromaCens, c),
        Feature::ChromaVqt(c) => plan!(ChromaVqt, c),
        Feature::Tonnetz(c) => tonnetz(plan!(ChromaCqt, c).view()).unwrap(),
        Feature::TonnetzCens(c) => tonnetz(plan!(ChromaCens, c).view()).unwrap(),
        Feature::Cqt(c) => plan!(Cqt, c).mapv(|c| c.norm()),
        Feature::Vqt(c) => plan!(Vqt, c).mapv(|c| c.norm()),
        Feature::Mel(c) => plan!(MelSpectrogram, c),
        Feature::LogMel(c) => plan!(LogMelSpectrogram, c),
        Feature::Mfcc(c) => plan!(Mfcc, c),
        Feature::Pcen(c) => {
            let mel = plan!(MelSpectrogram, c.mel);
            Pcen::new(c.pcen).unwrap().compute(mel.view()).unwrap()
        }
        Feature::KaldiFbank(c) => plan!(kaldi::Fbank, c),
        Feature::KaldiMfcc(c) => plan!(kaldi::Mfcc, c),
        Feature::MusicnnMel(c) => plan!(musicnn::LogMelSpectrogram, c),
        Feature::SpectralCentroid(c) => plan!(SpectralCentroid, c),
        Feature::SpectralBandwidth(c) => plan!(SpectralBandwidth, c),
        Feature::SpectralContrast(c) => plan!(SpectralContrast, c),
        Feature::SpectralFlatness(c) => plan!(SpectralFlatness, c),
        Feature::SpectralRolloff(c) => plan!(SpectralRolloff, c),
        Feature::PolyFeatures(c) => plan!(PolyFeatures, c),
        Feature::Rms(c) => plan!(Rms, c),
        Feature::RmsOfSpectrogram(_) => {
            let s = plan!(Spectrogram, SpectrogramConfig::default());
            Rms::new(RmsConfig::default()).unwrap().from_spectrogram(s.view()).unwrap()
        }
        Feature::ZeroCrossingRate(c) => plan!(ZeroCrossingRate, c),
        Feature::OnsetStrength(c) => row(onset(c)),
        Feature::Tempogram(c) => {
            let plan = Tempogram::new(c.tempogram.clone()).unwrap();
            plan.compute(&onset(&c.onset)).unwrap()
        }
        Feature::Tempo(c) => {
            let plan = Tempo::new(c.tempo.clone()).unwrap();
            row(vec![plan.compute(&onset(&c.onset)).unwrap() as f32])
        }
        Feature::Harmonic(c) => row(Separation::new(c.clone()).unwrap().harmonic(x).unwrap()),
        Feature::Percussive(c) => row(Separation::new(c.clone()).unwrap().percussive(x).unwrap()),
        Feature::Yin(c) => row(plan!(Yin, c).into_iter().map(|hz| hz as f32).collect()),
        other => panic!("{} is not compared", other.name()),
    }
}

#[test]
fn every_feature_equals_its_own_plan() {
    let x = music();
    let features: Vec<Feature> = Feature::NAMES.iter().map(|name| Feature::named(name).unwrap()).collect();
    let specs = features.iter().cloned();
    let specs = specs.map(|feature| FeatureSpec::new(feature, [Statistic::Mean])).collect();
    let answers = set(specs).compute_frames(&x).unwrap();
    assert_eq!(answers.len(), Feature::NAMES.len());
    for (feature, (name, given)) in features.into_iter().zip(answers) {
        assert_eq!(name, feature.name());
        let expected = alone(&feature.at_sample_rate(22_050), &x);
        assert_eq!(given.dim(), expected.dim(), "{name}");
        for (a, b) in given.iter().zip(&expected) {
            // Contrast alone takes the order of powers, in a set that of magnitudes.
            let tolerance = if name == "spectral_contrast" { 1e-5 } else { 2e-7 };
            assert!((a - b).abs() <= tolerance * b.abs().max(1e-3), "{name}: {a} {b}");
        }
    }
}

#[test]
fn double_precision_agrees_with_single() {
    let x = music();
    let mut config = FeatureSetConfig::preset("spectral").unwrap();
    let single = FeatureSet::new(config.clone()).unwrap().compute(&x).unwrap();
    config.precision = Precision::Double;
    let double = FeatureSet::new(config).unwrap().compute(&x).unwrap();
    assert_ne!(single, double);
    for (a, b) in single.iter().zip(&double) {
        assert!((a - b).abs() <= 1e-3 * b.abs(), "{a} {b}");
    }
}

/// A statistic as its definition reads, in double precision.
fn by_definition(statistic: Statistic, row: &[f32]) -> f64 {
    let mut sorted: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let mean = sorted.iter().sum::<f64>() / n as f64;
    let moment = |k: i32| sorted.iter().map(|v| (v - mean).powi(k)).sum::<f64>() / n as f64;
    match statistic {
        Statistic::Mean => mean,
        Statistic::Std => moment(2).sqrt(),
        Statistic::Var => moment(2),
        Statistic::Skew => moment(3) / moment(2).powf(1.5),
        Statistic::Kurtosis => moment(4) / moment(2).powi(2) - 3.0,
        Statistic::Median => 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]),
        Statistic::Min => sorted[0],
        Statistic::Max => sorted[n - 1],
        other => panic!("{other:?} has no definition here"),
    }
}

#[test]
fn statistics_are_those_of_the_frames() {
    let x = music();
    let config = MfccConfig { n_mfcc: 3, ..MfccConfig::default() };
    let mfcc = || Feature::Mfcc(config.clone());
    let set = set(vec![
        FeatureSpec::new(mfcc(), Statistic::ALL),
        FeatureSpec::new(mfcc(), [Statistic::Std]).named("d").delta(DeltaConfig::default()),
        FeatureSpec::new(mfcc(), [Statistic::Var]).named("all").pooled(),
        FeatureSpec::new(Feature::named("tempo").unwrap(), []),
    ]);
    let values = set.compute(&x).unwrap();
    let frames = set.compute_frames(&x).unwrap();
    let slow = Mfcc::new(config.clone()).unwrap().compute(&x).unwrap();
    assert_eq!(frames[0].1, slow);
    let mut expected = Vec::new();
    for row in slow.rows() {
        expected.extend(Statistic::ALL.map(|statistic| by_definition(statistic, &row.to_vec())));
    }
    let derivative = Delta::new(DeltaConfig::default()).unwrap().compute(slow.view()).unwrap();
    assert_eq!(frames[1].1, derivative);
    expected.extend(derivative.rows().into_iter().map(|row| by_definition(Statistic::Std, &row.to_vec())));
    let n = slow.len() as f64;
    let mean = slow.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    expected.push(slow.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n);
    expected.push(f64::from(frames[3].1[[0, 0]]));
    assert_eq!(values.len(), set.columns().len());
    for ((name, value), expected) in set.columns().iter().zip(&values).zip(&expected) {
        assert!((value - expected).abs() <= 1e-10 * expected.abs().max(1.0), "{name}: {value} {expected}");
    }
    assert_eq!(set.columns()[..2], ["mfcc_01_mean", "mfcc_01_std"]);
    assert_eq!(set.columns()[24..], ["d_01_std", "d_02_std", "d_03_std", "all_var", "tempo"]);
}

#[test]
fn tables_have_the_columns_that_circulate() {
    let gtzan = FeatureSet::preset("gtzan57").unwrap();
    assert_eq!(gtzan.columns().len(), 57);
    assert_eq!(gtzan.columns()[0], "chroma_stft_mean");
    assert_eq!(
        gtzan.columns()[12..17],
        ["harmony_mean", "harmony_var", "perceptr_mean", "perceptr_var", "tempo"]
    );
    assert_eq!(gtzan.columns()[56], "mfcc20_var");
    let fma = FeatureSet::preset("fma518").unwrap();
    assert_eq!(fma.columns().len(), 518);
    assert_eq!(fma.columns()[0], "chroma_cens_kurtosis_01");
    assert_eq!(fma.columns()[517], "zcr_std_01");
}

#[test]
fn presets_are_planned_and_survive_files() {
    for name in FeatureSetConfig::PRESETS {
        let config = FeatureSetConfig::preset(name).unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<FeatureSetConfig>(&text).unwrap(), config, "{text}");
        let set = FeatureSet::new(config).unwrap();
        assert!(set.warnings().is_empty(), "{:?}", set.warnings());
        let values = set.compute(&music()[..20_000]).unwrap();
        assert!(values.iter().all(|v| v.is_finite()), "{name}");
        let n_columns: usize = set.features().iter().map(|f| f.n_columns).sum();
        assert_eq!(n_columns, set.columns().len());
    }
    assert!(FeatureSet::preset("gtzan58").is_err());
}

#[test]
fn silence_and_constants_have_finite_values() {
    for name in ["gtzan57", "mfcc13-delta", "spectral", "chroma12"] {
        let set = FeatureSet::preset(name).unwrap();
        for samples in [vec![0.0; 22_050], vec![0.25; 22_050]] {
            let values = set.compute(&samples).unwrap();
            assert!(values.iter().all(|v| v.is_finite()), "{name}: {values}");
        }
        assert!(matches!(set.compute(&[f32::NAN; 4096]), Err(FeatureError::NonFinite { .. })));
    }
}

#[test]
fn the_rate_of_the_set_is_that_of_its_features() {
    let centroid = || vec![FeatureSpec::new(Feature::named("spectral_centroid").unwrap(), [Statistic::Mean])];
    let mut config = FeatureSetConfig::new("", centroid());
    let once = FeatureSet::new(config.clone()).unwrap().compute(&music()).unwrap();
    config.sample_rate = 44_100;
    let twice = FeatureSet::new(config).unwrap().compute(&music()).unwrap();
    assert!((twice[0] / once[0] - 2.0).abs() < 1e-6, "the centroid is in Hz");
}

#[test]
fn faults_are_errors_that_say_where() {
    let good = FeatureSetConfig::preset("mfcc13").unwrap();
    let fault = |change: &dyn Fn(&mut FeatureSetConfig)| {
        let mut config = good.clone();
        change(&mut config);
        FeatureSet::new(config).unwrap_err()
    };
    let said = |change: &dyn Fn(&mut FeatureSetConfig)| fault(change).to_string();
    assert!(said(&|c| c.version += 1).contains("the version that this release computes"));
    assert!(said(&|c| c.features.clear()).contains("at least one"));
    assert!(
        said(&|c| c.features.push(c.features[0].clone())).contains("makes the column mfcc_01_mean twice")
    );
    // The cause is the source of the error and no part of its text.
    let field_of = |error: &FeatureError| match error {
        FeatureError::Feature { name, source, .. } => match source.as_ref() {
            FeatureError::Config { field, given, .. } => (name.clone(), field.clone(), given.clone()),
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    };
    let (name, field, _) = field_of(&fault(&|c| c.features[0].statistics.clear()));
    assert_eq!((name.as_str(), field.as_str()), ("mfcc", "statistics"));
    let high = fault(&|c| {
        let mel = MelConfig { fmax: Some(12_000.0), ..MelConfig::default() };
        c.features[0].feature = Feature::Mel(mel);
    });
    assert_eq!(field_of(&high), ("mel".to_owned(), "fmax".to_owned(), "12000 Hz".to_owned()));
    assert_eq!(high.to_string(), "cannot plan the feature mel");
    for text in ["feature = \"mfc\"", "feature.mfcc = { n_mfc = 3 }", "feature = 3"] {
        let file = format!("version = 1\n[[features]]\n{text}\nstatistics = [\"mean\"]");
        assert!(toml::from_str::<FeatureSetConfig>(&file).is_err(), "{file}");
    }
}

#[test]
fn empty_bands_are_told() {
    let mel = MelConfig { n_fft: 256, ..MelConfig::default() };
    let warnings = set(vec![FeatureSpec::new(Feature::Mel(mel), [Statistic::Mean])]).warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("of 128 mel bands hold no bin"), "{warnings:?}");
}

#[test]
fn paddings_and_tunings_are_kept_apart() {
    let chroma = |pad_mode, tuning| ChromaStftConfig {
        stft: StftConfig { pad_mode, ..StftConfig::default() },
        tuning,
        ..ChromaStftConfig::default()
    };
    let configs = [
        chroma(PadMode::Reflect, Some(0.1)),
        chroma(PadMode::Reflect, None),
        chroma(PadMode::Constant, None),
    ];
    let spec = |(i, config): (usize, &ChromaStftConfig)| {
        FeatureSpec::new(Feature::ChromaStft(config.clone()), [Statistic::Mean]).named(i.to_string())
    };
    let x = music();
    let frames = set(configs.iter().enumerate().map(spec).collect()).compute_frames(&x).unwrap();
    for (config, (_, frames)) in configs.into_iter().zip(frames) {
        assert_eq!(frames, ChromaStft::new(config).unwrap().compute(&x).unwrap());
    }
}
