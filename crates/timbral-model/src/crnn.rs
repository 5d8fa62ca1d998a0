use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::attention::{AttentionPooling, attention_pooling};
use timbral_nn::recurrent::{Gru, RecurrentConfig, gru};
use timbral_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Dropout, Padding, TrainingClock, batch_norm_1d, batch_norm_2d, conv2d,
    dropout,
};

use crate::summary::{Walker, count};
use crate::trunk::{
    at_least, check_bands, check_channels, check_crop, check_share, check_size, group_bands, norm, rule,
};
use crate::{ModelError, Trunk};

/// Sizes of a [`Crnn`].
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
    /// Share of the sequence's and of the pooled values set to zero in training, in `[0, 1)`. Default: 0.3.
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
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        check_bands(self.bands, self.bands_per_group)?;
        check_channels(&self.channels)?;
        rule(self.pools.len() == self.channels.len(), || {
            format!(
                "{} pools for {} channels, each convolution has one",
                self.pools.len(),
                self.channels.len()
            )
        })?;
        let in_bounds =
            |&(bands, frames): &(usize, usize)| (1..=1024).contains(&bands) && (1..=16).contains(&frames);
        rule(self.pools.iter().all(in_bounds), || {
            format!("pools {:?}, each must be 1 to 1024 bands by 1 to 16 frames", self.pools)
        })?;
        rule(self.pooled_bands() > 0, || {
            format!(
                "{} groups of bands are fewer than the pools {:?} take",
                self.bands / self.bands_per_group,
                self.pools
            )
        })?;
        rule(self.min_frames() <= 4096, || {
            format!("pools {:?} take {} frames, at most 4096", self.pools, self.min_frames())
        })?;
        check_size("hidden", self.hidden, 1, 4096)?;
        check_crop(self.crop_frames)?;
        check_share("dropout", self.dropout)
    }

    fn pooled_bands(&self) -> usize {
        self.pools.iter().fold(self.bands / self.bands_per_group, |bands, pool| bands / pool.0)
    }

    fn min_frames(&self) -> usize {
        self.pools.iter().fold(1, |frames: usize, pool| frames.saturating_mul(pool.1))
    }

    fn sequence_width(&self) -> usize {
        self.channels.last().copied().unwrap_or(0) * self.pooled_bands()
    }

    fn state_width(&self) -> usize {
        self.hidden * if self.bidirectional { 2 } else { 1 }
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let frames = walker.width().max(self.min_frames());
        let groups = self.bands / self.bands_per_group;
        walker.reshape("bands", "mean of bands", &[groups, frames]);
        walker.batch_norm("input", false);
        walker.branch_from(&[1, groups, frames]);
        for (i, (&channels, &pool)) in self.channels.iter().zip(&self.pools).enumerate() {
            walker.conv2d(&format!("block{i}.conv"), channels, (3, 3), (1, 1));
            walker.batch_norm(&format!("block{i}.norm"), true);
            walker.max_pool(&format!("block{i}.pool"), pool);
        }
        let (steps, width) = (walker.width(), self.sequence_width());
        walker.reshape("sequence", "steps, dropout", &[steps, width]);
        let (states, hidden) = (self.state_width(), self.hidden);
        let weights = count(&[3, states, width + hidden + 2]);
        let products = count(&[3, states, width + hidden, steps]);
        let kind = if self.bidirectional { "bidirectional GRU" } else { "GRU" };
        walker.row("gru", kind, &[steps, states], weights, products);
        walker.row("pool", "attention pooling", &[states], states as u64 + 1, count(&[2, steps, states]));
        walker.reshape("dropout", "dropout", &[states]);
    }
}

/// Convolutions over a log-mel spectrogram, a gated recurrent unit over what they see, and attention over its states.
///
/// Bands are averaged in groups and normalised each by itself; blocks of 3x3 convolution, batch normalisation, ReLU and
/// max pooling shorten frequency more than time; the channels and bands of each remaining step are the input of the
/// recurrent layer, whose states are averaged with learned weights. After Choi et al., "Convolutional recurrent neural
/// networks for music classification" (ICASSP 2017), with attention in place of the last state.
#[derive(Debug)]
pub struct Crnn {
    config: CrnnConfig,
    input: BatchNorm,
    blocks: Vec<(Conv2d, BatchNorm, (usize, usize))>,
    sequence_dropout: Dropout,
    gru: Gru,
    pool: AttentionPooling,
    dropout: Dropout,
}

impl Crnn {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(config: &CrnnConfig, clock: &TrainingClock, vb: VarBuilder<'_>) -> Result<Self> {
        let mut blocks = Vec::with_capacity(config.channels.len());
        let mut in_channels = 1;
        for (i, (&out_channels, &pool)) in config.channels.iter().zip(&config.pools).enumerate() {
            let vb = vb.pp(format!("block{i}"));
            let shape = Conv2dConfig {
                in_channels,
                out_channels,
                padding: Padding::Same,
                bias: false, // the normalisation that follows has its own
                ..Conv2dConfig::default()
            };
            blocks.push((
                conv2d(shape, vb.pp("conv"))?,
                batch_norm_2d(norm(out_channels), vb.pp("norm"))?,
                pool,
            ));
            in_channels = out_channels;
        }
        let recurrent = RecurrentConfig {
            input_size: config.sequence_width(),
            hidden_size: config.hidden,
            bidirectional: config.bidirectional,
        };
        Ok(Self {
            config: config.clone(),
            input: batch_norm_1d(norm(config.bands / config.bands_per_group), vb.pp("input"))?,
            blocks,
            sequence_dropout: dropout(config.dropout, clock, &vb.pp("sequence"))?,
            gru: gru(recurrent, &vb.pp("gru"))?,
            pool: attention_pooling(config.state_width(), &vb.pp("pool"))?,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for Crnn {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = at_least(x, self.config.bands, self.config.min_frames())?;
        let mut x =
            self.input.forward_t(&group_bands(&x, self.config.bands_per_group)?, train)?.unsqueeze(1)?;
        for (conv, norm, pool) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, *pool)?;
        }
        // (batch, channels, bands, steps) to (batch, steps, channels * bands)
        let sequence = x.flatten(1, 2)?.transpose(1, 2)?.contiguous()?;
        let sequence = self.sequence_dropout.forward_t(&sequence, train)?;
        let pooled = self.pool.forward(&self.gru.forward(&sequence)?)?;
        self.dropout.forward_t(&pooled, train)
    }

    fn crop_frames(&self) -> usize {
        self.config.crop_frames
    }
}
