//! Which plans can be streamed, and what keeps others from it.

use super::engine::FeatureStream;
use crate::chroma::{ChromaStft, ChromaStftConfig};
use crate::compat::kaldi;
use crate::db::Reference;
use crate::error::FeatureError;
use crate::framing::{Framing, PadMode};
use crate::mel::{LogMelConfig, LogMelSpectrogram, MelConfig, MelSpectrogram};
use crate::mfcc::{Mfcc, MfccConfig};
use crate::plan::FeaturePlan;
use crate::spectral::{
    BandwidthConfig, CentroidConfig, ContrastConfig, FlatnessConfig, PolyConfig, PolyFeatures, Rms,
    RmsConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid, SpectralContrast, SpectralFlatness,
    SpectralRolloff, ZeroCrossingRate, ZeroCrossingRateConfig,
};
use crate::stft::{Spectrogram, SpectrogramConfig, Stft, StftConfig};

/// A plan whose frames look at no more of the signal than their own samples, so that it can be streamed.
///
/// Some configurations look at the whole signal, and cannot be streamed:
///
/// - [`LogMelSpectrogram`] and [`Mfcc`] with a `top_db` (as by default) or [`Reference::Max`];
/// - [`SpectralContrast`] with a `top_db` (as by default), unless it is `linear`;
/// - [`ChromaStft`] without a `tuning`, which is then estimated from the signal;
/// - [`kaldi::Fbank`] and [`kaldi::Mfcc`] with `subtract_mean`, a `min_duration`, or without `snip_edges`.
pub trait StreamPlan: FeaturePlan + Clone + Framed {
    /// Starts a stream; the same as [`FeatureStream::new`].
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a frame depends on the whole signal.
    fn stream(&self) -> Result<FeatureStream<Self>, FeatureError> {
        FeatureStream::new(self)
    }
}

/// How the frames of a plan are cut. Sealed: outside of the crate it cannot be named.
pub trait Framed: Sized {
    /// The geometry of the frames.
    fn framing(&self) -> Result<Framing, FeatureError>;

    /// The same plan for a signal that is padded already, or why there can be none.
    fn padded_plan(&self) -> Result<Self, FeatureError>;
}

fn rejected(parameter: &'static str, given: &str, reason: &str) -> FeatureError {
    FeatureError::config(parameter, given, format!("another value in a stream: {reason}"))
}

fn padded(stft: &StftConfig) -> StftConfig {
    StftConfig { center: false, ..stft.clone() }
}

/// The plan's framing, and the plan without centring.
macro_rules! stream_plan {
    ($plan:path, |$config:ident| $framing:expr, $padded:expr) => {
        impl StreamPlan for $plan {}

        impl Framed for $plan {
            fn framing(&self) -> Result<Framing, FeatureError> {
                let $config = self.config();
                $framing
            }

            fn padded_plan(&self) -> Result<Self, FeatureError> {
                let $config = self.config();
                Self::new($padded)
            }
        }
    };
    // Plans whose configuration has a part that describes the transform.
    ($plan:path, $name:ident) => {
        stream_plan!(
            $plan,
            |config| config.stft.framing(),
            $name { stft: padded(&config.stft), ..config.clone() }
        );
    };
}

stream_plan!(Stft, |config| config.framing(), padded(config));
stream_plan!(Spectrogram, SpectrogramConfig);
stream_plan!(SpectralCentroid, CentroidConfig);
stream_plan!(SpectralBandwidth, BandwidthConfig);
stream_plan!(SpectralRolloff, RolloffConfig);
stream_plan!(SpectralFlatness, FlatnessConfig);
stream_plan!(PolyFeatures, PolyConfig);
stream_plan!(MelSpectrogram, |config| config.stft().framing(), MelConfig { center: false, ..config.clone() });
stream_plan!(LogMelSpectrogram, |config| config.mel.stft().framing(), padded_log_mel(config)?);
stream_plan!(
    Mfcc,
    |config| config.log_mel.mel.stft().framing(),
    MfccConfig { log_mel: padded_log_mel(&config.log_mel)?, ..config.clone() }
);
stream_plan!(SpectralContrast, |config| config.stft.framing(), padded_contrast(config)?);
stream_plan!(ChromaStft, |config| config.stft.framing(), padded_chroma(config)?);
stream_plan!(
    Rms,
    |config| Framing::new(config.frame_length, config.hop_length, config.center, config.pad_mode),
    RmsConfig { center: false, ..config.clone() }
);
stream_plan!(
    ZeroCrossingRate,
    |config| Framing::new(config.frame_length, config.hop_length, config.center, PadMode::Edge),
    ZeroCrossingRateConfig { center: false, ..config.clone() }
);
stream_plan!(kaldi::Fbank, |config| kaldi_framing(config), local_kaldi(config)?.clone());
stream_plan!(
    kaldi::Mfcc,
    |config| kaldi_framing(&config.fbank),
    kaldi::MfccConfig { fbank: local_kaldi(&config.fbank)?.clone(), ..config.clone() }
);

fn padded_log_mel(config: &LogMelConfig) -> Result<LogMelConfig, FeatureError> {
    if config.reference == Reference::Max {
        let reason = "the loudest band is known at the end only; give a value";
        return Err(rejected("reference", "max", reason));
    }
    if let Some(top_db) = config.top_db.filter(|_| !config.db().is_local()) {
        let reason = "it is measured from the loudest band of the whole signal; give none";
        return Err(rejected("top_db", &format!("{top_db} dB"), reason));
    }
    let mel = MelConfig { center: false, ..config.mel.clone() };
    Ok(LogMelConfig { mel, ..config.clone() })
}

fn padded_contrast(config: &ContrastConfig) -> Result<ContrastConfig, FeatureError> {
    let clipped = config.top_db.filter(|top_db| !config.linear && top_db.is_finite());
    if let Some(top_db) = clipped {
        let reason = "it is measured from the largest peak of the whole signal; give none";
        return Err(rejected("top_db", &format!("{top_db} dB"), reason));
    }
    Ok(ContrastConfig { stft: padded(&config.stft), ..config.clone() })
}

fn padded_chroma(config: &ChromaStftConfig) -> Result<ChromaStftConfig, FeatureError> {
    if config.tuning.is_none() {
        let reason = "it would be estimated from the whole signal; give a number, such as 0";
        return Err(rejected("tuning", "none", reason));
    }
    Ok(ChromaStftConfig { stft: padded(&config.stft), ..config.clone() })
}

fn kaldi_framing(config: &kaldi::FbankConfig) -> Result<Framing, FeatureError> {
    let (window, shift) = config.frame_sizes()?;
    Framing::new(window, shift, false, PadMode::Symmetric)
}

fn local_kaldi(config: &kaldi::FbankConfig) -> Result<&kaldi::FbankConfig, FeatureError> {
    if config.subtract_mean {
        let reason = "the mean is that of the whole signal";
        return Err(rejected("subtract_mean", "true", reason));
    }
    if !config.snip_edges {
        let reason = "the number of frames then follows from the length of the signal";
        return Err(rejected("snip_edges", "false", reason));
    }
    if config.min_duration > 0.0 {
        let reason = "no frame could be given before the signal is that long";
        return Err(rejected("min_duration", &format!("{} s", config.min_duration), reason));
    }
    Ok(config)
}
