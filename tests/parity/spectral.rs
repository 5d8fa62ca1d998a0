//! The shape of spectra and frames.

use anyhow::{Result, ensure};
use ndarray::Array2;
use timbral_features::spectral::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, PolyConfig, PolyFeatures, Rms, RmsConfig, RolloffConfig,
    SpectralBandwidth, SpectralCentroid, SpectralFlatness, SpectralRolloff, ZeroCrossingRate,
    ZeroCrossingRateConfig,
};
use timbral_features::{ContrastConfig, FeaturePlan, SpectralContrast, StftConfig};

use crate::case::{Answers, Case, only, view};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    let answer = match case.function().strip_prefix("librosa.feature.")? {
        "spectral_centroid" => centroid(case),
        "spectral_bandwidth" => bandwidth(case),
        "spectral_rolloff" => rolloff(case),
        "spectral_flatness" => flatness(case),
        "spectral_contrast" => contrast(case),
        "poly_features" => poly(case),
        "zero_crossing_rate" => zero_crossings(case),
        "rms" => rms(case),
        _ => return None,
    };
    Some(answer.map(|values| only(case, values)))
}

/// A plan's answer from the signal, or from the spectrogram of a case that has one.
macro_rules! either {
    ($case:expr, $plan:expr) => {{
        let plan = $plan;
        Ok(if $case.has_input("S") {
            plan.from_spectrogram(view(&$case.matrix("S")?))?
        } else {
            plan.compute(&$case.samples()?)?
        })
    }};
}

fn centroid(case: &Case<'_>) -> Result<Array2<f32>> {
    let config = CentroidConfig { sample_rate: case.sample_rate()?, stft: case.stft_config()? };
    either!(case, SpectralCentroid::new(config)?)
}

fn bandwidth(case: &Case<'_>) -> Result<Array2<f32>> {
    let default = BandwidthConfig::default();
    let config = BandwidthConfig {
        sample_rate: case.sample_rate()?,
        stft: case.stft_config()?,
        p: if case.has("p") { case.f32("p")? } else { default.p },
        norm: if case.has("norm") { case.bool("norm")? } else { default.norm },
    };
    either!(case, SpectralBandwidth::new(config)?)
}

fn rolloff(case: &Case<'_>) -> Result<Array2<f32>> {
    let default = RolloffConfig::default();
    let config = RolloffConfig {
        sample_rate: case.sample_rate()?,
        stft: case.stft_config()?,
        roll_percent: if case.has("roll_percent") { case.f64("roll_percent")? } else { default.roll_percent },
    };
    either!(case, SpectralRolloff::new(config)?)
}

fn flatness(case: &Case<'_>) -> Result<Array2<f32>> {
    let default = FlatnessConfig::default();
    let config = FlatnessConfig {
        stft: case.stft_config()?,
        amin: if case.has("amin") { case.f32("amin")? } else { default.amin },
        power: if case.has("power") { case.f32("power")? } else { default.power },
    };
    either!(case, SpectralFlatness::new(config)?)
}

fn contrast(case: &Case<'_>) -> Result<Array2<f32>> {
    let default = ContrastConfig::default();
    let config = ContrastConfig {
        sample_rate: case.sample_rate()?,
        stft: case.stft_config()?,
        fmin: if case.has("fmin") { case.f64("fmin")? } else { default.fmin },
        n_bands: if case.has("n_bands") { case.usize("n_bands")? } else { default.n_bands },
        quantile: if case.has("quantile") { case.f64("quantile")? } else { default.quantile },
        linear: if case.has("linear") { case.bool("linear")? } else { default.linear },
        ..default
    };
    either!(case, SpectralContrast::new(config)?)
}

fn poly(case: &Case<'_>) -> Result<Array2<f32>> {
    let config = PolyConfig {
        sample_rate: case.sample_rate()?,
        stft: case.stft_config()?,
        order: case.usize("order")?,
    };
    either!(case, PolyFeatures::new(config)?)
}

fn zero_crossings(case: &Case<'_>) -> Result<Array2<f32>> {
    ensure!(case.given("ref_magnitude").is_none(), "ref_magnitude is not supported");
    let config = ZeroCrossingRateConfig {
        frame_length: case.usize("frame_length")?,
        hop_length: case.usize("hop_length")?,
        center: case.bool("center")?,
        threshold: case.f32("threshold")?,
        pad: case.bool("pad")?,
        zero_pos: case.bool("zero_pos")?,
    };
    Ok(ZeroCrossingRate::new(config)?.compute(&case.samples()?)?)
}

fn rms(case: &Case<'_>) -> Result<Array2<f32>> {
    let StftConfig { center, pad_mode, .. } = case.stft_config()?;
    let config = RmsConfig {
        frame_length: case.usize("frame_length")?,
        hop_length: case.usize("hop_length")?,
        center,
        pad_mode,
    };
    either!(case, Rms::new(config)?)
}
