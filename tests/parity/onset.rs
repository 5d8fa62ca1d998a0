//! Onsets.

use anyhow::{Result, bail};
use ndarray::Array2;
use timbral_features::MelConfig;
use timbral_features::onset::{
    OnsetAggregate, OnsetEnvelope, OnsetEnvelopeConfig, PeakPickConfig, onset_backtrack, onset_detect,
    onset_strength, onset_strength_multi, peak_pick,
};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.onset.onset_strength" => strength(case),
        "librosa.onset.onset_strength_multi" => strength_multi(case),
        "librosa.onset.onset_detect" => detect(case),
        "librosa.onset.onset_backtrack" => backtrack(case),
        "librosa.util.peak_pick" => pick(case),
        _ => return None,
    })
}

/// The envelope of the case's signal with the parameters that librosa takes when none are given.
pub(crate) fn default_envelope(
    case: &Case<'_>,
    hop_length: usize,
    aggregate: OnsetAggregate,
) -> Result<Vec<f32>> {
    let mel = MelConfig { sample_rate: case.sample_rate()?, hop_length, ..MelConfig::default() };
    let config = OnsetEnvelopeConfig { mel, aggregate, ..OnsetEnvelopeConfig::default() };
    Ok(OnsetEnvelope::new(config)?.compute(&case.samples()?)?)
}

fn config(case: &Case<'_>) -> Result<OnsetEnvelopeConfig> {
    // `center` moves the envelope; the spectrogram is always centred.
    let stft = case.stft_config()?;
    let default = MelConfig::default();
    Ok(OnsetEnvelopeConfig {
        mel: MelConfig {
            sample_rate: case.sample_rate()?,
            n_fft: stft.n_fft,
            hop_length: stft.hop_length,
            win_length: stft.win_length,
            window: stft.window,
            pad_mode: stft.pad_mode,
            n_mels: if case.has("n_mels") { case.usize("n_mels")? } else { default.n_mels },
            fmin: if case.has("fmin") { case.f64("fmin")? } else { default.fmin },
            fmax: case.optional_f64("fmax")?,
            htk: if case.has("htk") { case.bool("htk")? } else { default.htk },
            norm: if case.has("norm") { case.mel_norm("norm")? } else { default.norm },
            ..default
        },
        lag: case.usize("lag")?,
        max_size: case.usize("max_size")?,
        detrend: case.bool("detrend")?,
        center: stft.center,
        aggregate: match case.given("aggregate").map(|value| value.as_str().unwrap_or_default()) {
            None | Some("mean") => OnsetAggregate::Mean,
            Some("median") => OnsetAggregate::Median,
            Some("max") => OnsetAggregate::Max,
            Some("min") => OnsetAggregate::Min,
            Some(other) => bail!("unknown aggregate {other}"),
        },
        ..OnsetEnvelopeConfig::default()
    })
}

fn strength(case: &Case<'_>) -> Result<Answers> {
    let config = config(case)?;
    let envelope = if case.has_input("S") {
        onset_strength(case.matrix("S")?.view(), &config.strength())?
    } else {
        OnsetEnvelope::new(config)?.compute(&case.samples()?)?
    };
    Ok(only(case, envelope))
}

fn strength_multi(case: &Case<'_>) -> Result<Answers> {
    let config = config(case)?;
    let channels: Vec<usize> = serde_json::from_value(case.value("channels")?.clone())?;
    let envelopes: Array2<f32> = if case.has_input("S") {
        onset_strength_multi(case.matrix("S")?.view(), &channels, &config.strength())?
    } else {
        OnsetEnvelope::new(config)?.compute_multi(&case.samples()?, &channels)?
    };
    Ok(only(case, envelopes))
}

fn indices(values: Vec<i64>) -> Vec<usize> {
    values.into_iter().map(|value| value as usize).collect()
}

fn frames(values: Vec<usize>) -> Vec<i64> {
    values.into_iter().map(|value| value as i64).collect()
}

/// librosa rounds fractional counts up.
fn peak_config(case: &Case<'_>, default: Option<PeakPickConfig>) -> Result<PeakPickConfig> {
    let count = |name: &str, default: Option<usize>| -> Result<usize> {
        match default {
            Some(default) if !case.has(name) => Ok(default),
            _ => Ok(case.f64(name)?.ceil() as usize),
        }
    };
    Ok(PeakPickConfig {
        pre_max: count("pre_max", default.map(|d| d.pre_max))?,
        post_max: count("post_max", default.map(|d| d.post_max))?,
        pre_avg: count("pre_avg", default.map(|d| d.pre_avg))?,
        post_avg: count("post_avg", default.map(|d| d.post_avg))?,
        wait: count("wait", default.map(|d| d.wait))?,
        delta: match default {
            Some(default) if !case.has("delta") => default.delta,
            _ => case.f32("delta")?,
        },
    })
}

fn pick(case: &Case<'_>) -> Result<Answers> {
    case.fixed("sparse", true)?;
    Ok(only(case, frames(peak_pick(&case.vector("x")?, &peak_config(case, None)?)?)))
}

fn detect(case: &Case<'_>) -> Result<Answers> {
    case.fixed("units", "frames")?;
    case.fixed("sparse", true)?;
    let hop_length = case.usize("hop_length")?;
    let default = PeakPickConfig::for_onsets(case.sample_rate()?, hop_length);
    let envelope = if case.has_input("onset_envelope") {
        case.vector("onset_envelope")?
    } else {
        default_envelope(case, hop_length, OnsetAggregate::Mean)?
    };
    // The energy to backtrack in, where it is not the envelope, is an input.
    case.given("energy");
    let mut onsets = onset_detect(&envelope, &peak_config(case, Some(default))?, case.bool("normalize")?)?;
    if case.bool("backtrack")? {
        let energy = if case.has_input("energy") { case.vector("energy")? } else { envelope };
        onsets = onset_backtrack(&onsets, &energy)?;
    }
    Ok(only(case, frames(onsets)))
}

fn backtrack(case: &Case<'_>) -> Result<Answers> {
    let events = indices(case.integers("events")?);
    Ok(only(case, frames(onset_backtrack(&events, &case.vector("energy")?)?)))
}
