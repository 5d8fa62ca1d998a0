//! Sets with a name.

use super::config::{ColumnNaming, FeatureSetConfig, FeatureSpec, Precision};
use super::feature::{Feature, TempoFeatureConfig};
use crate::chroma::ChromaStftConfig;
use crate::cqt::{ChromaCensConfig, ChromaCqtConfig, FoldConfig};
use crate::delta::DeltaConfig;
use crate::effects::SeparationConfig;
use crate::framing::PadMode;
use crate::mel::{LogMelConfig, MelConfig};
use crate::mfcc::MfccConfig;
use crate::onset::{OnsetAggregate, OnsetEnvelopeConfig};
use crate::rhythm::TempoConfig;
use crate::spectral::{BandwidthConfig, CentroidConfig, ContrastConfig, RmsConfig, RolloffConfig};
use crate::statistics::Statistic::{self, Kurtosis, Max, Mean, Median, Min, Skew, Std, Var};
use crate::stft::StftConfig;

impl FeatureSetConfig {
    /// The names of the presets.
    ///
    /// | name | columns | what |
    /// |---|---|---|
    /// | `gtzan57` | 57 | the columns of GTZAN's `features_30_sec.csv`, as librosa 0.11 computes them |
    /// | `gtzan57-published` | 57 | the same as librosa 0.8 computed them for the table that circulates: other padding, other ends |
    /// | `fma518` | 518 | the columns of FMA's `features.csv`, as librosa 0.11 computes them |
    /// | `mfcc13`, `mfcc20`, `mfcc40` | 26, 40, 80 | mean and standard deviation of MFCCs |
    /// | `mfcc13-delta` | 78 | the same of 13 MFCCs with their first and second derivative |
    /// | `logmel64`, `logmel128` | 128, 256 | mean and standard deviation of log-mel bands |
    /// | `chroma12` | 24 | mean and standard deviation of pitch classes |
    /// | `spectral` | 26 | mean and standard deviation of spectral shapes, level and zero crossings |
    pub const PRESETS: &[&str] = &[
        "gtzan57",
        "gtzan57-published",
        "fma518",
        "mfcc13",
        "mfcc20",
        "mfcc40",
        "mfcc13-delta",
        "logmel64",
        "logmel128",
        "chroma12",
        "spectral",
    ];

    /// The preset of this name; `None` if there is none.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let set = |features| Self::new(name, features);
        Some(match name {
            "gtzan57" => gtzan57(name, false),
            "gtzan57-published" => gtzan57(name, true),
            "fma518" => fma518(name),
            "mfcc13" => set(vec![mfcc(13)]),
            "mfcc20" => set(vec![mfcc(20)]),
            "mfcc40" => set(vec![mfcc(40)]),
            "mfcc13-delta" => set(vec![
                mfcc(13),
                mfcc(13).named("mfcc_delta").delta(DeltaConfig::default()),
                mfcc(13).named("mfcc_delta2").delta(DeltaConfig { order: 2, ..DeltaConfig::default() }),
            ]),
            "logmel64" => set(vec![log_mel(64)]),
            "logmel128" => set(vec![log_mel(128)]),
            "chroma12" => set(vec![spec(Feature::ChromaStft(ChromaStftConfig::default()))]),
            "spectral" => set([
                "spectral_centroid",
                "spectral_bandwidth",
                "spectral_contrast",
                "spectral_flatness",
                "spectral_rolloff",
                "rms",
                "zero_crossing_rate",
            ]
            .iter()
            .filter_map(|name| Feature::named(name))
            .map(spec)
            .collect()),
            _ => return None,
        })
    }
}

fn spec(feature: Feature) -> FeatureSpec {
    FeatureSpec::new(feature, [Mean, Std])
}

fn mfcc(n_mfcc: usize) -> FeatureSpec {
    spec(Feature::Mfcc(MfccConfig { n_mfcc, ..MfccConfig::default() }))
}

fn log_mel(n_mels: usize) -> FeatureSpec {
    let mel = MelConfig { n_mels, ..MelConfig::default() };
    spec(Feature::LogMel(LogMelConfig { mel, ..LogMelConfig::default() }))
}

/// Means and population variances with librosa's defaults: of 0.11, or of the version that the published table was made with,
/// which padded by reflection and cut separated signals to whole hops. The columns of harmony and percussion are
/// statistics of samples, and the tempo is beat tracking's, from the median over bands.
fn gtzan57(name: &str, published: bool) -> FeatureSetConfig {
    let pad_mode = if published { PadMode::Reflect } else { PadMode::Constant };
    let stft = StftConfig { pad_mode, ..StftConfig::default() };
    let mel = MelConfig { pad_mode, ..MelConfig::default() };
    let sample_rate = mel.sample_rate;
    let chroma = Feature::ChromaStft(ChromaStftConfig { stft: stft.clone(), ..ChromaStftConfig::default() });
    let tempo = Feature::Tempo(TempoFeatureConfig {
        onset: OnsetEnvelopeConfig {
            mel: mel.clone(),
            aggregate: OnsetAggregate::Median,
            ..OnsetEnvelopeConfig::default()
        },
        tempo: TempoConfig::default(),
    });
    let mfcc = Feature::Mfcc(MfccConfig {
        log_mel: LogMelConfig { mel, ..LogMelConfig::default() },
        ..MfccConfig::default()
    });
    let separation =
        SeparationConfig { stft: stft.clone(), whole_hops: published, ..SeparationConfig::default() };
    let rms = Feature::Rms(RmsConfig { pad_mode, ..RmsConfig::default() });
    let both = |feature| FeatureSpec::new(feature, [Mean, Var]);
    let features = vec![
        both(chroma).pooled(),
        both(rms),
        both(Feature::SpectralCentroid(CentroidConfig { sample_rate, stft: stft.clone() })),
        both(Feature::SpectralBandwidth(BandwidthConfig {
            stft: stft.clone(),
            ..BandwidthConfig::default()
        })),
        both(Feature::SpectralRolloff(RolloffConfig { stft, ..RolloffConfig::default() })).named("rolloff"),
        both(Feature::ZeroCrossingRate(Default::default())),
        both(Feature::Harmonic(separation.clone())).named("harmony"),
        both(Feature::Percussive(separation)).named("perceptr"),
        FeatureSpec::new(tempo, []),
        both(mfcc),
    ];
    FeatureSetConfig { columns: ColumnNaming::Gtzan, ..FeatureSetConfig::new(name, features) }
}

/// Seven statistics of eleven features (Defferrard et al., "FMA: a dataset for music analysis", ISMIR 2017).
fn fma518(name: &str) -> FeatureSetConfig {
    const STATISTICS: [Statistic; 7] = [Kurtosis, Max, Mean, Median, Min, Skew, Std];
    let chroma = ChromaCqtConfig {
        fold: FoldConfig { bins_per_octave: 12, ..FoldConfig::default() },
        ..ChromaCqtConfig::default()
    };
    let cens = ChromaCensConfig { chroma: chroma.clone(), ..ChromaCensConfig::default() };
    let all = |feature| FeatureSpec::new(feature, STATISTICS);
    let features = vec![
        all(Feature::ChromaCens(cens.clone())),
        all(Feature::ChromaCqt(chroma)),
        all(Feature::ChromaStft(ChromaStftConfig::default())),
        all(Feature::Mfcc(MfccConfig::default())),
        all(Feature::RmsOfSpectrogram(StftConfig::default())).named("rms"),
        all(Feature::SpectralBandwidth(BandwidthConfig::default())),
        all(Feature::SpectralCentroid(CentroidConfig::default())),
        all(Feature::SpectralContrast(ContrastConfig::default())),
        all(Feature::SpectralRolloff(RolloffConfig::default())),
        all(Feature::TonnetzCens(cens)).named("tonnetz"),
        all(Feature::ZeroCrossingRate(Default::default())).named("zcr"),
    ];
    FeatureSetConfig {
        columns: ColumnNaming::Fma,
        precision: Precision::Double,
        ..FeatureSetConfig::new(name, features)
    }
}
