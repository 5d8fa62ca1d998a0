use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, Result, Tensor};
use ndarray::ArrayView3;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use timbral_model::{Architecture, Model, ModelFile};
use timbral_nn::activation::log_softmax;
use timbral_nn::loss::distillation_loss;
use timbral_nn::{CrossEntropyConfig, Target, cross_entropy};

use super::config::TrainConfig;
use crate::TrainError;

/// What training makes small. In a file a name, `"cross_entropy"`, or a table, `{ type = "focal", gamma = 2.0 }`.
///
/// Label smoothing, class weights and mixed labels go with each: they are fields of the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LossKind {
    /// Cross-entropy of the scores with the target.
    CrossEntropy {},
    /// Cross-entropy in which classes that are recognised already count less (Lin et al. 2017): each term is multiplied by
    /// `(1 - p)^gamma`, p being the probability of its class.
    Focal(FocalParameters),
}

impl Default for LossKind {
    fn default() -> Self {
        Self::CrossEntropy {}
    }
}

/// Settings of [`LossKind::Focal`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FocalParameters {
    /// How much less, in `[0, 100]`; 0 is cross-entropy. Default: 2, the paper's.
    pub gamma: f64,
}

impl Default for FocalParameters {
    fn default() -> Self {
        Self { gamma: 2.0 }
    }
}

/// A trained model that a network learns from beside the labels (Hinton et al. 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Model file of the teacher. It must have the same labels and the same front end; its inputs are the
    /// crops, augmented and mixed, that the network learns from. It must not have been trained on the tracks that the network is
    /// tested on.
    pub teacher: PathBuf,
    /// Fraction of the loss that is the divergence from the teacher, in `[0, 1]`; the rest is that from the labels. Default: 0.5.
    #[serde(default = "half")]
    pub share: f64,
    /// What the scores of both are divided by, in `(0, 100]`: the higher, the more the teacher's lesser guesses count.
    /// Default: 2.
    #[serde(default = "two")]
    pub temperature: f64,
}

fn half() -> f64 {
    0.5
}

fn two() -> f64 {
    2.0
}

impl LossKind {
    pub(super) fn validate(&self) -> std::result::Result<(), TrainError> {
        match self {
            Self::Focal(FocalParameters { gamma }) if !(0.0..=100.0).contains(gamma) => {
                Err(TrainError::config("gamma", gamma, "between 0 and 100"))
            }
            _ => Ok(()),
        }
    }
}

impl Distillation {
    pub(super) fn validate(&self) -> std::result::Result<(), TrainError> {
        let (share, temperature) = (self.share, self.temperature);
        if !(0.0..=1.0).contains(&share) {
            return Err(TrainError::config("share", share, "between 0 and 1"));
        }
        if !(temperature > 0.0 && temperature <= 100.0) {
            let rule = "above 0 and at most 100";
            return Err(TrainError::config("temperature", temperature, rule));
        }
        Ok(())
    }
}

/// The model that a network learns from, ready to answer.
#[derive(Debug)]
pub(super) struct Teacher {
    model: Model,
    /// SHA-256 of its file, for the fingerprint of the run.
    pub(super) hash: [u8; 32],
}

impl Teacher {
    /// Opens a teacher and checks that it knows what the network is to learn.
    pub(super) fn open(
        path: &Path,
        architecture: &Architecture,
        labels: &[String],
    ) -> std::result::Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
        let hash = Sha256::digest(&bytes).into();
        let file = ModelFile::from_bytes(bytes).map_err(|e| TrainError::malformed(path, e.to_string()))?;
        let model = Model::from_file(&file)?;
        if model.labels() != labels {
            let message = format!("the teacher knows {:?}, the labels are {labels:?}", model.labels());
            return Err(TrainError::malformed(path, message));
        }
        let (given, wanted) = (model.header().architecture.input(), architecture.input());
        if given != wanted {
            return Err(TrainError::malformed(
                path,
                format!("the teacher takes {given}, the network {wanted}"),
            ));
        }
        Ok(Self { model, hash })
    }

    /// Its scores for a batch.
    fn scores(&self, x: &Tensor) -> std::result::Result<Tensor, TrainError> {
        let (shape, values) = (x.dims3()?, x.flatten_all()?.to_vec1::<f32>()?);
        let batch = ArrayView3::from_shape(shape, &values)
            .map_err(|e| TrainError::shape("batch", e.to_string(), "it must be (batch, rows, frames)"))?;
        let rows = self.model.probabilities(batch)?;
        let shape = rows.dim();
        // Logarithms of probabilities are scores; that of 0 would be infinite.
        let scores = rows.iter().map(|p| p.max(f32::MIN_POSITIVE).ln());
        Ok(Tensor::from_iter(scores, &Device::Cpu)?.reshape(shape)?)
    }
}

/// The loss of a run.
#[derive(Debug)]
pub(super) struct Loss<'a> {
    kind: LossKind,
    labels: CrossEntropyConfig,
    teacher: Option<(&'a Teacher, &'a Distillation)>,
}

impl<'a> Loss<'a> {
    pub(super) fn new(
        config: &'a TrainConfig,
        class_weights: Option<Vec<f64>>,
        teacher: Option<&'a Teacher>,
    ) -> Self {
        Self {
            kind: config.loss,
            labels: CrossEntropyConfig { label_smoothing: config.label_smoothing, class_weights },
            teacher: teacher.zip(config.distillation.as_ref()),
        }
    }

    /// The loss of the scores for a batch `x` whose target probabilities are `target`.
    pub(super) fn of(
        &self,
        x: &Tensor,
        scores: &Tensor,
        target: &Tensor,
    ) -> std::result::Result<Tensor, TrainError> {
        let loss = match self.kind {
            LossKind::CrossEntropy {} => cross_entropy(scores, Target::Probabilities(target), &self.labels)?,
            LossKind::Focal(FocalParameters { gamma }) => focal(scores, target, gamma, &self.labels)?,
        };
        let Some((teacher, distillation)) = self.teacher else {
            return Ok(loss);
        };
        let Distillation { share, temperature, .. } = *distillation;
        let divergence = distillation_loss(scores, &teacher.scores(x)?, temperature)?;
        Ok(((loss * (1.0 - share))? + (divergence * share)?)?)
    }
}

/// The focal loss for target probabilities: the mean over rows of `-sum(weight * target * (1 - p)^gamma * ln p)`.
fn focal(scores: &Tensor, target: &Tensor, gamma: f64, labels: &CrossEntropyConfig) -> Result<Tensor> {
    let (rows, classes) = scores.dims2()?;
    let smoothing = labels.label_smoothing;
    let mut target = target.affine(1.0 - smoothing, smoothing / classes as f64)?;
    if let Some(weights) = &labels.class_weights {
        let weights = Tensor::from_slice(weights, classes, &Device::Cpu)?.to_dtype(DType::F32)?;
        target = target.broadcast_mul(&weights)?;
    }
    let log = log_softmax(scores, D::Minus1)?;
    // Above 0: a root has no slope there.
    let missed = (1.0 - log.exp()?)?.clamp(1e-7, 1.0)?;
    let sum = (missed.powf(gamma)? * log)?.mul(&target)?.sum_all()?;
    sum / -(rows as f64)
}

#[cfg(test)]
mod tests {
    use timbral_nn::loss::focal_loss;

    use super::*;

    fn value(tensor: &Tensor) -> f32 {
        tensor.to_scalar().unwrap()
    }

    #[test]
    fn focal_is_cross_entropy_without_gamma_and_the_papers_loss_for_one_class() {
        let scores = Tensor::new(&[[1.0f32, -2.0, 0.5], [0.1, 0.2, 3.0]], &Device::Cpu).unwrap();
        let mixed = Tensor::new(&[[0.7f32, 0.3, 0.0], [0.0, 0.25, 0.75]], &Device::Cpu).unwrap();
        let labels = CrossEntropyConfig { label_smoothing: 0.1, class_weights: Some(vec![0.5, 2.0, 1.0]) };
        let expected = cross_entropy(&scores, Target::Probabilities(&mixed), &labels).unwrap();
        let given = focal(&scores, &mixed, 0.0, &labels).unwrap();
        assert!((value(&given) - value(&expected)).abs() < 1e-6);
        let one = Tensor::new(&[[0.0f32, 1.0, 0.0], [0.0, 0.0, 1.0]], &Device::Cpu).unwrap();
        for gamma in [0.5, 1.0, 2.0, 5.0] {
            let expected = focal_loss(&scores, &[1, 2], gamma).unwrap();
            let given = focal(&scores, &one, gamma, &CrossEntropyConfig::default()).unwrap();
            assert!((value(&given) - value(&expected)).abs() < 1e-6, "{gamma}");
        }
    }
}
