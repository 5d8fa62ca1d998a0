//! Training on small made spectrograms: it learns, a seed fixes every byte, and an interrupted run loses nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use ndarray::{Array2, ArrayView1};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_features::log_mel_statistics::LogMelStatisticsConfig;
use timbral_model::{Architecture, CompactCnnConfig, StatisticsNetConfig, TensorFile, from_candle};
use timbral_train::training::{EpochMetrics, MetricsFile, ScheduleKind, Trained, cross_validate_unchecked};
use timbral_train::{Augmentation, Member, SpectrogramSet, TrainConfig, TrainError, Trainer, fit_ensemble};

const BANDS: usize = 16;

/// An error and its causes, as programs print them.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Noise with a loud band, which tells the class.
fn tracks(per_class: usize) -> SpectrogramSet {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut set = SpectrogramSet::new(BANDS, ["high", "low", "middle"].map(String::from).to_vec()).unwrap();
    for i in 0..3 * per_class {
        let class = i % 3;
        let loud = [13, 2, 7][class];
        let values = Array2::from_shape_fn((BANDS, 30 + i % 7), |(band, _)| {
            rng.random_range(-60.0f32..-40.0) + if band == loud { 25.0 } else { 0.0 }
        });
        set.push(&values, class).unwrap();
    }
    set
}

fn cnn() -> Architecture {
    let channels = vec![4, 8];
    Architecture::CompactCnn(CompactCnnConfig {
        bands: BANDS,
        bands_per_group: 2,
        channels,
        dropout: 0.2,
        crop_frames: 24,
    })
}

fn statistics() -> Architecture {
    let statistics = LogMelStatisticsConfig {
        bands: BANDS,
        coefficients: 8,
        correlated: 4,
        bands_per_group: 4,
        modulation_frames: 16,
        modulation_bins: 4,
        ..LogMelStatisticsConfig::default()
    };
    Architecture::StatisticsNet(StatisticsNetConfig {
        statistics,
        hidden: vec![8],
        input_dropout: 0.2,
        dropout: 0.2,
    })
}

fn config() -> TrainConfig {
    TrainConfig {
        seed: 5,
        epochs: 5,
        batch_size: 8,
        crop_frames: 24,
        crops_per_track: 2,
        augmentation: Augmentation {
            level_db: 3.0,
            tilt_db: 1.0,
            mask_bands: 2,
            mask_frames: 4,
            ..Augmentation::default()
        },
        ..TrainConfig::default()
    }
}

fn members(training: &TrainConfig) -> Vec<Member> {
    let member = |name: &str, architecture, copies| {
        let (name, training) = (name.to_owned(), training.clone());
        Member { name, architecture, training, trunk: None, copies, excerpts: 1 }
    };
    vec![member("cnn", cnn(), 2), member("statistics", statistics(), 1)]
}

fn go_on(_: &EpochMetrics) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn run(
    config: &TrainConfig,
    set: &SpectrogramSet,
    train: &[usize],
    valid: &[usize],
) -> Result<Trained, TrainError> {
    Trainer::new(&cnn(), config, set)?.run(train, valid, &mut go_on)
}

fn all(set: &SpectrogramSet) -> Vec<usize> {
    (0..set.len()).collect()
}

fn bytes(tensors: BTreeMap<String, candle_core::Tensor>) -> Vec<u8> {
    TensorFile { text: String::new(), tensors: from_candle(&tensors).unwrap() }.to_bytes().unwrap()
}

#[test]
fn both_networks_learn_what_separates_the_classes() {
    let set = tracks(12);
    let folds: Vec<(Vec<usize>, Vec<usize>)> =
        (0..3).map(|fold| all(&set).into_iter().partition(|track| track / 3 % 3 != fold)).collect();
    let members = members(&TrainConfig { epochs: 30, ..config() });
    let cv = cross_validate_unchecked(&members, &set, &folds, 2, None, &|_: &str, m: &EpochMetrics| go_on(m))
        .unwrap();
    let right = |rows: &Array2<f32>| {
        let best = |row: &ArrayView1<'_, f32>| (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        rows.rows().into_iter().zip(&cv.tracks).filter(|(row, track)| best(row) == set.class(**track)).count()
    };
    assert_eq!(cv.tracks.len(), set.len());
    for rows in cv.members.iter().map(|member| &member.mean).chain([&cv.ensemble]) {
        assert!(right(rows) >= 34, "{} of 36", right(rows));
    }
}

#[test]
fn a_seed_fixes_every_byte_on_any_number_of_threads() {
    let set = tracks(4);
    let train = |seed, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let trained = pool.install(|| run(&TrainConfig { seed, ..config() }, &set, &all(&set), &[]));
        bytes(trained.unwrap().tensors)
    };
    let first = train(5, 1);
    assert_eq!(first, train(5, 1));
    assert_eq!(first, train(5, 3));
    assert_ne!(first, train(6, 1));
    let fit = |threads| {
        let observe = |_: &str, m: &EpochMetrics| go_on(m);
        fit_ensemble(&members(&config()), &set, &all(&set), threads, None, &observe).unwrap()
    };
    let (architecture, tensors) = fit(1);
    assert!(matches!(&architecture, Architecture::Ensemble { members } if members.len() == 3));
    assert_eq!(bytes(tensors), bytes(fit(3).1));
}

/// Stops a run after each pass in turn, and compares what it ends with once resumed to that of one never stopped.
fn check_resume(config: &TrainConfig, set: &SpectrogramSet, train: &[usize], valid: &[usize]) -> Trained {
    let whole = run(config, set, train, valid).unwrap();
    for stop in 1..config.epochs {
        let folder = tempfile::tempdir().unwrap();
        let until = |stop: usize| {
            let architecture = cnn();
            let trainer = Trainer::new(&architecture, config, set).unwrap().with_checkpoints(folder.path());
            let flow = |m: &EpochMetrics| {
                if m.epoch == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            trainer.run(train, valid, &mut { flow }).unwrap()
        };
        assert_eq!(until(stop).history.len(), stop);
        let resumed = until(0);
        assert_eq!(resumed.history.len(), config.epochs - stop);
        assert_eq!(resumed.epoch, whole.epoch);
        assert_eq!(bytes(resumed.tensors), bytes(whole.tensors.clone()), "stopped after {stop}");
    }
    whole
}

#[test]
fn an_interrupted_run_ends_with_the_same_bytes() {
    let set = tracks(5);
    let (train, valid): (Vec<usize>, Vec<usize>) = all(&set).into_iter().partition(|track| track % 5 > 0);
    let plain = check_resume(&config(), &set, &train, &valid);
    let without = check_resume(&config(), &set, &train, &[]);
    for (ema, swa) in [(0.9, 0.0), (0.0, 0.5)] {
        let config = TrainConfig { ema, swa, ..config() };
        let averaged = check_resume(&config, &set, &train, &valid);
        // The average is beside the training: its course stays the same, what is validated does not.
        let losses = |t: &Trained| t.history.iter().map(|m| m.train_loss).collect::<Vec<_>>();
        assert_eq!(losses(&averaged), losses(&plain));
        assert_ne!(averaged.history.last().map(|m| m.valid_loss), plain.history.last().map(|m| m.valid_loss));
        let averaged = check_resume(&config, &set, &train, &[]);
        assert_ne!(bytes(averaged.tensors), bytes(without.tensors.clone()));
    }
}

#[test]
fn the_averages_are_those_of_their_definitions() {
    let set = tracks(4);
    let train = all(&set);
    let training = |epochs, ema, swa| {
        let config = TrainConfig { epochs, ema, swa, schedule: ScheduleKind::Constant {}, ..config() };
        run(&config, &set, &train, &[]).unwrap().tensors
    };
    let values = |tensors: &BTreeMap<String, candle_core::Tensor>, name: &str| -> Vec<f32> {
        tensors[name].flatten_all().unwrap().to_vec1().unwrap()
    };
    let passes: Vec<_> = (1..=4).map(|epochs| training(epochs, 0.0, 0.0)).collect();
    // The last half of four passes.
    let mean = training(4, 0.0, 0.5);
    // A step a pass has a decay of at most 2/11, 3/12, 4/13 in the first three steps of a pass: far from the start.
    let moving = training(4, 0.9, 0.0);
    for name in passes[3].keys() {
        let (third, fourth) = (values(&passes[2], name), values(&passes[3], name));
        let (mean, moving) = (values(&mean, name), values(&moving, name));
        if name.contains("running") {
            assert_ne!(mean, fourth, "{name}");
        } else {
            for ((mean, a), b) in mean.iter().zip(&third).zip(&fourth) {
                assert!((mean - 0.5 * (a + b)).abs() < 1e-6, "{name}");
            }
        }
        assert_ne!(moving, fourth, "{name}");
    }
}

#[test]
fn the_moving_average_keeps_a_fraction_at_each_step() {
    let set = tracks(4);
    let train = all(&set);
    // One step per epoch, so that runs of one to four epochs show the weights after each step.
    let training = |epochs, ema| {
        let schedule = ScheduleKind::Constant {};
        let config = TrainConfig { epochs, ema, schedule, batch_size: 24, crops_per_track: 2, ..config() };
        run(&config, &set, &train, &[]).unwrap().tensors
    };
    let values = |tensors: &BTreeMap<String, candle_core::Tensor>, name: &str| -> Vec<f32> {
        tensors[name].flatten_all().unwrap().to_vec1().unwrap()
    };
    let averages: Vec<_> = (1..=4).map(|epochs| training(epochs, 0.25)).collect();
    for step in 2..=4_usize {
        let weights = training(step, 0.0);
        // (1 + n) / (10 + n) in the first steps, at most the 0.25 that is set: 3/12, then the limit.
        let decay = ((1 + step) as f32 / (10 + step) as f32).min(0.25);
        for name in weights.keys() {
            let (before, after) = (values(&averages[step - 2], name), values(&averages[step - 1], name));
            for ((before, weight), after) in before.iter().zip(values(&weights, name)).zip(&after) {
                let expected = decay * before + (1.0 - decay) * weight;
                assert!((after - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{name}, step {step}");
            }
        }
    }
}

#[test]
fn a_checkpoint_of_other_tracks_or_other_first_weights_is_not_resumed() {
    let set = tracks(4);
    let short = TrainConfig { epochs: 1, ..config() };
    let architecture = cnn();
    let (train, rest): (Vec<usize>, Vec<usize>) = all(&set).into_iter().partition(|track| track % 4 != 0);
    let (valid, other) = (&rest[..1], &rest[1..2]);
    let names: BTreeMap<String, candle_core::Tensor> = run(&short, &set, &train, &[]).unwrap().tensors;
    let first = |value: f32| -> BTreeMap<String, candle_core::Tensor> {
        let (name, tensor) = names.iter().find(|(name, _)| name.contains("weight")).unwrap();
        let filled = (tensor.ones_like().unwrap() * f64::from(value)).unwrap();
        BTreeMap::from([(name.clone(), filled)])
    };
    let folder = tempfile::tempdir().unwrap();
    let resume = |train: &[usize], valid: &[usize], weights| {
        let trainer = Trainer::new(&architecture, &short, &set).unwrap();
        trainer.with_checkpoints(folder.path()).with_initial_weights(weights).run(train, valid, &mut go_on)
    };
    resume(&train, valid, first(0.5)).unwrap();
    // The same run is done; nothing is left to train.
    assert!(resume(&train, valid, first(0.5)).unwrap().history.is_empty());
    // Another fold: the first training track makes room for one that was held out.
    let moved: Vec<usize> = train[1..].iter().copied().chain([rest[2]]).collect();
    for (train, valid, weights, what) in [
        (&moved[..], valid, first(0.5), "other training tracks"),
        (&train[..], other, first(0.5), "other validation tracks"),
        (&train[..], &[][..], first(0.5), "no validation tracks"),
        (&train[..], valid, first(0.25), "other initial weights"),
        (&train[..], valid, BTreeMap::new(), "no initial weights"),
    ] {
        let error = resume(train, valid, weights).expect_err(what);
        assert!(error.to_string().contains("another configuration"), "{what}: {error}");
    }
}

#[test]
fn a_checkpoint_of_another_run_or_a_damaged_one_is_refused() {
    let set = tracks(3);
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |config: &TrainConfig, folder: &Path| {
        Trainer::new(&cnn(), config, &set).unwrap().with_checkpoints(folder).run(&all(&set), &[], &mut go_on)
    };
    let short = TrainConfig { epochs: 1, ..config() };
    in_folder(&short, folder.path()).unwrap();
    let other = in_folder(&TrainConfig { seed: 9, ..short.clone() }, folder.path()).unwrap_err();
    assert!(other.to_string().contains("another configuration"), "{other}");
    let path = folder.path().join("last.safetensors");
    let mut damaged = std::fs::read(&path).unwrap();
    damaged.truncate(damaged.len() / 2);
    std::fs::write(&path, damaged).unwrap();
    assert!(in_folder(&short, folder.path()).is_err());
    // One that cannot be read at all, and lies there after as before.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let unreadable = chain(&in_folder(&short, folder.path()).unwrap_err());
    assert!(unreadable.contains("last.safetensors"), "{unreadable}");
    assert!(path.is_dir());
    let gone = in_folder(&short, &folder.path().join("gone"));
    assert!(matches!(gone, Err(TrainError::Model(_))), "a folder that is not there cannot be written to");
}

#[test]
fn the_best_pass_is_kept_and_patience_ends_the_run() {
    let set = tracks(6);
    let (train, valid): (Vec<usize>, Vec<usize>) = all(&set).into_iter().partition(|track| track % 6 > 0);
    let trained = run(&TrainConfig { epochs: 60, patience: 3, ..config() }, &set, &train, &valid).unwrap();
    let accuracies: Vec<f64> = trained.history.iter().filter_map(|m| m.valid_accuracy).collect();
    assert_eq!(accuracies.len(), trained.epoch + 3, "three passes after the best one");
    let best = accuracies[trained.epoch - 1];
    assert!(accuracies.iter().all(|a| *a <= best));
    assert!(accuracies[..trained.epoch - 1].iter().all(|a| *a < best), "the first of equal passes");
}

#[test]
fn what_cannot_be_trained_is_said() {
    let set = tracks(2);
    let message = |config: TrainConfig| Trainer::new(&cnn(), &config, &set).unwrap_err().to_string();
    assert!(message(TrainConfig { batch_size: 1, ..config() }).contains("batch_size is 1"));
    assert!(message(TrainConfig { epochs: 0, ..config() }).contains("epochs is 0"));
    assert!(message(TrainConfig { learning_rate: f64::NAN, ..config() }).contains("learning_rate is NaN"));
    assert!(message(TrainConfig { label_smoothing: 1.0, ..config() }).contains("label_smoothing is 1"));
    assert!(message(TrainConfig { ema: 1.0, ..config() }).contains("ema is 1"));
    assert!(message(TrainConfig { swa: 1.5, ..config() }).contains("swa is 1.5"));
    let both = TrainConfig { ema: 0.9, swa: 0.2, ..config() };
    assert!(message(both).contains("one average"));
    let other_bands = Architecture::CompactCnn(CompactCnnConfig::default());
    let refused = Trainer::new(&other_bands, &config(), &set).unwrap_err().to_string();
    assert!(refused.contains("bands is 128"), "{refused}");
    let refused =
        |train: &[usize], valid: &[usize]| run(&config(), &set, train, valid).unwrap_err().to_string();
    assert!(refused(&[], &[]).contains("training tracks"));
    assert!(refused(&[0, 99], &[]).contains("99"));
    assert!(refused(&[0, 1], &[1]).contains("training track as well"));
    let wild = TrainConfig { learning_rate: 1e30, clip_norm: 0.0, ..config() };
    assert!(run(&wild, &set, &all(&set), &[]).is_err(), "a loss that is not finite ends the run");
}

#[test]
fn the_metrics_of_a_resumed_run_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.csv");
    let set = tracks(2);
    let history = run(&TrainConfig { epochs: 3, ..config() }, &set, &all(&set), &[]).unwrap().history;
    let mut file = MetricsFile::create(&path, 0).unwrap();
    history.iter().for_each(|m| file.push(m).unwrap());
    // The run was killed after the second pass was saved: the third is trained and written again.
    MetricsFile::create(&path, 2).unwrap().push(&history[2]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let epochs: Vec<&str> = text.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(epochs, ["epoch", "1", "2", "3"]);
}
