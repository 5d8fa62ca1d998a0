//! The features against the compact golden set of `tests/golden`, by the program that compares any such folder.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod programs;

use std::process::Command;

#[test]
fn every_case_of_the_compact_set_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{folder}/index.json")).unwrap()).unwrap();
    let cases = index["cases"].as_array().unwrap().len();
    let output = Command::new(programs::path("parity")).args([folder, "--require-all"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().last().unwrap(), format!("{cases} passed, 0 failed, 0 missing"));
}

#[test]
fn a_wrong_number_fails() {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    std::fs::copy(format!("{source}/golden.npz"), folder.path().join("golden.npz")).unwrap();
    let text = std::fs::read_to_string(format!("{source}/index.json")).unwrap();
    // Another hop than the one that the stored answers were computed with.
    let changed = text.replace("\"hop_length\": 256", "\"hop_length\": 255");
    assert_ne!(text, changed);
    std::fs::write(folder.path().join("index.json"), changed).unwrap();
    let output = Command::new(programs::path("parity")).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("FAIL"));
}
