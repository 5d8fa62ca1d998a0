//! Effects on signals.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2};
use serde_json::Value;
use timbral_features::effects::{
    GriffinLim, GriffinLimConfig, PitchShift, PitchShiftConfig, SilenceConfig, TimeStretch,
    TimeStretchConfig, deemphasis, phase_vocoder, preemphasis, split, trim,
};

use crate::case::{Answer, Answers, Case, only};
use crate::resample::resample_type;

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.effects.trim" => trimmed(case),
        "librosa.effects.split" => passages(case),
        "librosa.effects.preemphasis" => emphasis(case, preemphasis),
        "librosa.effects.deemphasis" => emphasis(case, deemphasis),
        "librosa.phase_vocoder" => vocoder(case),
        "librosa.effects.time_stretch" => stretch(case),
        "librosa.effects.pitch_shift" => shift(case),
        "librosa.griffinlim" => griffin_lim(case),
        _ => return None,
    })
}

fn samples(case: &Case<'_>) -> Result<Vec<f32>> {
    if case.has_input("y") { case.vector("y") } else { case.samples() }
}

fn silence(case: &Case<'_>) -> Result<SilenceConfig> {
    Ok(SilenceConfig {
        top_db: case.f64("top_db")?,
        reference: match case.value("ref")? {
            Value::String(name) => {
                ensure!(name == "max", "ref = {name} is not supported");
                None
            }
            _ => Some(case.f64("ref")?),
        },
        frame_length: case.usize("frame_length")?,
        hop_length: case.usize("hop_length")?,
    })
}

fn trimmed(case: &Case<'_>) -> Result<Answers> {
    let range = trim(&samples(case)?, &silence(case)?)?;
    Ok(only(case, vec![range.start as i64, range.end as i64]))
}

fn passages(case: &Case<'_>) -> Result<Answers> {
    let passages = split(&samples(case)?, &silence(case)?)?;
    let edges = Array2::from_shape_fn((passages.len(), 2), |(i, end)| {
        (if end == 0 { passages[i].start } else { passages[i].end }) as i64
    });
    Ok(only(case, edges))
}

type Filter = fn(&[f32], f64, Option<f64>) -> Result<(Vec<f32>, f64), timbral_features::FeatureError>;

fn emphasis(case: &Case<'_>, filter: Filter) -> Result<Answers> {
    let zi = match case.given("zi") {
        Some(Value::Array(values)) => values.first().and_then(Value::as_f64),
        Some(value) => value.as_f64(),
        None => None,
    };
    let (y, state) = filter(&samples(case)?, case.f64("coef")?, zi)?;
    Ok(vec![("y".to_owned(), y.into()), ("zf".to_owned(), Answer::from(Array1::from_elem(1, state)))])
}

fn vocoder(case: &Case<'_>) -> Result<Answers> {
    let stft = case.complex_matrix("D")?;
    let hop_length = case.optional_usize("hop_length")?;
    let n_fft = case.optional_usize("n_fft")?;
    Ok(only(case, phase_vocoder(stft.view(), case.f64("rate")?, hop_length, n_fft)?))
}

fn stretch(case: &Case<'_>) -> Result<Answers> {
    case.fixed("length", "round(len(y) / rate)")?;
    let config = TimeStretchConfig { rate: case.f64("rate")?, stft: case.stft_config()? };
    Ok(only(case, TimeStretch::new(config)?.compute(&samples(case)?)?))
}

fn shift(case: &Case<'_>) -> Result<Answers> {
    let config = PitchShiftConfig {
        sample_rate: case.sample_rate()?,
        n_steps: case.f64("n_steps")?,
        bins_per_octave: u32::try_from(case.usize("bins_per_octave")?)?,
        res_type: resample_type(case)?,
        scale: case.has("scale") && case.bool("scale")?,
        stft: case.stft_config()?,
    };
    Ok(only(case, PitchShift::new(config)?.compute(&samples(case)?)?))
}

fn griffin_lim(case: &Case<'_>) -> Result<Answers> {
    ensure!(case.given("init").is_none(), "random phases cannot be compared");
    let config = GriffinLimConfig {
        n_iter: case.usize("n_iter")?,
        momentum: case.f64("momentum")?,
        seed: None,
        stft: case.stft_config()?,
        length: case.optional_usize("length")?,
    };
    Ok(only(case, GriffinLim::new(config)?.compute(case.matrix("S")?.view())?))
}
