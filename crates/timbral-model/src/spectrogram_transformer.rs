use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_bands, check_crop, check_divides, check_fraction, check_size, rule};
use crate::{Input, ModelError};

/// A small transformer over patches of a log-mel spectrogram.
///
/// Each band is normalised by itself; patches beside each other become vectors, to which a learned vector for their row
/// of bands and sinusoids for their place in time are added, so that any length fits. Blocks with the normalisation
/// first (attention, then two dense layers), a last normalisation, and the mean over all patches follow. After Gong et
/// al., "AST: audio spectrogram transformer" (2021), much smaller, and without a class token.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
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
    /// Fraction of each dense layer's and of the pooled values set to zero in training, in `[0, 1)`. Default: 0.2.
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
    pub fn validate(&self) -> Result<(), ModelError> {
        check_bands(self.bands, self.patch_bands)?;
        check_size("patch_frames", self.patch_frames, 1, 1024)?;
        check_size("size", self.size, 2, 4096)?;
        check_size("depth", self.depth, 1, 32)?;
        check_size("hidden", self.hidden, 1, 16_384)?;
        check_divides("heads", self.heads, self.size, "size")?;
        // Attention looks at every pair of patches, so a crop must not have too many.
        let columns = self.crop_frames / self.patch_frames;
        let patches = columns.saturating_mul(self.rows());
        rule(patches <= 4096, "number of patches in a crop", patches, || "at most 4096".into())?;
        check_fraction("stochastic_depth", self.stochastic_depth)?;
        check_crop(self.crop_frames)?;
        check_fraction("dropout", self.dropout)
    }

    /// Rows of patches.
    fn rows(&self) -> usize {
        self.bands / self.patch_bands
    }

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::LogMel { bands: self.bands }).with_crop(self.crop_frames);
        graph.push("repeat", Op::Repeat { least: self.patch_frames });
        graph.push("input", Op::BatchNorm { relu: false });
        graph.push("image", Op::Image);
        graph.push("patches", Op::Patches { patch: (self.patch_bands, self.patch_frames), size: self.size });
        graph.push("rows", Op::PatchPositions { rows: self.rows() });
        for i in 0..self.depth {
            let probability = self.stochastic_depth * (i + 1) as f64 / self.depth as f64;
            let name = |part: &str| format!("block{i}.{part}");
            let input = graph.output();
            graph.push(name("norm1"), Op::LayerNorm);
            graph.push(name("attention"), Op::Attention { heads: self.heads });
            let seen = graph.push(name("attention_depth"), Op::StochasticDepth { probability });
            let middle = graph.push_from(name("attention_sum"), Op::Add, &[input, seen]);
            graph.push(name("norm2"), Op::LayerNorm);
            graph.push(name("hidden"), Op::dense(self.hidden));
            graph.push(name("dropout"), Op::Dropout { probability: self.dropout });
            graph.push(name("output"), Op::Linear { units: self.size, relu: false });
            let made = graph.push(name("dense_depth"), Op::StochasticDepth { probability });
            graph.push_from(name("dense_sum"), Op::Add, &[middle, made]);
        }
        graph.push("norm", Op::LayerNorm);
        graph.push("pool", Op::MeanOverSteps);
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph
    }
}
