//! Change of sample rate.

use anyhow::Result;
use timbral_features::resample::{ResampleConfig, ResampleType, Resampler};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.resample" => resample(case),
        _ => return None,
    })
}

pub(crate) fn resample_type(case: &Case<'_>) -> Result<ResampleType> {
    Ok(serde_json::from_value(case.value("res_type")?.clone())?)
}

fn resample(case: &Case<'_>) -> Result<Answers> {
    let config = ResampleConfig {
        orig_sr: case.f64("orig_sr")?,
        target_sr: case.f64("target_sr")?,
        res_type: resample_type(case)?,
        fix: case.bool("fix")?,
        scale: case.bool("scale")?,
    };
    let samples = if case.has_input("y") { case.vector("y")? } else { case.samples()? };
    Ok(only(case, Resampler::new(config)?.compute(&samples)?))
}
