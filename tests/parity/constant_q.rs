//! Constant-Q and variable-Q transforms and their chroma.

use anyhow::{Result, bail};
use ndarray::Array2;
use serde_json::Value;
use timbral_features::FeaturePlan;
use timbral_features::cqt::{
    ChromaCens, ChromaCensConfig, ChromaCqt, ChromaCqtConfig, ChromaVqt, ChromaVqtConfig, Cqt, CqtConfig,
    CqtMode, FoldConfig, HybridCqt, Intervals, PseudoCqt, Vqt, VqtConfig, tonnetz,
};
use timbral_features::resample::ResampleType;

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.cqt" => cqt(case),
        "librosa.vqt" => vqt(case),
        "librosa.hybrid_cqt" => hybrid(case),
        "librosa.pseudo_cqt" => pseudo(case),
        "librosa.feature.chroma_cqt" => chroma_cqt(case),
        "librosa.feature.chroma_cens" => chroma_cens(case),
        "librosa.feature.chroma_vqt" => chroma_vqt(case),
        "librosa.feature.tonnetz" => centroids(case),
        _ => return None,
    })
}

fn res_type(case: &Case<'_>) -> Result<ResampleType> {
    Ok(match case.given("res_type") {
        None => ResampleType::SoxrHq,
        Some(value) => serde_json::from_value(value.clone())?,
    })
}

fn fmin(case: &Case<'_>) -> Result<f64> {
    Ok(case.optional_f64("fmin")?.unwrap_or(CqtConfig::default().fmin))
}

fn intervals(case: &Case<'_>) -> Result<Intervals> {
    Ok(match case.given("intervals") {
        None => Intervals::Equal,
        Some(Value::Array(ratios)) => Intervals::Ratios(ratios.iter().filter_map(Value::as_f64).collect()),
        Some(name) => serde_json::from_value(name.clone())?,
    })
}

fn config(case: &Case<'_>) -> Result<CqtConfig> {
    Ok(CqtConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.usize("hop_length")?,
        fmin: fmin(case)?,
        n_bins: case.usize("n_bins")?,
        bins_per_octave: case.usize("bins_per_octave")?,
        tuning: case.optional_f64("tuning")?,
        filter_scale: case.f64("filter_scale")?,
        norm: case.norm("norm")?,
        sparsity: case.f64("sparsity")?,
        window: case.window("window")?,
        scale: case.bool("scale")?,
        pad_mode: case.pad_mode("pad_mode")?,
        res_type: res_type(case)?,
    })
}

fn cqt(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, Cqt::new(config(case)?)?.compute(&case.samples()?)?))
}

fn vqt(case: &Case<'_>) -> Result<Answers> {
    let config =
        VqtConfig { cqt: config(case)?, intervals: intervals(case)?, gamma: case.optional_f64("gamma")? };
    Ok(only(case, Vqt::new(config)?.compute(&case.samples()?)?))
}

fn hybrid(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, HybridCqt::new(config(case)?)?.compute(&case.samples()?)?))
}

fn pseudo(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, PseudoCqt::new(config(case)?)?.compute(&case.samples()?)?))
}

fn fold(case: &Case<'_>) -> Result<FoldConfig> {
    Ok(FoldConfig {
        n_chroma: case.usize("n_chroma")?,
        bins_per_octave: case.usize("bins_per_octave")?,
        fmin: fmin(case)?,
        window: case.given("window").map(|window| serde_json::from_value(window.clone())).transpose()?,
        threshold: if case.has("threshold") { case.f32("threshold")? } else { 0.0 },
        norm: case.norm("norm")?,
    })
}

fn chroma_config(case: &Case<'_>) -> Result<ChromaCqtConfig> {
    Ok(ChromaCqtConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.optional_usize("hop_length")?.unwrap_or(512),
        fold: fold(case)?,
        n_octaves: case.usize("n_octaves")?,
        tuning: case.optional_f64("tuning")?,
        cqt_mode: match case.given("cqt_mode").and_then(Value::as_str) {
            None | Some("full") => CqtMode::Full,
            Some("hybrid") => CqtMode::Hybrid,
            Some(other) => bail!("unknown mode {other}"),
        },
        res_type: res_type(case)?,
    })
}

/// The transform given, as magnitudes.
fn magnitudes(case: &Case<'_>, name: &str) -> Result<Option<Array2<f32>>> {
    if !case.has_input(name) {
        return Ok(None);
    }
    match case.matrix(name) {
        Ok(real) => Ok(Some(real)),
        Err(_) => Ok(Some(case.complex_matrix(name)?.mapv(|c| c.norm()))),
    }
}

fn chroma_cqt(case: &Case<'_>) -> Result<Answers> {
    let config = chroma_config(case)?;
    let chroma = match magnitudes(case, "C")? {
        Some(magnitudes) => ChromaCqt::from_magnitudes(&config.fold, magnitudes.view())?,
        None => ChromaCqt::new(config)?.compute(&case.samples()?)?,
    };
    Ok(only(case, chroma))
}

fn chroma_cens(case: &Case<'_>) -> Result<Answers> {
    let config = ChromaCensConfig {
        chroma: chroma_config(case)?,
        norm: case.norm("norm")?,
        win_len_smooth: case.optional_usize("win_len_smooth")?,
        smoothing_window: case.window("smoothing_window")?,
    };
    let chroma = match magnitudes(case, "C")? {
        Some(magnitudes) => ChromaCens::from_magnitudes(&config, magnitudes.view())?,
        None => ChromaCens::new(config)?.compute(&case.samples()?)?,
    };
    Ok(only(case, chroma))
}

fn chroma_vqt(case: &Case<'_>) -> Result<Answers> {
    let config = ChromaVqtConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.usize("hop_length")?,
        intervals: intervals(case)?,
        fmin: fmin(case)?,
        threshold: case.f32("threshold")?,
        norm: case.norm("norm")?,
        n_octaves: case.usize("n_octaves")?,
        bins_per_octave: case.usize("bins_per_octave")?,
        gamma: case.optional_f64("gamma")?,
        res_type: res_type(case)?,
    };
    Ok(only(case, ChromaVqt::new(config)?.compute(&case.samples()?)?))
}

fn centroids(case: &Case<'_>) -> Result<Answers> {
    let chroma = if case.has_input("chroma") {
        case.matrix("chroma")?
    } else {
        // The text of this parameter says that the chroma is that of the defaults.
        case.value("chroma")?;
        let config = ChromaCqtConfig { sample_rate: case.sample_rate()?, ..ChromaCqtConfig::default() };
        ChromaCqt::new(config)?.compute(&case.samples()?)?
    };
    Ok(only(case, tonnetz(chroma.view())?))
}
