//! Classifies a live stream: chunks as a microphone delivers them, a verdict for every window that they complete.
//!
//! A file stands in for the microphone: `microphone song.mp3`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use timbral::Classifier;
use timbral_decode::{DecodeConfig, Decoder};
use timbral_segment::{Cut, LastWindow, SegmentConfig, Segmenter, Span};

const RATE: u32 = 22_050;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "models/demo.wav".to_owned());
    let classifier = Classifier::open("models/gtzan.safetensors")?;

    // Ten seconds every five: the first verdict comes after ten seconds, then one every five.
    let config = SegmentConfig {
        cut: Cut::Sliding { length: Span::Seconds(10.0), hop: Span::Seconds(5.0) },
        last: LastWindow::Drop,
        ..SegmentConfig::default()
    };
    let mut windows = Segmenter::new(config, RATE)?.stream()?;

    let mut microphone = Decoder::open(&path, &DecodeConfig::default().mono().sample_rate(RATE))?;
    while let Some(block) = microphone.next_block()? {
        // Chunks may have any size; the windows are those of the whole signal, bit for bit.
        for chunk in block.chunks(480) {
            windows.push(chunk);
            while let Some(window) = windows.next_window() {
                let verdict = classifier.classify_samples(&window.samples, RATE)?;
                let second = window.start_seconds();
                println!("{second:>6.1} s  {} ({:.0} %)", verdict.genre, 100.0 * verdict.confidence);
            }
        }
    }
    Ok(())
}
