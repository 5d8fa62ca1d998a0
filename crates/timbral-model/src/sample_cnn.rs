use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_channels, check_fraction, check_size, rule};
use crate::{Input, ModelError};

/// Samples that one step of the first convolution, and one maximum, makes one of.
const FACTOR: usize = 3;

/// A one-dimensional convolutional network over the waveform, with filters of a few samples.
///
/// A convolution over groups of three samples, then blocks of convolution (three taps), batch normalisation, ReLU and
/// maximum of three, a last convolution of one tap, and the mean over the time that is left. After Lee et al.,
/// "Sample-level deep convolutional neural networks for music auto-tagging using raw waveforms" (2017); the defaults are
/// the paper's best network. Its input is `(batch, 1, samples)`, within -1 and 1.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleCnnConfig {
    /// Channels of the first convolution, 1 to 4096. Default: 128.
    pub stem: usize,
    /// Channels of each block; every block shortens time to a third. Default: 128, 128, six times 256, 512.
    pub channels: Vec<usize>,
    /// Channels of the last convolution, 1 to 4096: the features. Default: 512.
    pub features: usize,
    /// Fraction of the features set to zero in training, in `[0, 1)`. Default: 0.5.
    pub dropout: f64,
    /// Samples of the crops of inference, 0 or 16 to 4194304. Default: 59049, which the default blocks shorten to one.
    pub crop_samples: usize,
}

impl Default for SampleCnnConfig {
    fn default() -> Self {
        Self {
            stem: 128,
            channels: vec![128, 128, 256, 256, 256, 256, 256, 256, 512],
            features: 512,
            dropout: 0.5,
            crop_samples: 59_049,
        }
    }
}

impl SampleCnnConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), ModelError> {
        check_size("stem", self.stem, 1, 4096)?;
        check_channels(&self.channels)?;
        check_size("features", self.features, 1, 4096)?;
        let crop = self.crop_samples;
        rule(crop == 0 || (16..=1 << 22).contains(&crop), "crop_samples", crop, || {
            "0 or between 16 and 4194304".into()
        })?;
        check_fraction("dropout", self.dropout)
    }

    /// Samples below which the input is repeated.
    fn min_samples(&self) -> usize {
        FACTOR.pow(self.channels.len() as u32 + 1)
    }

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::Waveform).with_crop(self.crop_samples);
        let conv = |channels, kernel, stride, same| Op::Conv2d {
            channels,
            kernel: (1, kernel),
            stride: (1, stride),
            same,
            bias: false, // a normalisation follows
        };
        graph.push("repeat", Op::Repeat { least: self.min_samples() });
        graph.push("image", Op::Image);
        graph.push("stem.conv", conv(self.stem, FACTOR, FACTOR, false));
        graph.push("stem.norm", Op::BatchNorm { relu: true });
        for (i, &channels) in self.channels.iter().enumerate() {
            graph.conv_block(&format!("block{i}"), channels, (1, 3), (1, FACTOR));
        }
        graph.push("last.conv", conv(self.features, 1, 1, false));
        graph.push("last.norm", Op::BatchNorm { relu: true });
        graph.push("pool", Op::GlobalMean);
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph
    }
}
