//! The demo songs: `compose` writes them byte for byte, and the shipped model predicts what `demo.expected.json` pins.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod programs;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// What `classify --json` prints of a song, as far as it is pinned.
#[derive(Deserialize)]
struct Prediction {
    path: String,
    genre: String,
    ranking: Vec<Score>,
}

#[derive(Deserialize)]
struct Score {
    genre: String,
    probability: f64,
}

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(programs::path(program)).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_demo_songs_have_their_genres_and_all_ten_probabilities() {
    let expected: Vec<Prediction> =
        serde_json::from_slice(&std::fs::read(root().join("models/demo.expected.json")).unwrap()).unwrap();
    let genres: Vec<_> = expected.iter().map(|song| (song.path.as_str(), song.genre.as_str())).collect();
    assert_eq!(genres, [("models/demo.wav", "classical"), ("models/demo_disco.wav", "disco")]);
    for song in &expected {
        let got: Prediction = serde_json::from_slice(&run("classify", &["--json", &song.path])).unwrap();
        assert_eq!(got.genre, song.genre, "{}", song.path);
        assert_eq!((got.ranking.len(), song.ranking.len()), (10, 10));
        let of: BTreeMap<_, _> =
            got.ranking.iter().map(|score| (score.genre.as_str(), score.probability)).collect();
        for Score { genre, probability } in &song.ranking {
            let difference = (of[genre.as_str()] - probability).abs();
            assert!(difference < 1e-4, "{}: {genre} is {}, not {probability}", song.path, of[genre.as_str()]);
        }
    }
}

#[test]
fn compose_writes_the_demo_songs_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.wav");
    for (genre, song) in [("classical", "models/demo.wav"), ("disco", "models/demo_disco.wav")] {
        run("compose", &[genre, path.to_str().unwrap()]);
        let (written, shipped) = (std::fs::read(&path).unwrap(), std::fs::read(root().join(song)).unwrap());
        assert!(written == shipped, "{song} is not what compose {genre} writes");
    }
}

#[test]
fn another_seed_is_another_performance_and_a_length_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1", "2"].map(|seed| {
        let path = folder.path().join(seed);
        run("compose", &["metal", path.to_str().unwrap(), "--seconds", "2.5", "--seed", seed]);
        timbral_decode::decode_file(&path, &timbral_decode::DecodeConfig::default()).unwrap()
    });
    assert_eq!((first.sample_rate, first.channels, first.frames()), (22_050, 1, 55_125));
    assert_eq!(second.frames(), first.frames());
    assert_ne!(first.samples, second.samples);
    let genres = String::from_utf8(run("compose", &["--list"])).unwrap();
    assert_eq!(genres.lines().count(), 10);
}
