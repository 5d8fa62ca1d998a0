#![doc = include_str!("../README.md")]

mod eigen;
mod ensemble;
mod error;
mod lbfgs;
mod learner;
mod logistic;
mod matrix;
mod model;
mod naive_bayes;
mod neighbors;
mod parallel;
mod pca;
mod pipeline;
mod rng;
mod scale;
mod select;
mod simd;
mod special;
mod store;
mod svc;
mod temperature;
mod tree;

pub use eigen::symmetric_eigen;
pub use ensemble::{Stacking, StackingConfig, Voting, VotingConfig};
pub use error::ClassicError;
pub use learner::{Checked, Config, Learner, Predictor, Transformer};
pub use logistic::{LogisticRegression, LogisticRegressionConfig, Penalty};
pub use model::FittedModel;
pub use naive_bayes::{GaussianNaiveBayes, GaussianNaiveBayesConfig};
pub use neighbors::{Distance, KNeighbors, KNeighborsConfig, NeighborWeight};
pub use pca::{Components, Pca, PcaConfig};
pub use pipeline::{
    FittedLearner, FittedTransformer, LearnerConfig, Pipeline, PipelineConfig, TransformerConfig,
};
pub use scale::{
    MinMaxScaler, MinMaxScalerConfig, PowerTransformer, PowerTransformerConfig, StandardScaler,
    StandardScalerConfig,
};
pub use select::{FeatureScore, SelectKBest, SelectKBestConfig, f_classif, mutual_info_classif};
pub use store::{PartArray, PartValues, Parts, SharedBytes};
pub use svc::{ClassWeight, Gamma, Kernel, Svc, SvcConfig};
pub use temperature::Temperature;
pub use tree::{GradientBoosting, GradientBoostingConfig, MaxFeatures, RandomForest, RandomForestConfig};
