//! Architectures as candle modules: for training, and for inference on tensors.

use std::fmt::Debug;

use candle_core::{D, DType, Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use ndarray::ArrayView3;
use timbral_nn::{Linear, LinearConfig, TrainingClock, linear, softmax};

use crate::architecture::{CHUNK_VALUES, Structure, check_classes, crop_starts, with_layers};
use crate::classic::{ArrayKind, ClassicConfig, ClassicMember};
use crate::graph::Trace;
use crate::graph::candle::GraphModule;
use crate::rules::rule;
use crate::transfer::TRUNK;
use crate::{Architecture, ModelError, StoredTensor, member_path};

/// A classifier: log-mel spectrograms `(batch, bands, frames)` in dB, or samples `(batch, 1, samples)` where the
/// architecture says so ([`Input`](crate::Input)), to logits `(batch, classes)`.
///
/// Logits are whatever a softmax turns into class probabilities. [`ModuleT::forward_t`] with `train` set uses dropout
/// and batch statistics.
pub trait Network: ModuleT + Debug + Send + Sync {}

impl<T: ModuleT + Debug + Send + Sync> Network for T {}

/// A network without its last layer: inputs to features `(batch, width)`, from which one dense layer makes the logits.
///
/// [`Architecture::build_trunk`] makes one. These features serve as an embedding and for transfer to other classes.
pub trait Trunk: Debug + Send + Sync {
    /// Features of a batch `(batch, bands, frames)`, or `(batch, 1, samples)` for networks over the waveform; with
    /// `train` dropout and batch statistics are in use.
    ///
    /// # Errors
    /// When `x` is not what the network takes.
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor>;

    /// Frames (or samples) of the crops that inference cuts a longer input into; 0 takes it whole.
    fn crop_frames(&self) -> usize;
}

impl Architecture {
    /// Builds the network with the weights that `vb` gives: fresh ones for training, stored ones for inference. In
    /// training `clock` gives seed and step to the layers that draw random numbers.
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
        self.network(classes, clock, &vb)
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
        self.trunk(clock, &vb)
    }

    fn network(
        &self,
        classes: usize,
        clock: &TrainingClock,
        vb: &VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Network>, ModelError> {
        Ok(match self.structure() {
            Structure::Classic(config) => Box::new(ClassicNet::new(config, classes, vb)?),
            Structure::Ensemble(members) => {
                let members = members
                    .iter()
                    .enumerate()
                    .map(|(i, member)| member.network(classes, clock, &vb.pp(member_path(i))))
                    .collect::<std::result::Result<_, _>>()?;
                Box::new(Mean { members })
            }
            _ => {
                let in_features = self.feature_width();
                let config = LinearConfig { in_features, out_features: classes, bias: true };
                let trunk = self.trunk(clock, vb)?;
                let output = linear(config, vb.pp("output")).map_err(shape_error)?;
                Box::new(Headed { trunk, output })
            }
        })
    }

    fn trunk(
        &self,
        clock: &TrainingClock,
        vb: &VarBuilder<'_>,
    ) -> std::result::Result<Box<dyn Trunk>, ModelError> {
        Ok(match self.structure() {
            Structure::Layers(layers) => {
                let graph = layers.layers();
                let shapes = Trace::new(&self.input_shape(self.default_frames())).graph(&graph)?;
                Box::new(GraphModule::new(&graph, &shapes, clock, vb)?)
            }
            Structure::Classic(_) => {
                return Err(ModelError::config(
                    "architecture",
                    "a classic model",
                    "one with layers below its last",
                ));
            }
            Structure::Transfer(config) => {
                let width = config.trunk.feature_width();
                let head = config.head(width);
                let shapes = Trace::new(&[width]).graph(&head)?;
                Box::new(Transfer {
                    trunk: config.trunk.trunk(clock, &vb.pp(TRUNK))?,
                    frozen: config.frozen,
                    head: GraphModule::new(&head, &shapes, clock, vb)?,
                })
            }
            Structure::Ensemble(members) => {
                let trunks: Vec<_> = with_layers(members)
                    .map(|(i, member)| member.trunk(clock, &vb.pp(member_path(i))))
                    .collect::<std::result::Result<_, _>>()?;
                rule(!trunks.is_empty(), "architecture", "an ensemble of classic models", || {
                    "one with layers below its last".into()
                })?;
                Box::new(Joined(trunks))
            }
        })
    }
}

fn shape_error(error: candle_core::Error) -> ModelError {
    ModelError::Shape(error.to_string())
}

/// A trunk and its last layer.
#[derive(Debug)]
struct Headed {
    trunk: Box<dyn Trunk>,
    output: Linear,
}

impl ModuleT for Headed {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let logits = |x: &Tensor| self.output.forward(&self.trunk.features(x, train)?);
        let (frames, crop) = (x.dim(D::Minus1)?, self.trunk.crop_frames());
        if train || crop == 0 || frames <= crop {
            return logits(x);
        }
        log_probabilities(&mean_over_crops(x, crop, |crops| softmax(&logits(crops)?, D::Minus1))?)
    }
}

/// Mean of the class probabilities of several networks over the same input, as logits.
///
/// Members are trained one by one: an ensemble has no training mode of its own, and `train` is ignored.
#[derive(Debug)]
struct Mean {
    members: Vec<Box<dyn Network>>,
}

impl ModuleT for Mean {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let rows = self.members.iter().map(|m| probabilities(m.as_ref(), x)).collect::<Result<Vec<_>>>()?;
        log_probabilities(&Tensor::stack(&rows, 0)?.mean(0)?)
    }
}

/// A model of `timbral-classic` behind the interface of a network: features `(batch, columns)` or `(batch, columns, 1)`, or
/// log-mel spectrograms `(batch, bands, frames)` of which it takes statistics, to logits, which are the logarithms of its
/// probabilities. It is fitted, not trained: gradients end here.
#[derive(Debug)]
struct ClassicNet(ClassicMember);

impl ClassicNet {
    fn new(
        config: &ClassicConfig,
        classes: usize,
        vb: &VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let get = |name: &str| {
            let dtype = match config.arrays.get(name) {
                Some(ArrayKind::U32) => DType::U32,
                Some(ArrayKind::F32) => DType::F32,
                Some(ArrayKind::F16) => DType::F16,
                _ => DType::F64,
            };
            let tensor = vb.get_unchecked_dtype(name, dtype).map_err(|e| ModelError::Shape(e.to_string()))?;
            StoredTensor::from_candle(&tensor)
        };
        Ok(Self(ClassicMember::new(config, classes, get)?))
    }
}

impl ModuleT for ClassicNet {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let x3 = if x.rank() == 2 { x.unsqueeze(2)? } else { x.clone() };
        let values: Vec<f32> = x3.flatten_all()?.to_vec1()?;
        let view = ArrayView3::from_shape(x3.dims3()?, &values).map_err(candle_core::Error::wrap)?;
        let probabilities = self.0.probabilities(view).map_err(candle_core::Error::wrap)?;
        let dim = probabilities.dim();
        let flat = probabilities.into_raw_vec_and_offset().0;
        log_probabilities(&Tensor::from_vec(flat, dim, x.device())?)
    }
}

/// Features of several networks side by side, each cut into crops as it was trained.
#[derive(Debug)]
struct Joined(Vec<Box<dyn Trunk>>);

impl Trunk for Joined {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let parts = self
            .0
            .iter()
            .map(|trunk| cropped_features(trunk.as_ref(), x, train))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 1)
    }

    fn crop_frames(&self) -> usize {
        0
    }
}

/// Features of a trained network, frozen or trained on, below a new head of dense layers.
///
/// A frozen trunk runs as in inference, running statistics and all: its weights stay bit for bit, and no gradient is
/// computed for it.
#[derive(Debug)]
struct Transfer {
    trunk: Box<dyn Trunk>,
    frozen: bool,
    head: GraphModule,
}

impl Trunk for Transfer {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let features = cropped_features(self.trunk.as_ref(), x, train && !self.frozen)?;
        self.head.run(&if self.frozen { features.detach() } else { features }, train)
    }

    fn crop_frames(&self) -> usize {
        self.trunk.crop_frames()
    }
}

/// Features of inputs of any length: the mean over crops where the trunk asks for crops.
fn cropped_features(trunk: &dyn Trunk, x: &Tensor, train: bool) -> Result<Tensor> {
    if train {
        return trunk.features(x, true);
    }
    mean_over_crops(x, trunk.crop_frames(), |crops| trunk.features(crops, false))
}

/// Applies `rows` to crops of the last axis and takes the mean over those of each input.
fn mean_over_crops(x: &Tensor, crop: usize, rows: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (batch, bands, frames) = x.dims3()?;
    if crop == 0 || frames <= crop {
        return rows(x);
    }
    let starts = crop_starts(frames, crop);
    let at_once = (CHUNK_VALUES / (batch * bands * crop).max(1)).max(1);
    let mut parts = Vec::new();
    for starts in starts.chunks(at_once) {
        let crops = starts.iter().map(|&start| x.narrow(2, start, crop)).collect::<Result<Vec<_>>>()?;
        parts.push(rows(&Tensor::cat(&crops, 0)?)?);
    }
    let parts = Tensor::cat(&parts, 0)?;
    let width = parts.dim(1)?;
    parts.reshape((starts.len(), batch, width))?.mean(0)
}

/// Logits of `x` as probabilities, `(batch, classes)`.
fn probabilities(network: &dyn Network, x: &Tensor) -> Result<Tensor> {
    softmax(&network.forward_t(x, false)?, D::Minus1)
}

/// Probabilities as logits that a softmax turns back into them.
fn log_probabilities(probabilities: &Tensor) -> Result<Tensor> {
    // The smallest normal number keeps a probability that underflowed from becoming minus infinity.
    probabilities.maximum(f64::from(f32::MIN_POSITIVE))?.log()
}
