use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use timbral_nn::attention::{MultiHeadAttention, multi_head_attention, sinusoidal_positions};
use timbral_nn::blocks::{PatchEmbedding, StochasticDepth, patch_embedding, stochastic_depth};
use timbral_nn::norm::{LayerNorm, layer_norm};
use timbral_nn::{
    BatchNorm, Dropout, Linear, TrainingClock, batch_norm_1d, dropout, linear, mean_over, relu,
};

use crate::summary::{Walker, count};
use crate::trunk::{at_least, check_bands, check_crop, check_share, check_size, dense, norm, rule};
use crate::{ModelError, Trunk};

/// Added to variances before the root.
const EPSILON: f64 = 1e-5;

/// Sizes of a [`SpectrogramTransformer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpectrogramTransformerConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Bands of a patch; they divide `bands`. Default: 16.
    pub patch_bands: usize,
    /// Frames of a patch, 1 to 1024. Default: 8.
    pub patch_frames: usize,
    /// Size of the vector of each patch, 2 to 4096. Default: 96.
    pub size: usize,
    /// Blocks of attention and dense layers, 1 to 32. Default: 4.
    pub depth: usize,
    /// Heads of attention; they divide `size`. Default: 4.
    pub heads: usize,
    /// Units of the hidden dense layer of each block, 1 to 16384. Default: 192.
    pub hidden: usize,
    /// Share of each dense layer's and of the pooled values set to zero in training, in `[0, 1)`. Default: 0.2.
    pub dropout: f64,
    /// Chance that training leaves out the last block, in `[0, 1)`; it rises evenly from 0 before the first one.
    /// Default: 0.1.
    pub stochastic_depth: f64,
    /// Frames of the crops of inference, as of [`CompactCnnConfig`](crate::CompactCnnConfig). Default: 128.
    pub crop_frames: usize,
}

impl Default for SpectrogramTransformerConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            patch_bands: 16,
            patch_frames: 8,
            size: 96,
            depth: 4,
            heads: 4,
            hidden: 192,
            dropout: 0.2,
            stochastic_depth: 0.1,
            crop_frames: 128,
        }
    }
}

impl SpectrogramTransformerConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        check_bands(self.bands, self.patch_bands)?;
        check_size("patch_frames", self.patch_frames, 1, 1024)?;
        check_size("size", self.size, 2, 4096)?;
        check_size("depth", self.depth, 1, 32)?;
        check_size("hidden", self.hidden, 1, 16_384)?;
        rule(self.heads > 0 && self.size.is_multiple_of(self.heads), || {
            format!("{} heads do not divide the size {}", self.heads, self.size)
        })?;
        // Attention looks at every pair of patches, so a crop must not have too many.
        let columns = self.crop_frames / self.patch_frames;
        let patches = columns.saturating_mul(self.rows());
        rule(patches <= 4096, || format!("{patches} patches in a crop, at most 4096 are allowed"))?;
        check_share("stochastic_depth", self.stochastic_depth)?;
        check_crop(self.crop_frames)?;
        check_share("dropout", self.dropout)
    }

    /// Rows of patches.
    fn rows(&self) -> usize {
        self.bands / self.patch_bands
    }

    pub(crate) fn walk(&self, walker: &mut Walker) {
        let frames = walker.width().max(self.patch_frames);
        walker.branch_from(&[self.bands, frames]);
        walker.batch_norm("input", false);
        let patches = self.rows() * (frames / self.patch_frames);
        let shape = [patches, self.size];
        let kernel = count(&[self.patch_bands, self.patch_frames, self.size]);
        let weights = kernel.saturating_add(self.size as u64);
        let kind = format!("patches {}x{}", self.patch_bands, self.patch_frames);
        walker.row("patches.proj", &kind, &shape, weights, kernel.saturating_mul(patches as u64));
        walker.row("rows", "positions", &shape, count(&[self.rows(), self.size]), 0);
        for i in 0..self.depth {
            walker.within(&format!("block{i}"), |walker| {
                walker.layer_norm("norm1");
                let matrices = count(&[4, self.size, self.size]);
                let weights = matrices.saturating_add(count(&[4, self.size]));
                let products = matrices
                    .saturating_mul(patches as u64)
                    .saturating_add(count(&[2, patches, patches, self.size]));
                let kind = format!("attention, {} heads", self.heads);
                walker.row("attention", &kind, &shape, weights, products);
                walker.layer_norm("norm2");
                walker.linear("hidden", self.hidden, "dense, ReLU");
                walker.linear("output", self.size, "dense");
            });
        }
        walker.layer_norm("norm");
        walker.reshape("pool", "mean over patches", &[self.size]);
        walker.reshape("dropout", "dropout", &[self.size]);
    }
}

/// A small transformer over patches of a log-mel spectrogram.
///
/// Each band is normalised by itself; patches beside each other become vectors, to which a learned vector for their row
/// of bands and sinusoids for their place in time are added, so that any length fits. Blocks with the normalisation
/// first (attention, then two dense layers), a last normalisation, and the mean over all patches follow. After Gong et
/// al., "AST: audio spectrogram transformer" (2021), much smaller, and without a class token.
#[derive(Debug)]
pub struct SpectrogramTransformer {
    config: SpectrogramTransformerConfig,
    input: BatchNorm,
    patches: PatchEmbedding,
    /// A vector for each row of patches, `(rows, size)`.
    rows: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    dropout: Dropout,
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    attention: MultiHeadAttention,
    attention_depth: StochasticDepth,
    norm2: LayerNorm,
    hidden: Linear,
    dropout: Dropout,
    output: Linear,
    dense_depth: StochasticDepth,
}

impl Block {
    fn new(
        config: &SpectrogramTransformerConfig,
        left_out: f64,
        clock: &TrainingClock,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let size = config.size;
        Ok(Self {
            norm1: layer_norm(size, EPSILON, vb.pp("norm1"))?,
            attention: multi_head_attention(size, config.heads, &vb.pp("attention"))?,
            attention_depth: stochastic_depth(left_out, clock, &vb.pp("attention_depth"))?,
            norm2: layer_norm(size, EPSILON, vb.pp("norm2"))?,
            hidden: linear(dense(size, config.hidden), vb.pp("hidden"))?,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
            output: linear(dense(config.hidden, size), vb.pp("output"))?,
            dense_depth: stochastic_depth(left_out, clock, &vb.pp("dense_depth"))?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.attention.forward(&self.norm1.forward(x)?)?;
        let x = (x + self.attention_depth.forward_t(&y, train)?)?;
        let y = relu(&self.hidden.forward(&self.norm2.forward(&x)?)?)?;
        let y = self.output.forward(&self.dropout.forward_t(&y, train)?)?;
        x + self.dense_depth.forward_t(&y, train)?
    }
}

impl SpectrogramTransformer {
    /// Builds the network, up to its last layer, with the weights of `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a weight or holds it in another shape.
    pub fn new(
        config: &SpectrogramTransformerConfig,
        clock: &TrainingClock,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 0.02 };
        let blocks = (0..config.depth)
            .map(|i| {
                let left_out = config.stochastic_depth * (i + 1) as f64 / config.depth as f64;
                Block::new(config, left_out, clock, &vb.pp(format!("block{i}")))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            config: config.clone(),
            input: batch_norm_1d(norm(config.bands), vb.pp("input"))?,
            patches: patch_embedding(
                1,
                config.size,
                (config.patch_bands, config.patch_frames),
                &vb.pp("patches"),
            )?,
            rows: vb.pp("rows").get_with_hints((config.rows(), config.size), "weight", init)?,
            blocks,
            norm: layer_norm(config.size, EPSILON, vb.pp("norm"))?,
            dropout: dropout(config.dropout, clock, &vb.pp("dropout"))?,
        })
    }
}

impl Trunk for SpectrogramTransformer {
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = at_least(x, self.config.bands, self.config.patch_frames)?;
        let x = self.input.forward_t(&x, train)?.unsqueeze(1)?;
        let x = self.patches.forward(&x)?; // (batch, rows * columns, size)
        let (batch, patches, size) = x.dims3()?;
        let rows = self.config.rows();
        let columns = patches / rows;
        let times = sinusoidal_positions(columns, size, &x)?.unsqueeze(0)?;
        let places = self.rows.unsqueeze(1)?.broadcast_add(&times)?.reshape((patches, size))?;
        let mut x = x.broadcast_add(&places)?;
        for block in &self.blocks {
            x = block.forward(&x, train)?;
        }
        let x = self.norm.forward(&x)?.reshape((batch, patches, size))?;
        self.dropout.forward_t(&mean_over(&x, 1)?, train)
    }

    fn crop_frames(&self) -> usize {
        self.config.crop_frames
    }
}
