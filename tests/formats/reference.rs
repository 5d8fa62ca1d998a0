//! Rows of formats.csv: the exact length, and the sound of the reference.

use std::path::Path;

use anyhow::ensure;
use timbral_decode::{DecodeConfig, DecodeError, decode_file};

use crate::{Row, Run};

pub(crate) fn check(directory: &Path, row: &Row, run: &Run) -> anyhow::Result<String> {
    let audio = match &run.result {
        Ok(audio) => audio,
        // A codec that this build leaves out must say how to get it.
        Err(error @ DecodeError::FeatureDisabled { .. }) => return Ok(error.to_string()),
        Err(error) => anyhow::bail!("{error}"),
    };
    let rate: u32 = row.get("sample_rate")?.parse()?;
    let channels: usize = row.get("channels")?.parse()?;
    ensure!(
        (audio.sample_rate, audio.channels) == (rate, channels),
        "{} Hz and {} channels instead of {rate} and {channels}",
        audio.sample_rate,
        audio.channels
    );
    let whole = row.get("excerpt")? == "12 s";
    let reference = directory.join(if whole { "wav_s16.wav" } else { "wav_s16_2s.wav" });
    let reference = decode_file(reference, &DecodeConfig::default().mono().sample_rate(rate))?;

    // Front left and right of a surround file hold the stereo sound.
    let heard: Vec<f32> = audio
        .samples
        .chunks_exact(channels)
        .map(|frame| frame[..channels.min(2)].iter().sum::<f32>() / channels.min(2) as f32)
        .collect();
    let (lag, correlation) = align(&heard, &reference.samples);
    let expected: usize = row.get("source_frames")?.parse()?;
    let ungapped = row.get("note")?.contains("cannot be removed");
    let frames = audio.frames();
    let said = format!(
        "{frames} frames, lag {lag}, correlation {correlation:.5}, {} warnings",
        audio.warnings.len()
    );
    if ungapped {
        let padded: usize = row.get("ffmpeg_decoded_frames")?.parse()?;
        ensure!(frames == padded, "{said}; {padded} frames were expected, encoder delay included");
        return Ok(said);
    }
    // ADTS knows no length, and the last ADPCM block is filled up; both may end up to one block later.
    let pads = row.get("container")? == "adts" || row.get("note")?.contains("padded");
    ensure!(
        frames == expected || (pads && (expected..expected + 1024).contains(&frames)),
        "{said}; {expected} frames expected"
    );
    ensure!(lag == 0 && correlation > 0.99, "{said}");
    if is_lossless(row.get("codec")?) && rate == 44_100 && channels <= 2 {
        let step = if row.get("codec")? == "pcm_u8" { 1.0 / 128.0 } else { 1.0 / 32_768.0 };
        let worst = heard.iter().zip(&reference.samples).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        ensure!(worst <= step, "{said}; samples differ by {worst}");
    }
    Ok(said)
}

fn is_lossless(codec: &str) -> bool {
    (codec.starts_with("pcm") && !codec.contains("law"))
        || codec.starts_with("flac")
        || codec.starts_with("alac")
}

/// The lag in frames at which the second second correlates best, and the correlation over all without a lag.
fn align(heard: &[f32], reference: &[f32]) -> (i64, f64) {
    const REACH: usize = 3000;
    let length = heard.len().min(reference.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let (a, b) = (&heard[..length], &reference[..length]);
    let correlation = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12);
    let from = REACH.min(length / 4);
    let to = (from + 20_000).min(length.saturating_sub(from)).max(from);
    let window = &reference[from..to];
    let score = |start: usize| dot(window, &heard[start..start + window.len()]);
    let best = (0..=2 * from).map(|start| (start, score(start))).max_by(|x, y| x.1.total_cmp(&y.1));
    (best.map_or(0, |(start, _)| start as i64 - from as i64), correlation)
}
