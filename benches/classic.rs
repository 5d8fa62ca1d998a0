//! Fitting and applying the classic learners.
//!
//! `benches/classic_sklearn.py` runs the same beside scikit-learn and XGBoost, and `benches/classic_accuracy.py` compares
//! accuracies: they start this bench as a worker, which takes a job a line and answers with its time and a result.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench says that this must hold")]

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use criterion::{BatchSize, Criterion};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_classic::{
    Components, Config, GradientBoostingConfig, Kernel, Learner, LogisticRegressionConfig, PcaConfig,
    Predictor, SvcConfig,
};
use timbral_data::npy::NpyArray;

const N_CLASSES: usize = 10;

struct Data {
    x: Array2<f64>,
    y: Vec<usize>,
    test_x: Array2<f64>,
    test_y: Vec<usize>,
}

impl Data {
    /// Ten clouds.
    fn new(rows: usize, columns: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = || (0..6).map(|_| rng.random::<f64>() - 0.5).sum::<f64>() * 2.0_f64.sqrt();
        let centres = Array2::from_shape_simple_fn((N_CLASSES, columns), &mut noise);
        let mut part = |rows: usize| {
            let y: Vec<usize> = (0..rows).map(|i| i % N_CLASSES).collect();
            let x = Array2::from_shape_fn((rows, columns), |(i, j)| 0.6 * centres[(y[i], j)] + noise());
            (x, y)
        };
        let ((x, y), (test_x, test_y)) = (part(rows), part(rows / 4));
        Self { x, y, test_x, test_y }
    }

    fn read(folder: &Path, size: &str) -> Self {
        let path = |part: &str| folder.join(format!("{size}.{part}.npy"));
        let array = |part| NpyArray::open(path(part)).unwrap().values::<f64>().unwrap();
        let rows = |part| -> Array2<f64> { array(part).into_dimensionality().unwrap() };
        let classes = |part| array(part).iter().map(|v| *v as usize).collect();
        Self { x: rows("x"), y: classes("y"), test_x: rows("test_x"), test_y: classes("test_y") }
    }

    fn fit<L: Learner>(&self, learner: &L) -> L::Model {
        let n_classes = self.y.iter().max().unwrap() + 1;
        learner.fit(self.x.view(), &self.y, n_classes).unwrap()
    }

    fn accuracy(&self, model: &impl Predictor) -> f64 {
        let predicted = model.predict(self.test_x.view()).unwrap();
        let hits = predicted.iter().zip(&self.test_y).filter(|(a, b)| a == b).count();
        hits as f64 / self.test_y.len() as f64
    }

    /// Seconds of a job, and a number that shows whether it was done right.
    fn time(&self, job: &str) -> (f64, f64) {
        match job {
            "svc_fit" => {
                let (seconds, model) = timed(|| self.fit(&svc()));
                (seconds, model.support().len() as f64)
            }
            "svc_linear_fit" => {
                let (seconds, model) = timed(|| self.fit(&linear_svc()));
                (seconds, model.support().len() as f64)
            }
            "boosting_fit" => {
                let (seconds, model) = timed(|| self.fit(&boosting()));
                (seconds, self.accuracy(&model))
            }
            "logistic_fit" => {
                let (seconds, model) = timed(|| self.fit(&logistic()));
                (seconds, self.accuracy(&model))
            }
            "pca_fit" => {
                let (seconds, model) = timed(|| pca().fit(self.x.view()).unwrap());
                (seconds, model.explained_variance()[0])
            }
            other => panic!("no job is called {other}"),
        }
    }
}

fn timed<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed().as_secs_f64(), result)
}

fn svc() -> impl Learner<Model = timbral_classic::Svc> {
    SvcConfig { c: 5.0, ..SvcConfig::default() }.check().unwrap()
}

fn linear_svc() -> impl Learner<Model = timbral_classic::Svc> {
    let kernel = Kernel::Linear;
    SvcConfig { c: 0.1, kernel, ..SvcConfig::default() }.check().unwrap()
}

fn boosting() -> impl Learner<Model = timbral_classic::GradientBoosting> {
    GradientBoostingConfig { n_rounds: 50, ..Default::default() }.check().unwrap()
}

fn logistic() -> impl Learner<Model = timbral_classic::LogisticRegression> {
    LogisticRegressionConfig::default().check().unwrap()
}

fn pca() -> timbral_classic::Checked<PcaConfig> {
    PcaConfig { components: Components::Count(20), ..Default::default() }.check().unwrap()
}

/// Reads "job size" lines and answers each with a line of JSON; fitted models for predictions are kept.
fn work(folder: &Path) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", std::process::id()).unwrap();
    out.flush().unwrap();
    let mut data: Option<(String, Data)> = None;
    let mut fitted: Option<(String, Box<dyn Predictor>)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (job, size) = line.split_once(' ').unwrap();
        if data.as_ref().is_none_or(|(name, _)| name != size) {
            data = Some((size.to_owned(), Data::read(folder, size)));
        }
        let data = &data.as_ref().unwrap().1;
        let (seconds, value) = if job.ends_with("_predict") {
            if fitted.as_ref().is_none_or(|(name, _)| *name != line) {
                let model: Box<dyn Predictor> = match job {
                    "svc_predict" => Box::new(data.fit(&svc())),
                    _ => Box::new(data.fit(&boosting())),
                };
                fitted = Some((line.clone(), model));
            }
            let model = &fitted.as_ref().unwrap().1;
            let (seconds, predicted) = timed(|| model.predict(data.test_x.view()).unwrap());
            let hits = predicted.iter().zip(&data.test_y).filter(|(a, b)| a == b).count();
            (seconds, hits as f64 / predicted.len() as f64)
        } else {
            data.time(job)
        };
        writeln!(out, "{{\"seconds\": {seconds}, \"value\": {value}}}").unwrap();
        out.flush().unwrap();
    }
}

fn bench(c: &mut Criterion) {
    let data = Data::new(1000, 58);
    let mut group = c.benchmark_group("classic_1000x58");
    group.sample_size(10);
    group.bench_function("svc_fit", |b| b.iter(|| data.fit(&svc())));
    let model = data.fit(&svc());
    group.bench_function("svc_predict", |b| b.iter(|| model.predict(data.test_x.view()).unwrap()));
    group.bench_function("boosting_fit", |b| b.iter(|| data.fit(&boosting())));
    group.bench_function("logistic_fit", |b| b.iter(|| data.fit(&logistic())));
    group.bench_function("pca_fit", |b| b.iter(|| pca().fit(data.x.view()).unwrap()));
    // The floor of a support vector machine: the products of all rows with all.
    group.bench_function("floor_matrix_product", |b| {
        b.iter_batched(|| data.x.t().to_owned(), |t| data.x.dot(&t), BatchSize::LargeInput)
    });
    group.finish();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--worker") {
        work(Path::new(&arguments[at + 1]));
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
