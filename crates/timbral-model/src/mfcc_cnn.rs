use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use timbral_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Dropout, Linear, Padding, TrainingClock, batch_norm_1d, batch_norm_2d,
    conv2d, dropout, linear, relu,
};

use crate::statistics::cosines;
use crate::summary::{Walker, count};
use crate::trunk::{at_least, check_bands, check_channels, check_share, check_size, dense, norm, rule};
use crate::{ModelError, Trunk};

/// Sizes of an [`MfccCnn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MfccCnnConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Cepstral coefficients of each frame, at most the bands. Default: 13.
    pub coefficients: usize,
    /// Output channels of each block; every block halves coefficients and frames. Default: 32, 32, 32.
    pub channels: Vec<usize>,
    /// Units of the dense layer, 1 to 16384. Default: 64.
    pub units: usize,
    /// Share of the dense layer set to zero in training, in `[0, 1)`. Default: 0.3.
    pub dropout: f64,
    /// Frames of a segment, 16 to 65536: the network sees no other length. A longer input is cut into segments that
    /// overlap by half, a shorter one repeated. Default: 39 (3 seconds at 12.9 frames a second).
    pub crop_frames: usize,
}

impl Default for MfccCnnConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            coefficients: 13,
            channels: vec![32, 32, 32],
            units: 64,
            dropout: 0.3,
            crop_frames: 39,
        }
    }
}

impl MfccCnnConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        check_bands(self.bands, 1)?;
        check_size("coefficients", self.coefficients, 1, self.bands)?;
        check_channels(&self.channels)?;
        check_size("crop_frames", self.crop_frames, 16, 65_536)?;
        check_size("units", self.units, 1, 16_384)?;
        let blocks = self.channels.len();
        rule(self.coefficients >> blocks > 0 && self.crop_frames >> blocks > 0, || {
            format!(
                "{} coefficients and {} frames cannot be halved {blocks} times",
                self.coefficients, self.crop_frames
            )
        })?;
        check_share("dropout", self.dropout)
    }

    fn flattened(&self) -> usize {
        let blocks = self.channels.len();
        let channels = self.channels.last().copied().unwrap_or(0);
        channels * (self.coefficients >> blocks) * (self.crop_frames >> blocks)
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let image = [self.coefficients, self.crop_frames];
        walker.row("mfcc", "DCT-II", &image, 0, count(&[self.bands]).saturating_mul(count(&image)));
        walker.batch_norm("input", false);
        walker.branch_from(&[1, self.coefficients, self.crop_frames]);
        for (i, &channels) in self.channels.iter().enumerate() {
            walker.conv2d(&format!("block{i}.conv"), channels, (3, 3), (1, 1));
            walker.batch_norm(&format!("block{i}.norm"), true);
            walker.max_pool(&format!("block{i}.pool"), (2, 2));
        }
        walker.reshape("flatten", "flatten", &[self.flattened()]);
        walker.linear("dense", self.units, "dense, ReLU");
        walker.reshape("dropout", "dropout", &[self.units]);
    }
}

/// A convolutional network over the cepstral coefficients (MFCC) of short segments, taken as images.
///
/// The coefficients are the orthonormal DCT-II of the log-mel bands, computed inside, so the input is the log-mel
/// spectrogram that the other networks take; each coefficient is normalised by itself. Blocks of 3x3 convolution, batch
/// normalisation, ReLU and 2x2 max pooling follow, then all that is left goes through one dense layer: position in time
/// and frequency matters, unlike in the networks that average over time. This is the network of many tutorials on
/// genre recognition, 13 coefficients of 3-second segments of GTZAN.
#[derive(Debug)]
pub struct MfccCnn {
    config: MfccCnnConfig,
    cosines: Tensor,
    input: BatchNorm,
    blocks: Vec<(Conv2d, BatchNorm)>,
    dense: Linear,
    dropout: Dropout,
}

impl MfccCnn {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(config: &MfccCnnConfig, clock: &TrainingClock, vb: VarBuilder<'_>) -> Result<Self> {
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
            cosines: cosines(config.bands, config.coefficients)?,
            input: batch_norm_1d(norm(config.coefficients), vb.pp("input"))?,
            blocks,
            dense: linear(dense(config.flattened(), config.units), vb.pp("dense"))?,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for MfccCnn {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (wanted, frames) = (self.config.crop_frames, x.dim(2)?);
        if frames > wanted {
            candle_core::bail!(
                "{frames} frames were given, the network sees segments of exactly {wanted}: crop_frames of training \
                 and of the architecture must agree"
            );
        }
        let x = at_least(x, self.config.bands, wanted)?.narrow(2, 0, wanted)?;
        let cepstrum = x
            .transpose(1, 2)?
            .contiguous()?
            .broadcast_matmul(&self.cosines)?
            .transpose(1, 2)?
            .contiguous()?;
        let mut x = self.input.forward_t(&cepstrum, train)?.unsqueeze(1)?;
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        }
        let x = relu(&self.dense.forward(&x.flatten_from(1)?)?)?;
        self.dropout.forward_t(&x, train)
    }

    fn crop_frames(&self) -> usize {
        self.config.crop_frames
    }
}
