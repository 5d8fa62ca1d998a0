//! Draws the log-mel spectrogram of a song as PNG: `mel_png song.mp3 mel.png`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::{FeaturePlan, LogMelConfig, LogMelSpectrogram};
use timbral_plot::HeatMap;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let song = arguments.next().unwrap_or_else(|| "models/demo.wav".to_owned());
    let picture = arguments.next().unwrap_or_else(|| "mel.png".to_owned());

    let config = LogMelConfig::default();
    let (rate, hop) = (config.mel.sample_rate, config.mel.hop_length);
    let audio = decode_file(&song, &DecodeConfig::default().mono().sample_rate(rate))?;

    // (bands, frames) in decibels, as librosa's `power_to_db(melspectrogram(y))`.
    let decibels = LogMelSpectrogram::new(config)?.compute(&audio.samples)?;
    println!("{} bands, {} frames", decibels.nrows(), decibels.ncols());

    // The extension chooses the format; `.svg` gives vectors with selectable text.
    HeatMap::mel_spectrogram(decibels.view(), rate, hop).title(song).figure().save(&picture)?;
    Ok(())
}
