//! Searches over small made data: settings of networks and of classic learners.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::ControlFlow;
use std::path::Path;

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_classic::LearnerConfig;
use timbral_data::{FeatureTable, TrackInfo};
use timbral_model::Architecture;
use timbral_train::search::{ClassicSearch, NetworkSearch, SearchProgress, SearchTable, Trial};
use timbral_train::training::EpochMetrics;
use timbral_train::{RunConfig, SearchConfig, SpectrogramSet, TrainError, cross_validate_classic, search};

const RUN: &str = r#"
name = "test"
[front_end]
window_seconds = 30.0
hop_seconds = 10.0
[front_end.log_mel.mel]
n_mels = 16
[[members]]
name = "cnn"
architecture = { type = "compact_cnn", bands = 16, bands_per_group = 2, channels = [3, 4], crop_frames = 16 }
training = { epochs = 2, batch_size = 4, crop_frames = 16 }
"#;

const NETWORKS: &str = r#"
strategy = { type = "successive_halving", trials = 4, eta = 2, minimum = 1, maximum = 2 }
objective = "log_loss"
folds = 2
[parameters]
"training.learning_rate" = { low = 1e-4, high = 1e-2, scale = "log" }
"members.cnn.architecture.channels" = [[2, 3], [4, 4]]
"#;

const CLASSIC: &str = r#"
strategy = { type = "random", trials = 6 }
folds = 3
[parameters]
"learner.svc.c" = { low = 1e-2, high = 100.0, scale = "log" }
"learner.svc.kernel.rbf.gamma.value" = { low = 1e-3, high = 10.0, scale = "log" }
[pipeline]
transformers = [{ standard = {} }, { pca = {} }]
learner = { svc = { kernel = { rbf = { gamma = { value = 0.1 } } } } }
"#;

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn written<T>(text: &str, read: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, text).unwrap();
    read(&path)
}

fn searched(text: &str) -> SearchConfig {
    written(text, |path| SearchConfig::read(path)).unwrap()
}

fn run_config() -> RunConfig {
    written(RUN, |path| RunConfig::read(path)).unwrap()
}

fn go_on(_: &SearchProgress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn timeless(mut table: SearchTable) -> SearchTable {
    table.ranked.iter_mut().for_each(|trial| trial.seconds = 0.0);
    table
}

fn spectrograms() -> (SpectrogramSet, Vec<TrackInfo>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut set = SpectrogramSet::new(16, ["high", "low"].map(String::from).to_vec()).unwrap();
    let mut tracks = Vec::new();
    for i in 0..12 {
        let loud = [13, 2][i % 2];
        let values = Array2::from_shape_fn((16, 20 + i % 3), |(band, _)| {
            rng.random_range(-60.0f32..-40.0) + if band == loud { 15.0 } else { 0.0 }
        });
        set.push(&values, i % 2).unwrap();
        tracks.push(TrackInfo {
            artist: Some(format!("artist {}", i % 6)),
            ..TrackInfo::new(format!("{i:02}"), ["high", "low"][i % 2])
        });
    }
    (set, tracks)
}

/// Rings that no straight line parts, twelve artists each.
fn table() -> FeatureTable {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut text = "track_id,label,artist,x,y,z\n".to_owned();
    for i in 0..72 {
        let (label, radius) = [("inner", 1.0), ("outer", 2.2)][i % 2];
        let angle = rng.random_range(0.0..std::f64::consts::TAU);
        let radius = radius + rng.random_range(-0.3..0.3);
        let (x, y, z) = (radius * angle.cos(), radius * angle.sin(), rng.random_range(-1.0..1.0));
        text += &format!("{i:03},{label},{label} {},{x},{y},{z}\n", i % 24);
    }
    written(&text, |path| FeatureTable::read(path)).unwrap()
}

#[test]
fn networks_are_searched_stopped_and_gone_on_with() {
    let (set, tracks) = spectrograms();
    let (config, base) = (searched(NETWORKS), run_config());
    let networks = || NetworkSearch::new(&config, &base, &set, &tracks).unwrap();
    let whole = timeless(search(&config, &networks(), 1, None, &go_on).unwrap());
    assert_eq!(whole.ranked.len(), 4);
    let best = whole.best().unwrap();
    assert_eq!(best.budget, Some(2));
    let measured = best.measured.unwrap();
    let interval = measured.interval.unwrap();
    assert!(interval.low <= measured.score && measured.score <= interval.high);
    assert_eq!(measured.log_loss, Some(measured.score));
    let tuned = networks().configuration(&best.trial, best.budget).unwrap();
    assert_eq!(tuned.members[0].training.epochs, 2);
    let rate = best.trial.values["training.learning_rate"].as_number().unwrap();
    assert_eq!(tuned.members[0].training.learning_rate, rate);
    assert_eq!(timeless(search(&config, &networks(), 3, None, &go_on).unwrap()), whole);

    // Stopped in the midst of a trial: its checkpoints are there, and go when it is done.
    let folder = tempfile::tempdir().unwrap();
    let (journal, checkpoints) = (folder.path().join("journal.jsonl"), folder.path().join("trials"));
    let stop = |trial: &Trial, _: &str, epoch: &EpochMetrics| {
        if trial.number == 2 && epoch.epoch == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stopping = networks().with_checkpoints(&checkpoints).observed_by(stop);
    let error = search(&config, &stopping, 1, Some(&journal), &go_on).unwrap_err();
    assert!(matches!(error, TrainError::Stopped), "{error}");
    assert_eq!(std::fs::read_dir(&checkpoints).unwrap().count(), 1);
    let rest = networks().with_checkpoints(&checkpoints);
    let table = search(&config, &rest, 2, Some(&journal), &go_on).unwrap();
    assert_eq!(timeless(table), whole);
    assert_eq!(std::fs::read_dir(&checkpoints).unwrap().count(), 0);

    // Other data, other results: the journal is refused.
    let (other, _) = spectrograms();
    let mut moved = tracks.clone();
    moved[0].artist = Some("someone else".to_owned());
    let other = NetworkSearch::new(&config, &base, &other, &moved).unwrap();
    let error = search(&config, &other, 1, Some(&journal), &go_on).unwrap_err().to_string();
    assert!(error.contains("of the same search"), "{error}");
}

#[test]
fn a_field_of_a_network_that_cannot_be_searched_is_refused_at_once() {
    let (set, tracks) = spectrograms();
    let base = run_config();
    let never =
        |_: &Trial, _: &str, _: &EpochMetrics| -> ControlFlow<()> { unreachable!("nothing is trained") };
    for (given, part) in [
        ("\"training.learning-rate\" = [0.1]", "`learning_rate`"),
        ("\"trianing.learning_rate\" = [0.1]", "nearest known name is"),
        ("\"members.cn.copies\" = [1]", "\"cnn\""),
        ("\"architecture.chanels\" = [[1]]", "`channels`"),
        ("\"training.epochs\" = [1, 2]", "budget"),
        ("\"training.batch_size\" = [4, 1]", "batch_size is 1"),
        ("\"architecture.bands\" = [16, 8]", "16, as the spectrograms have"),
        ("\"front_end.window_seconds\" = [1.0]", "a field that a cross-validation"),
        ("name = [\"x\"]", "a field that a cross-validation"),
    ] {
        let text = format!("{}[parameters]\n{given}", NETWORKS.split("[parameters]").next().unwrap());
        let config = searched(&text.replace("trials = 4", "trials = 8"));
        let networks = NetworkSearch::new(&config, &base, &set, &tracks).unwrap().observed_by(never);
        let error = chain(&search(&config, &networks, 1, None, &go_on).unwrap_err());
        assert!(error.contains(part), "{given}: {error}");
    }
}

#[test]
fn the_kind_of_a_network_is_set_before_its_fields() {
    let (set, tracks) = spectrograms();
    let base = run_config();
    let text = format!(
        "{}\"architecture.type\" = [\"crnn\"]\n\"architecture.hidden\" = [5]\n\"architecture.bands\" = [16]",
        NETWORKS.split("\"training").next().unwrap()
    );
    let config = searched(&text);
    let networks = NetworkSearch::new(&config, &base, &set, &tracks).unwrap();
    let tuned = networks.configuration(&config.trials().unwrap()[0], Some(3)).unwrap();
    assert!(
        matches!(&tuned.members[0].architecture, Architecture::Crnn(c) if c.hidden == 5 && c.bands == 16)
    );
    assert_eq!(tuned.members[0].training.epochs, 3);
}

#[test]
fn classic_learners_are_searched_on_any_number_of_threads() {
    let (config, table) = (searched(CLASSIC), table());
    let base = config.pipeline.clone().unwrap();
    let classic = ClassicSearch::new(&config, &base, &table).unwrap();
    let one = timeless(search(&config, &classic, 1, None, &go_on).unwrap());
    let best = one.best().unwrap();
    assert!(best.measured.unwrap().score > 0.9, "chance is one half");
    assert!(best.measured.unwrap().log_loss.is_none(), "these learners give no probabilities");
    for threads in [2, 7] {
        let again = ClassicSearch::new(&config, &base, &table).unwrap();
        assert_eq!(timeless(search(&config, &again, threads, None, &go_on).unwrap()), one);
    }
    // What is found is what a cross-validation of the pipeline measures.
    let with_probabilities = CLASSIC.replace("svc = { kernel", "svc = { probability = true, kernel");
    let config = searched(&with_probabilities);
    let base = config.pipeline.clone().unwrap();
    let classic = ClassicSearch::new(&config, &base, &table).unwrap();
    let best = search(&config, &classic, 2, None, &go_on).unwrap();
    let best = best.best().unwrap();
    let parameters = classic.parameters(&best.trial).unwrap();
    assert!(matches!(&parameters.learner, LearnerConfig::Svc(svc)
        if svc.c == best.trial.values["learner.svc.c"].as_number().unwrap()));
    let report = cross_validate_classic("svc", &table, &parameters, classic.folds()).unwrap().report;
    let measured = best.measured.unwrap();
    assert_eq!(measured.accuracy, Some(report.accuracy));
    assert_eq!(measured.interval, report.group_interval);
    assert!((measured.macro_f1.unwrap() - report.macro_f1).abs() < 1e-12);
    assert!((measured.log_loss.unwrap() - report.log_loss).abs() < 1e-12);
}

#[test]
fn halving_of_classic_learners_ends_where_all_folds_do() {
    let table = table();
    let halving = CLASSIC.replace(
        "{ type = \"random\", trials = 6 }",
        "{ type = \"asha\", trials = 6, eta = 2, minimum = 1, maximum = 3 }",
    );
    let (config, random) = (searched(&halving), searched(CLASSIC));
    let base = config.pipeline.clone().unwrap();
    let classic = ClassicSearch::new(&config, &base, &table).unwrap();
    let halved = search(&config, &classic, 2, None, &go_on).unwrap();
    let all = ClassicSearch::new(&random, &base, &table).unwrap();
    let all = search(&random, &all, 2, None, &go_on).unwrap();
    let best = halved.best().unwrap();
    assert_eq!(best.budget, Some(3));
    let same = all.ranked.iter().find(|row| row.trial == best.trial).unwrap();
    assert_eq!(same.measured, best.measured);
    let more = SearchConfig { folds: 2, ..config };
    let error = ClassicSearch::new(&more, &base, &table).unwrap_err().to_string();
    assert!(error.contains("number of folds"), "{error}");
}

#[test]
fn a_field_of_a_pipeline_that_cannot_be_searched_is_refused_at_once() {
    let table = table();
    for (given, part) in [
        ("\"learner.svc.gama\" = [1.0]", "the nearest known name is"),
        ("\"learner.scv.c\" = [1.0]", "`svc`"),
        ("\"learner.logistic_regression.c\" = [1.0]", "the learner of the pipeline is svc"),
        ("\"lerner.svc.c\" = [1.0]", "`learner`"),
        ("\"transformers.pac.components\" = [1]", "\"pca\""),
        ("\"transformers.pca.n_componets\" = [1]", "the nearest known name is"),
        ("\"transformers.7.pca\" = [1]", "names no transformer"),
        ("\"learner.svc.c\" = [1.0, -1.0]", "above 0"),
        ("\"learner.svc.c\" = [\"many\"]", "f64"),
    ] {
        let (head, tail) = CLASSIC.split_once("[parameters]").unwrap();
        let (_, pipeline) = tail.split_once("[pipeline]").unwrap();
        let config = searched(&format!("{head}[parameters]\n{given}\n[pipeline]{pipeline}"));
        let base = config.pipeline.clone().unwrap();
        let classic = ClassicSearch::new(&config, &base, &table).unwrap();
        let error = search(&config, &classic, 1, None, &|_: &SearchProgress<'_>| -> ControlFlow<()> {
            unreachable!("nothing is measured")
        });
        let error = chain(&error.unwrap_err());
        assert!(error.contains(part), "{given}: {error}");
    }
    // Log loss needs probabilities.
    let config = searched(&CLASSIC.replace("folds = 3", "folds = 3\nobjective = \"log_loss\""));
    let base = config.pipeline.clone().unwrap();
    let classic = ClassicSearch::new(&config, &base, &table).unwrap();
    let error = chain(&search(&config, &classic, 1, None, &go_on).unwrap_err());
    assert!(error.contains("probability = true"), "{error}");
}

#[test]
fn whole_learners_and_transformers_are_values_too() {
    let table = table();
    let text = r#"
strategy = { type = "grid" }
folds = 3
[parameters]
learner = [{ k_neighbors = { n_neighbors = 3 } }, { gaussian_naive_bayes = {} }, { random_forest = { n_trees = 10 } }]
"transformers.1.pca.whiten" = [true, false]
"transformers.standard" = [{}]
[pipeline]
transformers = [{ standard = {} }, { pca = {} }]
learner = { logistic_regression = {} }
"#;
    let config = searched(text);
    let base = config.pipeline.clone().unwrap();
    let classic = ClassicSearch::new(&config, &base, &table).unwrap();
    let found = search(&config, &classic, 2, None, &go_on).unwrap();
    assert_eq!(found.ranked.len(), 6);
    assert!(found.ranked.iter().all(|row| row.error.is_none()), "{found}");
}
