#![allow(clippy::print_stdout, reason = "a program speaks on stdout")]
//! Runs tables of audio files through the decoder and says which of them end as the tables ask.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use timbral_decode::{Audio, DecodeError, DecodeOptions, decode_file};

mod common;

/// Decodes every row of DIR/formats/formats.csv and DIR/hostile/hostile.csv and checks how it ends.
///
/// A row of formats.csv passes when it has its exact frame count and sounds as the reference: equal samples for
/// lossless codecs, no lag and a correlation above 0.99 for others. A row of hostile.csv passes when it ends as its
/// column `what_a_good_decoder_does` says, in under 2 seconds.
#[derive(Parser)]
#[command(after_help = "Example: cargo run --release --example formats -- path/to/audio")]
struct Arguments {
    /// The folder that holds formats/ and hostile/.
    directory: PathBuf,
}

fn main() -> std::process::ExitCode {
    common::run(|| {
        let arguments = Arguments::parse();
        let mut failed = 0;
        let mut passed = 0;
        let mut report = |name: &str, outcome: anyhow::Result<String>| match outcome {
            Ok(said) => {
                passed += 1;
                println!("ok    {name}: {said}");
            }
            Err(error) => {
                failed += 1;
                println!("FAIL  {name}: {}", common::chain(&error));
            }
        };
        let formats = arguments.directory.join("formats");
        for row in rows(&formats.join("formats.csv"))? {
            report(&row.name, check_format(&formats, &row));
        }
        let hostile = arguments.directory.join("hostile");
        for row in rows(&hostile.join("hostile.csv"))? {
            report(&row.name, check_hostile(&hostile, &row));
        }
        println!("{passed} passed, {failed} failed");
        ensure!(failed == 0, "{failed} rows do not end as the tables ask");
        Ok(())
    })
}

struct Row {
    name: String,
    fields: std::collections::HashMap<String, String>,
}

impl Row {
    fn get(&self, column: &str) -> anyhow::Result<&str> {
        self.fields
            .get(column)
            .map(String::as_str)
            .with_context(|| format!("there is no column {column}"))
    }
}

fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = reader
        .deserialize::<std::collections::HashMap<String, String>>()
        .map(|fields| {
            let fields = fields?;
            Ok(Row {
                name: fields.get("file").cloned().unwrap_or_default(),
                fields,
            })
        });
    rows.collect()
}

fn check_format(directory: &Path, row: &Row) -> anyhow::Result<String> {
    let audio = match decode_file(directory.join(&row.name), &DecodeOptions::default()) {
        Ok(audio) => audio,
        // A codec that this build leaves out must say how to get it.
        Err(error @ DecodeError::FeatureDisabled { .. }) => return Ok(error.to_string()),
        Err(error) => return Err(error.into()),
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
    let reference = decode_file(reference, &DecodeOptions::default().mono().sample_rate(rate))?;

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
        ensure!(
            frames == padded,
            "{said}; {padded} frames were expected, encoder delay included"
        );
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
        let step = if row.get("codec")? == "pcm_u8" {
            1.0 / 128.0
        } else {
            1.0 / 32_768.0
        };
        let worst = heard
            .iter()
            .zip(&reference.samples)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
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
    let best = (0..=2 * from)
        .map(|start| (start, score(start)))
        .max_by(|x, y| x.1.total_cmp(&y.1));
    (
        best.map_or(0, |(start, _)| start as i64 - from as i64),
        correlation,
    )
}

fn check_hostile(directory: &Path, row: &Row) -> anyhow::Result<String> {
    let wanted = row.get("what_a_good_decoder_does")?;
    let started = Instant::now();
    let result = decode_file(directory.join(&row.name), &DecodeOptions::default());
    let seconds = started.elapsed().as_secs_f64();
    ensure!(seconds < 2.0, "took {seconds:.1} s");
    if let Err(error @ DecodeError::FeatureDisabled { .. }) = &result {
        return Ok(error.to_string());
    }
    let may_fail = wanted.starts_with("error") || wanted.contains("refuse") || wanted.contains("or error");
    let may_decode = !wanted.starts_with("error")
        || ["or decode", "or treat", "or a bounded", "too short"]
            .iter()
            .any(|words| wanted.contains(words));
    match result {
        Err(error) if may_fail => Ok(common::chain(&error.into())),
        Err(error) => Err(anyhow::Error::from(error).context(format!("must be: {wanted}"))),
        Ok(audio) => {
            let said = describe(&audio);
            ensure!(may_decode, "decoded {said}, must be: {wanted}");
            ensure!(
                audio.samples.iter().all(|sample| sample.is_finite()),
                "holds samples that are not finite"
            );
            let warns =
                !audio.warnings.is_empty() || wanted.contains("silently") || wanted.contains("welcome");
            if wanted.contains("with warning")
                || wanted.contains("with a warning")
                || wanted.contains("(warning)")
            {
                ensure!(warns, "decoded {said} without a warning, must be: {wanted}");
            }
            // A cut Ogg page, of up to a second, is lost whole.
            if let Some(about) = about_seconds(wanted)
                && !(about - 1.1..about + 0.5).contains(&audio.duration_seconds())
            {
                bail!("decoded {said}, must be: {wanted}");
            }
            Ok(said)
        }
    }
}

/// The length in a phrase such as "about 2 s".
fn about_seconds(wanted: &str) -> Option<f64> {
    wanted.split_once("about ")?.1.split(' ').next()?.parse().ok()
}

fn describe(audio: &Audio) -> String {
    let warnings: Vec<String> = audio.warnings.iter().map(ToString::to_string).collect();
    format!("{:.3} s [{}]", audio.duration_seconds(), warnings.join("; "))
}
