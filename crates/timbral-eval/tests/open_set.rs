//! Open set and calibration: scikit-learn's numbers, and data that is made so that the answer is known.
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
use timbral_eval::calibration::RejectionScores;
use timbral_eval::open_set::{energy_score, fpr_at_tpr, open_set_auroc, risk_coverage, threshold_at_tpr};
use timbral_eval::{Calibration, EvalError, OpenSetReport, Predictions};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    known: Vec<f64>,
    outside: Vec<f64>,
    auroc: f64,
    fpr_at_95_tpr: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/open_set.json")).unwrap()
}

#[test]
fn scores_equal_scikit_learns() {
    let cases = golden().cases;
    assert_eq!(cases.len(), 5);
    for case in cases {
        let name = &case.name;
        let auroc = open_set_auroc(&case.known, &case.outside).unwrap();
        assert!((auroc - case.auroc).abs() < 1e-12, "{name}: {auroc} is not {}", case.auroc);
        let fpr = fpr_at_tpr(&case.known, &case.outside, 0.95).unwrap();
        assert!((fpr - case.fpr_at_95_tpr).abs() < 1e-12, "{name}: {fpr} is not {}", case.fpr_at_95_tpr);
        let report = OpenSetReport::new(name, &case.known, &case.outside, Some(f64::INFINITY)).unwrap();
        assert_eq!((report.auroc, report.fpr_at_95_tpr), (auroc, fpr));
        assert_eq!((report.false_rejection_rate, report.true_rejection_rate), (Some(1.0), Some(1.0)));
        assert!(report.to_string().contains("AUROC"));
    }
}

#[test]
fn a_threshold_keeps_what_was_asked_for() {
    let scores: Vec<f64> = (0..20).map(f64::from).collect();
    for (keep, threshold) in [(1.0, 0.0), (0.95, 1.0), (0.951, 0.0), (0.5, 10.0), (0.01, 19.0)] {
        assert_eq!(threshold_at_tpr(&scores, keep).unwrap(), threshold, "{keep}");
    }
    // Among equal scores all are kept.
    assert_eq!(threshold_at_tpr(&[2.0, 1.0, 1.0, 1.0], 0.5).unwrap(), 1.0);
    for keep in [0.0, 1.1, f64::NAN] {
        assert!(threshold_at_tpr(&scores, keep).is_err());
    }
    assert!(threshold_at_tpr(&[], 0.5).is_err());
    assert!(open_set_auroc(&[1.0], &[f64::NAN]).is_err());
}

#[test]
fn energies_by_hand() {
    let by_definition = |logits: &[f64], t: f64| t * logits.iter().map(|l| (l / t).exp()).sum::<f64>().ln();
    for t in [0.5, 1.0, 3.0] {
        let logits = [1.0, -2.0, 0.5];
        assert!((energy_score(&logits, t) - by_definition(&logits, t)).abs() < 1e-12);
    }
    assert!((energy_score(&[1000.0, 1000.0], 1.0) - 1000.0 - 2f64.ln()).abs() < 1e-9);
    // Why model files do not offer it.
    assert!(energy_score(&[0.7f64.ln(), 0.2f64.ln(), 0.1f64.ln()], 1.0).abs() < 1e-12);
}

#[test]
fn risk_falls_with_coverage_where_scores_tell() {
    let curve = risk_coverage(&[0.9, 0.8, 0.8, 0.1], &[true, true, false, false]).unwrap();
    let points: Vec<_> = curve.iter().map(|p| (p.threshold, p.coverage, p.risk)).collect();
    assert_eq!(points, [(0.9, 0.25, 0.0), (0.8, 0.75, 1.0 / 3.0), (0.1, 1.0, 0.5)]);
    assert!(risk_coverage(&[0.5], &[]).is_err());
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
fn the_temperature_that_was_put_in_is_found_and_the_error_falls() {
    let n = 2000;
    let folds: Vec<usize> = (0..n).map(|row| row % 5).collect();
    // Flattened by 2: dividing by 1/2 brings the drawn probabilities back.
    let calibration = Calibration::fit(&drawn(n, 2.0), &folds, None, 0.9).unwrap();
    assert!((calibration.temperature - 0.5).abs() < 0.05, "{calibration}");
    assert!(calibration.error_after < calibration.error_before / 3.0, "{calibration}");
    assert!(calibration.log_loss_after < calibration.log_loss_before);
    assert!((calibration.false_rejection_rate - 0.1).abs() < 0.02, "{calibration}");
    assert_eq!(calibration.score, "margin");
    assert!(
        calibration.selective_accuracy.unwrap() > calibration.accuracy,
        "confident predictions are right"
    );
}

#[test]
fn a_calibration_is_refused_what_it_cannot_be_fitted_to() {
    let predictions = drawn(40, 1.0);
    let folds: Vec<usize> = (0..40).map(|row| row % 4).collect();
    let fit = |folds: &[usize], scores, tpr| Calibration::fit(&predictions, folds, scores, tpr).unwrap_err();
    assert!(matches!(fit(&folds[1..], None, 0.9), EvalError::Shape { .. }));
    assert!(matches!(fit(&[0; 40], None, 0.9), EvalError::Shape { .. }));
    assert!(matches!(fit(&folds, None, 0.0), EvalError::Config { .. }));
    let scores = RejectionScores { name: "distance", scores: &[0.0; 3] };
    assert!(matches!(fit(&folds, Some(scores), 0.9), EvalError::Shape { .. }));
}
