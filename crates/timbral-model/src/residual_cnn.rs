use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_bands, check_channels, check_crop, check_fraction, check_size, rule};
use crate::{Input, ModelError};

/// A deeper convolutional network over log-mel spectrograms, of pre-activation residual blocks with squeeze-excitation.
///
/// Bands are averaged in groups and normalised each by itself; a 3x3 convolution and a 2x2 maximum follow, then stages
/// of residual blocks (He et al., "Identity mappings in deep residual networks", 2016) whose branches are scaled channel
/// by channel (Hu et al., "Squeeze-and-excitation networks", 2018) and now and then left out in training (Huang et al.,
/// "Deep networks with stochastic depth", 2016); then the mean over frequency, mean and maximum over time side by side,
/// and dropout.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
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
    /// Fraction of the pooled values set to zero in training, in `[0, 1)`. Default: 0.4.
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
    pub fn validate(&self) -> Result<(), ModelError> {
        check_bands(self.bands, self.bands_per_group)?;
        check_channels(&self.channels)?;
        let groups = self.bands / self.bands_per_group;
        rule(groups >= 2, "number of groups of bands", groups, || "at least 2".into())?;
        check_size("blocks_per_stage", self.blocks_per_stage, 1, 16)?;
        check_size("reduction", self.reduction, 1, 4096)?;
        check_fraction("stochastic_depth", self.stochastic_depth)?;
        check_crop(self.crop_frames)?;
        check_fraction("dropout", self.dropout)
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

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::LogMel { bands: self.bands }).with_crop(self.crop_frames);
        graph.push("repeat", Op::Repeat { least: 2 });
        graph.push("bands", Op::GroupRows { size: self.bands_per_group });
        graph.push("input", Op::BatchNorm { relu: false });
        graph.push("image", Op::Image);
        graph.conv_block("stem", self.channels.first().copied().unwrap_or(0), (3, 3), (2, 2));
        for block in self.blocks() {
            self.block(&block, &mut graph);
        }
        graph.push("norm", Op::BatchNorm { relu: true });
        graph.push("pool", Op::MeanMaxOverTime);
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph
    }

    fn block(&self, block: &BlockSizes, graph: &mut LayerGraph) {
        let BlockSizes { name, outputs, stride, .. } = block;
        let conv = |kernel, stride| Op::Conv2d {
            channels: *outputs,
            kernel: (kernel, kernel),
            stride: (stride, stride),
            same: true,
            bias: false, // a normalisation follows
        };
        let input = graph.output();
        let active = graph.push(format!("{name}.norm1"), Op::BatchNorm { relu: true });
        let straight = if block.changes_shape() {
            graph.push(format!("{name}.shortcut"), conv(1, *stride))
        } else {
            input
        };
        graph.push_from(format!("{name}.conv1"), conv(3, *stride), &[active]);
        graph.push(format!("{name}.norm2"), Op::BatchNorm { relu: true });
        graph.push(format!("{name}.conv2"), conv(3, 1));
        graph.push(format!("{name}.excitation"), Op::SqueezeExcitation { hidden: self.squeezed(*outputs) });
        let branch = graph.push(format!("{name}.depth"), Op::StochasticDepth { probability: block.left_out });
        graph.push_from(format!("{name}.sum"), Op::Add, &[branch, straight]);
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
