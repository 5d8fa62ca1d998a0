//! Learners side by side over the same folds.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use ndarray::Array2;
use timbral_classic::{LearnerConfig, PipelineConfig, PowerTransformerConfig, SvcConfig, TransformerConfig};
use timbral_data::{FeatureTable, Folds, TrackInfo};
use timbral_eval::comparison::Baseline;
use timbral_eval::{BootstrapConfig, Comparison};
use timbral_model::{Architecture, CompactCnnConfig};
use timbral_train::comparison::FoldProtocol;
use timbral_train::training::EpochMetrics;
use timbral_train::{
    Candidate, CompareConfig, Member, SpectrogramSet, TrainConfig, TrainError, compare,
    cross_validate_classic,
};

/// A number that looks random, 0 to 1.
fn noise(seed: usize) -> f64 {
    let x = (seed as f64 * 12.9898).sin() * 43_758.545_3;
    x - x.floor()
}

/// Forty tracks of two classes and ten artists, `windows` rows each. An artist's tracks lie close together, the classes
/// do not: a learner that has heard the artist knows the class, and one that has not guesses.
fn table(folder: &Path, windows: usize) -> FeatureTable {
    let mut text = "track_id,label,artist,a,b,c\n".to_owned();
    for track in 0..40 {
        let artist = track / 4;
        let label = if artist % 2 == 0 { "calm" } else { "loud" };
        for window in 0..windows {
            let value = |column: usize| {
                8.0 * noise(31 * artist + column) + 0.3 * noise(1000 + 97 * track + 13 * window + column)
            };
            writeln!(text, "t{track:02},{label},artist {artist},{},{},{}", value(0), value(1), value(2))
                .unwrap();
        }
    }
    let path = folder.join(format!("table{windows}.csv"));
    std::fs::write(&path, text).unwrap();
    FeatureTable::read(path).unwrap()
}

fn pipeline(learner: LearnerConfig) -> PipelineConfig {
    PipelineConfig {
        transformers: vec![TransformerConfig::Power(PowerTransformerConfig::default())],
        learner,
    }
}

fn config(protocols: &[FoldProtocol]) -> CompareConfig {
    CompareConfig {
        data: "Made-up tracks".to_owned(),
        n_folds: 4,
        seeds: 2,
        protocols: protocols.to_vec(),
        bootstrap: BootstrapConfig { draws: 200, ..BootstrapConfig::default() },
        threads: 2,
    }
}

fn go_on(_: &str, _: Option<&EpochMetrics>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn the_same_folds_give_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 1);
    let (logistic, bayes) = (
        pipeline(LearnerConfig::LogisticRegression(Default::default())),
        pipeline(LearnerConfig::GaussianNaiveBayes(Default::default())),
    );
    let candidates = [
        Candidate::Classic { name: "logistic", parameters: &logistic, table: &table },
        Candidate::Classic { name: "bayes, \"naive\"|", parameters: &bayes, table: &table },
    ];
    let config = config(&[FoldProtocol::Groups, FoldProtocol::TrackRandomLeaky]);
    let comparison = compare(&config, &candidates, &[], Vec::new(), &go_on).unwrap();
    assert_eq!((comparison.n_tracks, comparison.n_groups, comparison.n_features), (40, 10, 3));
    let honest = &comparison.tables[0];
    assert!(!honest.leaky && comparison.tables[1].leaky);
    for (row, parameters) in honest.rows.iter().zip([&logistic, &bayes]) {
        for seed in 0..2 {
            let folds = Folds::stratified_group(table.tracks(), 4, seed).unwrap();
            let expected = cross_validate_classic("", &table, parameters, &folds).unwrap().report;
            assert!((row.accuracies[seed as usize] - expected.accuracy).abs() < 1e-12);
            assert_eq!(honest.fold_hashes[seed as usize], folds.content_hash());
        }
        let mean = (row.accuracies[0] + row.accuracies[1]) / 2.0;
        assert!((row.accuracy - mean).abs() < 1e-12);
        assert!(row.accuracy_interval.low <= row.accuracy && row.accuracy <= row.accuracy_interval.high);
        assert!(row.roc_auc.is_some() && row.average_precision.is_some() && row.log_loss.is_some());
        assert_eq!(row.n_rows, 40);
    }
    // What was made to be learnt of artists alone is learnt only where they leak.
    for (honest, leaky) in honest.rows.iter().zip(&comparison.tables[1].rows) {
        assert!(leaky.accuracy > honest.accuracy + 0.1, "{} and {}", leaky.accuracy, honest.accuracy);
    }
    for table in &comparison.tables {
        let untested = table.rows.iter().filter(|row| row.against_best.is_none()).count();
        assert_eq!(untested, 1, "the best is not tested against itself");
    }

    let text = comparison.to_string();
    assert!(text.contains("LEAKY, not test accuracy") && text.contains("logistic (leaky)"), "{text}");
    assert!(comparison.to_markdown().contains("| bayes, \"naive\"\\| |"));
    let leaks = comparison.leakage_markdown();
    assert!(leaks.lines().next().unwrap().contains("artist-leaky"), "{leaks}");
    assert_eq!(leaks.lines().count(), 4);
    let csv = comparison.to_csv();
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.contains("\"bayes, \"\"naive\"\"|\""));
    let path = folder.path().join("compare.json");
    comparison.save(&path).unwrap();
    assert_eq!(Comparison::load(&path).unwrap(), comparison);
}

#[test]
fn windows_speak_for_their_track() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 3);
    let svc = |probability| pipeline(LearnerConfig::Svc(SvcConfig { probability, ..Default::default() }));
    let (sure, plain) = (svc(true), svc(false));
    let candidates = [
        Candidate::Classic { name: "sure", parameters: &sure, table: &table },
        Candidate::Classic { name: "plain", parameters: &plain, table: &table },
    ];
    let config = config(&FoldProtocol::ALL);
    let comparison = compare(&config, &candidates, &[], Vec::new(), &go_on).unwrap();
    let rows = |i: usize| &comparison.tables[i].rows;
    assert_eq!((rows(0)[0].n_rows, rows(2)[0].n_rows), (40, 30), "tracks, and a quarter of the 120 windows");
    assert_eq!(comparison.tables[2].unit, "window");
    assert!(rows(0)[1].roc_auc.is_none() && rows(0)[1].log_loss.is_none());
    assert!(rows(2)[1].accuracy > 0.9, "windows of every track were trained on");
    let json = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), comparison);
}

#[test]
fn pinned_folds_take_the_place_of_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 1);
    let bayes = pipeline(LearnerConfig::GaussianNaiveBayes(Default::default()));
    let candidates = [Candidate::Classic { name: "bayes", parameters: &bayes, table: &table }];
    let assignment =
        table.tracks().iter().enumerate().map(|(i, t)| (t.track_id.clone(), usize::from(i >= 20))).collect();
    let pinned = [Folds::pinned("halves", table.tracks(), &assignment).unwrap()];
    let config = config(&[FoldProtocol::Groups]);
    let comparison = compare(&config, &candidates, &pinned, Vec::new(), &go_on).unwrap();
    assert_eq!(comparison.tables[0].rows[0].accuracies.len(), 1);
    assert!(comparison.tables[0].protocol.contains("2 folds given from outside"));
}

#[test]
fn networks_stand_beside_learners() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 1);
    let bayes = pipeline(LearnerConfig::GaussianNaiveBayes(Default::default()));
    let mut set = SpectrogramSet::new(8, table.labels()).unwrap();
    // One track has no spectrogram: the networks do not answer it.
    let tracks: Vec<TrackInfo> = table.tracks()[1..].to_vec();
    for track in &tracks {
        let level = if track.label == "loud" { -10.0 } else { -50.0 };
        let spectrogram = Array2::from_shape_fn((8, 32), |(b, f)| level - ((b * 5 + f * 3) % 7) as f32);
        set.push(&spectrogram, usize::from(track.label == "loud")).unwrap();
    }
    let member = |name: &str| Member {
        name: name.to_owned(),
        architecture: Architecture::CompactCnn(CompactCnnConfig {
            bands: 8,
            bands_per_group: 2,
            channels: vec![4, 4],
            dropout: 0.2,
            crop_frames: 16,
        }),
        training: TrainConfig { epochs: 1, crop_frames: 16, ..TrainConfig::default() },
        trunk: None,
        copies: 1,
        excerpts: 1,
    };
    let members = [member("one"), member("two")];
    let candidates = [
        Candidate::Classic { name: "bayes", parameters: &bayes, table: &table },
        Candidate::Network { name: "nets", members: &members, set: &set, tracks: &tracks },
    ];
    let mut config = config(&[FoldProtocol::Groups, FoldProtocol::SegmentRandomLeaky]);
    config.seeds = 1;
    let comparison = compare(&config, &candidates, &[], Vec::new(), &go_on).unwrap();
    let names: Vec<&str> = comparison.tables[0].rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["bayes", "nets", "nets: one", "nets: two"]);
    assert_eq!(comparison.tables[0].rows[1].n_rows, 39);
    assert!(comparison.tables[0].rows[1].fit_seconds > 0.0);
    assert_eq!(comparison.tables[1].rows.len(), 1, "networks hear tracks, whose rows cannot be divided");

    let stop = |_: &str, metrics: Option<&EpochMetrics>| match metrics {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    };
    let stopped = compare(&config, &candidates[1..], &[], Vec::new(), &stop);
    assert!(matches!(stopped, Err(TrainError::Stopped)));
}

#[test]
fn quoted_figures_are_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quoted.toml");
    let text = "[[result]]\nname = \"SVM\"\naccuracy = 0.5\nfit_seconds = 280\nprotocol = \"tracks at random\"\n\
                source = \"a paper\"\n";
    std::fs::write(&path, text).unwrap();
    let quoted = Baseline::open(&path).unwrap();
    let table = table(folder.path(), 1);
    let bayes = pipeline(LearnerConfig::GaussianNaiveBayes(Default::default()));
    let candidates = [Candidate::Classic { name: "bayes", parameters: &bayes, table: &table }];
    let comparison = compare(&config(&[FoldProtocol::Groups]), &candidates, &[], quoted, &go_on).unwrap();
    for text in [comparison.to_string(), comparison.to_markdown()] {
        assert!(
            text.contains("SVM (quoted)") && text.contains("4 m 40 s") && text.contains("a paper"),
            "{text}"
        );
    }
    assert!(comparison.to_csv().contains("\"quoted: tracks at random; a paper\""));
    std::fs::write(&path, "[[result]]\nname = \"SVM\"\n").unwrap();
    assert!(Baseline::open(&path).unwrap_err().to_string().contains("quoted.toml"));
}

#[test]
fn faults_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 1);
    let bayes = pipeline(LearnerConfig::GaussianNaiveBayes(Default::default()));
    let candidates = [Candidate::Classic { name: "bayes", parameters: &bayes, table: &table }];
    let groups = config(&[FoldProtocol::Groups]);
    assert!(compare(&groups, &[], &[], Vec::new(), &go_on).is_err());
    let none = CompareConfig { seeds: 0, ..groups.clone() };
    assert!(compare(&none, &candidates, &[], Vec::new(), &go_on).unwrap_err().to_string().contains("seeds"));
    let one = CompareConfig { n_folds: 1, ..groups.clone() };
    assert!(compare(&one, &candidates, &[], Vec::new(), &go_on).is_err());
    let calm = table.clone().retain_tracks(|t| t.label == "calm");
    let mixed = [candidates[0], Candidate::Classic { name: "calm", parameters: &bayes, table: &calm }];
    assert!(compare(&groups, &mixed, &[], Vec::new(), &go_on).unwrap_err().to_string().contains("classes"));
    assert!("random".parse::<FoldProtocol>().is_err());
    assert_eq!("groups".parse::<FoldProtocol>().unwrap(), FoldProtocol::Groups);
}
