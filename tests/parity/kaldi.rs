//! Kaldi's front ends.

use anyhow::{Result, bail};
use ndarray::Array2;
use timbral_features::FeaturePlan;
use timbral_features::compat::kaldi;

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "torchaudio.compliance.kaldi.fbank" => fbank(case),
        "torchaudio.compliance.kaldi.mfcc" => mfcc(case),
        _ => return None,
    })
}

fn config(case: &Case<'_>) -> Result<kaldi::FbankConfig> {
    case.fixed("dither", 0.0)?;
    let mut config = kaldi::FbankConfig {
        sample_rate: case.usize("sample_frequency")?.try_into()?,
        frame_length: case.f64("frame_length")?,
        frame_shift: case.f64("frame_shift")?,
        num_mel_bins: case.usize("num_mel_bins")?,
        low_freq: case.f64("low_freq")?,
        high_freq: case.f64("high_freq")?,
        waveform_scale: if case.has("waveform_scale") { case.f32("waveform_scale")? } else { 1.0 },
        window_type: match case.text("window_type")? {
            "povey" => kaldi::Window::Povey,
            "hanning" => kaldi::Window::Hanning,
            "hamming" => kaldi::Window::Hamming,
            "blackman" => kaldi::Window::Blackman,
            "rectangular" => kaldi::Window::Rectangular,
            other => bail!("unknown window {other}"),
        },
        blackman_coeff: case.f64("blackman_coeff")?,
        preemphasis_coefficient: case.f32("preemphasis_coefficient")?,
        remove_dc_offset: case.bool("remove_dc_offset")?,
        round_to_power_of_two: case.bool("round_to_power_of_two")?,
        snip_edges: case.bool("snip_edges")?,
        use_energy: case.bool("use_energy")?,
        raw_energy: case.bool("raw_energy")?,
        energy_floor: case.f64("energy_floor")?,
        htk_compat: case.bool("htk_compat")?,
        subtract_mean: case.bool("subtract_mean")?,
        ..kaldi::FbankConfig::default()
    };
    for (name, value) in [
        ("vtln_warp", &mut config.vtln_warp),
        ("vtln_low", &mut config.vtln_low),
        ("vtln_high", &mut config.vtln_high),
        ("min_duration", &mut config.min_duration),
    ] {
        if case.has(name) {
            *value = case.f64(name)?;
        }
    }
    Ok(config)
}

/// Kaldi shows frames first.
fn frames_first(array: Array2<f32>) -> Array2<f32> {
    array.reversed_axes()
}

fn fbank(case: &Case<'_>) -> Result<Answers> {
    let config = kaldi::FbankConfig {
        use_log_fbank: case.bool("use_log_fbank")?,
        use_power: case.bool("use_power")?,
        ..config(case)?
    };
    Ok(only(case, frames_first(kaldi::Fbank::new(config)?.compute(&case.samples()?)?)))
}

fn mfcc(case: &Case<'_>) -> Result<Answers> {
    let config = kaldi::MfccConfig {
        fbank: config(case)?,
        num_ceps: case.usize("num_ceps")?,
        cepstral_lifter: case.f64("cepstral_lifter")?,
    };
    Ok(only(case, frames_first(kaldi::Mfcc::new(config)?.compute(&case.samples()?)?)))
}
