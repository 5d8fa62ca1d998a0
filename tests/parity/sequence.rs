//! Alignment, decoding and self-similarity.

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array1, Array2, Axis};
use serde_json::Value;
use timbral_features::Window;
use timbral_features::sequence::{
    DtwConfig, Metric, StatePath, dtw, stack_states, transition_cycle, transition_local, transition_loop,
    transition_uniform, viterbi, viterbi_binary, viterbi_discriminative,
};
use timbral_features::structure::{
    Bandwidth, CrossSimilarityConfig, PathEnhanceConfig, RecurrenceConfig, RecurrenceMode, agglomerative,
    cross_similarity, path_enhance, recurrence_matrix, recurrence_to_lag,
};

use crate::case::{Answer, Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.segment.recurrence_matrix" => recurrence(case),
        "librosa.segment.cross_similarity" => cross(case),
        "librosa.segment.recurrence_to_lag" => lag(case),
        "librosa.segment.path_enhance" => enhance(case),
        "librosa.segment.agglomerative" => boundaries(case),
        "librosa.sequence.dtw" => warp(case),
        "librosa.sequence.viterbi" | "librosa.sequence.viterbi_discriminative" => decode(case),
        "librosa.sequence.viterbi_binary" => decode_binary(case),
        "librosa.sequence.transition_uniform" => uniform(case),
        "librosa.sequence.transition_loop" => stay(case, transition_loop),
        "librosa.sequence.transition_cycle" => stay(case, transition_cycle),
        "librosa.sequence.transition_local" => local(case),
        _ => return None,
    })
}

fn metric(case: &Case<'_>) -> Result<Metric> {
    Ok(serde_json::from_value(case.value("metric")?.clone())?)
}

fn mode(case: &Case<'_>) -> Result<RecurrenceMode> {
    Ok(serde_json::from_value(case.value("mode")?.clone())?)
}

fn bandwidth(case: &Case<'_>) -> Result<Bandwidth> {
    Ok(match case.given("bandwidth") {
        None => Bandwidth::MedKScalar,
        Some(Value::Number(_)) => Bandwidth::Value(case.f64("bandwidth")?),
        Some(name) => serde_json::from_value(name.clone())?,
    })
}

/// Marks are stored as integers, weights as numbers.
fn links(case: &Case<'_>, matrix: Array2<f32>, mode: RecurrenceMode) -> Answers {
    match mode {
        RecurrenceMode::Connectivity => only(case, matrix.mapv(|v| v as i64)),
        _ => only(case, matrix),
    }
}

fn recurrence(case: &Case<'_>) -> Result<Answers> {
    let config = RecurrenceConfig {
        k: case.optional_usize("k")?,
        width: case.usize("width")?,
        metric: metric(case)?,
        sym: case.bool("sym")?,
        mode: mode(case)?,
        bandwidth: bandwidth(case)?,
        self_links: case.bool("self")?,
        full: case.bool("full")?,
    };
    Ok(links(case, recurrence_matrix(case.matrix("data")?.view(), &config)?, config.mode))
}

fn cross(case: &Case<'_>) -> Result<Answers> {
    let config = CrossSimilarityConfig {
        k: case.optional_usize("k")?,
        metric: metric(case)?,
        mode: mode(case)?,
        bandwidth: bandwidth(case)?,
        full: case.bool("full")?,
    };
    let (data, reference) = (case.matrix("data")?, case.matrix("data_ref")?);
    Ok(links(case, cross_similarity(data.view(), reference.view(), &config)?, config.mode))
}

fn lag(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, recurrence_to_lag(case.matrix("rec")?.view(), case.bool("pad")?)?))
}

fn enhance(case: &Case<'_>) -> Result<Answers> {
    let config = PathEnhanceConfig {
        n: case.usize("n")?,
        window: case.window("window")?,
        max_ratio: case.f64("max_ratio")?,
        min_ratio: case.optional_f64("min_ratio")?,
        n_filters: case.usize("n_filters")?,
        zero_mean: case.bool("zero_mean")?,
        clip: case.bool("clip")?,
    };
    Ok(only(case, path_enhance(case.matrix("R")?.view(), &config)?))
}

fn boundaries(case: &Case<'_>) -> Result<Answers> {
    let data = case.matrix("data")?;
    let data = match case.integer("axis")? {
        -1 | 1 => data.view(),
        0 | -2 => data.t(),
        other => bail!("axis = {other}"),
    };
    let starts = agglomerative(data, case.usize("k")?)?;
    Ok(only(case, starts.into_iter().map(|s| s as i64).collect::<Vec<_>>()))
}

/// A list of numbers, or words for the default.
fn weights(case: &Case<'_>, name: &str) -> Option<Vec<f64>> {
    case.given(name)?.as_array().map(|list| list.iter().filter_map(Value::as_f64).collect())
}

fn warp(case: &Case<'_>) -> Result<Answers> {
    let steps: Vec<(usize, usize)> = serde_json::from_value(case.value("step_sizes_sigma")?.clone())?;
    let config = DtwConfig {
        metric: metric(case)?,
        step_sizes_sigma: steps,
        weights_add: weights(case, "weights_add"),
        weights_mul: weights(case, "weights_mul"),
        subseq: case.bool("subseq")?,
        global_constraints: case.bool("global_constraints")?,
        band_rad: case.f64("band_rad")?,
        backtrack: case.bool("backtrack")?,
    };
    let alignment = dtw(case.matrix("X")?.view(), case.matrix("Y")?.view(), &config)?;
    let path = Array2::from_shape_fn((alignment.path.len(), 2), |(i, side)| {
        let (x, y) = alignment.path[i];
        (if side == 0 { x } else { y }) as i64
    });
    Ok(vec![("D".to_owned(), alignment.cost.into()), ("path".to_owned(), path.into())])
}

/// Rows (or columns) divided by their sums.
fn normalised(mut matrix: Array2<f64>, axis: Axis) -> Array2<f64> {
    for mut lane in matrix.axis_iter_mut(axis) {
        let sum = lane.sum();
        lane.mapv_inplace(|v| v / sum);
    }
    matrix
}

/// A distribution that is given as numbers; null, or words for the default, is none.
fn distribution(case: &Case<'_>, name: &str) -> Option<Array1<f64>> {
    weights(case, name).map(Array1::from)
}

fn labels(states: &[usize]) -> Vec<i64> {
    states.iter().map(|&s| s as i64).collect()
}

fn decode(case: &Case<'_>) -> Result<Answers> {
    case.given("return_logp");
    let prob = case.matrix("prob")?.mapv(f64::from);
    let transition = normalised(case.matrix("transition")?.mapv(f64::from), Axis(0));
    let p_init = distribution(case, "p_init");
    let init = p_init.as_ref().map(|p| p.view());
    let path: StatePath = if case.function() == "librosa.sequence.viterbi" {
        viterbi(prob.view(), transition.view(), init)?
    } else {
        let p_state = distribution(case, "p_state");
        let prob = normalised(prob, Axis(1));
        viterbi_discriminative(prob.view(), transition.view(), p_state.as_ref().map(|p| p.view()), init)?
    };
    let logp = Answer::from(path.logp);
    Ok(vec![("states".to_owned(), labels(&path.states).into()), ("logp".to_owned(), logp)])
}

fn decode_binary(case: &Case<'_>) -> Result<Answers> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(case.value("transition")?.clone())?;
    ensure!(rows.len() == 2 && rows.iter().all(|r| r.len() == 2), "transition is not 2 by 2");
    let transition = Array2::from_shape_fn((2, 2), |(i, j)| rows[i][j]);
    let (p_state, p_init) = (distribution(case, "p_state"), distribution(case, "p_init"));
    let prob = case.matrix("prob")?.mapv(f64::from);
    let paths = viterbi_binary(
        prob.view(),
        transition.view(),
        p_state.as_ref().map(|p| p.view()),
        p_init.as_ref().map(|p| p.view()),
    )?;
    let logp: Vec<f64> = paths.iter().map(|p| p.logp).collect();
    Ok(vec![
        ("states".to_owned(), stack_states(&paths).mapv(|s| s as i64).into()),
        ("logp".to_owned(), logp.into()),
    ])
}

fn uniform(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, transition_uniform(case.usize("n_states")?)?))
}

type Stay = fn(usize, &[f64]) -> Result<Array2<f64>, timbral_features::FeatureError>;

fn stay(case: &Case<'_>, transition: Stay) -> Result<Answers> {
    let prob = match weights(case, "prob") {
        Some(each) => each,
        None => vec![case.f64("prob")?],
    };
    Ok(only(case, transition(case.usize("n_states")?, &prob)?))
}

fn local(case: &Case<'_>) -> Result<Answers> {
    let width = match case.value("width")? {
        Value::Array(each) => each.iter().filter_map(Value::as_u64).map(|w| w as usize).collect(),
        _ => vec![case.usize("width")?],
    };
    // The older name of SciPy's triangle.
    let window = match case.value("window")?.as_str() {
        Some("triangle") => Window::Triang,
        _ => case.window("window")?,
    };
    let matrix = transition_local(case.usize("n_states")?, &width, &window, case.bool("wrap")?);
    Ok(only(case, matrix.context("transition_local")?))
}
