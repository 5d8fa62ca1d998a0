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
pub use ensemble::{Stacking, StackingParameters, Voting, VotingParameters};
pub use error::ClassicError;
pub use learner::{Checked, Classifier, Learner, Parameters, Transformer};
pub use logistic::{LogisticRegression, LogisticRegressionParameters, Penalty};
pub use model::FittedModel;
pub use naive_bayes::{GaussianNaiveBayes, GaussianNaiveBayesParameters};
pub use neighbors::{Distance, KNeighbors, KNeighborsParameters, NeighborWeight};
pub use pca::{Components, Pca, PcaParameters};
pub use pipeline::{
    FittedLearner, FittedTransformer, LearnerParameters, Pipeline, PipelineParameters, TransformerParameters,
};
pub use scale::{
    MinMaxScaler, MinMaxScalerParameters, PowerTransformer, PowerTransformerParameters, StandardScaler,
    StandardScalerParameters,
};
pub use select::{FeatureScore, SelectKBest, SelectKBestParameters, f_classif, mutual_info_classif};
pub use store::{PartArray, PartValues, Parts, SharedBytes};
pub use svc::{ClassWeight, Gamma, Kernel, Svc, SvcParameters};
pub use temperature::Temperature;
pub use tree::{
    GradientBoosting, GradientBoostingParameters, MaxFeatures, RandomForest, RandomForestParameters,
};
