//! Windows, filters and conversions: functions that need no signal.

use anyhow::{Context, Result};
use timbral_features::Complex32;
use timbral_features::convert::{
    NoteStyle, a_weighting, a4_to_tuning, b_weighting, c_weighting, cqt_frequencies, d_weighting,
    fft_frequencies, fourier_tempo_frequencies, frames_to_samples, frames_to_time, hz_to_mel, hz_to_midi,
    hz_to_note, hz_to_octs, mel_frequencies, mel_to_hz, midi_to_hz, samples_to_frames, tempo_frequencies,
    time_to_frames, time_to_samples,
};
use timbral_features::filters::{
    ChromaFilterConfig, CqToChromaConfig, DctNorm, DctType, MelFilterBank, MelFilterConfig, WaveletConfig,
    chroma_filters, cq_to_chroma, dct_matrix, get_window, wavelet, wavelet_lengths, window_sumsquare,
};

use crate::case::{Answer, Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    let name = case.function().strip_prefix("librosa.").unwrap_or(case.function());
    Some(match name {
        "filters.mel" => mel(case),
        "filters.chroma" => chroma(case),
        "filters.cq_to_chroma" => folding(case),
        "scipy.fft.dct" => dct(case),
        "filters.wavelet" => wavelets(case),
        "filters.wavelet_lengths" => lengths(case),
        "hz_to_note" => notes(case),
        _ => {
            return window(case, name).or_else(|| frequencies(case, name)).or_else(|| times(case, name));
        }
    })
}

fn window(case: &Case<'_>, name: &str) -> Option<Result<Answers>> {
    let answer = || -> Result<Vec<f64>> {
        Ok(match name {
            "filters.get_window" => {
                get_window(&case.window("window")?, case.usize("Nx")?, case.bool("fftbins")?)?
            }
            _ => window_sumsquare(
                &case.window("window")?,
                case.usize("n_frames")?,
                case.usize("hop_length")?,
                case.usize("win_length")?,
                case.usize("n_fft")?,
                case.norm("norm")?,
            )?,
        })
    };
    matches!(name, "filters.get_window" | "filters.window_sumsquare")
        .then(|| answer().map(|values| only(case, values)))
}

fn mel(case: &Case<'_>) -> Result<Answers> {
    let bank = MelFilterBank::new(MelFilterConfig {
        sample_rate: case.sample_rate()?,
        n_fft: case.usize("n_fft")?,
        n_mels: case.usize("n_mels")?,
        fmin: case.f64("fmin")?,
        fmax: case.optional_f64("fmax")?,
        htk: case.bool("htk")?,
        norm: case.mel_norm("norm")?,
    })?;
    Ok(only(case, bank.to_dense()))
}

fn chroma(case: &Case<'_>) -> Result<Answers> {
    let config = ChromaFilterConfig {
        sample_rate: case.sample_rate()?,
        n_fft: case.usize("n_fft")?,
        n_chroma: case.usize("n_chroma")?,
        tuning: case.f64("tuning")?,
        ctroct: case.f64("ctroct")?,
        octwidth: case.optional_f64("octwidth")?.unwrap_or(f64::INFINITY),
        norm: case.norm("norm")?,
        base_c: case.bool("base_c")?,
    };
    Ok(only(case, chroma_filters(&config)?))
}

fn folding(case: &Case<'_>) -> Result<Answers> {
    let default = CqToChromaConfig::default();
    let config = CqToChromaConfig {
        n_input: case.usize("n_input")?,
        bins_per_octave: case.usize("bins_per_octave")?,
        n_chroma: case.usize("n_chroma")?,
        fmin: case.optional_f64("fmin")?.unwrap_or(default.fmin),
        window: case
            .given("window")
            .map(|v| serde_json::from_value(v.clone()))
            .transpose()
            .context("window")?,
        base_c: case.bool("base_c")?,
    };
    Ok(only(case, cq_to_chroma(&config)?))
}

/// The type and the norm of a cosine transform.
pub(crate) fn dct_kind(case: &Case<'_>) -> Result<(DctType, DctNorm)> {
    let dct_type = match case.usize("dct_type")? {
        1 => DctType::One,
        2 => DctType::Two,
        3 => DctType::Three,
        other => anyhow::bail!("dct_type = {other} is not supported"),
    };
    let norm = match case.given("norm") {
        None => DctNorm::None,
        Some(v) if v == "ortho" => DctNorm::Ortho,
        Some(other) => anyhow::bail!("norm = {other} is not supported"),
    };
    Ok((dct_type, norm))
}

fn dct(case: &Case<'_>) -> Result<Answers> {
    let (dct_type, norm) = dct_kind(case)?;
    Ok(only(case, dct_matrix(case.usize("n_mfcc")?, case.usize("n_input")?, dct_type, norm)?))
}

fn wavelet_config(case: &Case<'_>) -> Result<WaveletConfig> {
    let default = WaveletConfig::default();
    Ok(WaveletConfig {
        sample_rate: case.f64("sr")?,
        window: case.window("window")?,
        filter_scale: case.f64("filter_scale")?,
        pad_fft: if case.has("pad_fft") { case.bool("pad_fft")? } else { default.pad_fft },
        norm: if case.has("norm") { case.norm("norm")? } else { default.norm },
        gamma: case.optional_f64("gamma")?.unwrap_or(f64::NAN),
        alpha: None,
    })
}

fn wavelets(case: &Case<'_>) -> Result<Answers> {
    let answer = wavelet(&case.vector_f64("freqs")?, &wavelet_config(case)?)?;
    let filters = answer.filters.mapv(|c| Complex32::new(c.re as f32, c.im as f32));
    Ok(vec![("filters".to_owned(), filters.into()), ("lengths".to_owned(), answer.lengths.into())])
}

fn lengths(case: &Case<'_>) -> Result<Answers> {
    let (lengths, cutoff) = wavelet_lengths(&case.vector_f64("freqs")?, &wavelet_config(case)?)?;
    Ok(vec![("lengths".to_owned(), lengths.into()), ("f_cutoff".to_owned(), cutoff.into())])
}

fn notes(case: &Case<'_>) -> Result<Answers> {
    case.fixed("key", "C:maj")?;
    let style = NoteStyle {
        octave: case.bool("octave")?,
        cents: case.bool("cents")?,
        unicode: case.bool("unicode")?,
    };
    let names: Result<Vec<String>, _> =
        case.vector_f64("frequencies")?.into_iter().map(|f| hz_to_note(f, style)).collect();
    Ok(only(case, names?))
}

fn frequencies(case: &Case<'_>, name: &str) -> Option<Result<Answers>> {
    let each = |input: &str, f: &dyn Fn(f64) -> f64| -> Result<Vec<f64>> {
        Ok(case.vector_f64(input)?.into_iter().map(f).collect())
    };
    let weighting = |f: fn(f64, Option<f64>) -> f64| -> Result<Vec<f64>> {
        let min_db = case.optional_f64("min_db")?;
        each("frequencies", &|v| f(v, min_db))
    };
    let answer = || -> Option<Result<Vec<f64>>> {
        Some(match name {
            "hz_to_mel" => case.bool("htk").and_then(|htk| each("frequencies", &|f| hz_to_mel(f, htk))),
            "mel_to_hz" => case.bool("htk").and_then(|htk| each("mels", &|m| mel_to_hz(m, htk))),
            "hz_to_midi" => each("frequencies", &hz_to_midi),
            "midi_to_hz" => each("notes", &midi_to_hz),
            "hz_to_octs" => case.f64("tuning").and_then(|tuning| {
                let bins = case.usize("bins_per_octave")?;
                each("frequencies", &|f| hz_to_octs(f, tuning, bins))
            }),
            "A4_to_tuning" => {
                case.usize("bins_per_octave").and_then(|bins| each("A4", &|f| a4_to_tuning(f, bins)))
            }
            "A_weighting" => weighting(a_weighting),
            "B_weighting" => weighting(b_weighting),
            "C_weighting" => weighting(c_weighting),
            "D_weighting" => weighting(d_weighting),
            _ => return None,
        })
    };
    answer().or_else(|| bins(case, name)).map(|values| Ok(only(case, values?)))
}

fn bins(case: &Case<'_>, name: &str) -> Option<Result<Vec<f64>>> {
    let answer = || -> Result<Vec<f64>> {
        Ok(match name {
            "mel_frequencies" => mel_frequencies(
                case.usize("n_mels")?,
                case.f64("fmin")?,
                case.f64("fmax")?,
                case.bool("htk")?,
            ),
            "fft_frequencies" => fft_frequencies(case.f64("sr")?, case.usize("n_fft")?),
            "cqt_frequencies" => cqt_frequencies(
                case.usize("n_bins")?,
                case.f64("fmin")?,
                case.usize("bins_per_octave")?,
                case.f64("tuning")?,
            ),
            // The index leaves out the infinite tempo of lag 0.
            "tempo_frequencies" => {
                tempo_frequencies(case.usize("n_bins")?, case.usize("hop_length")?, case.f64("sr")?)
                    .split_off(1)
            }
            _ => fourier_tempo_frequencies(
                case.f64("sr")?,
                case.usize("win_length")?,
                case.usize("hop_length")?,
            ),
        })
    };
    const NAMES: [&str; 5] = [
        "mel_frequencies",
        "fft_frequencies",
        "cqt_frequencies",
        "tempo_frequencies",
        "fourier_tempo_frequencies",
    ];
    NAMES.contains(&name).then(answer)
}

fn times(case: &Case<'_>, name: &str) -> Option<Result<Answers>> {
    let answer = || -> Result<Answer> {
        let rate = || case.f64("sr");
        let hop = || case.usize("hop_length");
        let n_fft = || case.optional_usize("n_fft");
        let seconds = || case.vector_f64("times");
        Ok(match name {
            "frames_to_samples" => {
                let (hop, n_fft) = (hop()?, n_fft()?);
                let frames = case.integers("frames")?.into_iter();
                frames.map(|f| frames_to_samples(f, hop, n_fft)).collect::<Vec<_>>().into()
            }
            "samples_to_frames" => {
                let (hop, n_fft) = (hop()?, n_fft()?);
                let samples = case.integers("samples")?.into_iter();
                samples.map(|s| samples_to_frames(s, hop, n_fft)).collect::<Vec<_>>().into()
            }
            "frames_to_time" => {
                let (rate, hop, n_fft) = (rate()?, hop()?, n_fft()?);
                let frames = case.integers("frames")?.into_iter();
                frames.map(|f| frames_to_time(f, rate, hop, n_fft)).collect::<Vec<_>>().into()
            }
            "time_to_frames" => {
                let (rate, hop, n_fft) = (rate()?, hop()?, n_fft()?);
                seconds()?.into_iter().map(|t| time_to_frames(t, rate, hop, n_fft)).collect::<Vec<_>>().into()
            }
            _ => {
                let rate = rate()?;
                seconds()?.into_iter().map(|t| time_to_samples(t, rate)).collect::<Vec<_>>().into()
            }
        })
    };
    const NAMES: [&str; 5] =
        ["frames_to_samples", "samples_to_frames", "frames_to_time", "time_to_frames", "time_to_samples"];
    NAMES.contains(&name).then(|| Ok(only(case, answer()?)))
}
