//! The main job as a user runs it: the program `classify` on the demo song, on garbage, on nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod programs;

use std::path::Path;
use std::process::{Command, Output};

fn classify(arguments: &[&str]) -> Output {
    Command::new(programs::path("classify"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn the_demo_song_has_a_genre() {
    let output = classify(&["models/demo.wav"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("models/demo.wav: "));
    let plain = classify(&["--plain", "models/demo.wav"]);
    let genre = text(&plain.stdout);
    assert!(!genre.is_empty() && !genre.ends_with('\n'), "{genre:?}");
    assert!(plain.stderr.is_empty());
    assert!(text(&output.stdout).contains(&format!(": {genre} (")));
}

#[test]
fn json_has_one_object_a_line_and_goes_on_after_a_broken_file() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = file(folder.path(), "garbage.mp3", b"no sound at all");
    let empty = file(folder.path(), "empty.wav", b"");
    let missing = folder.path().join("missing.flac").display().to_string();
    let output = classify(&["--json", &garbage, &empty, &missing, "models/demo.wav"]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = text(&output.stdout);
    let lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    for (line, name) in lines.iter().zip(["garbage.mp3", "empty.wav", "missing.flac"]) {
        assert!(line["error"].as_str().unwrap().contains(name), "{line}");
        assert!(line["genre"].is_null());
    }
    let song = &lines[3];
    for key in [
        "path",
        "genre",
        "confidence",
        "ranking",
        "windows",
        "seconds",
        "error",
    ] {
        assert!(song.get(key).is_some(), "{key} is missing in {song}");
    }
    let ranking = song["ranking"].as_array().unwrap();
    assert_eq!(ranking[0]["genre"], song["genre"]);
    let sum: f64 = ranking
        .iter()
        .map(|score| score["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-4);
}

#[test]
fn failures_are_told_on_stderr_with_status_1_and_wrong_usage_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = classify(&["no/such/song.mp3"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(missing.stdout.is_empty());
    assert!(
        text(&missing.stderr).starts_with("error: no/such/song.mp3"),
        "{}",
        text(&missing.stderr)
    );
    let nothing = classify(&[folder.path().to_str().unwrap()]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("no audio files"));
    let model = file(folder.path(), "model.safetensors", b"not a model");
    let wrong_model = classify(&["--model", &model, "models/demo.wav"]);
    assert_eq!(wrong_model.status.code(), Some(1));
    assert!(text(&wrong_model.stderr).starts_with("error: cannot use the model"));
    assert_eq!(classify(&[]).status.code(), Some(2));
    assert_eq!(
        classify(&["--plain", "--json", "models/demo.wav"]).status.code(),
        Some(2)
    );
    assert!(text(&classify(&["--help"]).stdout).contains("Example:"));
}

#[test]
fn silence_and_a_single_sample_get_no_genre() {
    let folder = tempfile::tempdir().unwrap();
    for (name, samples, reason) in [("silence.wav", 50_000, "silent"), ("click.wav", 1, "too short")] {
        let path = folder.path().join(name);
        let audio = timbral_decode::Audio {
            samples: vec![0.0; samples],
            sample_rate: 22_050,
            channels: 1,
            warnings: vec![],
        };
        timbral_decode::write_wav(&path, &audio, timbral_decode::WavFormat::Int16).unwrap();
        let output = classify(&[path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
}

#[test]
fn folders_are_searched_and_the_middle_of_a_song_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo.wav"),
        folder.path().join("inside/song.wav"),
    )
    .unwrap();
    file(folder.path(), "notes.txt", b"not audio");
    file(folder.path(), "._song.wav", b"left behind by a file system");
    let output = classify(&["--middle", "7", "--json", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line: serde_json::Value = serde_json::from_str(text(&output.stdout).trim()).unwrap();
    let windows = line["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 1);
    assert!((windows[0]["end"].as_f64().unwrap() - 7.0).abs() < 0.001);
}
