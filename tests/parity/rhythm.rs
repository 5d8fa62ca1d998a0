//! Tempograms, tempo, beats and pulse.

use anyhow::{Result, bail, ensure};
use ndarray::Array1;
use timbral_features::FeaturePlan;
use timbral_features::onset::OnsetAggregate;
use timbral_features::rhythm::{
    BeatTempo, BeatTrackConfig, FourierTempogram, FourierTempogramConfig, PlpConfig, Tempo, TempoConfig,
    Tempogram, TempogramConfig, TempogramRatioConfig, beat_track, plp, tempogram_ratio,
};

use crate::case::{Answer, Answers, Case, only};
use crate::onset::default_envelope;

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.feature.tempogram" => tempogram(case),
        "librosa.feature.fourier_tempogram" => fourier(case),
        "librosa.feature.tempogram_ratio" => ratio(case),
        "librosa.feature.tempo" => tempo(case),
        "librosa.beat.beat_track" => beats(case),
        "librosa.beat.plp" => pulse(case),
        _ => return None,
    })
}

/// The envelope given, or that of the signal.
fn envelope(case: &Case<'_>, aggregate: OnsetAggregate) -> Result<Vec<f32>> {
    if case.has_input("onset_envelope") {
        return case.vector("onset_envelope");
    }
    default_envelope(case, case.usize("hop_length")?, aggregate)
}

fn tempogram_plan(case: &Case<'_>) -> Result<Tempogram> {
    Ok(Tempogram::new(TempogramConfig {
        win_length: case.usize("win_length")?,
        center: case.bool("center")?,
        window: case.window("window")?,
        norm: case.norm("norm")?,
    })?)
}

/// Rate and hop give lags a unit and do not change a tempogram.
fn scale_of_lags(case: &Case<'_>) -> Result<()> {
    case.sample_rate()?;
    case.usize("hop_length")?;
    Ok(())
}

fn tempogram(case: &Case<'_>) -> Result<Answers> {
    scale_of_lags(case)?;
    Ok(only(case, tempogram_plan(case)?.compute(&envelope(case, OnsetAggregate::Mean)?)?))
}

fn fourier(case: &Case<'_>) -> Result<Answers> {
    scale_of_lags(case)?;
    let plan = FourierTempogram::new(FourierTempogramConfig {
        win_length: case.usize("win_length")?,
        center: case.bool("center")?,
        window: case.window("window")?,
    })?;
    Ok(only(case, plan.compute(&envelope(case, OnsetAggregate::Mean)?)?))
}

fn tempo_config(case: &Case<'_>) -> Result<TempoConfig> {
    Ok(TempoConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.usize("hop_length")?,
        start_bpm: case.f64("start_bpm")?,
        std_bpm: case.f64("std_bpm")?,
        ac_size: if case.has("ac_size") { case.f64("ac_size")? } else { TempoConfig::default().ac_size },
        max_tempo: case.optional_f64("max_tempo")?,
    })
}

fn ratio(case: &Case<'_>) -> Result<Answers> {
    case.fixed("kind", "linear")?;
    ensure!(case.given("aggregate").is_none(), "only ratios of every frame are supported");
    let mut config = TempogramRatioConfig {
        tempo: tempo_config(case)?,
        fill_value: case.f32("fill_value")?,
        ..TempogramRatioConfig::default()
    };
    if let Some(factors) = case.given("factors") {
        config.factors = serde_json::from_value(factors.clone())?;
    }
    let bpm: Vec<f64> = case.optional_f64("bpm")?.into_iter().collect();
    let tempogram = tempogram_plan(case)?.compute(&envelope(case, OnsetAggregate::Mean)?)?;
    Ok(only(case, tempogram_ratio(tempogram.view(), &bpm, &config)?))
}

fn tempo(case: &Case<'_>) -> Result<Answers> {
    let plan = Tempo::new(tempo_config(case)?)?;
    let envelope = envelope(case, OnsetAggregate::Mean)?;
    Ok(match case.given("aggregate").map(|value| value.as_str()) {
        None => only(case, plan.compute_frames(&envelope)?),
        Some(Some("mean")) => only(case, vec![plan.compute(&envelope)?]),
        Some(other) => bail!("unknown aggregate {other:?}"),
    })
}

fn beats(case: &Case<'_>) -> Result<Answers> {
    case.fixed("units", "frames")?;
    case.fixed("sparse", true)?;
    let config = BeatTrackConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.usize("hop_length")?,
        start_bpm: case.f64("start_bpm")?,
        tightness: case.f64("tightness")?,
        trim: case.bool("trim")?,
        bpm: case.optional_f64("bpm")?.map_or(BeatTempo::Estimated, BeatTempo::Given),
    };
    let beats = beat_track(&envelope(case, OnsetAggregate::Median)?, &config)?;
    let frames: Vec<i64> = beats.frames.iter().map(|&t| t as i64).collect();
    Ok(vec![("bpm".to_owned(), Answer::from(Array1::from(beats.bpm))), ("beats".to_owned(), frames.into())])
}

fn pulse(case: &Case<'_>) -> Result<Answers> {
    let config = PlpConfig {
        sample_rate: case.sample_rate()?,
        hop_length: case.usize("hop_length")?,
        win_length: case.usize("win_length")?,
        tempo_min: case.optional_f64("tempo_min")?,
        tempo_max: case.optional_f64("tempo_max")?,
    };
    Ok(only(case, plp(&envelope(case, OnsetAggregate::Mean)?, &config)?))
}
