use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Learner, Predictor, Transformer, check_training};
use crate::logistic::{LogisticRegression, LogisticRegressionConfig};
use crate::naive_bayes::{GaussianNaiveBayes, GaussianNaiveBayesConfig};
use crate::neighbors::{KNeighbors, KNeighborsConfig};
use crate::pca::{Pca, PcaConfig};
use crate::scale::{
    MinMaxScaler, MinMaxScalerConfig, PowerTransformer, PowerTransformerConfig, StandardScaler,
    StandardScalerConfig,
};
use crate::select::{SelectKBest, SelectKBestConfig};
use crate::svc::{Svc, SvcConfig};
use crate::tree::{GradientBoosting, GradientBoostingConfig, RandomForest, RandomForestConfig};

/// Settings of an y transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransformerConfig {
    /// Mean 0, standard deviation 1.
    Standard(StandardScalerConfig),
    /// Into a range.
    MinMax(MinMaxScalerConfig),
    /// Yeo and Johnson's power transform.
    Power(PowerTransformerConfig),
    /// Principal components.
    Pca(PcaConfig),
    /// The features most informative about the classes.
    SelectKBest(SelectKBestConfig),
}

/// Settings of an y learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LearnerConfig {
    /// Support vector classifier.
    Svc(SvcConfig),
    /// Multinomial logistic regression.
    LogisticRegression(LogisticRegressionConfig),
    /// k nearest neighbours.
    KNeighbors(KNeighborsConfig),
    /// Gaussian naive Bayes.
    GaussianNaiveBayes(GaussianNaiveBayesConfig),
    /// Random forest.
    RandomForest(RandomForestConfig),
    /// Gradient-boosted trees.
    GradientBoosting(GradientBoostingConfig),
}

impl Config for TransformerConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        match self {
            Self::Standard(p) => p.validate(),
            Self::MinMax(p) => p.validate(),
            Self::Power(p) => p.validate(),
            Self::Pca(p) => p.validate(),
            Self::SelectKBest(p) => p.validate(),
        }
    }
}

impl Config for LearnerConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        match self {
            Self::Svc(p) => p.validate(),
            Self::LogisticRegression(p) => p.validate(),
            Self::KNeighbors(p) => p.validate(),
            Self::GaussianNaiveBayes(p) => p.validate(),
            Self::RandomForest(p) => p.validate(),
            Self::GradientBoosting(p) => p.validate(),
        }
    }
}

/// Settings of a [`Pipeline`]: transformers in order, then a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// Changes of the features, in order; may be none.
    #[serde(default)]
    pub transformers: Vec<TransformerConfig>,
    /// What learns from the changed features.
    pub learner: LearnerConfig,
}

impl Config for PipelineConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        self.transformers.iter().try_for_each(Config::validate)?;
        self.learner.validate()
    }
}

/// Any fitted transformer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FittedTransformer {
    /// Mean 0, standard deviation 1.
    Standard(StandardScaler),
    /// Into a range.
    MinMax(MinMaxScaler),
    /// Yeo and Johnson's power transform.
    Power(PowerTransformer),
    /// Principal components.
    Pca(Pca),
    /// The features most informative about the classes.
    SelectKBest(SelectKBest),
}

impl Transformer for FittedTransformer {
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        match self {
            Self::Standard(t) => t.transform(x),
            Self::MinMax(t) => t.transform(x),
            Self::Power(t) => t.transform(x),
            Self::Pca(t) => t.transform(x),
            Self::SelectKBest(t) => t.transform(x),
        }
    }
}

/// Any fitted learner.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FittedLearner {
    /// Support vector classifier.
    Svc(Svc),
    /// Multinomial logistic regression.
    LogisticRegression(LogisticRegression),
    /// k nearest neighbours.
    KNeighbors(KNeighbors),
    /// Gaussian naive Bayes.
    GaussianNaiveBayes(GaussianNaiveBayes),
    /// Random forest.
    RandomForest(RandomForest),
    /// Gradient-boosted trees.
    GradientBoosting(GradientBoosting),
}

impl FittedLearner {
    fn as_classifier(&self) -> &dyn Predictor {
        match self {
            Self::Svc(m) => m,
            Self::LogisticRegression(m) => m,
            Self::KNeighbors(m) => m,
            Self::GaussianNaiveBayes(m) => m,
            Self::RandomForest(m) => m,
            Self::GradientBoosting(m) => m,
        }
    }
}

impl Predictor for FittedLearner {
    fn n_classes(&self) -> usize {
        self.as_classifier().n_classes()
    }

    fn n_features(&self) -> usize {
        self.as_classifier().n_features()
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        self.as_classifier().predict_proba(x)
    }

    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<usize>, ClassicError> {
        self.as_classifier().predict(x)
    }
}

impl Learner for Checked<LearnerConfig> {
    type Model = FittedLearner;

    fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<FittedLearner, ClassicError> {
        use {FittedLearner as Fitted, LearnerConfig as P};
        Ok(match &self.0 {
            P::Svc(p) => Fitted::Svc(Checked(p.clone()).fit(x, y, n_classes)?),
            P::LogisticRegression(p) => Fitted::LogisticRegression(Checked(*p).fit(x, y, n_classes)?),
            P::KNeighbors(p) => Fitted::KNeighbors(Checked(*p).fit(x, y, n_classes)?),
            P::GaussianNaiveBayes(p) => Fitted::GaussianNaiveBayes(Checked(*p).fit(x, y, n_classes)?),
            P::RandomForest(p) => Fitted::RandomForest(Checked(*p).fit(x, y, n_classes)?),
            P::GradientBoosting(p) => Fitted::GradientBoosting(Checked(*p).fit(x, y, n_classes)?),
        })
    }
}

impl Checked<TransformerConfig> {
    /// Learns from the rows of `x`; a selection looks at their classes too, the others do not.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] and [`ClassicError::NotConverged`] as the transformer's own.
    pub fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
    ) -> Result<FittedTransformer, ClassicError> {
        use {FittedTransformer as Fitted, TransformerConfig as P};
        Ok(match &self.0 {
            P::Standard(p) => Fitted::Standard(Checked(*p).fit(x)?),
            P::MinMax(p) => Fitted::MinMax(Checked(*p).fit(x)?),
            P::Power(p) => Fitted::Power(Checked(*p).fit(x)?),
            P::Pca(p) => Fitted::Pca(Checked(*p).fit(x)?),
            P::SelectKBest(p) => Fitted::SelectKBest(Checked(*p).fit(x, y, n_classes)?),
        })
    }
}

/// Transformers and a learner, fitted together on the same rows, so that nothing of the test data leaks into a scaler.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    pub(crate) transformers: Vec<FittedTransformer>,
    pub(crate) learner: FittedLearner,
    pub(crate) n_features: usize,
}

impl Pipeline {
    /// The fitted transformers, in order.
    #[must_use]
    pub fn transformers(&self) -> &[FittedTransformer] {
        &self.transformers
    }

    /// The fitted learner.
    #[must_use]
    pub fn learner(&self) -> &FittedLearner {
        &self.learner
    }

    fn changed(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        self.transformers.iter().try_fold(x.to_owned(), |x, t| t.transform(x.view()))
    }
}

impl Learner for Checked<PipelineConfig> {
    type Model = Pipeline;

    fn fit(&self, x: ArrayView2<'_, f64>, y: &[usize], n_classes: usize) -> Result<Pipeline, ClassicError> {
        check_training(x, y, n_classes)?;
        let mut changed = x.to_owned();
        let mut transformers = Vec::with_capacity(self.0.transformers.len());
        for parameters in &self.0.transformers {
            let fitted = Checked(parameters.clone()).fit(changed.view(), y, n_classes)?;
            changed = fitted.transform(changed.view())?;
            transformers.push(fitted);
        }
        let learner = Checked(self.0.learner.clone()).fit(changed.view(), y, n_classes)?;
        Ok(Pipeline { transformers, learner, n_features: x.ncols() })
    }
}

impl Predictor for Pipeline {
    fn n_classes(&self) -> usize {
        self.learner.n_classes()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        self.learner.predict_proba(self.changed(x)?.view())
    }

    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<usize>, ClassicError> {
        self.learner.predict(self.changed(x)?.view())
    }
}
