use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Dropout, Padding, TrainingClock, batch_norm_2d, conv2d, dropout,
    mean_over,
};

use crate::summary::Walker;
use crate::trunk::{at_least, check_channels, check_share, check_size, norm, rule};
use crate::{ModelError, Trunk};

/// Samples that one step of the first convolution, and one maximum, makes one of.
const FACTOR: usize = 3;

/// Sizes of a [`SampleCnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleCnnConfig {
    /// Channels of the first convolution, 1 to 4096. Default: 128.
    pub stem: usize,
    /// Channels of each block; every block shortens time to a third. Default: 128, 128, six times 256, 512.
    pub channels: Vec<usize>,
    /// Channels of the last convolution, 1 to 4096: the features. Default: 512.
    pub features: usize,
    /// Share of the features set to zero in training, in `[0, 1)`. Default: 0.5.
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
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        check_size("stem", self.stem, 1, 4096)?;
        check_channels(&self.channels)?;
        check_size("features", self.features, 1, 4096)?;
        let crop = self.crop_samples;
        rule(crop == 0 || (16..=1 << 22).contains(&crop), || {
            format!("crops of {crop} samples, 0 or 16 to 4194304 are allowed")
        })?;
        check_share("dropout", self.dropout)
    }

    /// Samples below which the input is repeated.
    fn min_samples(&self) -> usize {
        FACTOR.pow(self.channels.len() as u32 + 1)
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let samples = walker.width().max(self.min_samples());
        walker.branch_from(&[1, 1, samples - samples % FACTOR]);
        walker.conv2d("stem.conv", self.stem, (1, FACTOR), (1, FACTOR));
        walker.batch_norm("stem.norm", true);
        for (i, &channels) in self.channels.iter().enumerate() {
            walker.conv2d(&format!("block{i}.conv"), channels, (1, 3), (1, 1));
            walker.batch_norm(&format!("block{i}.norm"), true);
            walker.max_pool(&format!("block{i}.pool"), (1, FACTOR));
        }
        walker.conv2d("last.conv", self.features, (1, 1), (1, 1));
        walker.batch_norm("last.norm", true);
        walker.reshape("pool", "mean over time", &[self.features]);
        walker.reshape("dropout", "dropout", &[self.features]);
    }
}

/// A one-dimensional convolutional network over the waveform, with filters of a few samples.
///
/// A convolution over groups of three samples, then blocks of convolution (three taps), batch normalisation, ReLU and
/// maximum of three, a last convolution of one tap, and the mean over the time that is left. After Lee et al.,
/// "Sample-level deep convolutional neural networks for music auto-tagging using raw waveforms" (2017); the defaults are
/// the paper's best network. Its input is `(batch, 1, samples)`, within -1 and 1.
#[derive(Debug)]
pub struct SampleCnn {
    config: SampleCnnConfig,
    stem: (Conv2d, BatchNorm),
    blocks: Vec<(Conv2d, BatchNorm)>,
    last: (Conv2d, BatchNorm),
    dropout: Dropout,
}

impl SampleCnn {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(config: &SampleCnnConfig, clock: &TrainingClock, vb: VarBuilder<'_>) -> Result<Self> {
        let part = |in_channels, out_channels, kernel, stride, padding, name: &str| {
            let shape = Conv2dConfig {
                in_channels,
                out_channels,
                kernel: (1, kernel),
                stride: (1, stride),
                padding,
                bias: false, // the normalisation that follows has its own
                ..Conv2dConfig::default()
            };
            let vb = vb.pp(name);
            Ok::<_, candle_core::Error>((
                conv2d(shape, vb.pp("conv"))?,
                batch_norm_2d(norm(out_channels), vb.pp("norm"))?,
            ))
        };
        let mut channels = config.stem;
        let mut blocks = Vec::with_capacity(config.channels.len());
        for (i, &out_channels) in config.channels.iter().enumerate() {
            blocks.push(part(channels, out_channels, 3, 1, Padding::Same, &format!("block{i}"))?);
            channels = out_channels;
        }
        Ok(Self {
            config: config.clone(),
            stem: part(1, config.stem, FACTOR, FACTOR, Padding::Valid, "stem")?,
            blocks,
            last: part(channels, config.features, 1, 1, Padding::Valid, "last")?,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for SampleCnn {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = at_least(x, 1, self.config.min_samples())?.unsqueeze(2)?;
        let (conv, norm) = &self.stem;
        let mut x = norm.forward_relu_t(&conv.forward(&x)?, train)?;
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (1, FACTOR))?;
        }
        let (conv, norm) = &self.last;
        let x = norm.forward_relu_t(&conv.forward(&x)?, train)?;
        self.dropout.forward_t(&mean_over(&x.flatten_from(2)?, 2)?, train)
    }

    fn crop_frames(&self) -> usize {
        self.config.crop_samples
    }
}
