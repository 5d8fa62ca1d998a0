//! Run configurations: fields by dotted name, names that were meant, and networks that start from a saved one.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use ndarray::Array2;
use timbral::WindowFeatures;
use timbral_classic::Config as _;
use timbral_model::{Architecture, Input, ModelFile};
use timbral_train::augment::CutMixShape;
use timbral_train::training::{
    EpochMetrics, FocalParameters, LossKind, OptimizerKind, ScheduleKind, SgdParameters, StepParameters,
};
use timbral_train::{RunConfig, SearchConfig, SpectrogramSet, TrainError, fit_ensemble};

const TEXT: &str = r#"
name = "test"

[front_end]
window_seconds = 30.0
hop_seconds = 10.0
[front_end.log_mel.mel]
n_mels = 16

[[members]]
name = "cnn"
[members.architecture]
type = "compact_cnn"
bands = 16
channels = [4, 6]
crop_frames = 16
[members.training]
epochs = 2
batch_size = 4
crop_frames = 16

[[members]]
name = "statistics"
architecture = { type = "statistics_net", hidden = [8] }
"#;

fn read(folder: &Path, text: &str) -> Result<RunConfig, TrainError> {
    let path = folder.join("run.toml");
    std::fs::write(&path, text).unwrap();
    RunConfig::read(path)
}

fn config() -> RunConfig {
    read(tempfile::tempdir().unwrap().path(), TEXT).unwrap()
}

#[test]
fn every_field_has_a_dotted_name() {
    let mut config = config();
    for assignment in [
        "name=other name",
        "aggregation=median",
        "front_end.window_seconds=10",
        "front_end.log_mel.mel.n_mels = 32",
        "members.cnn.training.learning_rate=1e-4",
        "members.1.copies=3",
        "training.epochs=7",
        "training.augmentation.mixup=0",
        "training.augmentation.cutmix_shape=frames",
        "training.waveform_augmentation.noise_snr_db=[5, 20]",
        "members.cnn.architecture.channels=[2, 3, 4]",
        "architecture.dropout=0.25",
    ] {
        config.set(assignment).unwrap();
    }
    assert_eq!(config.name, "other name");
    assert_eq!(config.front_end.window_seconds, 10.0);
    assert!(
        matches!(&config.front_end.features, WindowFeatures::LogMel(log_mel) if log_mel.mel.n_mels == 32)
    );
    let [cnn, statistics] = config.members.as_slice() else { unreachable!("there are two members") };
    assert_eq!((cnn.training.learning_rate, statistics.training.learning_rate), (1e-4, 2e-3));
    assert_eq!((cnn.copies, statistics.copies), (1, 3));
    for member in [cnn, statistics] {
        assert_eq!(member.training.epochs, 7);
        assert_eq!(member.training.augmentation.mixup, 0.0);
        assert_eq!(member.training.augmentation.cutmix_shape, CutMixShape::Frames);
        assert_eq!(member.training.waveform_augmentation.noise_snr_db, [5.0, 20.0]);
    }
    assert!(
        matches!(&cnn.architecture, Architecture::CompactCnn(c) if c.channels == [2, 3, 4] && c.dropout == 0.25)
    );
    // Another kind of network takes its own defaults.
    config.set("members.cnn.architecture.type=crnn").unwrap();
    config.set("members.cnn.architecture.hidden=9").unwrap();
    assert!(
        matches!(&config.members[0].architecture, Architecture::Crnn(c) if c.hidden == 9 && c.bands == 128)
    );
    // What is written is read back.
    let folder = tempfile::tempdir().unwrap();
    config.save(folder.path().join("written.toml")).unwrap();
    assert_eq!(RunConfig::read(folder.path().join("written.toml")).unwrap(), config);
}

#[test]
fn an_unknown_field_is_told_with_the_nearest_one() {
    let mut config = config();
    let before = config.clone();
    for (assignment, part) in [
        ("training.epohcs=5", "`epochs`"),
        ("trianing.epochs=5", "nearest known name is"),
        ("members.cnn.training.learning-rate=1", "`learning_rate`"),
        ("members.cn.copies=1", "\"cnn\""),
        ("members.9.copies=1", "9"),
        ("members.cnn.architecture.chanels=[1]", "`channels`"),
        ("members.cnn.architecture.type=crn", "`crnn`"),
        ("training.schedule=onecycle", "`one_cycle`"),
        ("training.epochs=many", "usize"),
        ("training.epochs.more=1", "of type integer"),
        ("training.epochs", "no `=`"),
        ("front_end.log_mel.mel.nmels=3", "`n_mels`"),
        ("training.optimizer=adamv", "`adamw`"),
        ("training.optimizer.beta3=0.9", "`beta1`"),
        ("training.optimizer=5", "a name, or a table"),
        ("training.schedule.rize=0.2", "`rise`"),
        ("training.loss=focale", "`focal`"),
        ("training.loss.gamma=1", "`gamma`"),
        ("training.distillation.techer=a", "`teacher`"),
        ("training.distillation.share=0.1", "`teacher`"),
        ("training.pre_fetch=1", "`prefetch`"),
    ] {
        let error = config.set(assignment).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert!(error.contains(assignment), "{error}");
        assert_eq!(config, before, "{assignment}");
    }
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path(), &TEXT.replace("batch_size", "batchsize")).unwrap_err().to_string();
    assert!(error.contains("run.toml") && error.contains("nearest known name is `batch_size`"), "{error}");
    assert!(error.contains("line "), "{error}");
}

#[test]
fn a_choice_is_a_name_or_a_table() {
    let mut config = config();
    for assignment in [
        "training.optimizer=sgd",
        "training.optimizer.nesterov=true",
        "training.schedule.type=step",
        "training.schedule.every=7",
        "members.cnn.training.loss={ type = \"focal\", gamma = 1.5 }",
        "members.statistics.training.schedule=plateau",
        "members.statistics.training.optimizer={ type = \"adam\" }",
        "training.distillation.teacher=models/teacher.safetensors",
        "training.distillation.temperature=4",
    ] {
        config.set(assignment).unwrap();
    }
    let [cnn, statistics] = config.members.as_slice() else { unreachable!("there are two members") };
    let sgd = SgdParameters { momentum: 0.9, nesterov: true };
    assert_eq!(cnn.training.optimizer, OptimizerKind::Sgd(sgd));
    let step = StepParameters { every: 7, factor: 0.1 };
    assert_eq!(cnn.training.schedule, ScheduleKind::Step(step));
    assert_eq!(cnn.training.loss, LossKind::Focal(FocalParameters { gamma: 1.5 }));
    assert_eq!(statistics.training.schedule, ScheduleKind::Plateau(Default::default()));
    assert_eq!(statistics.training.optimizer, OptimizerKind::Adam(Default::default()));
    assert_eq!(statistics.training.loss, LossKind::CrossEntropy {});
    let distillation = cnn.training.distillation.as_ref().unwrap();
    assert_eq!((distillation.share, distillation.temperature), (0.5, 4.0));
    let folder = tempfile::tempdir().unwrap();
    config.save(folder.path().join("written.toml")).unwrap();
    assert_eq!(RunConfig::read(folder.path().join("written.toml")).unwrap(), config);
}

#[test]
fn every_example_configuration_says_what_fits_together() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    let mut types = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("examples/configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("search") {
            SearchConfig::read(&path).unwrap();
            continue;
        }
        if path.to_string_lossy().contains("pipeline") {
            let text = std::fs::read_to_string(&path).unwrap();
            let parameters: timbral_classic::PipelineConfig = toml::from_str(&text).unwrap();
            parameters.validate().unwrap();
            continue;
        }
        // The path of a trunk counts from where the program is started: from the root of the project.
        let models = root.join("models").display().to_string();
        let text = std::fs::read_to_string(&path).unwrap().replace("\"models", &format!("\"{models}"));
        let config =
            read(folder.path(), &text).map_err(|error| format!("{}: {error}", path.display())).unwrap();
        let rows = config.front_end.plan().unwrap().n_rows();
        for member in &config.members {
            let name = format!("{}, {}", path.display(), member.name);
            member.architecture.validate().unwrap();
            member.training.validate().unwrap();
            assert_eq!(member.architecture.bands(), rows, "{name}");
            let input = member.architecture.input();
            let waveform = matches!(config.front_end.features, WindowFeatures::Waveform(_));
            assert_eq!(matches!(input, Input::Waveform), waveform, "{name}");
            // Crops of training are as long as those of inference, where the network has any.
            if !matches!(member.architecture, Architecture::StatisticsNet(_) | Architecture::Classic(_)) {
                let frames = member.architecture.default_frames();
                assert_eq!(member.training.crop_frames, frames, "{name}");
            }
            let architecture = toml::Value::try_from(&member.architecture).unwrap();
            types.insert(architecture["type"].as_str().unwrap().to_owned());
        }
    }
    for name in [
        "compact_cnn",
        "residual_cnn",
        "crnn",
        "spectrogram_transformer",
        "mfcc_cnn",
        "statistics_net",
        "sample_cnn",
        "transfer",
    ] {
        assert!(types.contains(name), "{name} has no example");
    }
}

fn tracks() -> SpectrogramSet {
    let mut set = SpectrogramSet::new(16, ["a", "b"].map(String::from).to_vec()).unwrap();
    for i in 0..8usize {
        let values = Array2::from_shape_fn((16, 20), |(band, frame)| {
            ((band * 31 + frame * 17 + i * 7) % 23) as f32 - 40.0 + if band / 8 == i % 2 { 20.0 } else { 0.0 }
        });
        set.push(&values, i % 2).unwrap();
    }
    set
}

#[test]
fn a_saved_model_becomes_a_trunk_that_stays_or_learns() {
    let folder = tempfile::tempdir().unwrap();
    let set = tracks();
    let all: Vec<usize> = (0..set.len()).collect();
    let fit = |config: &RunConfig| -> ModelFile {
        let observe = |_: &str, _: &EpochMetrics| ControlFlow::Continue(());
        let (architecture, tensors) = fit_ensemble(&config.members, &set, &all, 1, None, &observe).unwrap();
        config.model_file(set.labels(), architecture, tensors, BTreeMap::new()).unwrap()
    };
    let first = TEXT.split("\n[[members]]\nname = \"statistics\"").next().unwrap();
    let source = fit(&read(folder.path(), first).unwrap());
    let path = folder.path().join("source.safetensors");
    source.save(&path).unwrap();
    let text =
        first.replace("name = \"cnn\"", &format!("name = \"new\"\ntrunk = {:?}", path.display().to_string()));
    let head = "type = \"transfer\"\nhidden = [5]\n[members.training]";
    let start = text.find("type = \"compact_cnn\"").unwrap();
    let end = text.find("[members.training]").unwrap() + "[members.training]".len();
    let mut config = read(folder.path(), &format!("{}{head}{}", &text[..start], &text[end..])).unwrap();
    assert!(
        matches!(&config.members[0].architecture, Architecture::Transfer(t) if *t.trunk == source.header.architecture)
    );

    let bits = |tensor: &timbral_model::StoredTensor| tensor.bytes().to_vec();
    let trunk = source.trunk_tensors().unwrap();
    let frozen = fit(&config);
    assert!(trunk.iter().all(|(name, tensor)| bits(tensor) == bits(&frozen.tensors[name])));
    config.set("architecture.frozen=false").unwrap();
    let tuned = fit(&config);
    let moved = trunk.iter().filter(|(name, tensor)| bits(tensor) != bits(&tuned.tensors[*name])).count();
    assert_eq!(moved, trunk.len(), "every weight of a trunk that is trained on moves");
    // The head learns in both, and the model file of the transfer needs no other.
    for file in [&frozen, &tuned] {
        assert_eq!(file.tensors.len(), trunk.len() + 4);
        let again = ModelFile::from_bytes(file.to_bytes().unwrap()).unwrap();
        timbral_model::Model::from_file(&again).unwrap();
    }
    assert_ne!(bits(&frozen.tensors["output.weight"]), bits(&tuned.tensors["output.weight"]));
    // Another file brings its own architecture with it.
    let mut other = read(folder.path(), first).unwrap();
    other.set("members.cnn.architecture.channels=[3, 5]").unwrap();
    let other = fit(&other);
    let path = folder.path().join("other.safetensors");
    other.save(&path).unwrap();
    let mut moved = config.clone();
    moved.set(&format!("trunk={:?}", path.display().to_string())).unwrap();
    assert!(
        matches!(&moved.members[0].architecture, Architecture::Transfer(t) if *t.trunk == other.header.architecture)
    );
    // A trunk of another network is refused.
    config.set("architecture.trunk.channels=[4, 7]").unwrap();
    let observe = |_: &str, _: &EpochMetrics| ControlFlow::Continue(());
    let error = fit_ensemble(&config.members, &set, &all, 1, None, &observe).unwrap_err().to_string();
    assert!(error.contains("trunk that of another model"), "{error}");
}
