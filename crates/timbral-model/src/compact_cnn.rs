use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_bands, check_channels, check_crop, check_fraction, rule};
use crate::{Input, ModelError};

/// A small convolutional network over log-mel spectrograms of any length of time.
///
/// Bands are averaged in groups and normalised each by itself (batch normalisation, which learns their level); blocks
/// of 3x3 convolution, batch normalisation, ReLU and 2x2 max pooling follow; then the mean over frequency, and mean and
/// maximum over time side by side; dropout; one linear layer makes the logits. After the networks that Choi et al. ("Automatic tagging
/// using deep convolutional neural networks", ISMIR 2016) made common, with the time axis left open.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactCnnConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Neighbouring bands averaged into one before the first convolution. Default: 2.
    pub bands_per_group: usize,
    /// Output channels of each block. Default: 24, 48, 96, 128 (166 000 weights with ten classes).
    pub channels: Vec<usize>,
    /// Fraction of the pooled values set to zero in training, in `[0, 1)`. Default: 0.4.
    pub dropout: f64,
    /// Frames of the crops that inference cuts a longer spectrogram into, half overlapping; the probabilities of the
    /// crops are averaged. Training should use crops of this length: the maximum over time grows with it. 0 looks at
    /// the whole spectrogram at once. Default: 128.
    pub crop_frames: usize,
}

impl Default for CompactCnnConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            bands_per_group: 2,
            channels: vec![24, 48, 96, 128],
            dropout: 0.4,
            crop_frames: 128,
        }
    }
}

impl CompactCnnConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), ModelError> {
        check_bands(self.bands, self.bands_per_group)?;
        check_channels(&self.channels)?;
        let (groups, blocks) = (self.bands / self.bands_per_group, self.channels.len());
        rule(groups >> blocks > 0, "number of groups of bands", groups, || {
            format!("at least {}, which {blocks} blocks halve to 1", 1usize << blocks)
        })?;
        check_crop(self.crop_frames)?;
        check_fraction("dropout", self.dropout)
    }

    /// Frames below which the input is repeated: every block halves them once.
    fn min_frames(&self) -> usize {
        1 << self.channels.len()
    }

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::LogMel { bands: self.bands }).with_crop(self.crop_frames);
        graph.push("bands", Op::GroupRows { size: self.bands_per_group });
        graph.push("input", Op::BatchNorm { relu: false });
        // Repeated after the normalisation, whose batch statistics a repeated frame would shift.
        graph.push("repeat", Op::Repeat { least: self.min_frames() });
        graph.push("image", Op::Image);
        for (i, &channels) in self.channels.iter().enumerate() {
            graph.conv_block(&format!("block{i}"), channels, (3, 3), (2, 2));
        }
        graph.push("pool", Op::MeanMaxOverTime);
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph
    }
}
