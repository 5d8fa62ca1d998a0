//! Spectral peaks, tuning and chroma of the Fourier transform.

use anyhow::{Result, bail};
use timbral_features::pitch::{
    PiptrackConfig, PiptrackReference, TuningConfig, estimate_tuning, piptrack, pitch_tuning,
    tuning_of_spectrogram,
};
use timbral_features::{ChromaStft, ChromaStftConfig, FeaturePlan, Spectrogram, SpectrogramConfig};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.feature.chroma_stft" => chroma_stft(case),
        "librosa.estimate_tuning" => tuning(case),
        "librosa.pitch_tuning" => pitches(case),
        "librosa.piptrack" => peaks(case),
        _ => return None,
    })
}

fn chroma_stft(case: &Case<'_>) -> Result<Answers> {
    let plan = ChromaStft::new(ChromaStftConfig {
        sample_rate: case.sample_rate()?,
        stft: case.stft_config()?,
        n_chroma: case.usize("n_chroma")?,
        tuning: case.optional_f64("tuning")?,
        ctroct: case.f64("ctroct")?,
        octwidth: case.optional_f64("octwidth")?.unwrap_or(f64::INFINITY),
        base_c: case.bool("base_c")?,
        norm: case.norm("norm")?,
    })?;
    let chroma = if case.has_input("S") {
        plan.compute_from_power(case.matrix("S")?.view())?
    } else {
        plan.compute(&case.samples()?)?
    };
    Ok(only(case, chroma))
}

fn peak_config(case: &Case<'_>) -> Result<PiptrackConfig> {
    let default = PiptrackConfig::default();
    let number = |name: &str, default: f64| {
        if case.has(name) { case.f64(name) } else { Ok(default) }
    };
    Ok(PiptrackConfig {
        sample_rate: case.sample_rate()?,
        fmin: number("fmin", default.fmin)?,
        fmax: number("fmax", default.fmax)?,
        threshold: number("threshold", f64::from(default.threshold))? as f32,
        reference: match case.given("ref") {
            None => PiptrackReference::Max,
            Some(value) => match (value.as_str(), value.as_f64()) {
                (Some("max"), _) => PiptrackReference::Max,
                (Some("mean"), _) => PiptrackReference::Mean,
                (Some("median"), _) => PiptrackReference::Median,
                (_, Some(number)) => PiptrackReference::Value(number as f32),
                _ => bail!("unknown ref {value}"),
            },
        },
    })
}

fn peaks(case: &Case<'_>) -> Result<Answers> {
    let spectrogram = if case.has_input("S") {
        case.matrix("S")?
    } else {
        let stft = case.stft_config()?;
        Spectrogram::new(SpectrogramConfig { stft, power: 1.0 })?.compute(&case.samples()?)?
    };
    let found = piptrack(spectrogram.view(), &peak_config(case)?)?;
    Ok(vec![("pitches".to_owned(), found.pitches.into()), ("magnitudes".to_owned(), found.magnitudes.into())])
}

fn tuning(case: &Case<'_>) -> Result<Answers> {
    let peaks = peak_config(case)?;
    let (resolution, bins_per_octave) = (case.f64("resolution")?, case.usize("bins_per_octave")?);
    let tuning = if case.has_input("S") {
        tuning_of_spectrogram(case.matrix("S")?.view(), &peaks, resolution, bins_per_octave)?
    } else {
        let stft = case.stft_config()?;
        estimate_tuning(&case.samples()?, &TuningConfig { stft, peaks, resolution, bins_per_octave })?
    };
    Ok(only(case, tuning))
}

fn pitches(case: &Case<'_>) -> Result<Answers> {
    let frequencies = case.vector("frequencies")?;
    Ok(only(case, pitch_tuning(frequencies, case.f64("resolution")?, case.usize("bins_per_octave")?)?))
}
