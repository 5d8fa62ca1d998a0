//! Metrics against scikit-learn's numbers (`golden/make_metrics.py`) and against their definitions.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test says what must hold")]

use ndarray::{Array2, array};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde::Deserialize;
use timbral_eval::{
    BootstrapConfig, ConfusionMatrix, Interval, Predictions, Report, ReportSource, bootstrap, mcnemar,
};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    mcnemar: Vec<McNemarCase>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    truth: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    accuracy: f64,
    balanced_accuracy: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<u64>,
    #[serde(rename = "macro")]
    macro_average: [f64; 3],
    weighted: [f64; 3],
    confusion: Vec<Vec<u64>>,
    roc_auc: Vec<Option<f64>>,
    average_precision: Vec<Option<f64>>,
    log_loss: f64,
    brier: f64,
    ece: f64,
    mce: f64,
    top_k: std::collections::BTreeMap<usize, f64>,
}

#[derive(Deserialize)]
struct McNemarCase {
    only_first: usize,
    only_second: usize,
    p_value: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/metrics.json")).unwrap()
}

fn predictions(case: &Case) -> Predictions {
    let shape = (case.probabilities.len(), case.probabilities[0].len());
    let values = case.probabilities.concat();
    Predictions::new(case.truth.clone(), Array2::from_shape_vec(shape, values).unwrap()).unwrap()
}

#[track_caller]
fn close(case: &str, what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-12, "{case}, {what}: {ours} is not {theirs}");
}

#[track_caller]
fn all_close(case: &str, what: &str, ours: &[Option<f64>], theirs: &[Option<f64>]) {
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(theirs) {
        match (a, b) {
            (Some(a), Some(b)) => close(case, what, *a, *b),
            _ => assert_eq!(a, b, "{case}, {what}"),
        }
    }
}

#[test]
fn metrics_equal_scikit_learns() {
    let golden = golden();
    assert_eq!(golden.cases.len(), 5);
    for case in &golden.cases {
        let p = predictions(case);
        let name = case.name.as_str();
        let confusion = p.confusion().unwrap();
        close(name, "accuracy", p.accuracy(), case.accuracy);
        close(name, "accuracy", confusion.accuracy(), case.accuracy);
        close(name, "balanced accuracy", confusion.balanced_accuracy(), case.balanced_accuracy);
        let counts: Vec<Vec<u64>> = confusion.counts().rows().into_iter().map(|r| r.to_vec()).collect();
        assert_eq!(counts, case.confusion, "{name}");
        for (i, scores) in confusion.per_class().iter().enumerate() {
            close(name, "precision", scores.precision, case.precision[i]);
            close(name, "recall", scores.recall, case.recall[i]);
            close(name, "f1", scores.f1, case.f1[i]);
            assert_eq!(scores.support, case.support[i], "{name}");
        }
        let averages =
            [(confusion.macro_average(), case.macro_average), (confusion.weighted_average(), case.weighted)];
        for (ours, theirs) in averages {
            close(name, "mean precision", ours.precision, theirs[0]);
            close(name, "mean recall", ours.recall, theirs[1]);
            close(name, "mean f1", ours.f1, theirs[2]);
        }
        all_close(name, "ROC-AUC", &p.roc_auc(), &case.roc_auc);
        all_close(name, "average precision", &p.average_precision(), &case.average_precision);
        close(name, "log loss", p.log_loss(), case.log_loss);
        close(name, "Brier", p.brier(), case.brier);
        close(name, "ECE", p.expected_calibration_error(15), case.ece);
        close(name, "MCE", p.maximum_calibration_error(15), case.mce);
        for (&k, &share) in &case.top_k {
            close(name, "top k", p.top_k_accuracy(k), share);
        }
    }
}

#[test]
fn mcnemar_equals_the_binomial_test() {
    for case in golden().mcnemar {
        let mut first = vec![true; case.only_first];
        let mut second = vec![false; case.only_first];
        first.extend(vec![false; case.only_second]);
        second.extend(vec![true; case.only_second]);
        first.extend([true, false]);
        second.extend([true, false]);
        let result = mcnemar(&first, &second).unwrap();
        assert_eq!((result.only_first, result.only_second), (case.only_first, case.only_second));
        let error = (result.p_value - case.p_value).abs();
        assert!(error <= 1e-9 * case.p_value, "{} is not {}", result.p_value, case.p_value);
    }
    assert!(mcnemar(&[true], &[]).is_err());
}

#[test]
fn windows_are_averaged_over_their_track() {
    let probabilities = array![[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]];
    let windows = Predictions::new(vec![0, 1, 0, 1], probabilities).unwrap();
    let tracks = windows.by_track(&["a", "b", "a", "b"]).unwrap();
    assert_eq!(tracks.track_ids, ["a", "b"]);
    assert_eq!(tracks.predictions.truth(), [0, 1]);
    let expected = array![[0.6, 0.4], [0.3, 0.7]];
    assert!((tracks.predictions.probabilities() - &expected).iter().all(|d| d.abs() < 1e-15));
    assert_eq!((windows.accuracy(), tracks.predictions.accuracy()), (0.75, 1.0));
    assert!(windows.by_track(&["a", "a", "b", "b"]).is_err(), "one track, two classes");
    assert!(windows.by_track(&["a"]).is_err());
}

#[test]
fn bad_predictions_are_refused() {
    let refuse = |truth: Vec<usize>, p: Array2<f64>| Predictions::new(truth, p).unwrap_err().to_string();
    assert!(refuse(vec![], Array2::zeros((0, 3))).contains("0 rows and 3 classes"));
    assert!(refuse(vec![0], Array2::zeros((2, 3))).contains("1 true classes and 2 rows"));
    assert!(refuse(vec![3], Array2::zeros((1, 3))).contains("true class 3"));
    assert!(refuse(vec![0], array![[f64::NAN, 1.0]]).contains("NaN"));
    assert!(refuse(vec![0], array![[-0.5, 1.0]]).contains("-0.5"));
    assert!(ConfusionMatrix::new(&[0, 1], &[0], 2).is_err());
    assert!(ConfusionMatrix::new(&[0, 2], &[0, 0], 2).is_err());
}

#[test]
fn intervals_are_those_of_the_binomial_distribution() {
    // 80 % of 290: the normal approximation gives 0.80 -+ 1.96 sqrt(0.8 x 0.2 / 290) = 0.754 to 0.846.
    let correct: Vec<bool> = (0..290).map(|i| i % 5 != 0).collect();
    let units: Vec<Vec<usize>> = (0..290).map(|i| vec![i]).collect();
    let accuracy = |rows: &[usize]| rows.iter().filter(|&&i| correct[i]).count() as f64 / rows.len() as f64;
    let interval = bootstrap(&units, &BootstrapConfig::default(), accuracy).unwrap();
    assert!((interval.low - 0.754).abs() < 0.004 && (interval.high - 0.846).abs() < 0.004, "{interval:?}");
    // The same rows drawn ten at a time, all right or all wrong, vary sqrt(10) times as much.
    let clumped: Vec<bool> = (0..290).map(|i| (i / 10) % 5 != 0).collect();
    let groups: Vec<Vec<usize>> = (0..29).map(|g| (10 * g..10 * (g + 1)).collect()).collect();
    let accuracy = |rows: &[usize]| rows.iter().filter(|&&i| clumped[i]).count() as f64 / rows.len() as f64;
    let wide = bootstrap(&groups, &BootstrapConfig::default(), accuracy).unwrap();
    let widening = (wide.high - wide.low) / (interval.high - interval.low);
    assert!((2.8..3.5).contains(&widening), "{widening}");
}

#[test]
fn a_seed_fixes_an_interval_on_any_number_of_threads() {
    let units: Vec<Vec<usize>> = (0..50).map(|i| vec![i]).collect();
    let mean = |rows: &[usize]| rows.iter().sum::<usize>() as f64;
    let run = |threads, seed| {
        let config = BootstrapConfig { draws: 500, seed, ..BootstrapConfig::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bootstrap(&units, &config, mean).unwrap())
    };
    assert_eq!(run(1, 3), run(4, 3));
    assert_ne!(run(1, 3), run(1, 4));
    let refuse = |config| bootstrap(&units, &config, mean).unwrap_err().to_string();
    assert!(refuse(BootstrapConfig { draws: 0, ..BootstrapConfig::default() }).contains("draws is 0"));
    assert!(refuse(BootstrapConfig { level: 1.0, ..BootstrapConfig::default() }).contains("level is 1"));
    assert!(bootstrap(&[], &BootstrapConfig::default(), mean).is_err());
}

#[test]
fn reports_hold_all_and_survive_json() {
    let case = &golden().cases[0];
    let labels: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let groups: Vec<String> = (0..case.truth.len()).map(|i| format!("artist {}", i / 3)).collect();
    let source = ReportSource {
        title: "a model",
        unit: "track",
        labels: &labels,
        groups: &groups,
        protocol: Some("track-random (artist-leaky, seed 1)"),
        leaky: true,
        split_hash: Some("0123456789abcdef"),
    };
    let config = BootstrapConfig { draws: 1000, ..BootstrapConfig::default() };
    let report = Report::new(&predictions(case), &source, &config).unwrap();
    assert_eq!(report.accuracy, case.accuracy);
    assert!((report.macro_f1 - case.macro_average[2]).abs() < 1e-12);
    let Interval { low, high } = report.macro_f1_interval;
    assert!(low < report.macro_f1 && report.macro_f1 < high);
    assert!(report.leaky);
    let text = report.to_string();
    assert!(text.contains("LEAKY") && text.contains("split 0123456789ab\n"), "{text}");
    assert!(text.lines().any(|l| l.starts_with("weighted") && l.ends_with("120")), "{text}");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let report = report.with_times(Some(std::time::Duration::from_millis(1500)), None);
    report.save(&path).unwrap();
    assert_eq!(Report::load(&path).unwrap(), report);
    assert!(report.to_string().contains("1.50 s of fitting\n"));
    let table = report.to_markdown();
    assert!(
        table.starts_with("LEAKY") && table.contains("| truth \\ answer | a | b | c | d | e |"),
        "{table}"
    );
    let wrong = ReportSource { labels: &labels[..4], ..source };
    assert!(Report::new(&predictions(case), &wrong, &config).is_err());
    let wrong = ReportSource { groups: &groups[..4], ..source };
    assert!(Report::new(&predictions(case), &wrong, &config).is_err());
}

#[test]
fn intervals_of_a_report_are_bootstraps_of_its_scores() {
    for case in &golden().cases {
        let p = predictions(case);
        let labels: Vec<String> = (0..p.n_classes()).map(|i| i.to_string()).collect();
        let groups: Vec<String> = (0..p.len()).map(|i| format!("artist {}", (i * 7) % 11)).collect();
        let source = ReportSource {
            title: "",
            unit: "track",
            labels: &labels,
            groups: &groups,
            protocol: None,
            leaky: false,
            split_hash: None,
        };
        let config = BootstrapConfig { draws: 100, ..BootstrapConfig::default() };
        let report = Report::new(&p, &source, &config).unwrap();
        let mut names: Vec<&String> = groups.iter().collect();
        names.sort();
        names.dedup();
        let mut units: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
        for (row, group) in groups.iter().enumerate() {
            units[names.binary_search(&group).unwrap()].push(row);
        }
        let mean = |values: Vec<Option<f64>>| {
            let known: Vec<f64> = values.into_iter().flatten().collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        // Slow and plain: the metric of the drawn rows, which are sorted anew each time.
        let of = |statistic: &(dyn Fn(&Predictions) -> f64 + Sync)| {
            bootstrap(&units, &config, |rows| statistic(&p.select(rows).unwrap())).unwrap()
        };
        let same = |what: &str, ours: Option<Interval>, expected: Interval| {
            let ours = ours.unwrap();
            close(&case.name, what, ours.low, expected.low);
            close(&case.name, what, ours.high, expected.high);
        };
        same("accuracy", report.group_interval, of(&Predictions::accuracy));
        let f1 = |p: &Predictions| p.confusion().unwrap().macro_average().f1;
        same("macro-F1", report.macro_f1_group_interval, of(&f1));
        same("ROC-AUC", report.roc_auc_group_interval, of(&|p| mean(p.roc_auc())));
        let precision = of(&|p| mean(p.average_precision()));
        same("average precision", report.average_precision_group_interval, precision);
        close(&case.name, "MCE", report.maximum_calibration_error, case.mce);
    }
}

#[test]
fn windows_stand_beside_their_tracks() {
    let windows = Predictions::new(
        vec![0, 0, 1, 1, 1, 0],
        array![[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9], [0.3, 0.7]],
    )
    .unwrap();
    let ids = ["a", "a", "b", "b", "c", "d"];
    let tracks = windows.by_track(&ids).unwrap();
    let labels = ["x".to_owned(), "y".to_owned()];
    let source = ReportSource {
        title: "",
        unit: "track",
        labels: &labels,
        groups: &[],
        protocol: None,
        leaky: false,
        split_hash: None,
    };
    let config = BootstrapConfig::default();
    let report = Report::new(&tracks.predictions, &source, &config).unwrap();
    let refused = report.clone().with_windows(&windows, &ids[1..], &[], &config);
    assert!(refused.is_err());
    let report = report.with_windows(&windows, &ids, &[], &config).unwrap();
    let of_windows = report.windows.as_ref().unwrap();
    assert_eq!((report.n_rows, of_windows.n_rows), (4, 6));
    assert_eq!((report.accuracy, of_windows.accuracy), (0.75, 0.5));
    // Tracks are drawn whole: in no draw do the two windows of a track part.
    let units = [vec![0, 1], vec![2, 3], vec![4], vec![5]];
    let right = windows.correct();
    let expected = bootstrap(&units, &config, |rows| {
        rows.iter().filter(|&&i| right[i]).count() as f64 / rows.len() as f64
    });
    assert_eq!(of_windows.interval, expected.unwrap());
    assert!(report.to_string().contains("6 windows"));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

/// ROC-AUC by its meaning: the share of pairs in which the positive scores higher.
fn auc_of_pairs(truth: &[usize], scores: &[f64]) -> Option<f64> {
    let of = |class| (0..truth.len()).filter(move |&i| (truth[i] == 1) == class).map(|i| scores[i]);
    let (mut sum, mut pairs) = (0.0, 0.0);
    for p in of(true) {
        for n in of(false) {
            sum += if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    (pairs > 0.0).then(|| sum / pairs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn auc_is_the_share_of_ordered_pairs(rows in prop::collection::vec((0_usize..2, 0_u8..12), 1..60)) {
        let truth: Vec<usize> = rows.iter().map(|r| r.0).collect();
        let scores: Vec<f64> = rows.iter().map(|r| f64::from(r.1) / 11.0).collect();
        let p = Array2::from_shape_fn((rows.len(), 2), |(i, c)| if c == 1 { scores[i] } else { 1.0 - scores[i] });
        let ours = Predictions::new(truth.clone(), p).unwrap().roc_auc()[1];
        match (ours, auc_of_pairs(&truth, &scores)) {
            (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-12),
            (a, b) => prop_assert_eq!(a, b),
        }
    }
}
