//! Tables of features: resumed after any kill, the same in every format, with broken files told and not fatal.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};

use timbral_data::store::{ExtractionSummary, FileOutcome};
use timbral_data::{Extraction, ExtractionConfig, FeatureTable, ManifestEntry, TableFormat, TrackInfo};
use timbral_decode::{Audio, WavFormat, write_wav};
use timbral_features::{FeatureSet, FeatureSetConfig};
use timbral_segment::{Cut, LastWindow, SegmentConfig, Span};

const RATE: u32 = 22_050;

fn tone(index: usize, seconds: f64) -> Vec<f32> {
    let n = (seconds * f64::from(RATE)) as usize;
    (0..n).map(|i| 0.4 * (i as f32 * 0.02 * (index + 1) as f32).sin()).collect()
}

fn write(path: &Path, samples: Vec<f32>) {
    let audio = Audio { samples, sample_rate: RATE, channels: 1, warnings: Vec::new() };
    write_wav(path, &audio, WavFormat::Int16).unwrap();
}

/// Five tones of one to two seconds and a broken file in the middle.
fn data_set(folder: &Path) -> Vec<ManifestEntry> {
    (0..6)
        .map(|index| {
            let path = folder.join(format!("song{index}.wav"));
            if index == 3 {
                std::fs::write(&path, b"this is no sound").unwrap();
            } else {
                write(&path, tone(index, 1.0 + 0.2 * index as f64));
            }
            let mut track =
                TrackInfo::new(format!("song{index}"), if index < 3 { "low" } else { "hïgh, \"x\"" });
            track.artist = (index != 1).then(|| format!("artist {index}"));
            ManifestEntry { path, track, duration_seconds: None }
        })
        .collect()
}

fn extraction() -> Extraction {
    let segments = SegmentConfig {
        cut: Cut::Sliding { length: Span::Seconds(0.5), hop: Span::Seconds(0.4) },
        last: LastWindow::Drop,
        ..SegmentConfig::default()
    };
    Extraction::new(ExtractionConfig {
        features: FeatureSetConfig::preset("mfcc13").unwrap(),
        segments: Some(segments),
    })
    .unwrap()
}

fn run(entries: &[ManifestEntry], table: &Path) -> ExtractionSummary {
    let extraction = extraction();
    let journal = extraction.run(entries, &journal_of(table), |_, _| {}).unwrap();
    let columns = extraction.feature_set().columns();
    let format = TableFormat::of_path(table).unwrap();
    journal.finish(entries, columns, table, format, &table.with_file_name("errors.csv")).unwrap()
}

fn journal_of(table: &Path) -> PathBuf {
    table.with_extension("journal")
}

#[test]
fn broken_files_are_told_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let table = folder.path().join("features.csv");
    let summary = run(&entries, &table);
    assert_eq!(summary, ExtractionSummary { files: 5, rows: 2 + 2 + 3 + 4 + 4, failed: 1 });
    let errors = std::fs::read_to_string(folder.path().join("errors.csv")).unwrap();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "path,track_id,error"));
    assert!(lines[1].contains("song3.wav") && lines[1].contains(",song3,"), "{errors}");
    assert!(!journal_of(&table).exists());

    let read = FeatureTable::read(&table).unwrap();
    assert_eq!(read.values().dim(), (15, 26));
    assert_eq!(read.tracks()[0].artist.as_deref(), Some("artist 0"));
    assert_eq!(read.tracks()[2].artist, None);
    assert_eq!(read.labels(), ["hïgh, \"x\"", "low"]);
    // The second window of the first song, computed here.
    let set = FeatureSet::preset("mfcc13").unwrap();
    let (start, length) = (0.4 * f64::from(RATE), f64::from(RATE) / 2.0);
    let song = timbral_decode::decode_file(&entries[0].path, &Default::default()).unwrap().samples;
    let expected = set.compute(&song[start.round() as usize..][..length.round() as usize]).unwrap();
    assert_eq!(read.values().row(1).to_vec(), expected.to_vec());
    let beside = std::fs::read_to_string(folder.path().join("features.csv.json")).unwrap();
    assert!(beside.contains("\"feature_set_version\":1") && beside.contains("mfcc"), "{beside}");
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let table = folder.path().join("whole.json");
    run(&entries, &table);
    let whole = std::fs::read(&table).unwrap();

    let journal = folder.path().join("full.journal");
    drop(extraction().run(&entries, &journal, |_, _| {}).unwrap());
    let full = std::fs::read(&journal).unwrap();
    let head = full.iter().position(|&b| b == b'\n').unwrap() + 1;
    let table = folder.path().join("resumed.json");
    let mut resumed_some = false;
    for cut in (0..=head).step_by(97).chain((head..full.len()).step_by(613)).chain([full.len()]) {
        std::fs::write(journal_of(&table), &full[..cut]).unwrap();
        let kept = full[..cut].iter().filter(|&&b| b == b'\n').count().saturating_sub(1);
        resumed_some |= kept > 1 && kept < 5;
        run(&entries, &table);
        assert_eq!(std::fs::read(&table).unwrap(), whole, "cut at byte {cut}");
    }
    assert!(resumed_some);
}

#[test]
fn files_that_are_done_are_not_computed_again_unless_they_changed() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let journal = folder.path().join("journal");
    drop(extraction().run(&entries, &journal, |_, _| {}).unwrap());
    let before = std::fs::read(&journal).unwrap().len();
    drop(extraction().run(&entries, &journal, |_, _| {}).unwrap());
    let again = std::fs::read(&journal).unwrap().len();
    // Only the broken file is tried again.
    assert!(again > before && again - before < 600, "{before} {again}");
    write(&entries[0].path, tone(0, 2.0));
    let outcomes = std::sync::Mutex::new(Vec::new());
    let done = |entry: &ManifestEntry, outcome: &FileOutcome| {
        outcomes.lock().unwrap().push((entry.track.track_id.clone(), outcome.clone()));
    };
    drop(extraction().run(&entries, &journal, done).unwrap());
    let outcomes = outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len(), 6);
    assert!(outcomes.contains(&("song0".to_owned(), FileOutcome::Rows(4))));
}

#[test]
fn the_journal_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let journal = folder.path().join("journal");
    drop(extraction().run(&entries, &journal, |_, _| {}).unwrap());
    let other = Extraction::new(ExtractionConfig {
        features: FeatureSetConfig::preset("mfcc13").unwrap(),
        segments: None,
    })
    .unwrap();
    let error = other.run(&entries, &journal, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("the same features and windows"), "{error}");
    std::fs::write(&journal, "no journal\n").unwrap();
    assert!(other.run(&entries, &journal, |_, _| {}).is_err());
}

#[test]
fn every_format_holds_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let csv = folder.path().join("features.csv");
    run(&entries, &csv);
    let expected = FeatureTable::read(&csv).unwrap();

    let npz = folder.path().join("features.npz");
    run(&entries, &npz);
    let read = FeatureTable::read(&npz).unwrap();
    assert_eq!(read.values(), expected.values());
    assert_eq!(read.columns(), expected.columns());
    assert_eq!(read.tracks(), expected.tracks());
    assert_eq!(read.durations(), expected.durations());
    assert_eq!(read.extraction(), expected.extraction());

    let json = folder.path().join("features.json");
    run(&entries, &json);
    let parsed: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let rows = parsed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 15);
    assert_eq!(rows[14]["label"], "hïgh, \"x\"");
    assert_eq!(rows[14]["values"][25], expected.values()[(14, 25)]);
    assert_eq!(parsed["metadata"]["feature_set_version"], 1);

    #[cfg(feature = "parquet")]
    {
        let parquet = folder.path().join("features.parquet");
        run(&entries, &parquet);
        let read = FeatureTable::read(&parquet).unwrap();
        assert_eq!(read.values(), expected.values());
        assert_eq!(read.columns(), expected.columns());
        assert_eq!(read.tracks(), expected.tracks());
    }
}
