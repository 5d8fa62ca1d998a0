//! Model files: what is written is read back, and nothing that a stranger wrote can do harm.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;

use candle_core::{DType, Device};
use candle_nn::VarMap;
use ndarray::Array3;
use proptest::prelude::*;
use timbral_features::log_mel_statistics::{CONTOUR_VALUES, LogMelStatisticsConfig};
use timbral_model::{
    Architecture, CompactCnnConfig, Header, JsonValue, LevelDistance, Model, ModelError, ModelFile,
    Rejection, RejectionScore, StatisticsNetConfig, StoredTensor, at_temperature, from_candle,
};
use timbral_nn::{SeededInit, TrainingClock, named_variables};

fn small_cnn() -> Architecture {
    Architecture::CompactCnn(CompactCnnConfig {
        bands: 16,
        bands_per_group: 2,
        channels: vec![3, 4],
        dropout: 0.4,
        crop_frames: 32,
    })
}

fn small_statistics() -> Architecture {
    let statistics = LogMelStatisticsConfig {
        bands: 16,
        coefficients: 6,
        correlated: 3,
        bands_per_group: 4,
        modulation_frames: 16,
        modulation_bins: 4,
        ..LogMelStatisticsConfig::default()
    };
    Architecture::StatisticsNet(StatisticsNetConfig {
        statistics,
        hidden: vec![5],
        input_dropout: 0.5,
        dropout: 0.5,
    })
}

fn model(architecture: Architecture) -> ModelFile {
    let map = VarMap::new();
    let vb = SeededInit::new(&map, 3).var_builder(DType::F32, &Device::Cpu);
    architecture.build(3, &TrainingClock::new(0), vb).unwrap();
    let variables = named_variables(&map);
    let tensors = from_candle(variables.iter().map(|(name, var)| (name, var.as_tensor()))).unwrap();
    ModelFile { header: header(architecture), tensors }
}

fn header(architecture: Architecture) -> Header {
    let front_end = JsonValue::of(&BTreeMap::from([("any", "thing")])).unwrap();
    let labels = ["a", "b", "c"].map(String::from).to_vec();
    let mut header = Header::new("test", architecture, front_end, labels);
    header.metrics.insert("accuracy".into(), 0.5);
    header.licence = "MIT".into();
    header
}

fn input(frames: usize) -> Array3<f32> {
    let values: Vec<f32> = (0..2 * 16 * frames).map(|i| ((i * 37) % 101) as f32 / 3.0 - 20.0).collect();
    Array3::from_shape_vec((2, 16, frames), values).unwrap()
}

#[test]
fn a_file_answers_as_the_model_before_it_and_has_the_same_bytes_again() {
    let ensemble = Architecture::Ensemble { members: vec![small_cnn(), small_statistics()] };
    for architecture in [small_cnn(), small_statistics(), ensemble] {
        let file = model(architecture);
        let bytes = file.to_bytes().unwrap();
        let read = ModelFile::from_bytes(bytes.clone()).unwrap();
        assert_eq!(read.header, file.header);
        assert_eq!(read.to_bytes().unwrap(), bytes);
        // Shorter than a crop, than a modulation window, and longer than both; one frame is the least.
        for frames in [1, 7, 32, 33, 100] {
            let before = Model::from_file(&file).unwrap().probabilities(input(frames).view()).unwrap();
            let after = Model::from_file(&read).unwrap().probabilities(input(frames).view()).unwrap();
            assert_eq!(before, after);
            for row in after.rows() {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
            }
        }
    }
}

#[test]
fn an_ensemble_is_the_mean_of_its_members() {
    let members = [small_cnn(), small_statistics()];
    let ensemble = model(Architecture::Ensemble { members: members.to_vec() });
    let x = input(50);
    let all = Model::from_file(&ensemble).unwrap().probabilities(x.view()).unwrap();
    let alone: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(i, member)| {
            let prefix = format!("member{i}.");
            let tensors = ensemble
                .tensors
                .iter()
                .filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.to_owned(), t.clone())))
                .collect();
            let file = ModelFile { header: header(member.clone()), tensors };
            Model::from_file(&file).unwrap().probabilities(x.view()).unwrap()
        })
        .collect();
    for row in 0..2 {
        for class in 0..3 {
            let mean = (alone[0][[row, class]] + alone[1][[row, class]]) / 2.0;
            assert!((all[[row, class]] - mean).abs() < 1e-6);
        }
    }
}

fn rejection(score: RejectionScore) -> Rejection {
    Rejection { score, threshold: 0.25, kept: 0.95, set_on: "tests".into() }
}

fn distance(classes: usize) -> RejectionScore {
    RejectionScore::Distance(LevelDistance {
        mean: vec![0.5; CONTOUR_VALUES],
        whitening: vec![vec![0.1; CONTOUR_VALUES]; CONTOUR_VALUES],
        classes: vec![vec![0.0; CONTOUR_VALUES]; classes],
    })
}

#[test]
fn a_temperature_and_a_rejection_come_back_and_a_file_without_them_says_nothing_of_them() {
    let old = model(small_cnn());
    let text = String::from_utf8_lossy(&old.to_bytes().unwrap()).into_owned();
    assert!(!text.contains("temperature") && !text.contains("rejection"));
    assert_eq!(ModelFile::from_bytes(old.to_bytes().unwrap()).unwrap().header.temperature, None);
    let scores =
        [RejectionScore::MaxProbability, RejectionScore::Margin, RejectionScore::Entropy, distance(3)];
    for score in scores {
        let mut file = old.clone();
        file.header.temperature = Some(0.645);
        file.header.rejection = Some(rejection(score));
        let read = ModelFile::from_bytes(file.to_bytes().unwrap()).unwrap();
        assert_eq!(read.header, file.header);
    }
}

#[test]
fn the_temperature_is_for_tracks_of_networks_and_ensembles() {
    let ensemble = Architecture::Ensemble { members: vec![small_cnn(), small_statistics()] };
    for architecture in [small_cnn(), ensemble] {
        let plain = model(architecture);
        let mut sharp = plain.clone();
        sharp.header.temperature = Some(0.5);
        let (plain, sharp) = (Model::from_file(&plain).unwrap(), Model::from_file(&sharp).unwrap());
        let rows = plain.probabilities(input(40).view()).unwrap();
        assert_eq!(sharp.probabilities(input(40).view()).unwrap(), rows, "windows stay");
        let track = plain.aggregate(rows.view()).unwrap();
        assert_eq!(sharp.aggregate(rows.view()).unwrap(), at_temperature(&track, 0.5));
        assert_eq!(plain.calibrated(&track), track);
    }
}

#[test]
fn files_are_written_whole_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let file = model(small_cnn());
    file.save(&path).unwrap();
    file.save(&path).unwrap();
    assert_eq!(ModelFile::open(&path).unwrap().to_bytes().unwrap(), file.to_bytes().unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    let missing = folder.path().join("no/such/folder/model.safetensors");
    assert!(matches!(file.save(&missing), Err(ModelError::Io { .. })));
    let error = ModelFile::open(folder.path().join("absent")).unwrap_err().to_string();
    assert!(error.contains("absent"), "{error}");
}

#[test]
fn what_is_wrong_is_said() {
    let good = model(small_cnn());
    let message = |change: fn(&mut ModelFile)| {
        let mut file = good.clone();
        change(&mut file);
        let bytes = file.to_bytes().unwrap();
        ModelFile::from_bytes(bytes.clone()).and_then(|file| Model::from_file(&file)).unwrap_err().to_string()
    };
    let later = message(|f| f.header.schema_version = 9);
    assert!(later.contains("schema version 9") && later.contains("reads 1"), "{later}");
    let missing = message(|f| drop(f.tensors.remove("output.bias")));
    assert!(missing.contains("output.bias is missing"), "{missing}");
    let foreign = message(|f| {
        let tensor = f.tensors["output.bias"].clone();
        f.tensors.insert("stranger".into(), tensor);
    });
    assert!(foreign.contains("stranger"), "{foreign}");
    let labels = message(|f| f.header.labels.push("d".into()));
    assert!(labels.contains("output.weight") && labels.contains("[4, 8]"), "{labels}");
    let twice = message(|f| f.header.labels[1] = "a".into());
    assert!(twice.contains("\"a\" stands twice"), "{twice}");
    let cold = message(|f| f.header.temperature = Some(0.0));
    assert!(cold.contains("temperature is 0"), "{cold}");
    let kept = message(|f| {
        f.header.rejection = Some(Rejection { kept: 1.5, ..rejection(RejectionScore::Margin) });
    });
    assert!(kept.contains("1.5"), "{kept}");
    let two = message(|f| f.header.rejection = Some(rejection(distance(2))));
    assert!(two.contains("3 classes"), "{two}");
    let huge = message(|f| {
        f.header.architecture = Architecture::CompactCnn(CompactCnnConfig {
            channels: vec![usize::MAX; 2],
            ..CompactCnnConfig::default()
        });
    });
    assert!(huge.contains("4096"), "{huge}");
    let nan = message(|f| {
        f.tensors.insert("output.bias".into(), StoredTensor::from_f32([3], &[0.0, f32::NAN, 0.0]).unwrap());
    });
    assert!(nan.contains("output.bias holds NaN at 1"), "{nan}");
    assert!(ModelFile::from_bytes(b"".as_slice()).is_err());
    assert!(ModelFile::from_bytes(b"\xff\xff\xff\xff\xff\xff\xff\x7f{}".as_slice()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes of a good file with some of them changed or cut off: an answer or an error, never a panic.
    #[test]
    fn damaged_files_do_no_harm(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in 0.0f64..1.2,
    ) {
        let mut bytes = model(small_cnn()).to_bytes().unwrap();
        for (place, value) in changes {
            // The header is where damage matters, so it gets most of it.
            let length = if value % 4 > 0 { bytes.len().min(2000) } else { bytes.len() };
            bytes[place.index(length)] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        if let Ok(file) = ModelFile::from_bytes(bytes.clone())
            && let Ok(model) = Model::from_file(&file)
        {
            let rows = model.probabilities(input(8).view());
            prop_assert!(rows.is_err() || rows.unwrap().nrows() == 2);
        }
    }
}
