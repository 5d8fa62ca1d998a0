//! Every way to train that a configuration can ask for: an interrupted run ends with the same bytes, whatever moves the
//! weights, and what is made ahead changes nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::Tensor;
use ndarray::Array2;
use timbral_data::{Manifest, Part, TrackInfo};
use timbral_decode::{Audio, WavFormat, write_wav};
use timbral_model::{Architecture, CompactCnnConfig, ModelFile, SampleCnnConfig, TensorFile};
use timbral_nn::optim::Plateau;
use timbral_train::training::{
    CosineRestartsParameters, Distillation, EpochMetrics, FocalParameters, LossKind, OptimizerKind,
    PlateauParameters, ScheduleKind, SgdParameters, StepParameters, Trained, Validation,
    WarmupCosineParameters,
};
use timbral_train::{RunConfig, SpectrogramSet, TrainConfig, TrainError, Trainer, TrainingTracks};

const BANDS: usize = 16;

/// An error and its causes, as programs print them.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Patterns with the louder half of the bands telling the class.
fn tracks() -> SpectrogramSet {
    let mut set = SpectrogramSet::new(BANDS, ["high", "low"].map(String::from).to_vec()).unwrap();
    for i in 0..20usize {
        let values = Array2::from_shape_fn((BANDS, 30), |(band, frame)| {
            ((band * 31 + frame * 17 + i * 7) % 23) as f32 - 40.0 + if band / 8 == i % 2 { 9.0 } else { 0.0 }
        });
        set.push(&values, i % 2).unwrap();
    }
    set
}

fn cnn() -> Architecture {
    Architecture::CompactCnn(CompactCnnConfig {
        bands: BANDS,
        channels: vec![4, 8],
        crop_frames: 24,
        ..CompactCnnConfig::default()
    })
}

/// Sixteen tracks to train on, in batches of four, and four to validate on.
fn config() -> TrainConfig {
    TrainConfig { epochs: 4, batch_size: 4, crop_frames: 24, ..TrainConfig::default() }
}

/// A run that stops after pass `stop`, or goes to the end.
fn run(config: &TrainConfig, folder: Option<&Path>, stop: usize) -> Result<Trained, TrainError> {
    let (set, architecture) = (tracks(), cnn());
    let mut trainer = Trainer::new(&architecture, config, &set)?;
    if let Some(folder) = folder {
        trainer = trainer.with_checkpoints(folder);
    }
    let (train, valid): (Vec<usize>, Vec<usize>) = (0..set.len()).partition(|track| *track < 16);
    trainer.run(&train, &valid, &mut |pass: &EpochMetrics| {
        if pass.epoch == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn bytes(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    TensorFile { text: String::new(), tensors: timbral_model::from_candle(tensors).unwrap() }
        .to_bytes()
        .unwrap()
}

fn check_resume(name: &str, config: &TrainConfig) -> Trained {
    let whole = run(config, None, 0).unwrap();
    for stop in 1..config.epochs {
        let folder = tempfile::tempdir().unwrap();
        run(config, Some(folder.path()), stop).unwrap();
        let resumed = run(config, Some(folder.path()), 0).unwrap();
        assert_eq!(resumed.epoch, whole.epoch, "{name}");
        assert!(bytes(&resumed.tensors) == bytes(&whole.tensors), "{name}, stopped after {stop}");
    }
    whole
}

#[test]
fn a_run_resumes_to_the_same_bytes_whatever_moves_its_weights() {
    let optimizer = |optimizer, learning_rate| TrainConfig { optimizer, learning_rate, ..config() };
    let schedule = |schedule| TrainConfig { schedule, ..config() };
    let sgd = |nesterov| OptimizerKind::Sgd(SgdParameters { momentum: 0.9, nesterov });
    let runs = [
        ("adamw", config()),
        ("adam", optimizer(OptimizerKind::Adam(Default::default()), 2e-3)),
        ("sgd", optimizer(sgd(false), 0.02)),
        ("nesterov", optimizer(sgd(true), 0.02)),
        ("lion", optimizer(OptimizerKind::Lion(Default::default()), 3e-4)),
        ("warmup", schedule(ScheduleKind::WarmupCosine(WarmupCosineParameters { warmup: 0.3, last: 0.1 }))),
        ("step", schedule(ScheduleKind::Step(StepParameters { every: 2, factor: 0.5 }))),
        (
            "restarts",
            schedule(ScheduleKind::CosineRestarts(CosineRestartsParameters {
                period: 1,
                ..Default::default()
            })),
        ),
        ("focal", TrainConfig { loss: LossKind::Focal(FocalParameters { gamma: 1.5 }), ..config() }),
        ("accumulation", TrainConfig { accumulation: 3, ..config() }),
        ("clip_value", TrainConfig { clip_value: 1e-3, ..config() }),
    ];
    let mut seen: Vec<(&str, Vec<u8>)> = Vec::new();
    for (name, config) in &runs {
        let weights = bytes(&check_resume(name, config).tensors);
        for (other, known) in &seen {
            assert!(weights != *known, "{name} ends as {other} does");
        }
        seen.push((name, weights));
    }
}

#[test]
fn what_is_made_ahead_changes_no_byte() {
    let train = |prefetch, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = TrainConfig { prefetch, ..config() };
        bytes(&pool.install(|| run(&config, None, 0)).unwrap().tensors)
    };
    let first = train(0, 1);
    for (prefetch, threads) in [(1, 1), (2, 3), (9, 2), (0, 3)] {
        assert!(first == train(prefetch, threads), "{prefetch} on {threads}");
    }
    // A run may be gone on with another number.
    let folder = tempfile::tempdir().unwrap();
    run(&config(), Some(folder.path()), 2).unwrap();
    let config = TrainConfig { prefetch: 0, ..config() };
    let resumed = run(&config, Some(folder.path()), 0).unwrap();
    assert!(bytes(&resumed.tensors) == first);
}

#[test]
fn a_step_takes_as_many_batches_as_it_is_told() {
    // Four batches a pass: in three steps of the optimizer, or in two, the second of one batch.
    for (accumulation, steps) in [(1, 16), (2, 8), (3, 8), (4, 4), (100, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig { accumulation, ..config() };
        run(&config, Some(folder.path()), 0).unwrap();
        let saved = TensorFile::open(folder.path().join("last.safetensors")).unwrap();
        assert!(saved.text.contains(&format!("\"steps\":{steps},")), "{}", saved.text);
    }
}

#[test]
fn a_plateau_goes_by_the_validation_loss() {
    let (factor, patience, least) = (0.5, 0, 0.1);
    let config = TrainConfig {
        epochs: 10,
        learning_rate: 0.1,
        schedule: ScheduleKind::Plateau(PlateauParameters { factor, patience, least }),
        ..config()
    };
    let history = check_resume("plateau", &config).history;
    let peak = config.learning_rate;
    let mut plateau = Plateau::new(peak, factor, patience, peak * least).unwrap();
    for pass in &history {
        assert_eq!(pass.learning_rate, plateau.learning_rate(), "{pass:?}");
        plateau.update(pass.valid_loss.unwrap());
    }
    let lowest = peak * least;
    assert!(history.last().unwrap().learning_rate < peak, "{history:?}");
    assert!(history.iter().all(|pass| pass.learning_rate >= lowest), "{history:?}");
}

#[test]
fn a_student_learns_what_its_teacher_says() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = folder.path().join("teacher.safetensors");
    let run_config: RunConfig = toml::from_str(
        "name = \"teacher\"\nmembers = []\n[front_end]\nwindow_seconds = 3.0\nhop_seconds = 1.0\n[front_end.log_mel]",
    )
    .unwrap();
    let trained = run(&config(), None, 0).unwrap();
    let model = |labels: [&str; 2]| -> ModelFile {
        let labels = labels.map(String::from);
        run_config.model_file(&labels, cnn(), trained.tensors.clone(), BTreeMap::new()).unwrap()
    };
    model(["high", "low"]).save(&teacher).unwrap();
    let student = |share| TrainConfig {
        seed: 3,
        epochs: 3,
        distillation: Some(Distillation { teacher: teacher.clone(), share, temperature: 2.0 }),
        ..config()
    };
    let half = check_resume("student", &student(0.5));
    let without = TrainConfig { distillation: None, ..student(0.5) };
    assert!(bytes(&half.tensors) != bytes(&run(&without, None, 0).unwrap().tensors));
    assert!(
        bytes(&run(&student(0.0), None, 0).unwrap().tensors)
            == bytes(&run(&without, None, 0).unwrap().tensors),
        "a teacher that has no share in the loss teaches nothing"
    );
    // Another teacher is another run.
    run(&student(0.5), Some(folder.path()), 1).unwrap();
    let mut other = model(["high", "low"]);
    other.header.name = "another".into();
    other.save(&teacher).unwrap();
    let refused = run(&student(0.5), Some(folder.path()), 0).unwrap_err().to_string();
    assert!(refused.contains("another configuration"), "{refused}");
    model(["high", "loud"]).save(&teacher).unwrap();
    let refused = run(&student(0.5), None, 0).unwrap_err().to_string();
    assert!(refused.contains("loud") && refused.contains("teacher.safetensors"), "{refused}");
    std::fs::remove_file(&teacher).unwrap();
    assert!(matches!(
        run(&student(0.5), None, 0),
        Err(TrainError::Io { path, .. }) if path == teacher
    ));
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |change: fn(&mut TrainConfig)| {
        let mut config = config();
        change(&mut config);
        run(&config, None, 0).unwrap_err().to_string()
    };
    let step = |every, factor| ScheduleKind::Step(StepParameters { every, factor });
    assert!(refused(|c| c.accumulation = 0).contains("accumulation is 0"));
    assert!(refused(|c| c.clip_value = -1.0).contains("clip_value is -1"));
    assert!(refused(|c| c.prefetch = 5000).contains("prefetch is 5000"));
    assert!(refused(|c| c.loss = LossKind::Focal(FocalParameters { gamma: -1.0 })).contains("gamma is -1"));
    let schedule = |schedule| {
        let config = TrainConfig { schedule, ..config() };
        chain(&config.validate().unwrap_err())
    };
    assert!(schedule(step(0, 0.1)).contains("every"));
    assert!(schedule(step(1, 2.0)).contains("factor is 2"));
    let plateau = PlateauParameters { factor: 1.0, ..Default::default() };
    assert!(schedule(ScheduleKind::Plateau(plateau)).contains("factor"));
    let momentum = OptimizerKind::Sgd(SgdParameters { momentum: 1.0, nesterov: false });
    let config = TrainConfig { optimizer: momentum, ..config() };
    assert!(chain(&run(&config, None, 0).unwrap_err()).contains("momentum"));
}

/// A low or a high tone, another one in each file.
fn write_tone(path: &Path, i: usize) {
    let pitch = [200.0, 2000.0][i % 2] + 13.0 * i as f32;
    let samples =
        (0..8000).map(|t| 0.5 * (std::f32::consts::TAU * pitch * t as f32 / 8000.0).sin()).collect();
    let audio = Audio { samples, sample_rate: 8000, channels: 1, warnings: Vec::new() };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_wav(path, &audio, WavFormat::Int16).unwrap();
}

#[test]
fn a_network_over_samples_is_trained_from_audio_files() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..12 {
        write_tone(&folder.path().join(["low", "high"][i % 2]).join(format!("{i}.wav")), i);
    }
    let manifest = Manifest::read(folder.path()).unwrap();
    let front_end =
        toml::from_str("window_seconds = 1.0\nhop_seconds = 1.0\nwaveform = { sample_rate = 8000 }");
    let (set, places) =
        SpectrogramSet::from_manifest(&manifest, &front_end.unwrap(), &manifest.labels(), None, |_, e| {
            assert!(e.is_none(), "{e:?}");
        })
        .unwrap();
    assert_eq!((set.len(), places.len(), set.bands()), (12, 12, 1));
    // Samples of 16 bits are held as they are.
    let samples: Vec<f32> = set.whole(0).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(samples.len(), 8000);
    let expected = timbral_decode::decode_file(&manifest.entries()[0].path, &Default::default()).unwrap();
    assert_eq!(samples, expected.samples);

    let architecture = Architecture::SampleCnn(SampleCnnConfig {
        stem: 8,
        channels: vec![8, 8, 8],
        features: 16,
        dropout: 0.2,
        crop_samples: 729,
    });
    let config = TrainConfig {
        epochs: 12,
        batch_size: 8,
        crops_per_track: 4,
        crop_frames: 729,
        learning_rate: 5e-3,
        ..TrainConfig::default()
    };
    let trainer = Trainer::new(&architecture, &config, &set).unwrap();
    let (train, valid): (Vec<usize>, Vec<usize>) = (0..12).partition(|track| track % 3 > 0);
    let trained = trainer.run(&train, &valid, &mut |_| ControlFlow::Continue(())).unwrap();
    let best = trained.history.iter().filter_map(|pass| pass.valid_accuracy);
    assert_eq!(best.fold(0.0, f64::max), 1.0, "{:?}", trained.history);
}

#[test]
fn tracks_are_held_out_by_whole_artists_or_by_the_data_sets_own_split() {
    let part = |i: usize| [Part::Train, Part::Validation][usize::from(i > 14)];
    let tracks: Vec<TrackInfo> = (0..20)
        .map(|i| TrackInfo {
            artist: Some(format!("artist {}", i / 4)),
            official_split: Some(part(i)),
            ..TrackInfo::new(format!("track {i}"), ["high", "low"][i % 2])
        })
        .collect();
    let data = TrainingTracks { set: self::tracks(), tracks };
    let (train, valid) = data.split(Validation::Official, 0).unwrap();
    assert_eq!((train, valid), ((0..15).collect(), (15..20).collect()));
    let (train, valid) = data.split("0.4".parse().unwrap(), 3).unwrap();
    assert_eq!((train.len(), valid.len()), (12, 8));
    assert!(valid.iter().all(|v| train.iter().all(|t| t / 4 != v / 4)));
    for text in ["", "offical", "0", "1", "NaN", "-0.2"] {
        let refused = text.parse::<Validation>().unwrap_err().to_string();
        assert!(refused.contains("official"), "{refused}");
    }
    let mut without = data;
    without.tracks.iter_mut().for_each(|track| track.official_split = None);
    assert!(without.split(Validation::Official, 0).is_err());
}

#[test]
fn samples_are_held_within_their_range() {
    let mut set = SpectrogramSet::of_waveforms(["a", "b"].map(String::from).to_vec()).unwrap();
    let samples = [-3.0, -1.0, -0.25, 0.0, 1e-6, 0.5, 1.0, 3.0];
    let row = |values: &[f32]| Array2::from_shape_vec((1, values.len()), values.to_vec()).unwrap();
    set.push(&row(&samples), 1).unwrap();
    let held: Vec<f32> = set.whole(0).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let most = 32_767.0 / 32_768.0;
    assert_eq!(held, [-1.0, -1.0, -0.25, 0.0, 0.0, 0.5, most, most]);
    assert!(set.push(&row(&[0.0, f32::NAN]), 0).is_err());
    assert!(set.push(&row(&[]), 0).is_err());
    assert!(set.push(&row(&[0.0]), 2).is_err());
    assert!(set.push(&Array2::zeros((2, 5)), 0).is_err());
}
