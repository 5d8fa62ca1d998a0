use candle_core::{D, Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Dropout, Linear, LinearConfig, Padding, TrainingClock,
    batch_norm_1d, batch_norm_2d, conv2d, dropout, linear, max_over, mean_over, softmax,
};

use crate::ModelError;
use crate::architecture::log_probabilities;

/// Sizes of a [`CompactCnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactCnnConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Neighbouring bands averaged into one before the first convolution. Default: 2.
    pub bands_per_group: usize,
    /// Output channels of each block. Default: 24, 48, 96, 128 (163 000 weights with ten classes).
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
        let rule = |holds: bool, text: String| {
            if holds {
                Ok(())
            } else {
                Err(ModelError::Config(text))
            }
        };
        rule(
            (1..=1024).contains(&self.bands),
            format!("{} bands, 1 to 1024 are allowed", self.bands),
        )?;
        rule(
            self.bands_per_group > 0 && self.bands.is_multiple_of(self.bands_per_group),
            format!(
                "{} bands do not divide into groups of {}",
                self.bands, self.bands_per_group
            ),
        )?;
        rule(
            (1..=10).contains(&self.channels.len()),
            format!("{} blocks, 1 to 10 are allowed", self.channels.len()),
        )?;
        rule(
            self.channels.iter().all(|c| (1..=4096).contains(c)),
            format!("channels {:?}, each must be 1 to 4096", self.channels),
        )?;
        rule(
            (self.bands / self.bands_per_group) >> self.channels.len() > 0,
            format!(
                "{} groups of bands cannot be halved {} times",
                self.bands / self.bands_per_group,
                self.channels.len()
            ),
        )?;
        rule(
            self.crop_frames == 0 || (16..=65_536).contains(&self.crop_frames),
            format!(
                "crops of {} frames, 0 or 16 to 65536 are allowed",
                self.crop_frames
            ),
        )?;
        rule(
            (0.0..1.0).contains(&self.dropout),
            format!("dropout {}, it must be in [0, 1)", self.dropout),
        )
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
/// maximum over time side by side; dropout; one linear layer. After the networks that Choi et al. ("Automatic tagging
/// using deep convolutional neural networks", ISMIR 2016) made common, with the time axis left open.
#[derive(Debug)]
pub struct CompactCnn {
    config: CompactCnnConfig,
    input: BatchNorm,
    blocks: Vec<(Conv2d, BatchNorm)>,
    dropout: Dropout,
    output: Linear,
}

impl CompactCnn {
    /// Builds the network for `classes` outputs with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(
        config: &CompactCnnConfig,
        classes: usize,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let norm = |channels| BatchNormConfig {
            channels,
            ..BatchNormConfig::default()
        };
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
            blocks.push((
                conv2d(shape, vb.pp("conv"))?,
                batch_norm_2d(norm(out_channels), vb.pp("norm"))?,
            ));
            in_channels = out_channels;
        }
        let shape = LinearConfig {
            in_features: 2 * in_channels,
            out_features: classes,
            bias: true,
        };
        Ok(Self {
            config: config.clone(),
            input,
            blocks,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
            output: linear(shape, vb.pp("output"))?,
        })
    }

    /// `(batch, bands, frames)` to `(batch, 1, groups, frames)`, at least as long as the pooling needs.
    fn prepare(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (batch, bands, frames) = x.dims3()?;
        if bands != self.config.bands || frames == 0 {
            candle_core::bail!(
                "a spectrogram of {bands} bands and {frames} frames was given, {} bands and at least 1 frame are needed",
                self.config.bands
            );
        }
        let groups = bands / self.config.bands_per_group;
        let x = x
            .reshape((batch, groups, self.config.bands_per_group, frames))?
            .mean(2)?;
        let x = self.input.forward_t(&x, train)?;
        let least = self.config.min_frames();
        let x = if frames < least {
            x.repeat((1, 1, least.div_ceil(frames)))?
        } else {
            x
        };
        x.unsqueeze(1)
    }
}

impl CompactCnn {
    /// Logits of spectrograms as they are, without crops.
    fn logits(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = self.prepare(x, train)?;
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        }
        let x = mean_over(&x, 2)?;
        let pooled = Tensor::cat(&[mean_over(&x, D::Minus1)?, max_over(&x, D::Minus1)?], 1)?;
        self.output.forward(&self.dropout.forward_t(&pooled, train)?)
    }
}

impl ModuleT for CompactCnn {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (frames, crop) = (x.dim(D::Minus1)?, self.config.crop_frames);
        if train || crop == 0 || frames <= crop {
            return self.logits(x, train);
        }
        let starts = crop_starts(frames, crop);
        let crops = starts
            .iter()
            .map(|&start| x.narrow(2, start, crop))
            .collect::<Result<Vec<_>>>()?;
        let rows = softmax(&self.logits(&Tensor::cat(&crops, 0)?, false)?, D::Minus1)?;
        let (rows_all, classes) = rows.dims2()?;
        log_probabilities(
            &rows
                .reshape((starts.len(), rows_all / starts.len(), classes))?
                .mean(0)?,
        )
    }
}

/// Starts of crops that overlap by about half, from the first frame to the last and evenly spaced.
fn crop_starts(frames: usize, crop: usize) -> Vec<usize> {
    let room = frames - crop;
    let steps = room.div_ceil((crop / 2).max(1)).max(1);
    (0..=steps).map(|i| i * room / steps).collect()
}
