//! Every deterministic learner against scikit-learn's stored answers (`golden/make_learners.py`).
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use serde_json::Value;
use timbral_classic::{
    ClassWeight, Components, Config, Distance, Gamma, GaussianNaiveBayesConfig, KNeighborsConfig, Kernel,
    Learner, LogisticRegressionConfig, MinMaxScalerConfig, NeighborWeight, PcaConfig, Penalty,
    PowerTransformerConfig, Predictor, StandardScalerConfig, SvcConfig, Transformer, f_classif,
    mutual_info_classif,
};

struct Golden(Value);

impl Golden {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("golden/learners.json")).unwrap())
    }

    fn vector(&self, name: &str) -> Array1<f64> {
        self.0[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    fn matrix(&self, name: &str) -> Array2<f64> {
        let rows = self.0[name].as_array().unwrap();
        let values: Vec<f64> =
            rows.iter().flat_map(|r| r.as_array().unwrap().iter().map(|v| v.as_f64().unwrap())).collect();
        Array2::from_shape_vec((rows.len(), values.len() / rows.len()), values).unwrap()
    }

    fn classes(&self, name: &str) -> Vec<usize> {
        self.vector(name).iter().map(|v| *v as usize).collect()
    }

    /// Standardised training and test rows with the training classes.
    fn problem(&self) -> (Array2<f64>, Array2<f64>, Vec<usize>) {
        let train = self.matrix("train");
        let scaler = StandardScalerConfig::default().check().unwrap().fit(train.view()).unwrap();
        let test = scaler.transform(self.matrix("test").view()).unwrap();
        (scaler.transform(train.view()).unwrap(), test, self.classes("train_y"))
    }
}

#[track_caller]
fn close(what: &str, ours: ArrayView2<'_, f64>, theirs: &Array2<f64>, tolerance: f64) {
    assert_eq!(ours.dim(), theirs.dim(), "{what}");
    for ((at, a), b) in ours.indexed_iter().zip(theirs) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what} at {at:?}: {a} is not {b}");
    }
}

#[test]
fn scalers() {
    let golden = Golden::read();
    let (train, test) = (golden.matrix("train"), golden.matrix("test"));
    let (_, standard, _) = golden.problem();
    close("standard", standard.view(), &golden.matrix("standard"), 1e-12);
    let min_max = MinMaxScalerConfig { low: -1.0, high: 2.0 }.check().unwrap().fit(train.view()).unwrap();
    close("min-max", min_max.transform(test.view()).unwrap().view(), &golden.matrix("min_max"), 1e-12);
    let power = PowerTransformerConfig::default().check().unwrap().fit(train.view()).unwrap();
    // Both find the power by a search that compares values of a smooth function: half the digits are what can be had.
    let lambdas = golden.vector("power_lambdas");
    for (a, b) in power.lambdas().iter().zip(&lambdas) {
        assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{} is not {lambdas}", power.lambdas());
    }
    close("power", power.transform(test.view()).unwrap().view(), &golden.matrix("power"), 1e-5);
}

#[test]
fn principal_components() {
    let golden = Golden::read();
    let (z, test, _) = golden.problem();
    let parameters = PcaConfig { components: Components::Count(3), whiten: true };
    let pca = parameters.check().unwrap().fit(z.view()).unwrap();
    close("components", pca.components().view(), &golden.matrix("pca_components"), 1e-11);
    let row = |v: &Array1<f64>| v.clone().insert_axis(Axis(0));
    close("variance", row(pca.explained_variance()).view(), &row(&golden.vector("pca_variance")), 1e-12);
    close("ratio", row(pca.explained_variance_ratio()).view(), &row(&golden.vector("pca_ratio")), 1e-12);
    close("transform", pca.transform(test.view()).unwrap().view(), &golden.matrix("pca_test"), 1e-11);

    // More features than rows.
    let block = |i: usize| z.slice_axis(Axis(0), Slice::from(5 * i..5 * (i + 1)));
    let wide = ndarray::concatenate(Axis(1), &[block(0), block(1), block(2)]).unwrap();
    let parameters = PcaConfig { components: Components::Count(4), whiten: false };
    let pca = parameters.check().unwrap().fit(wide.view()).unwrap();
    close("wide components", pca.components().view(), &golden.matrix("wide_components"), 1e-11);
    close(
        "wide variance",
        row(pca.explained_variance()).view(),
        &row(&golden.vector("wide_variance")),
        1e-12,
    );
}

#[test]
fn logistic_regression() {
    let golden = Golden::read();
    let (z, test, y) = golden.problem();
    let fit = |parameters: LogisticRegressionConfig| {
        let parameters = LogisticRegressionConfig { tolerance: 1e-9, ..parameters };
        parameters.check().unwrap().fit(z.view(), &y, 3).unwrap()
    };
    let plain = LogisticRegressionConfig { c: 0.5, ..Default::default() };
    let model = fit(plain);
    close("weights", model.weights().view(), &golden.matrix("lr_coef"), 1e-6);
    for (a, b) in model.intercepts().iter().zip(&golden.vector("lr_intercept")) {
        assert!((a - b).abs() < 1e-6, "intercept {a} is not {b}");
    }
    close(
        "probabilities",
        model.predict_proba(test.view()).unwrap().view(),
        &golden.matrix("lr_proba"),
        1e-6,
    );
    let balanced = fit(LogisticRegressionConfig { balanced: true, ..plain });
    let theirs = golden.matrix("lr_balanced_proba");
    close("balanced", balanced.predict_proba(test.view()).unwrap().view(), &theirs, 1e-6);
    let sparse = fit(LogisticRegressionConfig { c: 0.2, penalty: Penalty::L1, ..plain });
    let theirs = golden.matrix("lr_l1_coef");
    close("L1 weights", sparse.weights().view(), &theirs, 1e-6);
    for (a, b) in sparse.weights().iter().zip(&theirs) {
        assert_eq!(*a == 0.0, *b == 0.0, "the same weights vanish");
    }
    assert!(theirs.iter().any(|w| *w == 0.0));
    let theirs = golden.matrix("lr_l1_proba");
    close("L1 probabilities", sparse.predict_proba(test.view()).unwrap().view(), &theirs, 1e-6);
}

#[test]
fn support_vectors() {
    let golden = Golden::read();
    let (z, test, y) = golden.problem();
    let cases = [
        ("rbf", 2.0, Kernel::Rbf { gamma: Gamma::Scale }, ClassWeight::Uniform),
        ("rbf_balanced", 0.7, Kernel::Rbf { gamma: Gamma::Value(0.2) }, ClassWeight::Balanced),
        ("linear", 0.3, Kernel::Linear, ClassWeight::Uniform),
        (
            "poly",
            1.0,
            Kernel::Polynomial { gamma: Gamma::Value(0.1), coef0: 1.0, degree: 3 },
            ClassWeight::Uniform,
        ),
    ];
    for (name, c, kernel, class_weight) in cases {
        for (shrinking, cache_mib) in [(false, 64), (true, 64)] {
            let parameters = SvcConfig {
                c,
                kernel,
                class_weight: class_weight.clone(),
                tolerance: 1e-11,
                shrinking,
                cache_mib,
                ..SvcConfig::default()
            };
            let model = parameters.check().unwrap().fit(z.view(), &y, 3).unwrap();
            let golden_of = |what: &str| golden.matrix(&format!("svc_{name}_{what}"));
            // libsvm keeps kernel values in single precision: its own answers are right to about 1e-7 of the largest.
            let bound = if name == "poly" { 1e-5 } else { 1e-6 };
            close(name, model.decision_function(test.view()).unwrap().view(), &golden_of("ovo"), bound);
            let scores = model.decision_function_one_vs_rest(test.view()).unwrap();
            close(name, scores.view(), &golden_of("ovr"), bound);
            assert_eq!(model.predict(test.view()).unwrap(), golden.classes(&format!("svc_{name}_predict")));
            assert_eq!(model.support(), golden.classes(&format!("svc_{name}_support")), "{name}");
            // scikit-learn packs the coefficients of a vector of class c against class o in row o, or o - 1 if o > c.
            let packed = golden_of("dual");
            for (pair, &(a, b)) in model.pairs().iter().enumerate() {
                for (column, &row) in model.support().iter().enumerate() {
                    let expected = match y[row] {
                        class if class == a => packed[(b - 1, column)],
                        class if class == b => packed[(a, column)],
                        _ => 0.0,
                    };
                    let ours = model.coefficients()[(pair, column)];
                    assert!((ours - expected).abs() < 1e-5, "{name}: {ours} is not {expected}");
                }
            }
        }
    }
}

#[test]
fn neighbours() {
    let golden = Golden::read();
    let (z, test, y) = golden.problem();
    for (weight_name, weight) in
        [("uniform", NeighborWeight::Uniform), ("distance", NeighborWeight::Distance)]
    {
        for (name, distance) in [
            ("euclidean", Distance::Euclidean),
            ("manhattan", Distance::Manhattan),
            ("cosine", Distance::Cosine),
        ] {
            let parameters = KNeighborsConfig { n_neighbors: 7, weight, distance };
            let model = parameters.check().unwrap().fit(z.view(), &y, 3).unwrap();
            let theirs = golden.matrix(&format!("knn_{weight_name}_{name}"));
            close(name, model.predict_proba(test.view()).unwrap().view(), &theirs, 1e-12);
        }
    }
}

#[test]
fn feature_scores() {
    let golden = Golden::read();
    let train = golden.matrix("train");
    let y = golden.classes("train_y");
    let x = train.slice_axis(Axis(1), Slice::from(0..5));
    let (f, p) = f_classif(x, &y, 3).unwrap();
    let row = |v: &Array1<f64>| v.clone().insert_axis(Axis(0));
    close("F", row(&f).view(), &row(&golden.vector("f_statistics")), 1e-10);
    for (ours, theirs) in p.iter().zip(&golden.vector("f_probabilities")) {
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{ours} is not {theirs}");
    }
    for (n_neighbors, name) in [(3, "mutual_information"), (7, "mutual_information_7")] {
        let ours = mutual_info_classif(x, &y, 3, n_neighbors, 5).unwrap();
        close(name, row(&ours).view(), &row(&golden.vector(name)), 1e-9);
    }
    // The constant column says nothing.
    let (f, p) = f_classif(train.view(), &y, 3).unwrap();
    assert_eq!((f[5], p[5]), (0.0, 1.0));
}

#[test]
fn naive_bayes() {
    let golden = Golden::read();
    let parameters = GaussianNaiveBayesConfig::default().check().unwrap();
    let model = parameters.fit(golden.matrix("train").view(), &golden.classes("train_y"), 3).unwrap();
    let ours = model.predict_proba(golden.matrix("test").view()).unwrap();
    close("naive Bayes", ours.view(), &golden.matrix("nb_proba"), 1e-8);
}
