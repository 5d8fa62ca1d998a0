//! Data and parameters that several tests share.
#![allow(dead_code, reason = "each test takes what it needs")]

use ndarray::Array2;
use timbral_classic::{
    GradientBoostingConfig, LearnerConfig, PipelineConfig, RandomForestConfig, SvcConfig, TransformerConfig,
};

/// A small generator, so that the data do not depend on a library.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// About normal: the sum of twelve uniform numbers less six.
    pub(crate) fn next(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        // Steele, Lea and Flood's SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Classes as clouds around corners, the further apart the larger `distance`.
pub(crate) fn clouds(
    rows: usize,
    features: usize,
    classes: usize,
    distance: f64,
    seed: u64,
) -> (Array2<f64>, Vec<usize>) {
    let mut noise = Noise(seed);
    let centres = Array2::from_shape_fn((classes, features), |_| distance * noise.next());
    let y: Vec<usize> = (0..rows).map(|i| i % classes).collect();
    let x = Array2::from_shape_fn((rows, features), |(i, j)| centres[(y[i], j)] + noise.next());
    (x, y)
}

pub(crate) fn all_learners() -> Vec<(&'static str, LearnerConfig)> {
    use LearnerConfig as L;
    let svc = SvcConfig { probability: true, ..Default::default() };
    let forest = RandomForestConfig { n_trees: 30, ..Default::default() };
    let boosting = GradientBoostingConfig { n_rounds: 15, ..Default::default() };
    vec![
        ("svc", L::Svc(svc)),
        ("logistic", L::LogisticRegression(Default::default())),
        ("neighbours", L::KNeighbors(Default::default())),
        ("bayes", L::GaussianNaiveBayes(Default::default())),
        ("forest", L::RandomForest(forest)),
        ("boosting", L::GradientBoosting(boosting)),
    ]
}

pub(crate) fn pipeline(learner: LearnerConfig) -> PipelineConfig {
    PipelineConfig { transformers: vec![TransformerConfig::Standard(Default::default())], learner }
}
