//! Resamples any audio file to 16 kHz mono and writes it as 24-bit WAV: `resample song.mp3 speech.wav`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use timbral_decode::{DecodeConfig, WavFormat, decode_file, write_wav};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let input = arguments.next().unwrap_or_else(|| "models/demo.wav".to_owned());
    let output = arguments.next().unwrap_or_else(|| "resampled.wav".to_owned());

    // Ten seconds around the middle, cut before they are resampled. Any container and codec; the content decides.
    let options = DecodeConfig::default().mono().sample_rate(16_000).middle(10.0);
    let audio = decode_file(&input, &options)?;

    // Non-fatal problems of the file, such as a truncated end. Without them the samples are all there is.
    for warning in &audio.warnings {
        eprintln!("warning: {input}: {warning}");
    }
    // Resampling may overshoot full scale a little, and integer WAV would clip that.
    let peak = audio.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    println!("{} frames at {} Hz, peak {peak:.3}", audio.frames(), audio.sample_rate);

    // Written whole or not at all: to a temporary file that is renamed.
    write_wav(&output, &audio, WavFormat::Int24)?;
    Ok(())
}
