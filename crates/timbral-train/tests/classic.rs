//! From audio to a feature table, to a classic model in a file, and back to audio.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use timbral::Classifier;
use timbral_classic::{
    Config as _, Learner as _, LearnerConfig, PipelineConfig, Predictor as _, SvcConfig, TransformerConfig,
};
use timbral_data::{
    Extraction, ExtractionConfig, FeatureTable, Folds, ManifestEntry, TableFormat, TrackInfo,
};
use timbral_decode::{Audio, WavFormat, write_wav};
use timbral_features::FeatureSetConfig;
use timbral_model::{Model, ModelFile};
use timbral_train::{cross_validate_classic, fit_classic};

const RATE: u32 = 22_050;

/// Low tones and high tones, three artists each.
fn data_set(folder: &Path) -> Vec<ManifestEntry> {
    (0..12)
        .map(|index| {
            let high = index % 2 == 1;
            let step = if high { 0.4 } else { 0.03 } + 0.002 * index as f32;
            let audio = Audio {
                samples: (0..20_000 + 500 * index).map(|i| 0.3 * (i as f32 * step).sin()).collect(),
                sample_rate: RATE,
                channels: 1,
                warnings: Vec::new(),
            };
            let path = folder.join(format!("{index:02}.wav"));
            write_wav(&path, &audio, WavFormat::Int16).unwrap();
            let mut track = TrackInfo::new(format!("{index:02}"), if high { "high" } else { "low" });
            track.artist = Some(format!("artist {}", index % 6));
            ManifestEntry { path, track, duration_seconds: None }
        })
        .collect()
}

fn table(folder: &Path, entries: &[ManifestEntry]) -> FeatureTable {
    let extraction = Extraction::new(ExtractionConfig {
        features: FeatureSetConfig::preset("mfcc13").unwrap(),
        segments: None,
    })
    .unwrap();
    let journal = extraction.run(entries, &folder.join("journal"), |_, _| {}).unwrap();
    let path = folder.join("table.csv");
    let columns = extraction.feature_set().columns();
    journal.finish(entries, columns, &path, TableFormat::Csv, &folder.join("errors.csv")).unwrap();
    FeatureTable::read(path).unwrap()
}

fn pipeline(probability: bool) -> PipelineConfig {
    PipelineConfig {
        transformers: vec![TransformerConfig::Standard(Default::default())],
        learner: LearnerConfig::Svc(SvcConfig { probability, ..Default::default() }),
    }
}

#[test]
fn a_classic_model_is_measured_stored_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let table = table(folder.path(), &entries);
    let folds = Folds::stratified_group(table.tracks(), 3, 0).unwrap();
    let measured = cross_validate_classic("svc", &table, &pipeline(true), &folds).unwrap();
    assert_eq!(measured.report.n_rows, 12);
    assert!(measured.report.accuracy > 0.9, "chance is one half");

    let file = fit_classic("tones", &table, &pipeline(true)).unwrap();
    let path = folder.path().join("tones.safetensors");
    file.save(&path).unwrap();
    assert_eq!(ModelFile::open(&path).unwrap().to_bytes().unwrap(), file.to_bytes().unwrap());
    let classifier = Classifier::open(&path).unwrap();
    let y: Vec<usize> = entries.iter().map(|e| usize::from(e.track.label == "low")).collect();
    let fitted = pipeline(true).check().unwrap().fit(table.values().view(), &y, 2).unwrap();
    let expected = fitted.predict_proba(table.values().view()).unwrap();
    for (index, entry) in entries.iter().enumerate() {
        let verdict = classifier.classify_file(&entry.path).unwrap();
        assert_eq!(verdict.genre, entry.track.label);
        // Features pass through single precision on their way to the model.
        let given = f64::from(verdict.windows[0].probabilities[y[index]]);
        assert!((given - expected[(index, y[index])]).abs() < 1e-4);
    }
}

#[test]
fn faults_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let entries = data_set(folder.path());
    let table = table(folder.path(), &entries);
    let folds = Folds::stratified_group(table.tracks(), 3, 0).unwrap();
    assert!(cross_validate_classic("svc", &table, &pipeline(false), &folds).is_err(), "no probabilities");
    let fewer = table.clone().without_columns(&["mfcc_01_std"]).unwrap();
    let error = fit_classic("x", &fewer, &pipeline(true)).unwrap_err().to_string();
    assert!(error.contains("all columns of its feature set"), "{error}");
    std::fs::remove_file(folder.path().join("table.csv.json")).unwrap();
    let silent = FeatureTable::read(folder.path().join("table.csv")).unwrap();
    let error = fit_classic("x", &silent, &pipeline(true)).unwrap_err().to_string();
    assert!(error.contains("how it was made"), "{error}");

    let mut file = fit_classic("x", &table, &pipeline(true)).unwrap();
    let name = file.tensors.keys().next().unwrap().clone();
    file.tensors.remove(&name);
    assert!(Model::from_file(&file).is_err(), "a tensor is missing");
}
