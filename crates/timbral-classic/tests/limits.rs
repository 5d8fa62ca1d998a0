//! Data at the edge of what makes sense: each learner answers or names what is wrong, and never panics.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

mod common;

use common::{Noise, all_learners, clouds, pipeline};
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use timbral_classic::{
    ClassWeight, ClassicError, Components, Config, FeatureScore, Gamma, GradientBoostingConfig, Kernel,
    Learner, LearnerConfig, LogisticRegressionConfig, PcaConfig, PipelineConfig, Predictor,
    SelectKBestConfig, SvcConfig, Transformer, TransformerConfig, f_classif, mutual_info_classif,
};

fn every_transformer() -> Vec<TransformerConfig> {
    use TransformerConfig as T;
    let mutual =
        SelectKBestConfig { k: 2, score: FeatureScore::MutualInformation { n_neighbors: 3, seed: 0 } };
    vec![
        T::Standard(Default::default()),
        T::MinMax(Default::default()),
        T::Power(Default::default()),
        T::SelectKBest(Default::default()),
        T::SelectKBest(mutual),
        T::Pca(PcaConfig { components: Components::Variance(0.9), whiten: true }),
    ]
}

fn is_sound(p: &Array2<f64>) -> bool {
    p.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-9 && row.iter().all(|p| *p >= 0.0))
}

#[test]
fn one_row_of_each_class_is_enough() {
    let x = array![[0.0, 1.0], [5.0, -1.0], [9.0, 0.0]];
    for (name, learner) in all_learners() {
        let model = pipeline(learner).check().unwrap().fit(x.view(), &[2, 0, 1], 3).unwrap();
        let p = model.predict_proba(x.view()).unwrap();
        assert!(is_sound(&p), "{name}: {p}");
    }
}

#[test]
fn more_features_than_rows() {
    let (x, y) = clouds(24, 1500, 3, 0.6, 21);
    let (train, test) = x.view().split_at(Axis(0), 18);
    for (name, learner) in all_learners() {
        let learner = match learner {
            LearnerConfig::GradientBoosting(p) => {
                LearnerConfig::GradientBoosting(GradientBoostingConfig { min_child_weight: 0.0, ..p })
            }
            other => other,
        };
        let model = pipeline(learner).check().unwrap().fit(train, &y[..18], 3).unwrap();
        let hits = model.predict(test).unwrap().iter().zip(&y[18..]).filter(|(a, b)| a == b).count();
        assert!(hits >= 5 || name == "boosting", "{name}: {hits} of 6");
        assert!(is_sound(&model.predict_proba(test).unwrap()), "{name}");
    }
    for transformer in every_transformer() {
        let fitted = transformer.check().unwrap().fit(train, &y[..18], 3).unwrap();
        assert!(fitted.transform(test).unwrap().iter().all(|v| v.is_finite()), "{fitted:?}");
    }
}

#[test]
fn what_cannot_be_fitted_is_an_error() {
    let (x, y) = clouds(12, 2, 2, 1.0, 22);
    let mut with_nan = x.clone();
    with_nan[(3, 1)] = f64::NAN;
    let empty = Array2::zeros((0, 2));
    for transformer in every_transformer() {
        let transformer = transformer.check().unwrap();
        assert!(matches!(transformer.fit(with_nan.view(), &y, 2), Err(ClassicError::Data { .. })));
        assert!(matches!(transformer.fit(empty.view(), &[], 2), Err(ClassicError::Data { .. })));
        let fitted = transformer.fit(x.view(), &y, 2).unwrap();
        assert!(fitted.transform(with_nan.view()).is_err());
        assert_eq!(fitted.transform(empty.view()).unwrap().nrows(), 0);
    }
    assert!(f_classif(x.view(), &[0; 12], 2).is_err(), "one class");
    assert!(f_classif(x.view().split_at(Axis(0), 2).0, &[0, 1], 2).is_err(), "as many classes as rows");
    assert!(mutual_info_classif(x.view(), &y, 2, 0, 0).is_err());
    let weights = SvcConfig { class_weight: ClassWeight::Given(vec![1.0]), ..Default::default() };
    assert!(weights.check().unwrap().fit(x.view(), &y, 2).is_err());
    // Kernel values that no number can hold.
    let huge = x.mapv(|v| v * 1e160);
    for kernel in [Kernel::Linear, Kernel::Rbf { gamma: Gamma::Auto }] {
        let svc = SvcConfig { kernel, ..Default::default() }.check().unwrap();
        let error = svc.fit(huge.view(), &y, 2).unwrap_err().to_string();
        assert!(error.contains("scale the features"), "{error}");
    }
}

#[test]
fn selection_keeps_what_tells_the_classes_apart() {
    let mut noise = Noise(23);
    let y: Vec<usize> = (0..120).map(|i| i % 2).collect();
    // Column 4 differs in its mean; column 1 in its spread alone, which only mutual information sees; 2 is constant.
    let x = Array2::from_shape_fn((120, 6), |(i, j)| {
        let v = noise.next();
        match j {
            1 => v * if y[i] == 0 { 0.05 } else { 4.0 },
            2 => -3.5,
            4 => v + 3.0 * y[i] as f64,
            _ => v,
        }
    });
    let kept = |k, score| {
        let parameters = SelectKBestConfig { k, score }.check().unwrap();
        parameters.fit(x.view(), &y, 2).unwrap().kept().to_vec()
    };
    assert_eq!(kept(1, FeatureScore::AnovaF), [4]);
    assert_eq!(kept(2, FeatureScore::MutualInformation { n_neighbors: 3, seed: 0 }), [1, 4]);
    assert_eq!(kept(100, FeatureScore::AnovaF), [0, 1, 2, 3, 4, 5]);
    let (f, p) = f_classif(x.view(), &y, 2).unwrap();
    assert_eq!((f[2], p[2]), (0.0, 1.0));
    let select = TransformerConfig::SelectKBest(SelectKBestConfig { k: 1, ..Default::default() });
    let learner = LearnerConfig::LogisticRegression(LogisticRegressionConfig::default());
    let whole = PipelineConfig { transformers: vec![select], learner };
    let model = whole.check().unwrap().fit(x.view(), &y, 2).unwrap();
    let hits = model.predict(x.view()).unwrap().iter().zip(&y).filter(|(a, b)| a == b).count();
    assert!(hits > 105, "{hits}");
}

#[test]
fn trees_of_two_classes_mirror_each_other() {
    let (x, y) = clouds(150, 5, 2, 0.4, 24);
    let parameters = GradientBoostingConfig { n_rounds: 20, row_share: 0.7, ..Default::default() };
    let model = parameters.check().unwrap().fit(x.view(), &y, 2).unwrap();
    let scores = model.decision_function(x.view()).unwrap();
    assert!(scores.rows().into_iter().all(|s| s[0] == -s[1]));
    // The scores that training went on with are those of prediction.
    let p = model.predict_proba(x.view()).unwrap();
    let loss = p.rows().into_iter().zip(&y).map(|(p, &c)| -p[c].ln()).sum::<f64>() / 150.0;
    assert!((loss - model.training_loss()[19]).abs() < 1e-12);
}

#[test]
fn a_limited_number_of_leaves_takes_the_best_splits() {
    let (x, y) = clouds(400, 4, 3, 0.5, 25);
    let fit = |max_leaves, max_depth| {
        let parameters = GradientBoostingConfig { max_leaves, max_depth, n_rounds: 5, ..Default::default() };
        parameters.check().unwrap().fit(x.view(), &y, 3).unwrap()
    };
    // With as many leaves as the depth allows the order of the splits does not matter.
    let values = |m: &timbral_classic::GradientBoosting| m.decision_function(x.view()).unwrap();
    assert!((values(&fit(None, 4)) - values(&fit(Some(16), 4))).iter().all(|d| d.abs() < 1e-12));
    let losses = |m: &timbral_classic::GradientBoosting| *m.training_loss().last().unwrap();
    assert!(losses(&fit(Some(4), 10)) < losses(&fit(Some(2), 10)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: RngSeed::Fixed(4), ..ProptestConfig::default() })]

    #[test]
    fn numbers_of_any_size_bring_no_panic(
        values in prop::collection::vec(prop_oneof![Just(0.0), -1e3_f64..1e3, prop::num::f64::NORMAL], 24),
        other in prop::collection::vec(prop_oneof![Just(0.0), -1e3_f64..1e3, prop::num::f64::NORMAL], 6),
        classes in prop::collection::vec(0_usize..3, 8),
    ) {
        let x = Array2::from_shape_vec((8, 3), values).unwrap();
        let other = Array2::from_shape_vec((2, 3), other).unwrap();
        for (_, learner) in all_learners() {
            if let Ok(model) = learner.check().unwrap().fit(x.view(), &classes, 3) {
                let _ = model.predict(x.view());
                let _ = model.predict_proba(other.view());
            }
        }
        for transformer in every_transformer() {
            if let Ok(fitted) = transformer.check().unwrap().fit(x.view(), &classes, 3) {
                let _ = fitted.transform(other.view());
            }
        }
    }
}
