//! Per-channel energy normalisation.

use anyhow::{Result, ensure};
use ndarray::{Array2, Axis, Slice, concatenate};
use serde_json::Value;
use timbral_features::pcen::{Pcen, PcenConfig, PcenState};

use crate::case::{Answer, Answers, Case};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    (case.function() == "librosa.pcen").then(|| pcen(case))
}

fn pcen(case: &Case<'_>) -> Result<Answers> {
    let plan = Pcen::new(PcenConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.usize("hop_length")?,
        gain: case.f64("gain")?,
        bias: case.f64("bias")?,
        power: case.f64("power")?,
        time_constant: case.f64("time_constant")?,
        eps: case.f64("eps")?,
        b: case.optional_f64("b")?,
        max_size: case.usize("max_size")?,
    })?;
    let spectrogram = case.matrix("S")?;
    let n_frames = spectrogram.ncols();
    let mut state = if case.has_input("zi") {
        plan.state(&case.vector_f64("zi")?)
    } else {
        // Null, or words that say how blocks follow each other.
        case.given("zi");
        plan.initial_state(spectrogram.nrows())
    };
    case.given("return_zf");
    let mut parts = Vec::new();
    let mut from = 0;
    for block in blocks(case, n_frames)? {
        let to = (from + block).min(n_frames);
        ensure!(from <= to, "blocks longer than the spectrogram");
        parts.push(
            plan.compute_with_state(spectrogram.slice_axis(Axis(1), Slice::from(from..to)), &mut state)?,
        );
        from = to;
    }
    let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
    let mut answers = vec![("P".to_owned(), Answer::from(concatenate(Axis(1), &views)?))];
    if case.description.outputs.iter().any(|o| o.name == "zf") {
        answers.push(("zf".to_owned(), column(&state).into()));
    }
    Ok(answers)
}

fn column(state: &PcenState) -> Array2<f64> {
    Array2::from_shape_fn((state.memory().len(), 1), |(bin, _)| state.memory()[bin])
}

/// Lengths of the blocks that are passed one after the other; everything at once unless the case says so.
fn blocks(case: &Case<'_>, n_frames: usize) -> Result<Vec<usize>> {
    let Some(Value::Array(blocks)) = case.given("blocks") else {
        return Ok(vec![n_frames]);
    };
    Ok(blocks.iter().map(|block| block.as_u64().map_or(n_frames, |b| b as usize)).collect())
}
