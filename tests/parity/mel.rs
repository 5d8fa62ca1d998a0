//! Mel spectrograms, decibels, cepstra and what is made of them over time.

use anyhow::{Result, bail};
use timbral_features::convert::{Weighting, fft_frequencies};
use timbral_features::db::{
    DbConfig, Reference, amplitude_to_db, db_to_amplitude, db_to_power, perceptual_weighting, power_to_db,
};
use timbral_features::delta::{Delta, DeltaConfig, stack_memory};
use timbral_features::feature_set::Statistic;
use timbral_features::mfcc::{MfccToMelConfig, mfcc_to_mel};
use timbral_features::{FeaturePlan, LogMelConfig, MelConfig, MelSpectrogram, Mfcc, MfccConfig};

use crate::case::{Answers, Case, only, view};
use crate::tables::dct_kind;

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.feature.melspectrogram" => mel(case),
        "librosa.power_to_db" => decibels(case, false),
        "librosa.amplitude_to_db" => decibels(case, true),
        "librosa.db_to_power" => undo(case, db_to_power),
        "librosa.db_to_amplitude" => undo(case, db_to_amplitude),
        "librosa.perceptual_weighting" => weighting(case),
        "librosa.feature.mfcc" => mfcc(case),
        "librosa.feature.inverse.mfcc_to_mel" => inverse(case),
        "librosa.feature.delta" => delta(case),
        "librosa.feature.stack_memory" => stack(case),
        _ => return None,
    })
}

/// The parameters of a mel spectrogram, the scaling of the filters under the name `norm`.
pub(crate) fn mel_config(case: &Case<'_>, norm: &str) -> Result<MelConfig> {
    let stft = case.stft_config()?;
    Ok(MelConfig {
        sample_rate: case.sample_rate()?,
        n_fft: stft.n_fft,
        hop_length: stft.hop_length,
        win_length: stft.win_length,
        window: stft.window,
        center: stft.center,
        pad_mode: stft.pad_mode,
        power: case.f32("power")?,
        n_mels: case.usize("n_mels")?,
        fmin: case.f64("fmin")?,
        fmax: case.optional_f64("fmax")?,
        htk: case.bool("htk")?,
        norm: case.mel_norm(norm)?,
    })
}

fn mel(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, MelSpectrogram::new(mel_config(case, "norm")?)?.compute(&case.samples()?)?))
}

fn db_config(case: &Case<'_>, array: &ndarray::Array2<f32>) -> Result<DbConfig> {
    let values = || ndarray::Array1::from_iter(array.iter().copied());
    let reference = match case.value("ref")?.as_str() {
        Some("max") => Reference::Max,
        Some("median") => Reference::Value(Statistic::Median.of(values().view()) as f32),
        Some("mean") => Reference::Value(Statistic::Mean.of(values().view()) as f32),
        Some(other) => bail!("ref = {other} is not supported"),
        None => Reference::Value(case.f32("ref")?),
    };
    Ok(DbConfig { reference, amin: case.f32("amin")?, top_db: case.optional_f32("top_db")? })
}

fn decibels(case: &Case<'_>, amplitude: bool) -> Result<Answers> {
    let spectrogram = case.matrix("S")?;
    let config = db_config(case, &spectrogram)?;
    let convert = if amplitude { amplitude_to_db } else { power_to_db };
    Ok(only(case, convert(view(&spectrogram), &config)?))
}

fn undo(
    case: &Case<'_>,
    convert: fn(ndarray::ArrayView2<'_, f32>, f32) -> ndarray::Array2<f32>,
) -> Result<Answers> {
    Ok(only(case, convert(view(&case.matrix("S_db")?), case.f32("ref")?)))
}

fn weighting(case: &Case<'_>) -> Result<Answers> {
    let spectrogram = case.matrix("S")?;
    case.fixed("frequencies", "fft_frequencies(sr, n_fft)")?;
    let frequencies = fft_frequencies(case.f64("sr")?, case.usize("n_fft")?);
    let kind: Weighting = serde_json::from_value(case.value("kind")?.clone())?;
    let config = db_config(case, &spectrogram)?;
    Ok(only(case, perceptual_weighting(view(&spectrogram), &frequencies, kind, &config)?))
}

fn mfcc(case: &Case<'_>) -> Result<Answers> {
    let (dct_type, norm) = dct_kind(case)?;
    let mut config = MfccConfig {
        n_mfcc: case.usize("n_mfcc")?,
        dct_type,
        norm,
        lifter: case.f32("lifter")?,
        ..MfccConfig::default()
    };
    if !case.has_input("S") {
        config.log_mel = LogMelConfig { mel: mel_config(case, "mel_norm")?, ..LogMelConfig::default() };
        return Ok(only(case, Mfcc::new(config)?.compute(&case.samples()?)?));
    }
    // The input is a mel power spectrogram, which becomes decibels first.
    let spectrogram = case.matrix("S")?;
    let log_mel = power_to_db(view(&spectrogram), &db_config(case, &spectrogram)?)?;
    config.log_mel.mel.n_mels = spectrogram.nrows();
    Ok(only(case, Mfcc::new(config)?.from_log_mel(log_mel.view())?))
}

fn inverse(case: &Case<'_>) -> Result<Answers> {
    let (dct_type, norm) = dct_kind(case)?;
    let config = MfccToMelConfig {
        n_mels: case.usize("n_mels")?,
        dct_type,
        norm,
        reference: case.f32("ref")?,
        lifter: case.f32("lifter")?,
    };
    Ok(only(case, mfcc_to_mel(view(&case.matrix("mfcc")?), &config)?))
}

fn delta(case: &Case<'_>) -> Result<Answers> {
    case.fixed("axis", -1)?;
    let config = DeltaConfig {
        width: case.usize("width")?,
        order: case.usize("order")?,
        mode: serde_json::from_value(case.value("mode")?.clone())?,
    };
    Ok(only(case, Delta::new(config)?.compute(view(&case.matrix("data")?))?))
}

fn stack(case: &Case<'_>) -> Result<Answers> {
    let (steps, delay) = (case.usize("n_steps")?, case.integer("delay")? as isize);
    Ok(only(case, stack_memory(view(&case.matrix("data")?), steps, delay, case.pad_mode("mode")?)?))
}
