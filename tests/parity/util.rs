//! Statistics and helpers around arrays.

use anyhow::{Context, Result, ensure};
use ndarray::{Array1, Array2};
use timbral_features::feature_set::Statistic;
use timbral_features::spectral::zero_crossings;
use timbral_features::util::{
    Aggregate, Norm, autocorrelate, fix_length, frame, localmax, localmin, lpc, mu_compress, mu_quantize,
    normalize, pad_center, sync,
};

use crate::case::{Answer, Answers, Case, only, view};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    let answer = match case.function() {
        "librosa.util.normalize" => normalized(case),
        "librosa.util.frame" => framed(case),
        "librosa.util.sync" => synced(case),
        "librosa.util.localmax" => extremes(case, localmax),
        "librosa.util.localmin" => extremes(case, localmin),
        "librosa.util.pad_center" => padded(case),
        "librosa.util.fix_length" => fixed(case),
        "librosa.autocorrelate" => autocorrelation(case),
        "librosa.zero_crossings" => crossings(case),
        "librosa.mu_compress" => mu_law(case),
        "librosa.lpc" => prediction(case),
        name => return statistic(name).map(|s| Ok(only(case, statistics(case, s)?))),
    };
    Some(answer.map(|values| only(case, values)))
}

fn statistic(function: &str) -> Option<Statistic> {
    let name = function.strip_prefix("numpy.").or_else(|| function.strip_prefix("scipy.stats."))?;
    Statistic::ALL.into_iter().find(|s| s.name() == name)
}

fn statistics(case: &Case<'_>, statistic: Statistic) -> Result<Array1<f64>> {
    case.fixed("axis", -1)?;
    case.fixed("ddof", 0)?;
    case.fixed("bias", true)?;
    case.fixed("fisher", true)?;
    Ok(statistic.of_rows(view(&case.matrix("x")?)))
}

fn normalized(case: &Case<'_>) -> Result<Answer> {
    let fill = case.given("fill").and_then(|v| v.as_bool());
    let norm: Norm = case.norm("norm")?.context("a norm is needed")?;
    let threshold = case.optional_f32("threshold")?;
    Ok(normalize(view(&case.matrix("S")?), norm, case.usize("axis")?, threshold, fill)?.into())
}

fn framed(case: &Case<'_>) -> Result<Answer> {
    case.fixed("axis", -1)?;
    Ok(frame(&case.vector("x")?, case.usize("frame_length")?, case.usize("hop_length")?)?.into())
}

fn synced(case: &Case<'_>) -> Result<Answer> {
    case.fixed("axis", -1)?;
    let aggregate: Aggregate = serde_json::from_value(case.value("aggregate")?.clone())?;
    let boundaries: Result<Vec<usize>, _> = case.integers("idx")?.into_iter().map(usize::try_from).collect();
    Ok(sync(view(&case.matrix("data")?), &boundaries?, aggregate, case.bool("pad")?)?.into())
}

fn extremes(case: &Case<'_>, find: fn(&[f32]) -> Vec<bool>) -> Result<Answer> {
    case.fixed("axis", 1)?;
    let matrix = case.matrix("x")?;
    let mut found = Array2::<i64>::zeros(matrix.dim());
    for (row, mut to) in matrix.rows().into_iter().zip(found.rows_mut()) {
        to.iter_mut().zip(find(&row.to_vec())).for_each(|(to, hit)| *to = i64::from(hit));
    }
    Ok(found.into())
}

fn padded(case: &Case<'_>) -> Result<Answer> {
    case.fixed("axis", -1)?;
    Ok(pad_center(&case.vector("data")?, case.usize("size")?)?.into())
}

fn fixed(case: &Case<'_>) -> Result<Answer> {
    case.fixed("axis", -1)?;
    Ok(fix_length(&case.vector("data")?, case.usize("size")?).into())
}

fn autocorrelation(case: &Case<'_>) -> Result<Answer> {
    Ok(autocorrelate(&case.vector("y")?, case.optional_usize("max_size")?)?.into())
}

fn crossings(case: &Case<'_>) -> Result<Answer> {
    ensure!(case.given("ref_magnitude").is_none(), "ref_magnitude is not supported");
    let (threshold, pad, zero_pos) = (case.f32("threshold")?, case.bool("pad")?, case.bool("zero_pos")?);
    let found = zero_crossings(&case.vector("y")?, threshold, pad, zero_pos);
    Ok(found.into_iter().map(i64::from).collect::<Vec<_>>().into())
}

fn mu_law(case: &Case<'_>) -> Result<Answer> {
    let values = case.vector("x")?;
    if case.bool("quantize")? {
        return Ok(mu_quantize(&values, u32::try_from(case.usize("mu")?)?)?.into());
    }
    Ok(mu_compress(&values, case.f64("mu")?)?.into())
}

fn prediction(case: &Case<'_>) -> Result<Answer> {
    Ok(lpc(&case.vector("y")?, case.usize("order")?)?.into())
}
