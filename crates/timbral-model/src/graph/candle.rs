//! A graph as candle modules: training, and inference on tensors.

use candle_core::{D, Module, ModuleT, Result, Tensor};
use candle_nn::{Init, VarBuilder};
use timbral_nn::attention::{
    AttentionPooling, MultiHeadAttention, attention_pooling, multi_head_attention, sinusoidal_positions,
};
use timbral_nn::blocks::{
    PatchEmbedding, SqueezeExcitation, StochasticDepth, patch_embedding, squeeze_excitation, stochastic_depth,
};
use timbral_nn::norm::{LayerNorm, layer_norm};
use timbral_nn::pool::{Pool2dConfig, max_pool2d};
use timbral_nn::recurrent::{Gru, RecurrentConfig, gru};
use timbral_nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Dropout, Linear, LinearConfig, Padding, TrainingClock,
    batch_norm_1d, batch_norm_2d, conv2d, dropout, linear, max_over, mean_over, relu,
};

use super::{LAYER_NORM_EPSILON, LayerGraph, Op};
use timbral_features::log_mel_statistics::LogMelStatistics;

use crate::statistics::{cosines, statistics};
use crate::{ModelError, Trunk};

/// A layer with its tensors.
#[derive(Debug)]
enum Step {
    Repeat(usize),
    Fit(usize),
    GroupRows(usize),
    Dct(Tensor),
    Statistics(Box<LogMelStatistics>),
    Image,
    Conv2d(Conv2d),
    BatchNorm {
        norm: BatchNorm,
        relu: bool,
    },
    /// A batch normalisation, ReLU and the maximum of the layer behind it, in one pass.
    NormReluPool {
        norm: BatchNorm,
        window: (usize, usize),
    },
    MaxPool((usize, usize)),
    /// The layer before it has done this one's work.
    Done,
    SqueezeExcitation(SqueezeExcitation),
    MeanMaxOverTime,
    GlobalMean,
    Sequence,
    MeanOverSteps,
    Gru(Gru),
    AttentionPooling(AttentionPooling),
    Patches(PatchEmbedding),
    /// A vector for each row of patches, `(rows, size)`.
    PatchPositions(Tensor),
    LayerNorm(LayerNorm),
    Attention(MultiHeadAttention),
    Flatten,
    Linear {
        linear: Linear,
        relu: bool,
    },
    Add,
    Dropout(Dropout),
    StochasticDepth(StochasticDepth),
}

/// A [`LayerGraph`] with the tensors of a `VarBuilder`.
#[derive(Debug)]
pub(crate) struct GraphModule {
    rows: usize,
    crop: usize,
    steps: Vec<Step>,
    /// The values that each step reads.
    reads: Vec<Vec<usize>>,
    last_uses: Vec<usize>,
}

impl GraphModule {
    /// Builds the layers with the tensors of `vb`; `shapes` are those of the values for one input, the batch left out.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when `vb` lacks a tensor or holds it in another shape.
    pub(crate) fn new(
        graph: &LayerGraph,
        shapes: &[Vec<usize>],
        clock: &TrainingClock,
        vb: &VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let mut steps = Vec::with_capacity(graph.layers().len());
        for index in 0..graph.layers().len() {
            let input = graph.reads(index).next().map_or(&[][..], |value| shapes[value].as_slice());
            let step = if index > 0 && graph.fused_pool(index - 1).is_some() {
                Step::Done
            } else {
                step(graph, index, input, clock, vb)?
            };
            steps.push(step);
        }
        let reads = (0..steps.len()).map(|index| graph.reads(index).collect()).collect();
        Ok(Self { rows: graph.rows(), crop: graph.crop, steps, reads, last_uses: graph.last_uses() })
    }
}

#[allow(clippy::too_many_lines, reason = "one arm per op")]
fn step(
    graph: &LayerGraph,
    index: usize,
    input: &[usize],
    clock: &TrainingClock,
    vb: &VarBuilder<'_>,
) -> std::result::Result<Step, ModelError> {
    let layer = &graph.layers()[index];
    let vb = vb.pp(&layer.name);
    let (first, last) = (input.first().copied().unwrap_or(0), input.last().copied().unwrap_or(0));
    let built = match &layer.op {
        Op::Statistics(config) => {
            return Ok(Step::Statistics(Box::new(LogMelStatistics::new(config.clone())?)));
        }
        Op::Repeat { least } => Ok(Step::Repeat(*least)),
        Op::Fit { frames } => Ok(Step::Fit(*frames)),
        Op::GroupRows { size } => Ok(Step::GroupRows(*size)),
        Op::Dct { coefficients } => cosines(first, *coefficients).map(Step::Dct),
        Op::Image => Ok(Step::Image),
        Op::Conv2d { channels, kernel, stride, same, bias } => {
            let config = Conv2dConfig {
                in_channels: first,
                out_channels: *channels,
                kernel: *kernel,
                stride: *stride,
                padding: if *same { Padding::Same } else { Padding::Valid },
                bias: *bias,
                ..Conv2dConfig::default()
            };
            conv2d(config, vb).map(Step::Conv2d)
        }
        Op::BatchNorm { relu } => {
            let config = BatchNormConfig { channels: first, ..BatchNormConfig::default() };
            let norm = if input.len() == 3 { batch_norm_2d(config, vb) } else { batch_norm_1d(config, vb) };
            norm.map(|norm| match graph.fused_pool(index) {
                Some(window) => Step::NormReluPool { norm, window },
                None => Step::BatchNorm { norm, relu: *relu },
            })
        }
        Op::MaxPool { window } => Ok(Step::MaxPool(*window)),
        Op::SqueezeExcitation { hidden } => {
            squeeze_excitation(first, *hidden, &vb).map(Step::SqueezeExcitation)
        }
        Op::MeanMaxOverTime => Ok(Step::MeanMaxOverTime),
        Op::GlobalMean => Ok(Step::GlobalMean),
        Op::Sequence => Ok(Step::Sequence),
        Op::MeanOverSteps => Ok(Step::MeanOverSteps),
        Op::Gru { hidden, bidirectional } => {
            let config =
                RecurrentConfig { input_size: last, hidden_size: *hidden, bidirectional: *bidirectional };
            gru(config, &vb).map(Step::Gru)
        }
        Op::AttentionPooling => attention_pooling(last, &vb).map(Step::AttentionPooling),
        Op::Patches { patch, size } => patch_embedding(1, *size, *patch, &vb).map(Step::Patches),
        Op::PatchPositions { rows } => {
            let init = Init::Randn { mean: 0.0, stdev: 0.02 };
            vb.get_with_hints((*rows, last), "weight", init).map(Step::PatchPositions)
        }
        Op::LayerNorm => layer_norm(last, LAYER_NORM_EPSILON, vb).map(Step::LayerNorm),
        Op::Attention { heads } => multi_head_attention(last, *heads, &vb).map(Step::Attention),
        Op::Flatten => Ok(Step::Flatten),
        Op::Linear { units, relu } => {
            let config = LinearConfig { in_features: last, out_features: *units, bias: true };
            linear(config, vb).map(|linear| Step::Linear { linear, relu: *relu })
        }
        Op::Add => Ok(Step::Add),
        Op::Dropout { probability } => dropout(*probability, clock, &vb).map(Step::Dropout),
        Op::StochasticDepth { probability } => {
            stochastic_depth(*probability, clock, &vb).map(Step::StochasticDepth)
        }
    };
    built.map_err(|error| ModelError::Shape(error.to_string()))
}

impl Trunk for GraphModule {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (_, rows, frames) = x.dims3()?;
        if rows != self.rows || frames == 0 {
            candle_core::bail!(
                "the input has {rows} rows and {frames} frames; it must have {} rows and at least 1 frame",
                self.rows
            );
        }
        self.run(x, train)
    }

    fn crop_frames(&self) -> usize {
        self.crop
    }
}

impl GraphModule {
    /// The features of an input whose shape has been checked.
    pub(crate) fn run(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut values: Vec<Option<Tensor>> = vec![Some(x.clone())];
        for (index, step) in self.steps.iter().enumerate() {
            let mut inputs = Vec::with_capacity(self.reads[index].len());
            for &value in &self.reads[index] {
                // The last reader takes it, so that its memory goes as soon as this step is done.
                let held =
                    if self.last_uses[value] == index { values[value].take() } else { values[value].clone() };
                inputs.extend(held);
            }
            let output = match inputs.as_slice() {
                [x] => step.forward(x, train)?,
                [a, b] => (a + b)?,
                _ => candle_core::bail!("layer {index} reads {} values; it must read 1 or 2", inputs.len()),
            };
            values.push(Some(output));
        }
        match values.pop().flatten() {
            Some(features) => Ok(features),
            None => candle_core::bail!("a graph without layers"),
        }
    }
}

impl Step {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::Repeat(least) => repeat(x, *least),
            Self::Fit(frames) => {
                let given = x.dim(D::Minus1)?;
                if given > *frames {
                    candle_core::bail!(
                        "the input has {given} frames; it must have at most {frames}: the crop of training and that of the \
                         architecture must agree"
                    );
                }
                repeat(x, *frames)?.narrow(D::Minus1, 0, *frames)
            }
            Self::GroupRows(size) => {
                let (batch, rows, frames) = x.dims3()?;
                x.reshape((batch, rows / size, *size, frames))?.mean(2)
            }
            Self::Dct(cosines) => {
                let frames = x.transpose(1, 2)?.contiguous()?;
                frames.broadcast_matmul(cosines)?.transpose(1, 2)?.contiguous()
            }
            Self::Statistics(plan) => statistics(plan, x),
            Self::Image => x.unsqueeze(1),
            Self::Conv2d(conv) => conv.forward(x),
            Self::BatchNorm { norm, relu: true } => norm.forward_relu_t(x, train),
            Self::BatchNorm { norm, relu: false } => norm.forward_t(x, train),
            Self::NormReluPool { norm, window } => norm.forward_relu_max_pool_t(x, train, *window),
            Self::MaxPool(window) => max_pool2d(x, Pool2dConfig::tiled(*window)),
            Self::Done | Self::Add => Ok(x.clone()),
            Self::SqueezeExcitation(excitation) => excitation.forward(x),
            Self::MeanMaxOverTime => {
                let x = mean_over(x, 2)?;
                Tensor::cat(&[mean_over(&x, D::Minus1)?, max_over(&x, D::Minus1)?], 1)
            }
            Self::GlobalMean => mean_over(&x.flatten_from(2)?, 2),
            // (batch, channels, height, width) to (batch, width, channels * height)
            Self::Sequence => x.flatten(1, 2)?.transpose(1, 2)?.contiguous(),
            Self::MeanOverSteps => mean_over(x, 1),
            Self::Gru(gru) => gru.forward(x),
            Self::AttentionPooling(pooling) => pooling.forward(x),
            Self::Patches(patches) => patches.forward(x),
            Self::PatchPositions(rows) => {
                let (_, patches, size) = x.dims3()?;
                let columns = patches / rows.dim(0)?;
                let times = sinusoidal_positions(columns, size, x)?.unsqueeze(0)?;
                x.broadcast_add(&rows.unsqueeze(1)?.broadcast_add(&times)?.reshape((patches, size))?)
            }
            Self::LayerNorm(norm) => norm.forward(x)?.reshape(x.shape()),
            Self::Attention(attention) => attention.forward(x),
            Self::Flatten => x.flatten_from(1),
            Self::Linear { linear, relu: false } => linear.forward(x),
            Self::Linear { linear, relu: true } => relu(&linear.forward(x)?),
            Self::Dropout(dropout) => dropout.forward_t(x, train),
            Self::StochasticDepth(depth) => depth.forward_t(x, train),
        }
    }
}

/// `x` repeated whole along the last axis until it has at least `least` frames.
fn repeat(x: &Tensor, least: usize) -> Result<Tensor> {
    let frames = x.dim(D::Minus1)?;
    if frames < least { x.repeat((1, 1, least.div_ceil(frames))) } else { Ok(x.clone()) }
}
