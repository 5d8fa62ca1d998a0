use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_bands, check_channels, check_crop, check_fraction, check_size, rule};
use crate::{Input, ModelError};

/// Convolutions over a log-mel spectrogram, a gated recurrent unit over what they see, and attention over its states.
///
/// Bands are averaged in groups and normalised each by itself; blocks of 3x3 convolution, batch normalisation, ReLU and
/// max pooling shorten frequency more than time; the channels and bands of each remaining step are the input of the
/// recurrent layer, whose states are averaged with learned weights. After Choi et al., "Convolutional recurrent neural
/// networks for music classification" (ICASSP 2017), with attention in place of the last state.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrnnConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Neighbouring bands averaged into one before the first convolution. Default: 2.
    pub bands_per_group: usize,
    /// Output channels of each convolution. Default: 32, 64, 96.
    pub channels: Vec<usize>,
    /// Window `[bands, frames]` of the maximum after each convolution: as many as channels. Default: [2, 2], [4, 2],
    /// [4, 1].
    pub pools: Vec<(usize, usize)>,
    /// Size of the recurrent state of each direction, 1 to 4096. Default: 64.
    pub hidden: usize,
    /// Whether a second recurrent layer reads the sequence from its end. Default: true.
    pub bidirectional: bool,
    /// Fraction of the sequence's and of the pooled values set to zero in training, in `[0, 1)`. Default: 0.3.
    pub dropout: f64,
    /// Frames of the crops of inference, as of [`CompactCnnConfig`](crate::CompactCnnConfig). Default: 128.
    pub crop_frames: usize,
}

impl Default for CrnnConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            bands_per_group: 2,
            channels: vec![32, 64, 96],
            pools: vec![(2, 2), (4, 2), (4, 1)],
            hidden: 64,
            bidirectional: true,
            dropout: 0.3,
            crop_frames: 128,
        }
    }
}

impl CrnnConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), ModelError> {
        check_bands(self.bands, self.bands_per_group)?;
        check_channels(&self.channels)?;
        let (pools, channels) = (self.pools.len(), self.channels.len());
        rule(pools == channels, "number of pools", pools, || format!("{channels}, one per convolution"))?;
        let given = format!("{:?}", self.pools);
        let in_bounds =
            |&(bands, frames): &(usize, usize)| (1..=1024).contains(&bands) && (1..=16).contains(&frames);
        rule(self.pools.iter().all(in_bounds), "pools", &given, || {
            "1 to 1024 bands by 1 to 16 frames each".into()
        })?;
        rule(self.pooled_bands() > 0, "pools", &given, || {
            format!("at most {} bands together", self.bands / self.bands_per_group)
        })?;
        rule(self.min_frames() <= 4096, "pools", &given, || "at most 4096 frames together".into())?;
        check_size("hidden", self.hidden, 1, 4096)?;
        check_crop(self.crop_frames)?;
        check_fraction("dropout", self.dropout)
    }

    fn pooled_bands(&self) -> usize {
        self.pools.iter().fold(self.bands / self.bands_per_group, |bands, pool| bands / pool.0)
    }

    fn min_frames(&self) -> usize {
        self.pools.iter().fold(1, |frames: usize, pool| frames.saturating_mul(pool.1))
    }

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::LogMel { bands: self.bands }).with_crop(self.crop_frames);
        graph.push("repeat", Op::Repeat { least: self.min_frames() });
        graph.push("bands", Op::GroupRows { size: self.bands_per_group });
        graph.push("input", Op::BatchNorm { relu: false });
        graph.push("image", Op::Image);
        for (i, (&channels, &pool)) in self.channels.iter().zip(&self.pools).enumerate() {
            graph.conv_block(&format!("block{i}"), channels, (3, 3), pool);
        }
        graph.push("steps", Op::Sequence);
        graph.push("sequence", Op::Dropout { probability: self.dropout });
        graph.push("gru", Op::Gru { hidden: self.hidden, bidirectional: self.bidirectional });
        graph.push("pool", Op::AttentionPooling);
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph
    }
}
