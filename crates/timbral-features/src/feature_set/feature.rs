//! The features that a set can hold.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::chroma::ChromaStftConfig;
use crate::compat::{kaldi, musicnn};
use crate::cqt::{ChromaCensConfig, ChromaCqtConfig, ChromaVqtConfig, CqtConfig, VqtConfig};
use crate::effects::SeparationConfig;
use crate::mel::{LogMelConfig, MelConfig};
use crate::mfcc::MfccConfig;
use crate::onset::OnsetEnvelopeConfig;
use crate::pcen::PcenConfig;
use crate::pitch::YinConfig;
use crate::rhythm::{TempoConfig, TempogramConfig};
use crate::spectral::{
    BandwidthConfig, CentroidConfig, ContrastConfig, FlatnessConfig, PolyConfig, RmsConfig, RolloffConfig,
    ZeroCrossingRateConfig,
};
use crate::stft::StftConfig;

/// Parameters of [`Feature::Tempo`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TempoFeatureConfig {
    /// The onset envelope.
    pub onset: OnsetEnvelopeConfig,
    /// The estimate. Its hop is that of the envelope.
    pub tempo: TempoConfig,
}

/// Parameters of [`Feature::Tempogram`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TempogramFeatureConfig {
    /// The onset envelope.
    pub onset: OnsetEnvelopeConfig,
    /// Its local autocorrelation.
    pub tempogram: TempogramConfig,
}

/// Parameters of [`Feature::Pcen`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcenMelConfig {
    /// The mel spectrogram.
    pub mel: MelConfig,
    /// The normalisation. Its hop is that of the spectrogram.
    pub pcen: PcenConfig,
}

/// Defines the enum with its names, so that each feature is listed once.
macro_rules! features {
    ($($(#[$doc:meta])* $variant:ident($config:ty) = $name:literal,)*) => {
        /// A feature with its parameters.
        ///
        /// In a file it is its name, which stands for the defaults (`feature = "mfcc"`), or a table with the name and what
        /// differs from the defaults (`feature.mfcc = { n_mfcc = 13 }`). Sample rates are those of the set.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[non_exhaustive]
        pub enum Feature {
            $($(#[$doc])* #[serde(rename = $name)] $variant($config),)*
        }

        impl Feature {
            /// The names of all features.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The name, as columns and files spell it.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(..) => $name),* }
            }
        }

        /// As [`Feature`], in the form in which a file gives parameters.
        #[derive(Deserialize)]
        enum Table {
            $(#[serde(rename = $name)] $variant($config),)*
        }

        /// As [`Feature`], in the form in which a file gives the name alone.
        #[derive(Deserialize)]
        enum Name {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl From<Table> for Feature {
            fn from(table: Table) -> Self {
                match table { $(Table::$variant(config) => Self::$variant(config)),* }
            }
        }

        impl From<Name> for Feature {
            fn from(name: Name) -> Self {
                match name { $(Name::$variant => Self::$variant(<$config>::default())),* }
            }
        }
    };
}

features! {
    /// [`ChromaStft`](crate::ChromaStft).
    ChromaStft(ChromaStftConfig) = "chroma_stft",
    /// [`ChromaCqt`](crate::cqt::ChromaCqt).
    ChromaCqt(ChromaCqtConfig) = "chroma_cqt",
    /// [`ChromaCens`](crate::cqt::ChromaCens).
    ChromaCens(ChromaCensConfig) = "chroma_cens",
    /// [`ChromaVqt`](crate::cqt::ChromaVqt).
    ChromaVqt(ChromaVqtConfig) = "chroma_vqt",
    /// [`tonnetz`](crate::cqt::tonnetz) of the constant-Q chroma.
    Tonnetz(ChromaCqtConfig) = "tonnetz",
    /// [`tonnetz`](crate::cqt::tonnetz) of the normalised chroma statistics, as FMA's table has it.
    TonnetzCens(ChromaCensConfig) = "tonnetz_cens",
    /// Magnitudes of [`Cqt`](crate::cqt::Cqt).
    Cqt(CqtConfig) = "cqt",
    /// Magnitudes of [`Vqt`](crate::cqt::Vqt).
    Vqt(VqtConfig) = "vqt",
    /// [`MelSpectrogram`](crate::MelSpectrogram).
    Mel(MelConfig) = "mel",
    /// [`LogMelSpectrogram`](crate::LogMelSpectrogram).
    LogMel(LogMelConfig) = "log_mel",
    /// [`Mfcc`](crate::Mfcc).
    Mfcc(MfccConfig) = "mfcc",
    /// [`Pcen`](crate::pcen::Pcen) of a mel spectrogram.
    Pcen(PcenMelConfig) = "pcen",
    /// [`kaldi::Fbank`].
    KaldiFbank(kaldi::FbankConfig) = "kaldi_fbank",
    /// [`kaldi::Mfcc`].
    KaldiMfcc(kaldi::MfccConfig) = "kaldi_mfcc",
    /// [`musicnn::LogMelSpectrogram`].
    MusicnnMel(musicnn::LogMelConfig) = "musicnn_mel",
    /// [`SpectralCentroid`](crate::spectral::SpectralCentroid), Hz.
    SpectralCentroid(CentroidConfig) = "spectral_centroid",
    /// [`SpectralBandwidth`](crate::spectral::SpectralBandwidth), Hz.
    SpectralBandwidth(BandwidthConfig) = "spectral_bandwidth",
    /// [`SpectralContrast`](crate::SpectralContrast), dB.
    SpectralContrast(ContrastConfig) = "spectral_contrast",
    /// [`SpectralFlatness`](crate::spectral::SpectralFlatness).
    SpectralFlatness(FlatnessConfig) = "spectral_flatness",
    /// [`SpectralRolloff`](crate::spectral::SpectralRolloff), Hz.
    SpectralRolloff(RolloffConfig) = "spectral_rolloff",
    /// [`PolyFeatures`](crate::spectral::PolyFeatures).
    PolyFeatures(PolyConfig) = "poly_features",
    /// [`Rms`](crate::spectral::Rms) of samples.
    Rms(RmsConfig) = "rms",
    /// [`Rms`](crate::spectral::Rms) of a magnitude spectrogram.
    RmsOfSpectrogram(StftConfig) = "rms_of_spectrogram",
    /// [`ZeroCrossingRate`](crate::spectral::ZeroCrossingRate).
    ZeroCrossingRate(ZeroCrossingRateConfig) = "zero_crossing_rate",
    /// [`OnsetEnvelope`](crate::onset::OnsetEnvelope).
    OnsetStrength(OnsetEnvelopeConfig) = "onset_strength",
    /// [`Tempogram`](crate::rhythm::Tempogram) of the onset envelope.
    Tempogram(TempogramFeatureConfig) = "tempogram",
    /// [`Tempo`](crate::rhythm::Tempo) of the onset envelope, one value for the whole signal, in beats per minute.
    Tempo(TempoFeatureConfig) = "tempo",
    /// The samples of the harmonic part of [`Separation`](crate::effects::Separation).
    Harmonic(SeparationConfig) = "harmonic",
    /// The samples of the percussive part of [`Separation`](crate::effects::Separation).
    Percussive(SeparationConfig) = "percussive",
    /// [`Yin`](crate::pitch::Yin), Hz.
    Yin(YinConfig) = "yin",
}

impl Feature {
    /// The feature of this name with default parameters; `None` if there is no such feature.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = StrDeserializer::<serde::de::value::Error>::new(name);
        Some(Name::deserialize(name).ok()?.into())
    }

    /// The feature at another sample rate.
    #[must_use]
    pub fn at_sample_rate(mut self, sample_rate: u32) -> Self {
        match &mut self {
            Self::ChromaStft(c) => c.sample_rate = sample_rate,
            Self::ChromaCqt(c) | Self::Tonnetz(c) => c.sample_rate = sample_rate,
            Self::ChromaCens(c) | Self::TonnetzCens(c) => c.chroma.sample_rate = sample_rate,
            Self::ChromaVqt(c) => c.sample_rate = sample_rate,
            Self::Cqt(c) => c.sample_rate = sample_rate,
            Self::Vqt(c) => c.cqt.sample_rate = sample_rate,
            Self::Mel(c) => c.sample_rate = sample_rate,
            Self::LogMel(c) => c.mel.sample_rate = sample_rate,
            Self::Mfcc(c) => c.log_mel.mel.sample_rate = sample_rate,
            Self::Pcen(c) => {
                c.mel.sample_rate = sample_rate;
                c.pcen.sample_rate = sample_rate;
                c.pcen.hop_length = c.mel.hop_length;
            }
            Self::KaldiFbank(c) => c.sample_rate = sample_rate,
            Self::KaldiMfcc(c) => c.fbank.sample_rate = sample_rate,
            Self::MusicnnMel(c) => c.mel.sample_rate = sample_rate,
            Self::SpectralCentroid(c) => c.sample_rate = sample_rate,
            Self::SpectralBandwidth(c) => c.sample_rate = sample_rate,
            Self::SpectralContrast(c) => c.sample_rate = sample_rate,
            Self::SpectralRolloff(c) => c.sample_rate = sample_rate,
            Self::PolyFeatures(c) => c.sample_rate = sample_rate,
            Self::OnsetStrength(c) => c.mel.sample_rate = sample_rate,
            Self::Tempogram(c) => c.onset.mel.sample_rate = sample_rate,
            Self::Tempo(c) => {
                c.onset.mel.sample_rate = sample_rate;
                c.tempo.sample_rate = sample_rate;
                c.tempo.hop_length = c.onset.mel.hop_length;
            }
            Self::Yin(c) => c.sample_rate = sample_rate,
            Self::SpectralFlatness(_)
            | Self::Rms(_)
            | Self::RmsOfSpectrogram(_)
            | Self::ZeroCrossingRate(_)
            | Self::Harmonic(_)
            | Self::Percussive(_) => {}
        }
        self
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;

        impl<'de> Visitor<'de> for NameOrTable {
            type Value = Feature;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a feature, or a table with the name and its parameters")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Feature, E> {
                Name::deserialize(StrDeserializer::new(name)).map(Feature::from)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Feature, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Feature::from)
            }
        }
        deserializer.deserialize_any(NameOrTable)
    }
}
