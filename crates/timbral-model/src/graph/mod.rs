//! Networks as data: a graph of layers.
//!
//! A network is described once, as a [`LayerGraph`]. Its candle module (training), its [`Summary`](crate::Summary) with the
//! memory limits, and its forward pass on slices (serving) are three readings of that graph, so that they cannot disagree.
//! The architectures of this crate write such a graph from their configuration;
//! [`Architecture::Graph`](crate::Architecture::Graph) takes one of your own, and keeps it in the model file.
//!
//! ```
//! use timbral_model::graph::{LayerGraph, Op};
//! use timbral_model::{Architecture, Input};
//!
//! let mut graph = LayerGraph::new(Input::LogMel { bands: 64 }).with_crop(128);
//! graph.push("input", Op::BatchNorm { relu: false });
//! graph.push("image", Op::Image);
//! graph.push("conv1", Op::conv(16, (5, 5)));
//! graph.push("norm1", Op::BatchNorm { relu: true });
//! let trunk = graph.push("pool1", Op::MaxPool { window: (2, 2) });
//! graph.push("conv2", Op::conv(16, (3, 3)));
//! let branch = graph.push("norm2", Op::BatchNorm { relu: true });
//! graph.push_from("sum", Op::Add, &[trunk, branch]); // a residual connection
//! graph.push("pool", Op::MeanMaxOverTime);
//! graph.push("dropout", Op::Dropout { probability: 0.3 });
//!
//! let architecture = Architecture::Graph(graph);
//! let summary = architecture.summary(10, 128)?; // the last dense layer, to the ten classes, is added
//! assert_eq!(summary.layers.last().map(|layer| layer.output.clone()), Some(vec![10]));
//! # Ok::<(), timbral_model::ModelError>(())
//! ```

#[cfg(feature = "candle")]
pub(crate) mod candle;
pub(crate) mod forward;
mod trace;

use serde::{Deserialize, Serialize};

use timbral_features::log_mel_statistics::LogMelStatisticsConfig;

use crate::rules::{check_size, rule};
use crate::{Input, ModelError};

pub(crate) use trace::Trace;

/// Most layers of a graph.
const MAX_LAYERS: usize = 4096;

/// Longest name of a layer, in bytes.
const MAX_NAME: usize = 256;

/// Added to variances before the root in layer normalisation.
pub(crate) const LAYER_NORM_EPSILON: f64 = 1e-5;

/// One value inside a [`LayerGraph`]: its input or the output of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(usize);

impl Value {
    /// The input of the graph.
    pub const INPUT: Self = Self(0);

    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// A network without its last layer as a sequence of layers, each of which reads values that stand before it.
///
/// The output of the last layer must be a vector: an embedding, on which [`Architecture`](crate::Architecture) puts one dense
/// layer to the classes. Shapes below leave out the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerGraph {
    /// What the network takes: `(bands, frames)`, `(1, samples)` or `(columns, 1)`.
    pub input: Input,
    /// Frames (or samples) of the crops, half overlapping, that inference cuts a longer input into and whose probabilities it
    /// averages; 0 takes any input whole. Training should use crops of this length. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crop: usize,
    layers: Vec<Layer>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A layer of a [`LayerGraph`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Layer {
    /// Path of the layer: what stands before the names of its tensors in a model file.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The values that it reads; empty stands for the one before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Value>,
}

/// What a layer computes.
///
/// Tensors have PyTorch's names and shapes below the layer's path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Op {
    /// Repeats `(rows, frames)` whole until it has at least so many frames.
    Repeat {
        /// Fewest frames.
        least: usize,
    },
    /// Repeats `(rows, frames)` and cuts it to exactly so many frames; a longer input is an error.
    Fit {
        /// Frames.
        frames: usize,
    },
    /// Means of neighbouring rows, `(rows, frames)` to `(rows / size, frames)`.
    GroupRows {
        /// Rows of a group; it divides their number.
        size: usize,
    },
    /// Orthonormal DCT-II over the rows, `(rows, frames)` to `(coefficients, frames)`: cepstral coefficients of log-mel bands.
    Dct {
        /// Coefficients, at most the rows.
        coefficients: usize,
    },
    /// Statistics over time of a log-mel spectrogram, `(bands, frames)` to `(statistics)`. Gradients end here.
    Statistics(LogMelStatisticsConfig),
    /// `(rows, frames)` as an image of one channel, `(1, rows, frames)`.
    Image,
    /// Convolution over `(channels, height, width)`.
    Conv2d {
        /// Channels of the output.
        channels: usize,
        /// Kernel size (height, width).
        kernel: (usize, usize),
        /// Step between windows (height, width). Default: (1, 1).
        #[serde(default = "one_by_one", skip_serializing_if = "is_one_by_one")]
        stride: (usize, usize),
        /// Zeros around the image such that a stride of 1 keeps its size. Default: true; otherwise there is no padding.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        same: bool,
        /// Whether a bias is added. Default: false, for a normalisation that follows.
        #[serde(default, skip_serializing_if = "is_false")]
        bias: bool,
    },
    /// Batch normalisation over the first axis.
    BatchNorm {
        /// Whether a ReLU follows.
        #[serde(default)]
        relu: bool,
    },
    /// Maximum of windows beside each other over the last two axes of `(channels, height, width)`.
    MaxPool {
        /// Window size (height, width).
        window: (usize, usize),
    },
    /// Squeeze-excitation: a factor for each channel of `(channels, height, width)` (Hu et al. 2018).
    SqueezeExcitation {
        /// Units between squeeze and excitation.
        hidden: usize,
    },
    /// Mean over the height, then mean and maximum over the width side by side, `(channels, height, width)` to
    /// `(2 * channels)`.
    MeanMaxOverTime,
    /// Mean over all axes but the first, `(channels, ..)` to `(channels)`.
    GlobalMean,
    /// Channels and height of each column as a step of a sequence, `(channels, height, width)` to
    /// `(width, channels * height)`.
    Sequence,
    /// Mean over the steps of a sequence, `(steps, size)` to `(size)`.
    MeanOverSteps,
    /// Gated recurrent unit over a sequence, `(steps, size)` to `(steps, directions * hidden)` (Cho et al. 2014).
    Gru {
        /// Size of the state of each direction.
        hidden: usize,
        /// Whether a second unit reads the sequence from its end.
        #[serde(default)]
        bidirectional: bool,
    },
    /// Mean over the steps of a sequence weighted by a learned score, `(steps, size)` to `(size)`.
    AttentionPooling,
    /// Patches of an image of one channel beside each other, each mapped to a vector, `(1, height, width)` to
    /// `(patches, size)`, row by row (Dosovitskiy et al. 2021).
    Patches {
        /// Height and width of a patch.
        patch: (usize, usize),
        /// Size of the vectors.
        size: usize,
    },
    /// Adds to each patch a learned vector for its row and sinusoids for its place in time, `(patches, size)`.
    PatchPositions {
        /// Rows of patches; they divide the number of patches.
        rows: usize,
    },
    /// Layer normalisation over the last axis of `(steps, size)`.
    LayerNorm,
    /// Multi-head self-attention, `(steps, size)` (Vaswani et al. 2017).
    Attention {
        /// Heads; they divide the size.
        heads: usize,
    },
    /// All values as one vector, row-major.
    Flatten,
    /// Dense layer with bias over the last axis.
    Linear {
        /// Units of the output.
        units: usize,
        /// Whether a ReLU follows.
        #[serde(default)]
        relu: bool,
    },
    /// Sum of two values of one shape.
    Add,
    /// Sets random values to zero in training.
    Dropout {
        /// Fraction of values, in `[0, 1)`.
        probability: f64,
    },
    /// Leaves out a whole example in training: put it at the end of a residual branch (Huang et al. 2016).
    StochasticDepth {
        /// Fraction of examples, in `[0, 1)`.
        probability: f64,
    },
}

impl Op {
    /// A convolution without bias, padded so that it keeps the size of the image.
    #[must_use]
    pub fn conv(channels: usize, kernel: (usize, usize)) -> Self {
        Self::Conv2d { channels, kernel, stride: (1, 1), same: true, bias: false }
    }

    /// A dense layer followed by ReLU.
    #[must_use]
    pub fn dense(units: usize) -> Self {
        Self::Linear { units, relu: true }
    }
}

fn one_by_one() -> (usize, usize) {
    (1, 1)
}

fn is_one_by_one(size: &(usize, usize)) -> bool {
    *size == (1, 1)
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl LayerGraph {
    /// A graph without layers.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self { input, crop: 0, layers: Vec::new() }
    }

    /// Sets [`crop`](Self::crop).
    #[must_use]
    pub fn with_crop(mut self, frames: usize) -> Self {
        self.crop = frames;
        self
    }

    /// Adds a layer that reads the value before it: the output of the layer added last, or the input.
    pub fn push(&mut self, name: impl Into<String>, op: Op) -> Value {
        self.push_from(name, op, &[])
    }

    /// Adds a layer that reads these values.
    pub fn push_from(&mut self, name: impl Into<String>, op: Op, inputs: &[Value]) -> Value {
        self.layers.push(Layer { name: name.into(), op, inputs: inputs.to_vec() });
        self.output()
    }

    /// Adds a convolution without bias, batch normalisation with ReLU, and a maximum: `name.conv`, `name.norm`, `name.pool`.
    pub(crate) fn conv_block(
        &mut self,
        name: &str,
        channels: usize,
        kernel: (usize, usize),
        window: (usize, usize),
    ) {
        self.push(format!("{name}.conv"), Op::conv(channels, kernel));
        self.push(format!("{name}.norm"), Op::BatchNorm { relu: true });
        self.push(format!("{name}.pool"), Op::MaxPool { window });
    }

    /// Adds dense layers with ReLU, `hidden0`, `hidden1`, …, each followed by dropout.
    pub(crate) fn dense_layers(&mut self, units: &[usize], probability: f64) {
        for (i, &units) in units.iter().enumerate() {
            self.push(format!("hidden{i}"), Op::dense(units));
            self.push(format!("hidden{i}.dropout"), Op::Dropout { probability });
        }
    }

    /// The value that a further layer would read: the output of the last layer.
    #[must_use]
    pub fn output(&self) -> Value {
        Value(self.layers.len())
    }

    /// The layers, in the order in which they are computed.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Rows of the input.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.input.rows()
    }

    /// Checks the sizes that a trace of the shapes does not.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        check_size("number of layers of the graph", self.layers.len(), 1, MAX_LAYERS)?;
        check_size("number of rows of the input", self.rows(), 1, 1 << 20)?;
        check_size("crop", self.crop, 0, 1 << 22)?;
        self.layers.iter().try_for_each(|Layer { name, .. }| {
            let holds = !name.is_empty() && name.len() <= MAX_NAME;
            rule(holds, "name of a layer", format!("{name:?}"), || format!("1 to {MAX_NAME} bytes long"))
        })
    }

    /// The values that layer `index` reads, in a valid graph.
    pub(crate) fn reads(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let layer = &self.layers[index];
        let before = layer.inputs.is_empty().then_some(index);
        before.into_iter().chain(layer.inputs.iter().map(|value| value.index()))
    }

    /// For each value, the last layer that reads it: after that its memory can go.
    pub(crate) fn last_uses(&self) -> Vec<usize> {
        let mut last = vec![usize::MAX; self.layers.len() + 1];
        for index in 0..self.layers.len() {
            for value in self.reads(index) {
                last[value] = index;
            }
        }
        last
    }

    /// Whether layer `index` is a batch normalisation with ReLU whose output only the maximum behind it reads, with that
    /// maximum's window: the two are one pass over the image.
    pub(crate) fn fused_pool(&self, index: usize) -> Option<(usize, usize)> {
        let Op::BatchNorm { relu: true } = self.layers[index].op else {
            return None;
        };
        let Some(Layer { op: Op::MaxPool { window }, .. }) = self.layers.get(index + 1) else {
            return None;
        };
        let readers =
            (0..self.layers.len()).filter(|&layer| self.reads(layer).any(|value| value == index + 1));
        (readers.eq([index + 1])).then_some(*window)
    }
}
