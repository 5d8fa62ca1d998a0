//! The short examples that teach the API, each run as a reader would run it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod programs;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Runs an example in the folder of the workspace; its output.
fn run(name: &str, arguments: &[&Path]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(programs::path(name)).args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The first line that starts with `name`.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|line| line.trim_start().starts_with(name)).unwrap()
}

const SONG: &str = "models/demo.wav";

#[test]
fn resample_writes_ten_seconds_at_16_khz() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.wav");
    assert!(run("resample", &[SONG.as_ref(), &output]).starts_with("160000 frames at 16000 Hz, peak 0."));
    let probe = timbral_decode::probe_file(&output).unwrap();
    assert_eq!((probe.sample_rate, probe.bits_per_sample), (16_000, Some(24)));
}

#[test]
fn features_of_blocks_are_those_of_the_whole_song() {
    let samples = timbral_decode::decode_file(
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(SONG),
        &timbral_decode::DecodeConfig::default(),
    )
    .unwrap();
    let frames = 1 + samples.frames() / 512;
    assert!(run("blocks", &[SONG.as_ref()]).starts_with(&format!("{frames} frames, steepest slope ")));
}

#[test]
fn feature_sets_have_their_columns() {
    let csv = run("song_to_csv", &[SONG.as_ref(), SONG.as_ref()]);
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [58, 58, 58]);
    assert_eq!(rows[1], rows[2]);
    assert!(rows[1][1..].iter().all(|value| value.parse::<f64>().unwrap().is_finite()));
    let custom = run("custom_set", &[SONG.as_ref()]);
    assert_eq!(custom.lines().count(), 2 * 20 + 7);
    assert!(custom.contains("mfcc_20_std") && custom.contains("spectral_contrast_07_median"), "{custom}");
}

#[test]
fn a_spectrogram_becomes_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("mel.png");
    assert!(run("mel_png", &[SONG.as_ref(), &picture]).starts_with("128 bands, "));
    assert_eq!(std::fs::read(picture).unwrap()[..8], *b"\x89PNG\r\n\x1a\n");
}

#[test]
fn a_live_stream_has_a_verdict_every_five_seconds() {
    let verdicts = run("microphone", &[SONG.as_ref()]);
    let starts: Vec<&str> = verdicts.lines().map(|line| line.split(" s ").next().unwrap().trim()).collect();
    assert_eq!(starts, ["0.0", "5.0", "10.0", "15.0"]);
}

#[test]
fn learners_on_a_feature_table_separate_what_is_separate() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("features.csv");
    let mut csv = "track_id,artist,label,loudness,brightness\n".to_owned();
    for i in 0..60 {
        let (label, class) = [("calm", 0.0), ("loud", 3.0)][i % 2];
        let noise = (i * 7 % 11) as f64 / 11.0;
        let _ = writeln!(csv, "track {i},artist {},{label},{},{}", i / 4 * 2 + i % 2, class + noise, noise);
    }
    std::fs::write(&table, csv).unwrap();
    let rows = run("svc_pipeline", &[&table]);
    assert!(rows.lines().count() >= 12, "{rows}");
    assert!(rows.lines().all(|row| row.contains("calm ") && row.contains("loud ")), "{rows}");
    let report = run("folds", &[&table]);
    assert!(report.contains("nearest class mean"), "{report}");
    assert!(line(&report, "accuracy %").contains(" 100.0 "), "{report}");
}

#[test]
fn random_folds_promise_more_than_grouped_ones() {
    let text = run("leaks", &[]);
    let accuracy = |line: &str| -> f64 {
        line.split("accuracy ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
    };
    let [leaky, grouped] = [0, 1].map(|line| accuracy(text.lines().nth(line).unwrap()));
    assert!(leaky > 0.9 && grouped < 0.6, "{text}");
}

#[test]
fn predictions_of_any_model_get_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("predictions.csv");
    let mut csv = "track_id,label,artist,blues,jazz\n".to_owned();
    for i in 0..40 {
        let wrong = i % 8 == 0;
        let label = if (i % 2 == 0) != wrong { "blues" } else { "jazz" };
        let blues = if i % 2 == 0 { 0.9 } else { 0.2 };
        let _ = writeln!(csv, "{i},{label},artist {},{blues},{}", i / 4, 1.0 - blues);
    }
    std::fs::write(&table, csv).unwrap();
    let report = run("intervals", &[&table]);
    assert!(line(&report, "accuracy %").contains(" 87.5 "), "{report}");
    assert!(report.contains("expected calibration error 0."), "{report}");
    assert!(report.contains("a new artist: accuracy between 0."), "{report}");
}

#[test]
fn a_custom_network_learns_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let text = run("own_architecture", &[&folder.path().join("toy.safetensors")]);
    assert!(text.contains("branch.conv"), "{text}");
    let answer = line(&text, "rising");
    let probabilities =
        answer.split(", ").map(|part| part.split(' ').nth(1).unwrap().parse::<f64>().unwrap());
    assert!(probabilities.clone().count() == 2 && probabilities.clone().all(|p| p > 0.9), "{answer}");
}
