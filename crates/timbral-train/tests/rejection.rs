//! Rejection by distance: NumPy's numbers, and data that is made so that the answer is known.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test stops at the first surprise"
)]

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use timbral_eval::Predictions;
use timbral_features::log_mel_statistics::CONTOUR_VALUES;
use timbral_model::{Rejection, RejectionScore};
use timbral_train::rejection::{ScoredAnswer, fit_level_distance, open_set_reports};
use timbral_train::{ModelCalibration, TrainError};

#[derive(Deserialize)]
struct Distance {
    contours: Vec<[f64; CONTOUR_VALUES]>,
    classes: Vec<usize>,
    queries: Vec<[f64; CONTOUR_VALUES]>,
    distances: Vec<f64>,
}

#[test]
fn distances_equal_numpys() {
    let Distance { contours, classes, queries, distances } =
        serde_json::from_str(include_str!("golden/level_distance.json")).unwrap();
    let distance = fit_level_distance(&contours, &classes, 3).unwrap();
    for (query, expected) in queries.iter().zip(distances) {
        let given = distance.of(query);
        assert!((given - expected).abs() < 1e-9 * expected, "{given} is not {expected}");
    }
    // Tracks without any difference are no division by zero.
    let flat = fit_level_distance(&[[1.0; CONTOUR_VALUES]; 4], &[0, 1, 0, 1], 2).unwrap();
    assert!(flat.of(&[1.0; CONTOUR_VALUES]).abs() < 1e-9);
    assert!(flat.of(&[9.0; CONTOUR_VALUES]).is_finite());
    assert!(fit_level_distance(&contours, &classes, 4).is_err(), "a class without tracks");
    assert!(fit_level_distance(&contours, &classes[1..], 3).is_err());
    assert!(fit_level_distance(&[[f64::NAN; CONTOUR_VALUES]; 2], &[0, 1], 2).is_err());
}

/// Predictions drawn from their own probabilities, so that temperature 1 is right, then flattened to `temperature`.
fn drawn(n: usize, temperature: f64) -> Predictions {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut truth = Vec::new();
    let mut rows = Array2::zeros((n, 4));
    for mut row in rows.rows_mut() {
        row.mapv_inplace(|_: f64| rng.random_range(-3.0..3.0f64).exp());
        row /= row.sum();
        let mut left = rng.random_range(0.0..1.0);
        let class = row.iter().position(|p| {
            left -= p;
            left < 0.0
        });
        truth.push(class.unwrap_or(3));
        row.mapv_inplace(|p| p.powf(1.0 / temperature));
        row /= row.sum();
    }
    Predictions::new(truth, rows).unwrap()
}

#[test]
fn a_distance_refuses_what_lies_apart() {
    let predictions = drawn(400, 1.0);
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut near =
        |_: usize| -> [f64; CONTOUR_VALUES] { std::array::from_fn(|_| rng.random_range(-1.0..1.0)) };
    let contours: Vec<_> = (0..400).map(&mut near).collect();
    let folds: Vec<usize> = (0..400).map(|row| row % 4).collect();
    let calibration = ModelCalibration::fit(&predictions, &folds, Some(&contours), 0.95).unwrap();
    let RejectionScore::Distance(distance) = &calibration.rejection.score else { panic!("{calibration}") };
    assert!((calibration.calibration.false_rejection_rate - 0.05).abs() < 0.02, "{calibration}");
    assert!(calibration.rejection.rejects(-distance.of(&[5.0; CONTOUR_VALUES])));
    assert!(!calibration.rejection.rejects(-distance.of(&[0.1; CONTOUR_VALUES])));
}

#[test]
fn contours_and_folds_must_belong_to_the_predictions() {
    let predictions = drawn(40, 1.0);
    let folds: Vec<usize> = (0..40).map(|row| row % 4).collect();
    let fit =
        |folds: &[usize], contours: &[_]| ModelCalibration::fit(&predictions, folds, Some(contours), 0.9);
    let few = fit(&folds, &[[0.0; CONTOUR_VALUES]; 3]).unwrap_err();
    assert!(matches!(few, TrainError::Shape { .. }), "{few}");
    let one_fold = fit(&[0; 40], &[[0.0; CONTOUR_VALUES]; 40]).unwrap_err();
    assert!(matches!(one_fold, TrainError::Shape { .. }), "{one_fold}");
}

#[test]
fn every_score_is_reported_and_silence_counts_as_refused() {
    let answer = |p: f32, score: Option<f64>| ScoredAnswer { probabilities: vec![p, 1.0 - p], score };
    let known = [answer(0.9, Some(-1.0)), answer(0.8, Some(-2.0))];
    let outside = [answer(0.95, Some(-9.0)), answer(0.5, None)];
    let rule =
        Rejection { score: RejectionScore::Margin, threshold: -3.0, kept: 0.95, set_on: String::new() };
    let reports = open_set_reports(&known, &outside, Some(&rule)).unwrap();
    let names: Vec<_> = reports.iter().map(|report| report.score.as_str()).collect();
    assert_eq!(names, ["max_probability", "entropy", "margin"]);
    assert_eq!(reports[0].auroc, 0.5);
    assert_eq!(reports[2].auroc, 1.0);
    assert_eq!((reports[2].false_rejection_rate, reports[2].true_rejection_rate), (Some(0.0), Some(1.0)));
    assert_eq!(open_set_reports(&known, &outside, None).unwrap().len(), 3);
}
