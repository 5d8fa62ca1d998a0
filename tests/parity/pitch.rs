//! Fundamental frequency.

use anyhow::{Context, Result};
use timbral_features::pitch::{Pyin, PyinConfig, Yin, YinConfig};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.yin" => yin(case),
        "librosa.pyin" => pyin(case),
        _ => return None,
    })
}

fn yin(case: &Case<'_>) -> Result<Answers> {
    let config = YinConfig {
        sample_rate: case.sample_rate()?,
        fmin: case.f64("fmin")?,
        fmax: case.f64("fmax")?,
        frame_length: case.usize("frame_length")?,
        hop_length: case.usize("hop_length")?,
        trough_threshold: case.f64("trough_threshold")?,
        center: case.bool("center")?,
        pad_mode: case.pad_mode("pad_mode")?,
    };
    Ok(only(case, Yin::new(config)?.compute(&case.samples()?)?))
}

fn pyin(case: &Case<'_>) -> Result<Answers> {
    let beta = case.value("beta_parameters")?.as_array().context("beta_parameters is no pair")?;
    let beta: Vec<f64> = beta.iter().filter_map(serde_json::Value::as_f64).collect();
    let config = PyinConfig {
        sample_rate: case.sample_rate()?,
        fmin: case.f64("fmin")?,
        fmax: case.f64("fmax")?,
        frame_length: case.usize("frame_length")?,
        hop_length: case.usize("hop_length")?,
        n_thresholds: case.usize("n_thresholds")?,
        beta_parameters: beta
            .first()
            .copied()
            .zip(beta.get(1).copied())
            .context("beta_parameters is no pair")?,
        boltzmann_parameter: case.f64("boltzmann_parameter")?,
        resolution: case.f64("resolution")?,
        max_transition_rate: case.f64("max_transition_rate")?,
        switch_prob: case.f64("switch_prob")?,
        no_trough_prob: case.f64("no_trough_prob")?,
        fill_na: case.optional_f64("fill_na")?,
        center: case.bool("center")?,
        pad_mode: case.pad_mode("pad_mode")?,
    };
    let track = Pyin::new(config)?.compute(&case.samples()?)?;
    let flags: Vec<i64> = track.voiced_flag.into_iter().map(i64::from).collect();
    Ok(vec![
        ("f0".to_owned(), track.f0.into()),
        ("voiced_flag".to_owned(), flags.into()),
        ("voiced_prob".to_owned(), track.voiced_prob.into()),
    ])
}
