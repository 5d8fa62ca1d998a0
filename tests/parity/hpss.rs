//! Harmonic-percussive separation and its parts.

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use timbral_features::decompose::{Hpss, HpssConfig, NeighborAggregate, median_filter, nn_filter, softmask};
use timbral_features::effects::{Separation, SeparationConfig};

use crate::case::{Answer, Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.decompose.hpss" => decompose(case),
        "scipy.ndimage.median_filter" => median(case),
        "librosa.effects.hpss" | "librosa.effects.harmonic" | "librosa.effects.percussive" => effect(case),
        "librosa.util.softmask" => mask(case),
        "librosa.decompose.nn_filter" => neighbors(case),
        _ => return None,
    })
}

/// One number for both parts, or one for each.
fn pair(value: &Value) -> Option<(f64, f64)> {
    match value {
        Value::Array(both) if both.len() == 2 => Some((both[0].as_f64()?, both[1].as_f64()?)),
        single => single.as_f64().map(|v| (v, v)),
    }
}

fn config(case: &Case<'_>) -> Result<HpssConfig> {
    let (kernel, margin) = (case.value("kernel_size")?, case.value("margin")?);
    let (Some(kernel), Some(margin)) = (pair(kernel), pair(margin)) else {
        bail!("kernel_size = {kernel}, margin = {margin}");
    };
    Ok(HpssConfig {
        kernel_size: (kernel.0 as usize, kernel.1 as usize),
        power: case.f32("power")?,
        margin: (margin.0 as f32, margin.1 as f32),
    })
}

fn decompose(case: &Case<'_>) -> Result<Answers> {
    let plan = Hpss::new(config(case)?)?;
    let masks_only = case.bool("mask")?;
    let complex = case.description.inputs.iter().any(|i| i.name == "S" && i.dtype.starts_with("complex"));
    if complex && !masks_only {
        let parts = plan.compute_complex(case.complex_matrix("S")?.view())?;
        return Ok(both(parts.harmonic, parts.percussive));
    }
    let s = case.matrix("S")?;
    let parts = if masks_only { plan.masks(s.view())? } else { plan.compute(s.view())? };
    Ok(both(parts.harmonic, parts.percussive))
}

fn both(harmonic: impl Into<Answer>, percussive: impl Into<Answer>) -> Answers {
    vec![("harmonic".to_owned(), harmonic.into()), ("percussive".to_owned(), percussive.into())]
}

fn median(case: &Case<'_>) -> Result<Answers> {
    case.fixed("mode", "reflect")?;
    let Some((rows, columns)) = pair(case.value("size")?) else { bail!("size is no pair") };
    Ok(only(case, median_filter(case.matrix("S")?.view(), (rows as usize, columns as usize))?))
}

fn effect(case: &Case<'_>) -> Result<Answers> {
    case.fixed("mask", false)?;
    let plan = Separation::new(SeparationConfig {
        hpss: config(case)?,
        stft: case.stft_config()?,
        ..SeparationConfig::default()
    })?;
    let samples = case.samples()?;
    Ok(match case.function() {
        "librosa.effects.harmonic" => only(case, plan.harmonic(&samples)?),
        "librosa.effects.percussive" => only(case, plan.percussive(&samples)?),
        _ => {
            let parts = plan.compute(&samples)?;
            both(parts.harmonic, parts.percussive)
        }
    })
}

fn mask(case: &Case<'_>) -> Result<Answers> {
    let (x, reference) = (case.matrix("X")?, case.matrix("X_ref")?);
    Ok(only(case, softmask(x.view(), reference.view(), case.f32("power")?, case.bool("split_zeros")?)?))
}

fn neighbors(case: &Case<'_>) -> Result<Answers> {
    let aggregate = match case.given("aggregate") {
        None => NeighborAggregate::Mean,
        Some(name) => serde_json::from_value(name.clone())?,
    };
    let (s, rec) = (case.matrix("S")?, case.matrix("rec")?);
    ensure!(rec.nrows() == s.ncols(), "rec does not fit S");
    Ok(only(case, nn_filter(s.view(), rec.view(), aggregate)?))
}
