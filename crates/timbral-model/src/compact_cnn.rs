use candle_core::{D, Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Dropout, Padding, TrainingClock, batch_norm_1d, batch_norm_2d, conv2d,
    dropout, max_over, mean_over,
};

use crate::summary::Walker;
use crate::trunk::{at_least, check_bands, check_channels, check_crop, check_share, group_bands, norm, rule};
use crate::{ModelError, Trunk};

/// Sizes of a [`CompactCnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactCnnConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Neighbouring bands averaged into one before the first convolution. Default: 2.
    pub bands_per_group: usize,
    /// Output channels of each block. Default: 24, 48, 96, 128 (166 000 weights with ten classes).
    pub channels: Vec<usize>,
    /// Share of the pooled values set to zero in training, in `[0, 1)`. Default: 0.4.
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
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        check_bands(self.bands, self.bands_per_group)?;
        check_channels(&self.channels)?;
        rule((self.bands / self.bands_per_group) >> self.channels.len() > 0, || {
            format!(
                "{} groups of bands cannot be halved {} times",
                self.bands / self.bands_per_group,
                self.channels.len()
            )
        })?;
        check_crop(self.crop_frames)?;
        check_share("dropout", self.dropout)
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let frames = walker.width().max(self.min_frames());
        let groups = self.bands / self.bands_per_group;
        walker.reshape("bands", "mean of bands", &[groups, frames]);
        walker.batch_norm("input", false);
        walker.branch_from(&[1, groups, frames]);
        for (i, &channels) in self.channels.iter().enumerate() {
            walker.conv2d(&format!("block{i}.conv"), channels, (3, 3), (1, 1));
            walker.batch_norm(&format!("block{i}.norm"), true);
            walker.max_pool(&format!("block{i}.pool"), (2, 2));
        }
        let channels = self.channels.last().copied().unwrap_or(0);
        walker.reshape("pool", "mean and max over time", &[2 * channels]);
        walker.reshape("dropout", "dropout", &[2 * channels]);
    }

    /// Frames below which the input is repeated: every block halves them once.
    fn min_frames(&self) -> usize {
        1 << self.channels.len()
    }
}

/// A small convolutional network over log-mel spectrograms of any length of time.
///
/// Bands are averaged in groups and normalised each by itself (batch normalisation, which learns their level); blocks
/// of 3x3 convolution, batch normalisation, ReLU and 2x2 max pooling follow; then the mean over frequency, and mean and
/// maximum over time side by side; dropout; one linear layer makes the logits. After the networks that Choi et al. ("Automatic tagging
/// using deep convolutional neural networks", ISMIR 2016) made common, with the time axis left open.
#[derive(Debug)]
pub struct CompactCnn {
    config: CompactCnnConfig,
    input: BatchNorm,
    blocks: Vec<(Conv2d, BatchNorm)>,
    dropout: Dropout,
}

impl CompactCnn {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(config: &CompactCnnConfig, clock: &TrainingClock, vb: VarBuilder<'_>) -> Result<Self> {
        let input = batch_norm_1d(norm(config.bands / config.bands_per_group), vb.pp("input"))?;
        let mut blocks = Vec::with_capacity(config.channels.len());
        let mut in_channels = 1;
        for (i, &out_channels) in config.channels.iter().enumerate() {
            let vb = vb.pp(format!("block{i}"));
            let shape = Conv2dConfig {
                in_channels,
                out_channels,
                padding: Padding::Same,
                bias: false, // the normalisation that follows has its own
                ..Conv2dConfig::default()
            };
            blocks.push((conv2d(shape, vb.pp("conv"))?, batch_norm_2d(norm(out_channels), vb.pp("norm"))?));
            in_channels = out_channels;
        }
        Ok(Self {
            config: config.clone(),
            input,
            blocks,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for CompactCnn {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = at_least(x, self.config.bands, 1)?;
        let x = self.input.forward_t(&group_bands(&x, self.config.bands_per_group)?, train)?;
        // Repeated after the normalisation, whose batch statistics a repeated frame would shift.
        let groups = self.config.bands / self.config.bands_per_group;
        let mut x = at_least(&x, groups, self.config.min_frames())?.unsqueeze(1)?;
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        }
        let x = mean_over(&x, 2)?;
        let pooled = Tensor::cat(&[mean_over(&x, D::Minus1)?, max_over(&x, D::Minus1)?], 1)?;
        self.dropout.forward_t(&pooled, train)
    }

    fn crop_frames(&self) -> usize {
        self.config.crop_frames
    }
}
