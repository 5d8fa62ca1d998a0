//! The main job as a user runs it: the program `classify` on the demo song, on garbage, on nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use timbral_features::log_mel_statistics::CONTOUR_VALUES;
use timbral_model::{ModelFile, Rejection, RejectionScore};

const RATE: u32 = 22_050;

fn classify(arguments: &[&str]) -> Output {
    Command::new(programs::path("classify")).args(arguments).current_dir(root()).output().unwrap()
}

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
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
fn json_has_one_object_per_line_and_goes_on_after_a_broken_file() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = file(folder.path(), "garbage.mp3", b"no sound at all");
    let empty = file(folder.path(), "empty.wav", b"");
    let missing = folder.path().join("missing.flac").display().to_string();
    let output = classify(&["--json", &garbage, &empty, &missing, "models/demo.wav"]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = text(&output.stdout);
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
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
        "unknown",
        "score",
        "threshold",
        "ranking",
        "windows",
        "warnings",
        "seconds",
        "error",
    ] {
        assert!(song.get(key).is_some(), "{key} is missing in {song}");
    }
    let ranking = song["ranking"].as_array().unwrap();
    assert_eq!(ranking[0]["genre"], song["genre"]);
    let sum: f64 = ranking.iter().map(|score| score["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4);
}

#[test]
fn failures_are_reported_on_stderr_with_status_1_and_wrong_usage_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = classify(&["no/such/song.mp3"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(missing.stdout.is_empty());
    assert!(text(&missing.stderr).contains("cannot read no/such/song.mp3"), "{}", text(&missing.stderr));
    let nothing = classify(&[folder.path().to_str().unwrap()]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("no audio files"));
    let model = file(folder.path(), "model.safetensors", b"not a model");
    let wrong_model = classify(&["--model", &model, "models/demo.wav"]);
    assert_eq!(wrong_model.status.code(), Some(1));
    assert!(text(&wrong_model.stderr).starts_with("error: cannot open the model"));
    assert_eq!(classify(&[]).status.code(), Some(2));
    assert_eq!(classify(&["--plain", "--json", "models/demo.wav"]).status.code(), Some(2));
    assert!(text(&classify(&["--help"]).stdout).contains("Example:"));
}

fn wav(folder: &Path, name: &str, samples: Vec<f32>) -> String {
    let path = folder.join(name);
    let audio = timbral_decode::Audio { samples, sample_rate: RATE, channels: 1, warnings: vec![] };
    timbral_decode::write_wav(&path, &audio, timbral_decode::WavFormat::Int16).unwrap();
    path.display().to_string()
}

/// White noise between -1 and 1, the same every time.
fn noise(samples: usize) -> impl Iterator<Item = f32> {
    let mut state = 1u32;
    (0..samples).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / (u32::MAX / 2) as f32 - 1.0
    })
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = classify(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_str(text(&output.stdout).trim()).unwrap()
}

fn warned_of(line: &serde_json::Value, what: &str) -> bool {
    let warnings = line["warnings"].as_array().unwrap();
    warnings.iter().any(|warning| warning.as_str().unwrap().contains(what))
}

#[test]
fn silence_is_unknown_and_a_single_sample_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing at all, a constant, and the noise of a quiet line at -66 dBFS.
    let quiet: Vec<f32> = noise(3 * 22_050).map(|x| x * 1e-3 * 3f32.sqrt() * 0.5).collect();
    let files = [
        wav(folder.path(), "silence.wav", vec![0.0; 50_000]),
        wav(folder.path(), "constant.wav", vec![0.5; 50_000]),
        wav(folder.path(), "quiet.wav", quiet),
    ];
    for path in &files {
        let plain = classify(&["--plain", path]);
        assert!(plain.status.success());
        assert_eq!(text(&plain.stdout), "unknown");
        let warning = text(&plain.stderr);
        assert!(warning.starts_with("warning: ") && warning.contains("silence"), "{warning}");
        let table = classify(&[path]);
        assert_eq!(text(&table.stdout), format!("{path}: unknown\n"));
        let line = json(&["--json", path]);
        assert_eq!((&line["genre"], &line["unknown"]), (&"unknown".into(), &true.into()));
        assert!(line["score"].is_null() && line["error"].is_null());
        assert!(warned_of(&line, "silence"), "{line}");
    }
    // Asked for, a genre of noise that nobody hears; not without the warning.
    let forced = json(&["--json", "--no-reject", &files[2]]);
    assert_eq!(forced["unknown"], false);
    assert_eq!(forced["genre"], forced["ranking"][0]["genre"]);
    assert!(warned_of(&forced, "silence"), "{forced}");
    let click = classify(&[&wav(folder.path(), "click.wav", vec![0.0])]);
    assert_eq!(click.status.code(), Some(1));
    assert!(text(&click.stderr).contains("it must be at least"), "{}", text(&click.stderr));
}

#[test]
fn silent_windows_have_no_vote() {
    let folder = tempfile::tempdir().unwrap();
    let rate = RATE as usize;
    let sound: Vec<f32> = noise(30 * rate).map(|x| 0.3 * x).collect();
    let mut gap = sound.clone();
    gap.extend(vec![0.0; 40 * rate]);
    let (alone, gap) = (wav(folder.path(), "alone.wav", sound), wav(folder.path(), "gap.wav", gap));
    let (alone, gap) = (json(&["--json", "--no-reject", &alone]), json(&["--json", "--no-reject", &gap]));
    let silent: Vec<bool> =
        gap["windows"].as_array().unwrap().iter().map(|window| window["silent"].as_bool().unwrap()).collect();
    // Windows of 30 s every 10 s: the last two lie in the silence.
    assert_eq!(silent, [false, false, false, true, true]);
    assert_eq!(gap["windows"][4]["genre"], "unknown");
    assert!(warned_of(&gap, "2 of 5 windows are silent and do not count"), "{gap}");
    assert!(warned_of(&gap, "40.0 of 70.0 s are silence"), "{gap}");
    assert_eq!(alone["warnings"].as_array().unwrap().len(), 0);
    let first = |line: &serde_json::Value| -> Vec<f64> {
        let row = line["windows"][0]["probabilities"].as_array().unwrap();
        row.iter().map(|p| p.as_f64().unwrap()).collect()
    };
    let same = first(&alone).iter().zip(first(&gap)).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(same, "{alone} {gap}");
}

#[test]
fn short_and_clipped_sounds_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let short = wav(folder.path(), "short.wav", noise(22_050).map(|x| 0.3 * x).collect());
    assert!(warned_of(&json(&["--json", &short]), "very short: 1.0 s"));
    let loud = noise(5 * 22_050).map(|x| (4.0 * x).clamp(-1.0, 1.0)).collect();
    let line = json(&["--json", &wav(folder.path(), "loud.wav", loud)]);
    assert!(warned_of(&line, "clipped") && !warned_of(&line, "short"), "{line}");
}

/// The shipped model with another rule.
fn model_with(folder: &Path, name: &str, score: RejectionScore, threshold: f64) -> String {
    let mut model = ModelFile::open(shipped()).unwrap();
    model.header.temperature = Some(0.5);
    model.header.rejection = Some(Rejection { score, threshold, kept: 0.95, set_on: "nothing".into() });
    let path = folder.join(name);
    model.save(&path).unwrap();
    path.display().to_string()
}

fn shipped() -> PathBuf {
    root().join("models/gtzan.safetensors")
}

#[test]
fn a_rejected_song_is_unknown_and_its_closest_genre_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let song = "models/demo.wav";
    let never = model_with(folder.path(), "never.safetensors", RejectionScore::Margin, -1.0);
    let always = model_with(folder.path(), "always.safetensors", RejectionScore::MaxProbability, 2.0);
    let known = json(&["--json", "--model", &never, song]);
    assert_eq!((&known["unknown"], &known["threshold"]), (&false.into(), &(-1.0).into()));
    let (first, second) = (&known["ranking"][0]["probability"], &known["ranking"][1]["probability"]);
    let margin = first.as_f64().unwrap() - second.as_f64().unwrap();
    assert!((known["score"].as_f64().unwrap() - margin).abs() < 1e-6);

    let rejected = json(&["--json", "--model", &always, song]);
    assert_eq!((&rejected["genre"], &rejected["unknown"]), (&"unknown".into(), &true.into()));
    assert_eq!(rejected["ranking"], known["ranking"]);
    let (score, confidence) = (rejected["score"].as_f64(), rejected["confidence"].as_f64());
    assert!((score.unwrap() - confidence.unwrap()).abs() < 1e-6);
    assert_eq!(text(&classify(&["--plain", "--model", &always, song]).stdout), "unknown");
    let closest = known["ranking"][0]["genre"].as_str().unwrap();
    let table = text(&classify(&["--model", &always, song]).stdout);
    let start = format!("{song}: unknown (closest: {closest} ");
    assert!(table.starts_with(&start), "{table}");
    let anyway = classify(&["--plain", "--no-reject", "--model", &always, song]);
    assert_eq!(text(&anyway.stdout), closest);
}

/// Level over time of music in nine of ten tracks: steady, a few decibels of movement. Spoken words pause.
#[test]
fn the_pauses_of_speech_are_far_from_music() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = noise(700).map(f64::from);
    let mut contour = || -> [f64; CONTOUR_VALUES] {
        [-12.0, -6.0, -2.0, 4.0, 3.0, 2.5, 0.02].map(|typical| typical * (1.0 + 0.3 * rng.next().unwrap()))
    };
    let contours: Vec<_> = (0..100).map(|_| contour()).collect();
    let classes: Vec<usize> = (0..100).map(|i| i % 10).collect();
    let distance = timbral_train::rejection::fit_level_distance(&contours, &classes, 10).unwrap();
    let known: Vec<f64> = contours.iter().map(|contour| -distance.of(contour)).collect();
    let threshold = timbral_eval::open_set::threshold_at_tpr(&known, 0.95).unwrap();
    let score = RejectionScore::Distance(distance);
    let model = model_with(folder.path(), "distance.safetensors", score, threshold);
    // Syllables of noise, four a second, with a pause of half a second every two.
    let rate = RATE as f32;
    let speech = noise(15 * RATE as usize).enumerate().map(|(i, x)| {
        let t = i as f32 / rate;
        let syllable = (std::f32::consts::PI * 4.0 * t).sin().powi(2);
        let pause = if t % 2.0 > 1.5 { 1e-4 } else { 1.0 };
        0.3 * x * syllable * pause
    });
    let speech = wav(folder.path(), "speech.wav", speech.collect());
    let line = json(&["--json", "--model", &model, &speech]);
    assert_eq!(line["unknown"], true, "{line}");
    assert!(line["score"].as_f64().unwrap() < threshold);
    assert!(line["warnings"].as_array().unwrap().is_empty(), "{line}");
}

#[test]
fn folders_are_searched_and_the_middle_of_a_song_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    std::fs::copy(root().join("models/demo.wav"), folder.path().join("inside/song.wav")).unwrap();
    file(folder.path(), "notes.txt", b"not audio");
    file(folder.path(), "._song.wav", b"left behind by a file system");
    let output = classify(&["--middle", "7", "--json", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line: serde_json::Value = serde_json::from_str(text(&output.stdout).trim()).unwrap();
    let windows = line["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 1);
    assert!((windows[0]["end"].as_f64().unwrap() - 7.0).abs() < 0.001);
}
