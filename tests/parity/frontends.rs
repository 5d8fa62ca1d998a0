//! Front ends of models and of torchaudio.

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use timbral_features::compat::{musicnn, python_speech_features, torchaudio, whisper};
use timbral_features::filters::{DctNorm, MelNorm};
use timbral_features::{FeaturePlan, MelConfig, Window};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "log10(10000 * melspectrogram + 1)" => musicnn(case),
        "whisper log_mel_spectrogram" => whisper(case),
        "python_speech_features.mfcc" => speech_mfcc(case),
        "python_speech_features.logfbank" => {
            speech(case).and_then(|plan| Ok(only(case, plan.logfbank(&case.samples()?)?.reversed_axes())))
        }
        "python_speech_features.ssc" => {
            speech(case).and_then(|plan| Ok(only(case, plan.ssc(&case.samples()?)?.reversed_axes())))
        }
        "python_speech_features.delta" => slope(case),
        "torchaudio.transforms.MelSpectrogram" => torchaudio_mel(case),
        "torchaudio.transforms.MFCC" => torchaudio_mfcc(case),
        "torchaudio.transforms.LFCC" => torchaudio_lfcc(case),
        "torchaudio.transforms.SpectralCentroid" => torchaudio_centroid(case),
        _ => return None,
    })
}

/// The signal, or the samples given as an input.
fn samples(case: &Case<'_>) -> Result<Vec<f32>> {
    if case.has_input("y") { case.vector("y") } else { case.samples() }
}

fn mel(case: &Case<'_>) -> Result<MelConfig> {
    let stft = case.stft_config()?;
    Ok(MelConfig {
        sample_rate: case.sample_rate()?,
        n_fft: stft.n_fft,
        hop_length: stft.hop_length,
        win_length: stft.win_length,
        window: stft.window,
        center: stft.center,
        pad_mode: stft.pad_mode,
        power: if case.has("power") { case.f32("power")? } else { 2.0 },
        n_mels: case.usize("n_mels")?,
        fmin: case.f64("fmin")?,
        fmax: case.optional_f64("fmax")?,
        htk: case.bool("htk")?,
        norm: case.mel_norm("norm")?,
    })
}

fn musicnn(case: &Case<'_>) -> Result<Answers> {
    let config = musicnn::LogMelConfig { mel: mel(case)?, ..musicnn::LogMelConfig::default() };
    Ok(only(case, musicnn::LogMelSpectrogram::new(config)?.compute(&samples(case)?)?))
}

fn whisper(case: &Case<'_>) -> Result<Answers> {
    let config = whisper::LogMelConfig {
        mel: mel(case)?,
        floor: case.f32("floor")?,
        range: case.f32("range")?,
        drop_last_frame: case.bool("drop_last_frame")?,
    };
    Ok(only(case, whisper::LogMelSpectrogram::new(config)?.compute(&samples(case)?)?))
}

fn speech(case: &Case<'_>) -> Result<python_speech_features::Fbank> {
    let window = match case.text("winfunc")? {
        "ones" => Window::Boxcar,
        "hamming (symmetric)" | "hamming" => Window::Hamming,
        "hann (symmetric)" | "hanning (symmetric)" | "hanning" | "hann" => Window::Hann,
        "blackman (symmetric)" | "blackman" => Window::Blackman,
        other => bail!("unknown window {other}"),
    };
    Ok(python_speech_features::Fbank::new(python_speech_features::FbankConfig {
        sample_rate: case.usize("samplerate")?.try_into()?,
        winlen: case.f64("winlen")?,
        winstep: case.f64("winstep")?,
        nfilt: case.usize("nfilt")?,
        nfft: case.usize("nfft")?,
        lowfreq: case.f64("lowfreq")?,
        highfreq: case.optional_f64("highfreq")?,
        preemph: case.f64("preemph")?,
        window,
        waveform_scale: case.f64("waveform_scale")?,
    })?)
}

fn speech_mfcc(case: &Case<'_>) -> Result<Answers> {
    let config = python_speech_features::MfccConfig {
        numcep: case.usize("numcep")?,
        ceplifter: case.f64("ceplifter")?,
        append_energy: case.bool("appendEnergy")?,
    };
    Ok(only(case, speech(case)?.mfcc(&case.samples()?, &config)?.reversed_axes()))
}

fn slope(case: &Case<'_>) -> Result<Answers> {
    let features = case.matrix("feat")?.reversed_axes();
    Ok(only(case, python_speech_features::delta(features.view(), case.usize("N")?)?.reversed_axes()))
}

/// Parameters that lie in the case or, for cepstra, in an object of their own.
struct Parameters<'a>(&'a serde_json::Map<String, Value>);

impl<'a> Parameters<'a> {
    fn get<T: serde::de::DeserializeOwned>(&self, name: &str, default: T) -> Result<T> {
        Ok(match self.0.get(name).filter(|value| !value.is_null()) {
            Some(value) => serde_json::from_value(value.clone())?,
            None => default,
        })
    }

    fn spectrogram(&self) -> Result<torchaudio::SpectrogramConfig> {
        let default = torchaudio::SpectrogramConfig::default();
        let window = match self.get("window_fn", "hann_window".to_owned())?.as_str() {
            "hann_window" => Window::Hann,
            "hamming_window" => Window::Hamming,
            "blackman_window" => Window::Blackman,
            "bartlett_window" => Window::Bartlett,
            other => bail!("unknown window {other}"),
        };
        Ok(torchaudio::SpectrogramConfig {
            n_fft: self.get("n_fft", default.n_fft)?,
            win_length: self.get("win_length", None)?,
            hop_length: self.get("hop_length", None)?,
            pad: self.get("pad", default.pad)?,
            window,
            power: self.get("power", default.power)?,
            normalized: self.get("normalized", default.normalized)?,
            center: self.get("center", default.center)?,
            pad_mode: self.get("pad_mode", default.pad_mode)?,
        })
    }

    fn mel(&self, sample_rate: u32) -> Result<torchaudio::MelConfig> {
        let default = torchaudio::MelConfig::default();
        Ok(torchaudio::MelConfig {
            sample_rate,
            spectrogram: self.spectrogram()?,
            n_mels: self.get("n_mels", default.n_mels)?,
            f_min: self.get("f_min", default.f_min)?,
            f_max: self.get("f_max", None)?,
            norm: match self.get::<Option<String>>("norm", None)?.as_deref() {
                None => MelNorm::None,
                Some("slaney") => MelNorm::Slaney,
                Some(other) => bail!("unknown norm {other}"),
            },
            htk: self.get("mel_scale", "htk".to_owned())? == "htk",
        })
    }
}

const SPECTROGRAM: [&str; 9] =
    ["n_fft", "win_length", "hop_length", "pad", "window_fn", "power", "normalized", "center", "pad_mode"];
const MEL: [&str; 5] = ["n_mels", "f_min", "f_max", "norm", "mel_scale"];

/// The case's own parameters, of which `names` are taken.
fn own<'a>(case: &'a Case<'_>, names: &[&str]) -> Parameters<'a> {
    for name in names {
        case.given(name);
    }
    Parameters(&case.description.params)
}

/// The parameters in an object of the case.
fn nested<'a>(case: &'a Case<'_>, name: &str, known: &[&str]) -> Result<Parameters<'a>> {
    let Some(object) = case.value(name)?.as_object() else { bail!("{name} is no object") };
    for key in object.keys() {
        ensure!(known.contains(&key.as_str()), "unknown parameter {name}.{key}");
    }
    Ok(Parameters(object))
}

fn rate(case: &Case<'_>) -> Result<u32> {
    Ok(case.usize("sample_rate")?.try_into()?)
}

fn dct_norm(case: &Case<'_>) -> Result<DctNorm> {
    case.fixed("dct_type", 2)?;
    Ok(match case.given("norm").and_then(Value::as_str) {
        None => DctNorm::None,
        Some("ortho") => DctNorm::Ortho,
        Some(other) => bail!("unknown norm {other}"),
    })
}

fn torchaudio_mel(case: &Case<'_>) -> Result<Answers> {
    let config = own(case, &[&SPECTROGRAM[..], &MEL].concat()).mel(rate(case)?)?;
    Ok(only(case, torchaudio::MelSpectrogram::new(config)?.compute(&case.samples()?)?))
}

fn torchaudio_mfcc(case: &Case<'_>) -> Result<Answers> {
    let config = torchaudio::MfccConfig {
        mel: nested(case, "melkwargs", &[&SPECTROGRAM[..], &MEL].concat())?.mel(rate(case)?)?,
        n_mfcc: case.usize("n_mfcc")?,
        norm: dct_norm(case)?,
        log_mels: case.bool("log_mels")?,
    };
    Ok(only(case, torchaudio::Mfcc::new(config)?.compute(&case.samples()?)?))
}

fn torchaudio_lfcc(case: &Case<'_>) -> Result<Answers> {
    let config = torchaudio::LfccConfig {
        sample_rate: rate(case)?,
        spectrogram: nested(case, "speckwargs", &SPECTROGRAM)?.spectrogram()?,
        n_filter: case.usize("n_filter")?,
        f_min: case.f64("f_min")?,
        f_max: case.optional_f64("f_max")?,
        n_lfcc: case.usize("n_lfcc")?,
        norm: dct_norm(case)?,
        log_lf: case.bool("log_lf")?,
    };
    Ok(only(case, torchaudio::Lfcc::new(config)?.compute(&case.samples()?)?))
}

fn torchaudio_centroid(case: &Case<'_>) -> Result<Answers> {
    let config = torchaudio::SpectralCentroidConfig {
        sample_rate: rate(case)?,
        spectrogram: own(case, &SPECTROGRAM).spectrogram()?,
    };
    Ok(only(case, torchaudio::SpectralCentroid::new(config)?.compute(&case.samples()?)?))
}
