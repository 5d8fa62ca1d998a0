//! Transforms and their inverses.

use anyhow::Result;
use timbral_features::stft::{Istft, IstftConfig, ReassignedConfig, ReassignedSpectrogram};
use timbral_features::{FeaturePlan, Spectrogram, SpectrogramConfig, Stft, StftConfig};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "librosa.stft" => stft(case),
        "numpy.abs(librosa.stft) ** power" => spectrogram(case),
        "librosa.istft" => istft(case),
        "librosa.reassigned_spectrogram" => reassigned(case),
        _ => return None,
    })
}

fn stft(case: &Case<'_>) -> Result<Answers> {
    Ok(only(case, Stft::new(case.stft_config()?)?.compute(&case.samples()?)?))
}

fn spectrogram(case: &Case<'_>) -> Result<Answers> {
    let config = SpectrogramConfig { stft: case.stft_config()?, power: case.f32("power")? };
    Ok(only(case, Spectrogram::new(config)?.compute(&case.samples()?)?))
}

fn istft(case: &Case<'_>) -> Result<Answers> {
    let stft = case.complex_matrix("stft_matrix")?;
    let config = IstftConfig { stft: case.stft_config()?, length: case.optional_usize("length")? };
    let n_fft = if case.given("n_fft").is_some() { config.stft.n_fft } else { 2 * (stft.nrows() - 1) };
    let plan = Istft::new(IstftConfig { stft: StftConfig { n_fft, ..config.stft }, ..config })?;
    Ok(only(case, plan.compute(stft.view())?))
}

fn reassigned(case: &Case<'_>) -> Result<Answers> {
    let config = ReassignedConfig {
        sample_rate: case.sample_rate()?,
        stft: case.stft_config()?,
        reassign_frequencies: case.bool("reassign_frequencies")?,
        reassign_times: case.bool("reassign_times")?,
        ref_power: case.f32("ref_power")?,
        fill_nan: case.bool("fill_nan")?,
        clip: case.bool("clip")?,
    };
    let answer = ReassignedSpectrogram::new(config)?.compute(&case.samples()?)?;
    Ok(vec![
        ("freqs".to_owned(), answer.frequencies.into()),
        ("times".to_owned(), answer.times.into()),
        ("mags".to_owned(), answer.magnitudes.into()),
    ])
}
