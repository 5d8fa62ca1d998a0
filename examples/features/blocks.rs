//! Computes MFCC while a file is decoded, block by block, in memory that does not grow with its length: `blocks song.mp3`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use timbral_decode::{DecodeConfig, Decoder};
use timbral_features::delta::{Delta, DeltaConfig};
use timbral_features::stream::{DeltaStream, StreamPlan};
use timbral_features::{LogMelConfig, Mfcc, MfccConfig};

const COEFFICIENTS: usize = 13;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "models/demo.wav".to_owned());
    let options = DecodeConfig::default().mono().sample_rate(22_050);
    let mut decoder = Decoder::open(&path, &options)?;

    // `top_db` looks at the loudest frame of the whole signal, which a stream does not know yet.
    let log_mel = LogMelConfig { top_db: None, ..LogMelConfig::default() };
    let mfcc = Mfcc::new(MfccConfig { log_mel, n_mfcc: COEFFICIENTS, ..MfccConfig::default() })?;
    // Stages follow one another: here the slope of every coefficient over nine frames.
    let slopes = DeltaStream::new(Delta::new(DeltaConfig::default())?, COEFFICIENTS)?;
    let mut stream = mfcc.stream()?.then(slopes)?;

    let mut frame = [0.0; COEFFICIENTS];
    let (mut frames, mut steepest) = (0, 0.0_f32);
    while let Some(block) = decoder.next_block()? {
        stream.push(block)?;
        while stream.pop_into(&mut frame)? {
            frames += 1;
            steepest = frame.iter().fold(steepest, |steepest, slope| steepest.max(slope.abs()));
        }
    }
    // The last frames wait for samples that will not come.
    stream.finish()?;
    while stream.pop_into(&mut frame)? {
        frames += 1;
    }
    println!("{frames} frames, steepest slope {steepest:.2}, latency {} samples", stream.latency());
    Ok(())
}
