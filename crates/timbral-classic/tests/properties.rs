//! What holds for every learner: determinism, probabilities, errors, and definitions checked the slow way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what must hold")]

mod common;

use common::{Noise, all_learners, clouds, pipeline};
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use timbral_classic::{
    ClassicError, Components, Config, Gamma, GaussianNaiveBayesConfig, GradientBoostingConfig,
    KNeighborsConfig, Kernel, Learner, LearnerConfig, LogisticRegressionConfig, MaxFeatures, PcaConfig,
    Penalty, Pipeline, PipelineConfig, PowerTransformerConfig, Predictor, RandomForestConfig, Stacking,
    StackingConfig, StandardScalerConfig, SvcConfig, Temperature, Transformer, Voting, VotingConfig,
};

#[test]
fn every_learner_learns_predicts_and_survives_serde() {
    let (x, y) = clouds(240, 6, 4, 1.5, 1);
    let (train, test) = x.view().split_at(Axis(0), 160);
    for (name, learner) in all_learners() {
        let model = pipeline(learner.clone()).check().unwrap().fit(train, &y[..160], 5).unwrap();
        let p = model.predict_proba(test).unwrap();
        assert_eq!(p.dim(), (80, 5), "{name}");
        assert!(
            p.rows().into_iter().all(|r| (r.sum() - 1.0).abs() < 1e-9 && r.iter().all(|p| *p >= 0.0)),
            "{name}"
        );
        assert!(p.column(4).iter().all(|p| *p < 1e-6), "{name}: a class without rows");
        let hits = model.predict(test).unwrap().iter().zip(&y[160..]).filter(|(a, b)| a == b).count();
        assert!(hits >= 72, "{name}: {hits} of 80");

        let again = pipeline(learner).check().unwrap().fit(train, &y[..160], 5).unwrap();
        assert_eq!(model, again, "{name}: the same data give the same model");
        let json = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<Pipeline>(&json).unwrap(), model, "{name}");
        let empty = model.predict_proba(Array2::zeros((0, 6)).view()).unwrap();
        assert_eq!(empty.dim(), (0, 5), "{name}");
    }
}

#[test]
fn threads_change_nothing() {
    let (x, y) = clouds(120, 5, 3, 1.0, 2);
    for (name, learner) in all_learners() {
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| pipeline(learner.clone()).check().unwrap().fit(x.view(), &y, 3).unwrap())
        };
        assert_eq!(fit(1), fit(4), "{name}");
    }
}

#[test]
fn threads_change_nothing_where_rows_are_worked_on_in_blocks() {
    let (x, y) = clouds(9000, 16, 3, 0.3, 12);
    let boosting = GradientBoostingConfig { n_rounds: 2, ..Default::default() };
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let logistic = LogisticRegressionConfig { tolerance: 1e-3, ..Default::default() };
            (
                boosting.check().unwrap().fit(x.view(), &y, 3).unwrap(),
                logistic.check().unwrap().fit(x.view(), &y, 3).unwrap(),
                PcaConfig::default().check().unwrap().fit(x.view()).unwrap(),
            )
        })
    };
    assert_eq!(fit(1), fit(3));
}

#[test]
fn bad_data_are_errors() {
    let (x, y) = clouds(20, 3, 2, 1.0, 3);
    for (name, learner) in all_learners() {
        let learner = pipeline(learner).check().unwrap();
        let refuse = |x: &Array2<f64>, y: &[usize], n| match learner.fit(x.view(), y, n) {
            Err(ClassicError::Data { given, rule }) => format!("{given}, but {rule}"),
            other => panic!("{name}: {other:?}"),
        };
        assert!(refuse(&x, &y[..19], 2).contains("19 classes for 20 rows"));
        assert!(refuse(&x, &[0; 20], 2).contains("1 classes have rows"));
        assert!(refuse(&x, &y, 1).contains("a row has the class 1"));
        assert!(refuse(&Array2::zeros((0, 3)), &[], 2).contains("0 rows"));
        assert!(refuse(&Array2::zeros((20, 0)), &y, 2).contains("0 features"));
        let mut broken = x.clone();
        broken[(7, 2)] = f64::NAN;
        assert!(refuse(&broken, &y, 2).contains("feature 2 of row 7 is NaN"));
        let model = learner.fit(x.view(), &y, 2).unwrap();
        assert!(model.predict(broken.view()).is_err(), "{name}");
        assert!(model.predict(x.view().split_at(Axis(1), 2).0).is_err(), "{name}");
        // Features that tell nothing and rows that contradict each other.
        let flat = Array2::from_elem((20, 3), 7.0);
        let p = learner.fit(flat.view(), &y, 2).unwrap().predict_proba(flat.view()).unwrap();
        assert!(p.iter().all(|p| (p - 0.5).abs() < 0.11), "{name}: {p}");
    }
}

#[test]
fn bad_parameters_are_named() {
    fn refuse(parameters: impl Config) -> String {
        match parameters.check() {
            Err(ClassicError::Config { field, .. }) => field.to_owned(),
            _ => "nothing".to_owned(),
        }
    }
    assert_eq!(refuse(SvcConfig { c: 0.0, ..Default::default() }), "c");
    assert_eq!(refuse(SvcConfig { tolerance: f64::NAN, ..Default::default() }), "tolerance");
    let kernel = Kernel::Rbf { gamma: Gamma::Value(-1.0) };
    assert_eq!(refuse(SvcConfig { kernel, ..Default::default() }), "gamma");
    assert_eq!(refuse(LogisticRegressionConfig { c: f64::INFINITY, ..Default::default() }), "c");
    assert_eq!(refuse(KNeighborsConfig { n_neighbors: 0, ..Default::default() }), "n_neighbors");
    assert_eq!(refuse(GaussianNaiveBayesConfig { smoothing: -1.0 }), "smoothing");
    let max_features = MaxFeatures::Fraction(1.5);
    assert_eq!(refuse(RandomForestConfig { max_features, ..Default::default() }), "max_features");
    assert_eq!(refuse(GradientBoostingConfig { max_bins: 257, ..Default::default() }), "max_bins");
    assert_eq!(refuse(PcaConfig { components: Components::Variance(0.0), whiten: false }), "components");
    assert_eq!(refuse(VotingConfig { members: vec![], weights: None }), "members");
    assert_eq!(refuse(SvcConfig::default()), "nothing");
}

#[test]
fn a_small_cache_gives_the_same_machine() {
    // 600 rows of kernel values take 2.9 MB: with 1 MiB they are computed when needed, and dropped.
    let (x, y) = clouds(600, 4, 2, 0.4, 4);
    let fit = |cache_mib, shrinking| {
        let parameters = SvcConfig { cache_mib, shrinking, tolerance: 1e-8, c: 3.0, ..Default::default() };
        parameters.check().unwrap().fit(x.view(), &y, 2).unwrap()
    };
    let (large, small, plain) = (fit(64, true), fit(1, true), fit(64, false));
    let values = |m: &timbral_classic::Svc| m.decision_function(x.view()).unwrap();
    for other in [&small, &plain] {
        assert!((values(&large) - values(other)).iter().all(|d| d.abs() < 1e-6));
    }
}

#[test]
fn early_stopping_keeps_the_best_round() {
    let (x, y) = clouds(300, 8, 3, 0.5, 5);
    let (train, rest) = x.view().split_at(Axis(0), 200);
    let parameters =
        GradientBoostingConfig { n_rounds: 400, patience: 5, ..Default::default() }.check().unwrap();
    let model = parameters.fit_with_validation(train, &y[..200], 3, rest, &y[200..]).unwrap();
    let losses = model.validation_loss();
    assert!(
        model.n_rounds() + 5 == losses.len() && losses.len() < 400,
        "{} of {}",
        model.n_rounds(),
        losses.len()
    );
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses[model.n_rounds() - 1], best);
    assert!(model.training_loss().windows(2).all(|w| w[1] < w[0]), "the training loss falls in every round");
    assert!((model.feature_importance().sum() - 1.0).abs() < 1e-12);
}

#[test]
fn importance_finds_the_feature_that_decides() {
    let mut noise = Noise(6);
    let x = Array2::from_shape_fn((200, 5), |_| noise.next());
    let y: Vec<usize> = x.column(3).iter().map(|v| usize::from(*v > 0.2)).collect();
    let model = GradientBoostingConfig::default().check().unwrap().fit(x.view(), &y, 2).unwrap();
    assert!(model.feature_importance()[3] > 0.99, "{}", model.feature_importance());
    let sampled = GradientBoostingConfig { row_share: 0.5, feature_share: 0.6, ..Default::default() };
    let model = sampled.check().unwrap().fit(x.view(), &y, 2).unwrap();
    let hits = model.predict(x.view()).unwrap().iter().zip(&y).filter(|(a, b)| a == b).count();
    assert!(hits >= 196, "{hits}");
}

#[test]
fn one_round_of_boosting_is_what_the_definition_says() {
    // Gradients of equal scores over two classes are -+0.5, curvatures 2 x 0.25: a leaf of n rows, all of class 1, has
    // the value 0.5 n / (0.5 n + l2).
    let x = array![[0.0], [0.0], [1.0], [1.0], [1.0]];
    let parameters = GradientBoostingConfig { n_rounds: 1, learning_rate: 1.0, ..Default::default() };
    let model = parameters.check().unwrap().fit(x.view(), &[0, 0, 1, 1, 1], 2).unwrap();
    let scores = model.decision_function(array![[0.4], [0.6]].view()).unwrap();
    let (two, three) = (0.5 * 2.0 / 2.0, 0.5 * 3.0 / 2.5);
    let expected = array![[two, -two], [-three, three]];
    assert!((&scores - &expected).iter().all(|d| d.abs() < 1e-12), "{scores}");
}

#[test]
fn votes_are_means_and_stacks_do_not_see_their_own_answers() {
    let (x, y) = clouds(200, 5, 3, 0.8, 7);
    let members: Vec<PipelineConfig> = all_learners().into_iter().skip(1).map(|(_, l)| pipeline(l)).collect();
    let voting = VotingConfig { members: members.clone(), weights: None }.check().unwrap();
    let voting: Voting = voting.fit(x.view(), &y, 3).unwrap();
    let mut mean = Array2::<f64>::zeros((200, 3));
    for member in &members {
        mean +=
            &member.clone().check().unwrap().fit(x.view(), &y, 3).unwrap().predict_proba(x.view()).unwrap();
    }
    mean /= members.len() as f64;
    assert!((voting.predict_proba(x.view()).unwrap() - mean).iter().all(|d| d.abs() < 1e-12));

    // A member that remembers its rows knows nothing of others when the labels are noise: an honest stack cannot trust it.
    let mut noise = Noise(8);
    let x = Array2::from_shape_fn((300, 4), |_| noise.next());
    let y: Vec<usize> = (0..300).map(|_| (noise.uniform() * 3.0) as usize).collect();
    let nearest = LearnerConfig::KNeighbors(KNeighborsConfig { n_neighbors: 1, ..Default::default() });
    let folds: Vec<usize> = (0..300).map(|i| i % 5).collect();
    let stack = StackingConfig { members: vec![pipeline(nearest)], combiner: Default::default() };
    let stack: Stacking = stack.check().unwrap().fit(x.view(), &y, 3, &folds).unwrap();
    let p = stack.predict_proba(x.view()).unwrap();
    assert!(p.iter().all(|p| *p < 0.6), "as unsure as it should be");
}

#[test]
fn a_temperature_undoes_a_wrong_one() {
    let mut noise = Noise(9);
    let scores = Array2::from_shape_fn((4000, 3), |_| noise.next());
    let right = {
        let mut p = scores.mapv(f64::exp);
        for mut row in p.rows_mut() {
            let sum = row.sum();
            row /= sum;
        }
        p
    };
    // Classes drawn from the probabilities that the scores stand for.
    let y: Vec<usize> = right
        .rows()
        .into_iter()
        .map(|row| {
            let u = noise.uniform();
            if u < row[0] {
                0
            } else if u < row[0] + row[1] {
                1
            } else {
                2
            }
        })
        .collect();
    let sure = scores.mapv(|s| s * 3.0);
    let temperature = Temperature::fit(sure.view(), &y).unwrap();
    assert!((temperature.value() - 3.0).abs() < 0.2, "{}", temperature.value());
    let p = temperature.apply(sure.view());
    assert!((p - right).iter().all(|d| d.abs() < 0.03));
}

#[test]
fn powers_exist_for_columns_of_any_size() {
    let mut noise = Noise(10);
    for scale in [1e-300, 1e-9, 1e-4, 1.0, 1e6, 1e150, 1e300] {
        let x = Array2::from_shape_fn((50, 2), |(_, j)| {
            scale * if j == 0 { noise.next().abs() } else { noise.next() }
        });
        let fitted = PowerTransformerConfig::default().check().unwrap().fit(x.view());
        let z = fitted.unwrap().transform(x.view()).unwrap();
        assert!(z.iter().all(|v| v.is_finite()), "{scale}: {z}");
    }
}

#[test]
fn public_types_cross_threads() {
    fn check<T: Send + Sync + Unpin + Clone + std::fmt::Debug>() {}
    check::<Pipeline>();
    check::<Voting>();
    check::<Stacking>();
    check::<Temperature>();
    check::<ClassicError>();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::default() })]

    #[test]
    fn support_vector_machines_meet_their_optimality_conditions(
        seed in 0_u64..1000, rows in 10_usize..80, c in 0.05_f64..20.0, gamma in 0.01_f64..2.0, shrinking: bool,
    ) {
        let (x, y) = clouds(rows, 3, 2, 0.5, seed);
        let kernel = Kernel::Rbf { gamma: Gamma::Value(gamma) };
        let parameters = SvcConfig { c, kernel, shrinking, tolerance: 1e-6, ..Default::default() };
        let model = parameters.check().unwrap().fit(x.view(), &y, 2).unwrap();
        let values = model.decision_function(x.view()).unwrap();
        let mut alpha = vec![0.0; rows];
        for (&row, &coefficient) in model.support().iter().zip(model.coefficients().row(0)) {
            alpha[row] = coefficient;
        }
        prop_assert!(alpha.iter().sum::<f64>().abs() < 1e-9 * c * rows as f64);
        for i in 0..rows {
            let sign = if y[i] == 0 { 1.0 } else { -1.0 };
            let (a, margin) = (sign * alpha[i], sign * values[(i, 0)]);
            prop_assert!((0.0..=c).contains(&a));
            if a < c { prop_assert!(margin >= 1.0 - 1e-5, "row {i}: {margin}") }
            if a > 0.0 { prop_assert!(margin <= 1.0 + 1e-5, "row {i}: {margin}") }
        }
    }

    #[test]
    fn logistic_regression_is_at_its_minimum(
        seed in 0_u64..1000, rows in 6_usize..60, c in 0.01_f64..50.0, l1: bool,
    ) {
        let (x, y) = clouds(rows, 3, 3, 0.7, seed);
        let penalty = if l1 { Penalty::L1 } else { Penalty::L2 };
        let parameters = LogisticRegressionConfig { c, penalty, tolerance: 1e-8, max_iterations: 20_000, ..Default::default() };
        let model = parameters.check().unwrap().fit(x.view(), &y, 3).unwrap();
        let mut residual = model.predict_proba(x.view()).unwrap();
        for (i, &class) in y.iter().enumerate() {
            residual[(i, class)] -= 1.0;
        }
        let slope = residual.t().dot(&x) * c;
        let near = 1e-6 * c * rows as f64;
        for (g, w) in slope.iter().zip(model.weights()) {
            let left = match (l1, *w == 0.0) {
                (false, _) => (g + w).abs(),
                (true, false) => (g + w.signum()).abs(),
                (true, true) => (g.abs() - 1.0).max(0.0),
            };
            prop_assert!(left < near, "slope {left} at weight {w}");
        }
        prop_assert!(residual.sum_axis(Axis(0)).iter().all(|b| b.abs() * c < near));
    }

    #[test]
    fn components_are_orthonormal_and_rebuild_the_rows(seed in 0_u64..1000, rows in 2_usize..20, features in 1_usize..20) {
        let mut noise = Noise(seed);
        let x = Array2::from_shape_fn((rows, features), |(_, j)| noise.next() * 10_f64.powi(j as i32 % 3));
        let pca = PcaConfig::default().check().unwrap().fit(x.view()).unwrap();
        // With as many rows as components one direction has no variance: it is not determined.
        let kept = pca.explained_variance().iter().filter(|v| **v > 1e-9).count();
        prop_assert_eq!(kept, features.min(rows - 1));
        let components = pca.components();
        let components = components.view().split_at(Axis(0), kept).0;
        let gram = components.dot(&components.t());
        prop_assert!((&gram - &Array2::<f64>::eye(kept)).iter().all(|d| d.abs() < 1e-9));
        let scores = pca.transform(x.view()).unwrap();
        let rebuilt = scores.view().split_at(Axis(1), kept).0.dot(&components);
        let scaler = StandardScalerConfig { with_std: false, ..Default::default() }.check().unwrap().fit(x.view()).unwrap();
        let centred = scaler.transform(x.view()).unwrap();
        prop_assert!((rebuilt - centred).iter().all(|d| d.abs() < 1e-8));
    }
}
