//! The feature tables that circulate with GTZAN and FMA.

use anyhow::{Context, Result, ensure};
use timbral_features::feature_set::Feature;
use timbral_features::{FeatureSet, FeatureSetConfig};

use crate::case::{Answer, Answers, Case};
use crate::resample::resample_type;

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    let preset = match case.function() {
        "57 columns of GTZAN features_3_sec.csv" => "gtzan57",
        "518 columns of FMA features.csv" => "fma518",
        _ => return None,
    };
    Some(table(case, preset))
}

fn table(case: &Case<'_>, preset: &str) -> Result<Answers> {
    let mut config = FeatureSetConfig::preset(preset).context("the preset is known")?;
    config.sample_rate = case.sample_rate()?;
    let (n_fft, hop_length) = (case.usize("n_fft")?, case.usize("hop_length")?);
    let (n_mfcc, n_mels) = (case.usize("n_mfcc")?, case.usize("n_mels")?);
    for spec in &mut config.features {
        match &mut spec.feature {
            Feature::Mfcc(c) => {
                c.n_mfcc = n_mfcc;
                c.log_mel.mel.n_mels = n_mels;
                (c.log_mel.mel.n_fft, c.log_mel.mel.hop_length) = (n_fft, hop_length);
            }
            Feature::ChromaStft(c) => {
                (c.stft.n_fft, c.stft.hop_length) = (n_fft, hop_length);
                if preset == "gtzan57" {
                    c.tuning = case.optional_f64("tuning")?;
                }
            }
            Feature::ChromaCqt(c) => {
                c.hop_length = hop_length;
                c.res_type = resample_type(case)?;
            }
            Feature::ChromaCens(c) | Feature::TonnetzCens(c) => {
                c.chroma.hop_length = hop_length;
                c.chroma.res_type = resample_type(case)?;
            }
            Feature::SpectralCentroid(c) => (c.stft.n_fft, c.stft.hop_length) = (n_fft, hop_length),
            Feature::SpectralBandwidth(c) => (c.stft.n_fft, c.stft.hop_length) = (n_fft, hop_length),
            Feature::SpectralContrast(c) => (c.stft.n_fft, c.stft.hop_length) = (n_fft, hop_length),
            Feature::SpectralRolloff(c) => {
                (c.stft.n_fft, c.stft.hop_length) = (n_fft, hop_length);
                if preset == "gtzan57" {
                    c.roll_percent = case.f64("roll_percent")?;
                }
            }
            Feature::RmsOfSpectrogram(c) => (c.n_fft, c.hop_length) = (n_fft, hop_length),
            Feature::Rms(c) => (c.frame_length, c.hop_length) = (n_fft, hop_length),
            Feature::ZeroCrossingRate(c) => (c.frame_length, c.hop_length) = (n_fft, hop_length),
            Feature::Tempo(c) => (c.onset.mel.n_fft, c.onset.mel.hop_length) = (n_fft, hop_length),
            _ => {}
        }
    }
    let set = FeatureSet::new(config)?;
    let columns: Vec<String> = serde_json::from_value(case.value("columns")?.clone())?;
    ensure!(set.columns() == columns, "the preset has other columns, or in another order");
    let values = set.compute(&case.samples()?)?;
    // The second output is the tolerance of each value, not an answer.
    Ok(vec![("values".to_owned(), Answer::F64(values.into_dyn()))])
}
