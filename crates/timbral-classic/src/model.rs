use ndarray::{Array2, ArrayView2};

use crate::ClassicError;
use crate::ensemble::{Stacking, Voting};
use crate::learner::Predictor;
use crate::pipeline::Pipeline;

/// Any fitted model, as a model file holds it.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a program holds a few, each far larger on the heap")]
#[non_exhaustive]
pub enum FittedModel {
    /// Transformers and a learner.
    Pipeline(Pipeline),
    /// A soft vote of pipelines.
    Voting(Voting),
    /// A stack of pipelines.
    Stacking(Stacking),
}

impl FittedModel {
    fn as_predictor(&self) -> &dyn Predictor {
        match self {
            Self::Pipeline(m) => m,
            Self::Voting(m) => m,
            Self::Stacking(m) => m,
        }
    }
}

impl Predictor for FittedModel {
    fn n_classes(&self) -> usize {
        self.as_predictor().n_classes()
    }

    fn n_features(&self) -> usize {
        self.as_predictor().n_features()
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        self.as_predictor().predict_proba(x)
    }

    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<usize>, ClassicError> {
        self.as_predictor().predict(x)
    }
}

impl From<Pipeline> for FittedModel {
    fn from(model: Pipeline) -> Self {
        Self::Pipeline(model)
    }
}

impl From<Voting> for FittedModel {
    fn from(model: Voting) -> Self {
        Self::Voting(model)
    }
}

impl From<Stacking> for FittedModel {
    fn from(model: Stacking) -> Self {
        Self::Stacking(model)
    }
}
