use candle_core::{D, Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::blocks::{SqueezeExcitation, StochasticDepth, squeeze_excitation, stochastic_depth};
use timbral_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Dropout, Padding, TrainingClock, batch_norm_1d, batch_norm_2d, conv2d,
    dropout, max_over, mean_over,
};

use crate::summary::{Walker, count};
use crate::trunk::{
    at_least, check_bands, check_channels, check_crop, check_share, check_size, group_bands, norm, rule,
};
use crate::{ModelError, Trunk};

/// Sizes of a [`ResidualCnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResidualCnnConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Neighbouring bands averaged into one before the first convolution. Default: 2.
    pub bands_per_group: usize,
    /// Channels of each stage; every stage but the first halves bands and frames. Default: 24, 48, 96, 128.
    pub channels: Vec<usize>,
    /// Residual blocks of each stage, 1 to 16. Default: 2.
    pub blocks_per_stage: usize,
    /// Channels for each hidden unit of squeeze-excitation, at least 1. Default: 8.
    pub reduction: usize,
    /// Chance that training leaves out the last block, in `[0, 1)`; it rises evenly from 0 before the first one.
    /// Default: 0.1.
    pub stochastic_depth: f64,
    /// Share of the pooled values set to zero in training, in `[0, 1)`. Default: 0.4.
    pub dropout: f64,
    /// Frames of the crops of inference, as of [`CompactCnnConfig`](crate::CompactCnnConfig). Default: 128.
    pub crop_frames: usize,
}

impl Default for ResidualCnnConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            bands_per_group: 2,
            channels: vec![24, 48, 96, 128],
            blocks_per_stage: 2,
            reduction: 8,
            stochastic_depth: 0.1,
            dropout: 0.4,
            crop_frames: 128,
        }
    }
}

impl ResidualCnnConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        check_bands(self.bands, self.bands_per_group)?;
        check_channels(&self.channels)?;
        let groups = self.bands / self.bands_per_group;
        rule(groups >= 2, || format!("{groups} groups of bands, at least 2 are needed"))?;
        check_size("blocks_per_stage", self.blocks_per_stage, 1, 16)?;
        check_size("reduction", self.reduction, 1, 4096)?;
        check_share("stochastic_depth", self.stochastic_depth)?;
        check_crop(self.crop_frames)?;
        check_share("dropout", self.dropout)
    }

    fn squeezed(&self, channels: usize) -> usize {
        (channels / self.reduction).max(1)
    }

    /// Name, input channels, output channels, stride and chance of being left out of each block.
    fn blocks(&self) -> Vec<BlockSizes> {
        let mut blocks = Vec::new();
        let total = self.channels.len() * self.blocks_per_stage;
        let mut inputs = self.channels.first().copied().unwrap_or(1);
        for (stage, &outputs) in self.channels.iter().enumerate() {
            for block in 0..self.blocks_per_stage {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let depth = blocks.len() + 1;
                blocks.push(BlockSizes {
                    name: format!("stage{stage}.block{block}"),
                    inputs,
                    outputs,
                    stride,
                    left_out: self.stochastic_depth * depth as f64 / total as f64,
                });
                inputs = outputs;
            }
        }
        blocks
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let frames = walker.width().max(2);
        let groups = self.bands / self.bands_per_group;
        walker.reshape("bands", "mean of bands", &[groups, frames]);
        walker.batch_norm("input", false);
        walker.branch_from(&[1, groups, frames]);
        walker.conv2d("stem.conv", self.channels.first().copied().unwrap_or(0), (3, 3), (1, 1));
        walker.batch_norm("stem.norm", true);
        walker.max_pool("stem.pool", (2, 2));
        for block in self.blocks() {
            walker.within(&block.name, |walker| self.walk_block(&block, walker));
        }
        walker.batch_norm("norm", true);
        let channels = self.channels.last().copied().unwrap_or(0);
        walker.reshape("pool", "mean and max over time", &[2 * channels]);
        walker.reshape("dropout", "dropout", &[2 * channels]);
    }

    fn walk_block(&self, block: &BlockSizes, walker: &mut Walker) {
        walker.batch_norm("norm1", true);
        let stride = (block.stride, block.stride);
        if block.changes_shape() {
            let shape = walker.shape().to_vec();
            walker.conv2d("shortcut", block.outputs, (1, 1), stride);
            walker.branch_from(&shape);
        }
        walker.conv2d("conv1", block.outputs, (3, 3), stride);
        walker.batch_norm("norm2", true);
        walker.conv2d("conv2", block.outputs, (3, 3), (1, 1));
        let shape = walker.shape().to_vec();
        let hidden = self.squeezed(block.outputs);
        let products = count(&[2, block.outputs, hidden]);
        let weights = products.saturating_add((hidden + block.outputs) as u64);
        walker.row(
            "excitation",
            "squeeze-excitation",
            &shape,
            weights,
            products.saturating_add(count(&shape)),
        );
    }
}

#[derive(Debug)]
struct BlockSizes {
    name: String,
    inputs: usize,
    outputs: usize,
    stride: usize,
    left_out: f64,
}

impl BlockSizes {
    fn changes_shape(&self) -> bool {
        self.stride > 1 || self.inputs != self.outputs
    }
}

/// A deeper convolutional network over log-mel spectrograms, of pre-activation residual blocks with squeeze-excitation.
///
/// Bands are averaged in groups and normalised each by itself; a 3x3 convolution and a 2x2 maximum follow, then stages
/// of residual blocks (He et al., "Identity mappings in deep residual networks", 2016) whose branches are scaled channel
/// by channel (Hu et al., "Squeeze-and-excitation networks", 2018) and now and then left out in training (Huang et al.,
/// "Deep networks with stochastic depth", 2016); then the mean over frequency, mean and maximum over time side by side,
/// and dropout.
#[derive(Debug)]
pub struct ResidualCnn {
    config: ResidualCnnConfig,
    input: BatchNorm,
    stem: (Conv2d, BatchNorm),
    blocks: Vec<Block>,
    norm: BatchNorm,
    dropout: Dropout,
}

#[derive(Debug)]
struct Block {
    norm1: BatchNorm,
    conv1: Conv2d,
    norm2: BatchNorm,
    conv2: Conv2d,
    excitation: SqueezeExcitation,
    depth: StochasticDepth,
    shortcut: Option<Conv2d>,
}

impl Block {
    fn new(sizes: &BlockSizes, squeezed: usize, clock: &TrainingClock, vb: &VarBuilder<'_>) -> Result<Self> {
        let BlockSizes { inputs, outputs, stride, .. } = *sizes;
        let conv =
            |inputs, kernel, stride, name| conv2d(convolution(inputs, outputs, kernel, stride), vb.pp(name));
        Ok(Self {
            norm1: batch_norm_2d(norm(inputs), vb.pp("norm1"))?,
            conv1: conv(inputs, 3, stride, "conv1")?,
            norm2: batch_norm_2d(norm(outputs), vb.pp("norm2"))?,
            conv2: conv(outputs, 3, 1, "conv2")?,
            excitation: squeeze_excitation(outputs, squeezed, &vb.pp("excitation"))?,
            depth: stochastic_depth(sizes.left_out, clock, &vb.pp("depth"))?,
            shortcut: if sizes.changes_shape() { Some(conv(inputs, 1, stride, "shortcut")?) } else { None },
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let active = self.norm1.forward_relu_t(x, train)?;
        let y = self.norm2.forward_relu_t(&self.conv1.forward(&active)?, train)?;
        let y = self.excitation.forward(&self.conv2.forward(&y)?)?;
        let y = self.depth.forward_t(&y, train)?;
        match &self.shortcut {
            Some(shortcut) => y + shortcut.forward(&active)?,
            None => y + x,
        }
    }
}

fn convolution(in_channels: usize, out_channels: usize, kernel: usize, stride: usize) -> Conv2dConfig {
    Conv2dConfig {
        in_channels,
        out_channels,
        kernel: (kernel, kernel),
        stride: (stride, stride),
        padding: Padding::Same,
        bias: false, // a normalisation follows
        ..Conv2dConfig::default()
    }
}

impl ResidualCnn {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(config: &ResidualCnnConfig, clock: &TrainingClock, vb: VarBuilder<'_>) -> Result<Self> {
        let first = config.channels.first().copied().unwrap_or(0);
        let last = config.channels.last().copied().unwrap_or(0);
        let stem = vb.pp("stem");
        let blocks = config
            .blocks()
            .iter()
            .map(|sizes| Block::new(sizes, config.squeezed(sizes.outputs), clock, &vb.pp(&sizes.name)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            config: config.clone(),
            input: batch_norm_1d(norm(config.bands / config.bands_per_group), vb.pp("input"))?,
            stem: (
                conv2d(convolution(1, first, 3, 1), stem.pp("conv"))?,
                batch_norm_2d(norm(first), stem.pp("norm"))?,
            ),
            blocks,
            norm: batch_norm_2d(norm(last), vb.pp("norm"))?,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for ResidualCnn {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = at_least(x, self.config.bands, 2)?;
        let x = self.input.forward_t(&group_bands(&x, self.config.bands_per_group)?, train)?.unsqueeze(1)?;
        let (conv, norm) = &self.stem;
        let mut x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        for block in &self.blocks {
            x = block.forward(&x, train)?;
        }
        let x = mean_over(&self.norm.forward_relu_t(&x, train)?, 2)?;
        let pooled = Tensor::cat(&[mean_over(&x, D::Minus1)?, max_over(&x, D::Minus1)?], 1)?;
        self.dropout.forward_t(&pooled, train)
    }

    fn crop_frames(&self) -> usize {
        self.config.crop_frames
    }
}
