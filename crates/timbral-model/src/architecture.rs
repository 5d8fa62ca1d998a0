use std::fmt::{self, Debug};

use candle_core::{ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{TrainingClock, softmax};

use crate::classic::{ClassicConfig, ClassicNet};
use crate::compact_cnn::{CompactCnn, CompactCnnConfig};
use crate::crnn::{Crnn, CrnnConfig};
use crate::ensemble::{Ensemble, JoinedTrunks};
use crate::mfcc_cnn::{MfccCnn, MfccCnnConfig};
use crate::residual_cnn::{ResidualCnn, ResidualCnnConfig};
use crate::sample_cnn::{SampleCnn, SampleCnnConfig};
use crate::spectrogram_transformer::{SpectrogramTransformer, SpectrogramTransformerConfig};
use crate::statistics_net::{StatisticsNet, StatisticsNetConfig};
use crate::summary::Walker;
use crate::transfer::{TRUNK, Transfer, TransferConfig};
use crate::trunk::{Headed, check_size, rule};
use crate::{ModelError, Summary, Trunk};

/// Most classes that an architecture is built for.
const MAX_CLASSES: usize = 10_000;

/// Most levels of networks within networks.
const MAX_DEPTH: usize = 4;

/// A classifier: log-mel spectrograms `(batch, bands, frames)` in dB, or samples `(batch, 1, samples)` where the
/// architecture says so ([`Input`]), to logits `(batch, classes)`.
///
/// Logits are whatever a softmax turns into class probabilities. [`ModuleT::forward_t`] with `train` set uses dropout
/// and batch statistics.
pub trait Network: ModuleT + Debug + Send + Sync {}

impl<T: ModuleT + Debug + Send + Sync> Network for T {}

/// What an architecture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// Log-mel spectrograms, `(batch, bands, frames)` in dB.
    LogMel {
        /// Mel bands.
        bands: usize,
    },
    /// Mono samples within -1 and 1, `(batch, 1, samples)`.
    Waveform,
    /// The columns of a feature set, `(batch, columns, 1)`.
    Features {
        /// Number of columns.
        columns: usize,
    },
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogMel { bands } => write!(f, "spectrograms of {bands} mel bands"),
            Self::Waveform => f.write_str("the waveform"),
            Self::Features { columns } => write!(f, "{columns} columns of a feature set"),
        }
    }
}

/// A network by name and sizes, as it stands in a model file and in a training configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Architecture {
    /// Convolutions over the spectrogram as an image; see [`CompactCnn`].
    CompactCnn(CompactCnnConfig),
    /// Dense layers over statistics of the spectrogram; see [`StatisticsNet`].
    StatisticsNet(StatisticsNetConfig),
    /// A model of `timbral-classic` over the columns of a feature set; see [`ClassicNet`].
    Classic(ClassicConfig),
    /// A deeper convolutional network of residual blocks; see [`ResidualCnn`].
    ResidualCnn(ResidualCnnConfig),
    /// Convolutions, then a recurrent layer over time; see [`Crnn`].
    Crnn(CrnnConfig),
    /// Attention over patches of the spectrogram; see [`SpectrogramTransformer`].
    SpectrogramTransformer(SpectrogramTransformerConfig),
    /// Convolutions over the cepstral coefficients of short segments; see [`MfccCnn`].
    MfccCnn(MfccCnnConfig),
    /// One-dimensional convolutions over the waveform; see [`SampleCnn`].
    SampleCnn(SampleCnnConfig),
    /// A trained network with a new head; see [`Transfer`].
    Transfer(TransferConfig),
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
    /// [`ModelError::Config`] with the rule that is broken; [`ModelError::Limit`] when sizes that are allowed one by one
    /// ask for too much memory together.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        self.check_depth()?;
        self.validate_parts()?;
        let mut walker = Walker::new(&self.input_shape(self.default_frames()));
        self.walk(&mut walker);
        walker.check()
    }

    /// Networks within networks: a few levels are a use, more are an attack.
    fn check_depth(&self) -> std::result::Result<(), ModelError> {
        let depth = self.depth();
        rule(depth <= MAX_DEPTH, || {
            format!("networks within networks {depth} deep, at most {MAX_DEPTH} are allowed")
        })
    }

    fn depth(&self) -> usize {
        match self {
            Self::Transfer(config) => 1 + config.trunk.depth(),
            Self::Ensemble { members } => 1 + members.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn validate_parts(&self) -> std::result::Result<(), ModelError> {
        match self {
            Self::CompactCnn(config) => config.validate(),
            Self::StatisticsNet(config) => config.validate(),
            Self::Classic(config) => config.validate(),
            Self::ResidualCnn(config) => config.validate(),
            Self::Crnn(config) => config.validate(),
            Self::SpectrogramTransformer(config) => config.validate(),
            Self::MfccCnn(config) => config.validate(),
            Self::SampleCnn(config) => config.validate(),
            Self::Transfer(config) => config.validate(),
            Self::Ensemble { members } => {
                let given = members.len();
                rule((1..=64).contains(&given), || format!("{given} members, 1 to 64 make an ensemble"))?;
                let input = members[0].input();
                for member in members {
                    rule(!matches!(member, Self::Ensemble { .. }), || {
                        "an ensemble may not hold an ensemble".into()
                    })?;
                    let other = member.input();
                    rule(other == input, || match (input, other) {
                        (Input::LogMel { bands }, Input::LogMel { bands: other }) => {
                            format!("members take {bands} and {other} mel bands")
                        }
                        _ => format!("members take {input} and {other}"),
                    })?;
                    member.validate()?;
                }
                Ok(())
            }
        }
    }

    /// What the network takes.
    #[must_use]
    pub fn input(&self) -> Input {
        let bands = match self {
            Self::CompactCnn(config) => config.bands,
            Self::StatisticsNet(config) => config.statistics.bands,
            Self::ResidualCnn(config) => config.bands,
            Self::Crnn(config) => config.bands,
            Self::SpectrogramTransformer(config) => config.bands,
            Self::MfccCnn(config) => config.bands,
            Self::SampleCnn(_) => return Input::Waveform,
            Self::Classic(ClassicConfig { statistics: Some(statistics), .. }) => statistics.bands,
            Self::Classic(config) => {
                return Input::Features { columns: config.columns };
            }
            Self::Transfer(config) => return config.trunk.input(),
            Self::Ensemble { members } => {
                return members.first().map_or(Input::LogMel { bands: 0 }, Self::input);
            }
        };
        Input::LogMel { bands }
    }

    /// Rows of the input: mel bands, columns of a feature set, or 1 for a waveform.
    #[must_use]
    pub fn bands(&self) -> usize {
        match self.input() {
            Input::LogMel { bands } => bands,
            Input::Waveform => 1,
            Input::Features { columns } => columns,
        }
    }

    /// Frames (or samples) that the network is made for: those of a crop, or 128 where it takes any length at once.
    #[must_use]
    pub fn default_frames(&self) -> usize {
        let frames = match self {
            Self::CompactCnn(config) => config.crop_frames,
            Self::StatisticsNet(config) => config.statistics.modulation_frames,
            Self::Classic(_) => 1,
            Self::ResidualCnn(config) => config.crop_frames,
            Self::Crnn(config) => config.crop_frames,
            Self::SpectrogramTransformer(config) => config.crop_frames,
            Self::MfccCnn(config) => config.crop_frames,
            Self::SampleCnn(config) => config.crop_samples,
            Self::Transfer(config) => config.trunk.default_frames(),
            Self::Ensemble { members } => members.iter().map(Self::default_frames).max().unwrap_or(0),
        };
        if frames == 0 { 128 } else { frames }
    }

    /// The layers with their output shapes, weights and multiply-adds for one input of `frames` frames (samples for a
    /// waveform) that is not cut into crops; [`default_frames`](Self::default_frames) is the length to ask for.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), for the sizes and for the number of classes and frames.
    pub fn summary(&self, classes: usize, frames: usize) -> std::result::Result<Summary, ModelError> {
        self.validate()?;
        check_classes(classes)?;
        check_size("frames", frames, 1, 1 << 24)?;
        let mut walker = Walker::new(&self.input_shape(frames));
        self.walk_network(classes, &mut walker);
        walker.check()?;
        Ok(walker.finish())
    }

    fn input_shape(&self, frames: usize) -> [usize; 2] {
        [self.bands(), frames]
    }

    /// Layers up to the features.
    pub(crate) fn walk(&self, walker: &mut Walker) {
        match self {
            Self::CompactCnn(config) => config.walk(walker),
            Self::StatisticsNet(config) => config.walk(walker),
            // It has no layers of its own; `walk_network` tells of all of it.
            Self::Classic(_) => {}
            Self::ResidualCnn(config) => config.walk(walker),
            Self::Crnn(config) => config.walk(walker),
            Self::SpectrogramTransformer(config) => config.walk(walker),
            Self::MfccCnn(config) => config.walk(walker),
            Self::SampleCnn(config) => config.walk(walker),
            Self::Transfer(config) => config.walk(walker),
            Self::Ensemble { members } => {
                let input = walker.shape().to_vec();
                let mut width = 0;
                for (i, member) in with_layers(members) {
                    walker.branch_from(&input);
                    walker.within(&member_path(i), |walker| member.walk(walker));
                    width += walker.width();
                }
                walker.reshape("features", "side by side", &[width]);
            }
        }
    }

    fn walk_network(&self, classes: usize, walker: &mut Walker) {
        if let Self::Classic(_) = self {
            walker.reshape("model", "classic model", &[classes]);
            return;
        }
        let Self::Ensemble { members } = self else {
            self.walk(walker);
            walker.linear("output", classes, "dense");
            return;
        };
        let input = walker.shape().to_vec();
        for (i, member) in members.iter().enumerate() {
            walker.branch_from(&input);
            walker.within(&member_path(i), |walker| member.walk_network(classes, walker));
        }
        walker.reshape("mean", "mean of probabilities", &[classes]);
    }

    /// Number of features that the last layer sees.
    #[must_use]
    pub fn feature_width(&self) -> usize {
        let mut walker = Walker::new(&self.input_shape(self.default_frames()));
        self.walk(&mut walker);
        walker.width()
    }

    /// Whether training must leave the weight `name` as it is: it belongs to a frozen trunk.
    #[must_use]
    pub fn is_frozen(&self, name: &str) -> bool {
        match self {
            Self::Transfer(config) => name
                .strip_prefix(TRUNK)
                .and_then(|name| name.strip_prefix('.'))
                .is_some_and(|name| config.frozen || config.trunk.is_frozen(name)),
            Self::Ensemble { members } => members.iter().enumerate().any(|(i, member)| {
                name.strip_prefix(&member_path(i))
                    .and_then(|name| name.strip_prefix('.'))
                    .is_some_and(|name| member.is_frozen(name))
            }),
            _ => false,
        }
    }

    /// Builds the network with the weights that `vb` gives: fresh ones for training, stored ones for inference. In
    /// training `clock` tells the layers that draw random numbers seed and step.
    ///
    /// # Errors
    /// [`ModelError::Config`] and [`ModelError::Limit`] for sizes that break a rule, [`ModelError::Shape`] when `vb`
    /// lacks a weight or holds it in another shape.
    pub fn build(
        &self,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Network>, ModelError> {
        self.validate()?;
        check_classes(classes)?;
        self.build_checked(classes, clock, vb)
    }

    fn build_checked(
        &self,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Network>, ModelError> {
        if let Self::Ensemble { members } = self {
            let networks = members
                .iter()
                .enumerate()
                .map(|(i, member)| member.build_checked(classes, clock, vb.pp(member_path(i))))
                .collect::<std::result::Result<_, _>>()?;
            return Ok(Box::new(Ensemble::new(networks)));
        }
        if let Self::Classic(config) = self {
            return Ok(Box::new(ClassicNet::new(config, classes, &vb)?));
        }
        let trunk = self.trunk_checked(clock, vb.clone())?;
        let network = Headed::new(trunk, self.feature_width(), classes, &vb);
        Ok(Box::new(network.map_err(shape_error)?))
    }

    /// Builds the network without its last layer, as [`build`](Self::build) does with it; an ensemble gives the features
    /// of its members side by side, without its classic models, which have no layers.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_trunk(
        &self,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Trunk>, ModelError> {
        self.validate()?;
        self.trunk_checked(clock, vb)
    }

    fn trunk_checked(
        &self,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Trunk>, ModelError> {
        Ok(match self {
            Self::CompactCnn(config) => Box::new(CompactCnn::new(config, clock, vb).map_err(shape_error)?),
            Self::StatisticsNet(config) => Box::new(StatisticsNet::new(config, clock, vb)?),
            Self::Classic(_) => {
                return Err(ModelError::Config("a classic model has no layers below its last one".into()));
            }
            Self::ResidualCnn(config) => Box::new(ResidualCnn::new(config, clock, vb).map_err(shape_error)?),
            Self::Crnn(config) => Box::new(Crnn::new(config, clock, vb).map_err(shape_error)?),
            Self::SpectrogramTransformer(config) => {
                Box::new(SpectrogramTransformer::new(config, clock, vb).map_err(shape_error)?)
            }
            Self::MfccCnn(config) => Box::new(MfccCnn::new(config, clock, vb).map_err(shape_error)?),
            Self::SampleCnn(config) => Box::new(SampleCnn::new(config, clock, vb).map_err(shape_error)?),
            Self::Transfer(config) => Box::new(Transfer::new(config, clock, vb)?),
            Self::Ensemble { members } => {
                let trunks: Vec<_> = with_layers(members)
                    .map(|(i, member)| member.trunk_checked(clock, vb.pp(member_path(i))))
                    .collect::<std::result::Result<_, _>>()?;
                rule(!trunks.is_empty(), || {
                    "an ensemble of classic models has no layers below its last one".into()
                })?;
                Box::new(JoinedTrunks(trunks))
            }
        })
    }
}

/// The members of an ensemble that have layers below their last one, with their places: all but classic models.
fn with_layers(members: &[Architecture]) -> impl Iterator<Item = (usize, &Architecture)> {
    members.iter().enumerate().filter(|(_, member)| !matches!(member, Architecture::Classic(_)))
}

fn shape_error(error: candle_core::Error) -> ModelError {
    ModelError::Shape(error.to_string())
}

fn check_classes(classes: usize) -> std::result::Result<(), ModelError> {
    rule((2..=MAX_CLASSES).contains(&classes), || {
        format!("{classes} classes, 2 to {MAX_CLASSES} are allowed")
    })
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
