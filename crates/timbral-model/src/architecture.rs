use std::fmt::Debug;

use candle_core::{ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{TrainingClock, softmax};

use crate::classic::{ClassicConfig, ClassicNet};
use crate::compact_cnn::{CompactCnn, CompactCnnConfig};
use crate::statistics_net::{StatisticsNet, StatisticsNetConfig};
use crate::{Ensemble, ModelError};

/// Most classes that an architecture is built for.
const MAX_CLASSES: usize = 10_000;

/// A classifier of log-mel spectrograms: `(batch, bands, frames)` in dB to logits `(batch, classes)`.
///
/// Logits are whatever a softmax turns into class probabilities. [`ModuleT::forward_t`] with `train` set uses dropout
/// and batch statistics.
pub trait Network: ModuleT + Debug + Send + Sync {}

impl<T: ModuleT + Debug + Send + Sync> Network for T {}

/// A network by name and sizes, as it stands in a model file and in a training configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Architecture {
    /// Convolutions over the spectrogram as an image; see [`CompactCnn`].
    CompactCnn(CompactCnnConfig),
    /// Dense layers over statistics of the spectrogram; see [`StatisticsNet`].
    StatisticsNet(StatisticsNetConfig),
    /// A model of `timbral-classic` over features; see [`ClassicNet`].
    Classic(ClassicConfig),
    /// Mean of the probabilities of several networks; see [`Ensemble`].
    Ensemble {
        /// The members, at least one, none an ensemble itself.
        members: Vec<Architecture>,
    },
}

impl Architecture {
    /// Checks all sizes, so that building cannot fail for another reason than missing or misshapen weights.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        match self {
            Self::CompactCnn(config) => config.validate(),
            Self::StatisticsNet(config) => config.validate(),
            Self::Classic(config) => config.validate(),
            Self::Ensemble { members } => {
                if members.is_empty() || members.len() > 64 {
                    let given = members.len();
                    return Err(ModelError::Config(format!(
                        "{given} members, 1 to 64 make an ensemble"
                    )));
                }
                let bands = members[0].bands();
                for member in members {
                    if matches!(member, Self::Ensemble { .. }) {
                        return Err(ModelError::Config("an ensemble may not hold an ensemble".into()));
                    }
                    if member.bands() != bands {
                        let other = member.bands();
                        return Err(ModelError::Config(format!(
                            "members take {bands} and {other} mel bands"
                        )));
                    }
                    member.validate()?;
                }
                Ok(())
            }
        }
    }

    /// Rows that the input must have: mel bands, or features of a classic model.
    #[must_use]
    pub fn bands(&self) -> usize {
        match self {
            Self::CompactCnn(config) => config.bands,
            Self::StatisticsNet(config) => config.statistics.bands,
            Self::Classic(config) => config.columns,
            Self::Ensemble { members } => members.first().map_or(0, Self::bands),
        }
    }

    /// Builds the network with the weights that `vb` gives: fresh ones for training, stored ones for inference. In
    /// training `clock` tells the layers that draw random numbers seed and step.
    ///
    /// # Errors
    /// [`ModelError::Config`] for sizes that break a rule, [`ModelError::Shape`] when `vb` lacks a weight or holds it in
    /// another shape.
    pub fn build(
        &self,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Network>, ModelError> {
        self.validate()?;
        if !(2..=MAX_CLASSES).contains(&classes) {
            return Err(ModelError::Config(format!(
                "{classes} classes, 2 to {MAX_CLASSES} are allowed"
            )));
        }
        self.build_checked(classes, clock, vb)
    }

    fn build_checked(
        &self,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Network>, ModelError> {
        Ok(match self {
            Self::CompactCnn(config) => Box::new(
                CompactCnn::new(config, classes, clock, vb).map_err(|e| ModelError::Shape(e.to_string()))?,
            ),
            Self::StatisticsNet(config) => Box::new(StatisticsNet::new(config, classes, clock, vb)?),
            Self::Classic(config) => Box::new(ClassicNet::new(config, classes, &vb)?),
            Self::Ensemble { members } => {
                let networks = members
                    .iter()
                    .enumerate()
                    .map(|(i, member)| member.build_checked(classes, clock, vb.pp(member_path(i))))
                    .collect::<std::result::Result<_, _>>()?;
                Box::new(Ensemble::new(networks))
            }
        })
    }
}

/// Path of the weights of a member of an ensemble: what stands before their names in the model file.
#[must_use]
pub fn member_path(index: usize) -> String {
    format!("member{index}")
}

/// Logits of `x` as probabilities, `(batch, classes)`.
pub(crate) fn probabilities(network: &dyn Network, x: &Tensor) -> Result<Tensor> {
    softmax(&network.forward_t(x, false)?, candle_core::D::Minus1)
}

/// Probabilities as logits that a softmax turns back into them.
pub(crate) fn log_probabilities(probabilities: &Tensor) -> Result<Tensor> {
    // The smallest normal number keeps a probability that underflowed from becoming minus infinity.
    probabilities.maximum(f64::from(f32::MIN_POSITIVE))?.log()
}
