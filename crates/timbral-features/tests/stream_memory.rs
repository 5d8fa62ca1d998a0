//! One hour of log-mel, streamed, in less than 32 MB of memory. Alone in its program, whose memory it measures.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot build its input shall fail; its figures are what it is run for"
)]

use allocation_counter::measure;
use timbral_features::stream::StreamPlan;
use timbral_features::{LogMelConfig, LogMelSpectrogram};

const SAMPLE_RATE: usize = 22_050;

/// The most memory that the program has held so far in kB, where the system tells.
#[cfg(target_os = "linux")]
fn peak_resident_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_hour_of_log_mel_streams_in_bounded_memory() {
    let mut frames = 0usize;
    let mut sum = 0.0f64;
    let info = measure(|| {
        let config = LogMelConfig { top_db: None, ..LogMelConfig::default() };
        let mut stream = LogMelSpectrogram::new(config).unwrap().stream().unwrap();
        let mut frame = vec![0.0; stream.n_rows()];
        let mut second = vec![0.0f32; SAMPLE_RATE];
        for start in 0..3600 {
            for (i, sample) in second.iter_mut().enumerate() {
                let time = i as f32 / SAMPLE_RATE as f32;
                *sample = ((200 + start) as f32 * std::f32::consts::TAU * time).sin() * time;
            }
            stream.push(&second).unwrap();
            while stream.pop_into(&mut frame).unwrap() {
                frames += 1;
                sum += f64::from(frame[frames % 128]);
            }
        }
        stream.finish().unwrap();
        frames += stream.frames_ready();
    });
    assert_eq!(frames, 1 + 3600 * SAMPLE_RATE / 512);
    assert!(sum.is_finite());
    println!("{frames} frames, at most {} bytes allocated", info.bytes_max);
    assert!(info.bytes_max < 4 << 20, "{} bytes held by the heap", info.bytes_max);
    #[cfg(target_os = "linux")]
    {
        let peak = peak_resident_kilobytes();
        println!("{peak} kB resident at most");
        assert!(peak < 32 * 1024, "{peak} kB resident");
    }
}
