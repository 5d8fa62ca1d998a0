use candle_core::{ModuleT, Result, Tensor};

use crate::architecture::{log_probabilities, probabilities};
use crate::trunk::cropped_features;
use crate::{Network, Trunk};

/// Mean of the class probabilities of several networks over the same input.
///
/// The output is the logarithm of that mean, so that a softmax gives the mean back. Members are trained one by one:
/// an ensemble has no training mode of its own, and `train` is ignored.
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Box<dyn Network>>,
}

impl Ensemble {
    /// An ensemble of networks with the same classes.
    #[must_use]
    pub fn new(members: Vec<Box<dyn Network>>) -> Self {
        Self { members }
    }
}

impl ModuleT for Ensemble {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let rows = self.members.iter().map(|m| probabilities(m.as_ref(), x)).collect::<Result<Vec<_>>>()?;
        log_probabilities(&Tensor::stack(&rows, 0)?.mean(0)?)
    }
}

/// Features of several networks side by side.
#[derive(Debug)]
pub(crate) struct JoinedTrunks(pub(crate) Vec<Box<dyn Trunk>>);

impl Trunk for JoinedTrunks {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let parts = self
            .0
            .iter()
            .map(|trunk| cropped_features(trunk.as_ref(), x, train))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 1)
    }

    /// Members cut by themselves, each as it was trained.
    fn crop_frames(&self) -> usize {
        0
    }
}
