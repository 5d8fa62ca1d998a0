//! Statistics of spectrograms: as columns of a table, and as what a classic member is fitted on.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::ControlFlow;

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_data::{Folds, TrackInfo};
use timbral_features::log_mel_statistics::LogMelStatisticsConfig;
use timbral_train::training::{EpochMetrics, RunSummary, statistics_table};
use timbral_train::{Member, RunConfig, SpectrogramSet, TrainError, cross_validate, fit_ensemble};

const BANDS: usize = 16;

fn statistics() -> LogMelStatisticsConfig {
    LogMelStatisticsConfig {
        bands: BANDS,
        coefficients: 8,
        correlated: 4,
        bands_per_group: 4,
        modulation_frames: 8,
        modulation_bins: 3,
        skewness: true,
        ..LogMelStatisticsConfig::default()
    }
}

/// Two classes told apart by a loud band, 40 frames a track, and their tracks.
fn data() -> (SpectrogramSet, Vec<TrackInfo>) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut set = SpectrogramSet::new(BANDS, vec!["high".to_owned(), "low".to_owned()]).unwrap();
    let mut tracks = Vec::new();
    for i in 0..12 {
        let class = i % 2;
        let values = Array2::from_shape_fn((BANDS, 40), |(band, _)| {
            let loud = band == [13, 2][class];
            rng.random_range(-60.0f32..-40.0) + if loud { 25.0 } else { 0.0 }
        });
        set.push(&values, class).unwrap();
        let track = TrackInfo::new(format!("track.{i}"), ["high", "low"][class]);
        tracks.push(TrackInfo { artist: Some(format!("artist {}", i / 2)), ..track });
    }
    (set, tracks)
}

fn member(excerpts: usize) -> Member {
    let text = format!(
        r#"
        name = "logistic"
        excerpts = {excerpts}
        [architecture]
        type = "classic"
        statistics = {{ bands = 16, coefficients = 8, correlated = 4, bands_per_group = 4, modulation_frames = 8, modulation_bins = 3, skewness = true }}
        [architecture.pipeline]
        transformers = [{{ standard = {{}} }}]
        learner = {{ logistic_regression = {{ c = 1.0 }} }}
        "#
    );
    toml::from_str(&text).unwrap()
}

fn go_on(_: &str, _: &EpochMetrics) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn every_statistic_is_a_column_of_its_block() {
    let (set, tracks) = data();
    let config = statistics();
    let table = statistics_table(&config, &set, &tracks).unwrap();
    assert_eq!(table.values().dim(), (12, config.len()));
    let bands = table.clone().retain_columns(|name| name.starts_with("bands_"));
    assert_eq!(bands.columns().len(), 4 * BANDS);
    // The first statistics are the means of the bands: the loud one stands out.
    let loudest = |row: usize| {
        let means = &bands.values().row(row).to_vec()[..BANDS];
        (0..BANDS).max_by(|&a, &b| means[a].total_cmp(&means[b])).unwrap()
    };
    assert_eq!((loudest(0), loudest(1)), (13, 2));
    assert!(statistics_table(&config, &set, &tracks[1..]).is_err());
}

#[test]
fn tables_are_joined_by_track() {
    let (set, tracks) = data();
    let table = statistics_table(&statistics(), &set, &tracks).unwrap();
    let left = table.clone().retain_columns(|name| name == "bands_3");
    let right = table.clone().retain_columns(|name| name == "cepstra_0");
    let right = right.retain_tracks(|track| track.track_id != "track.4");
    let joined = left.clone().join(&right).unwrap();
    assert_eq!(joined.columns(), ["bands_3", "cepstra_0"]);
    assert_eq!(joined.values().nrows(), 11);
    let at = table.columns().iter().position(|name| name == "cepstra_0").unwrap();
    // The rows behind the one that is missing are those of their own track.
    assert_eq!(joined.tracks()[4].track_id, "track.5");
    assert_eq!(joined.values()[(4, 1)], table.values()[(5, at)]);
    let twice = left.clone().join(&table).unwrap_err().to_string();
    assert!(twice.contains("bands_3"), "{twice}");
}

#[test]
fn excerpts_are_further_rows_to_fit_on() {
    let (set, tracks) = data();
    let all: Vec<usize> = (0..set.len()).collect();
    let weights = |excerpts| {
        let (_, tensors) = fit_ensemble(&[member(excerpts)], &set, &all, 1, None, &go_on).unwrap();
        let bytes = tensors.into_iter().map(|(name, tensor)| {
            let values = tensor.to_dtype(candle_core::DType::F64).unwrap();
            (name, values.flatten_all().unwrap().to_vec1::<f64>().unwrap())
        });
        bytes.collect::<Vec<_>>()
    };
    // The scaler has seen other rows, and the same fit is the same to the bit.
    assert_ne!(weights(1), weights(2));
    assert_eq!(weights(2), weights(2));

    let folds = Folds::stratified_group(&tracks, 3, 0).unwrap();
    let members = [member(2)];
    let cv = cross_validate(&members, (&set, &tracks), &folds, 1, None, &go_on).unwrap();
    // Tracks that are tested on answer as a whole, once.
    assert_eq!(cv.ensemble.dim(), (12, 2));
    assert_eq!(cv.members[0].seeds.dim(), (1, 12, 2));
    let report = cv.report("test", &set, &tracks, &folds).unwrap();
    assert!(report.accuracy > 0.8, "{}", report.accuracy);
    assert!(report.predict_seconds.is_some_and(|seconds| seconds > 0.0));
    assert_eq!(report.protocol.as_deref(), Some("stratified group 3-fold, all folds (seed 0)"));
    assert!(report.to_string().contains("stratified group 3-fold, all folds (seed 0)"));

    let csv = cv.to_csv(&members, &set, &tracks).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("track_id,label,network,high,low"));
    let first = &tracks[cv.tracks[0]];
    let start = format!("{},{},logistic-0,{}", first.track_id, first.label, cv.ensemble[(0, 0)]);
    assert!(lines.next().unwrap().starts_with(&start));
    assert_eq!(lines.count(), 2 * 12 - 1);
    assert!(cv.to_csv(&[], &set, &tracks).is_err());
}

#[test]
fn excerpts_of_networks_are_refused() {
    let (set, _) = data();
    let all: Vec<usize> = (0..set.len()).collect();
    let text =
        "name = \"net\"\nexcerpts = 2\n[architecture]\ntype = \"compact_cnn\"\nbands = 16\nchannels = [4]\n";
    let network: Member = toml::from_str(text).unwrap();
    for member in [network, member(0), member(17)] {
        let error = fit_ensemble(&[member], &set, &all, 1, None, &go_on).unwrap_err();
        assert!(matches!(error, TrainError::Config { ref field, .. } if field == "excerpts"), "{error}");
    }
}

#[test]
fn the_folder_of_a_run_becomes_a_line() {
    let (set, tracks) = data();
    let folder = tempfile::tempdir().unwrap();
    let config = "name = \"A | run\"\nlicence = \"x\"\ntraining_data = \"x\"\naggregation = \"mean\"\n\
                  [front_end]\nwindow_seconds = 3.0\nhop_seconds = 3.0\n[front_end.log_mel]\n\
                  [[members]]\nname = \"net\"\ncopies = 2\n[members.architecture]\ntype = \"compact_cnn\"\nchannels = [4]\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    assert!(RunSummary::read(folder.path()).is_err());
    let folds = Folds::stratified_group(&tracks, 3, 0).unwrap();
    let cv = cross_validate(&[member(1)], (&set, &tracks), &folds, 1, None, &go_on).unwrap();
    let report = cv.report("test", &set, &tracks, &folds).unwrap();
    report.save(folder.path().join("report.json")).unwrap();
    std::fs::create_dir(folder.path().join("metrics")).unwrap();
    std::fs::write(folder.path().join("metrics/net-0.csv"), "epoch,seconds\n1,2.5\n2,2.0\n3,9\n").unwrap();
    let run = RunSummary::read(folder.path()).unwrap();
    assert_eq!(run.seconds_per_pass, Some(2.5));
    let config = RunConfig::read(folder.path().join("config.toml")).unwrap();
    let one = config.members[0].architecture.summary(2, 128).unwrap().weights();
    assert_eq!(run.weights, Some(2 * one));
    let table = RunSummary::markdown(&[run]);
    let line = table.lines().nth(2).unwrap();
    let percent = format!("{:.1}", 100.0 * report.accuracy);
    assert!(line.starts_with(&format!("| A \\| run | {percent} | ")), "{line}");
    assert!(line.contains(" | 2.5 | "), "{line}");
}
