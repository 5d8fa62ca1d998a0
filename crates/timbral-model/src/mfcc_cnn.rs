use serde::{Deserialize, Serialize};

use crate::graph::{LayerGraph, Op};
use crate::rules::{check_bands, check_channels, check_fraction, check_size, rule};
use crate::{Input, ModelError};

/// A convolutional network over the cepstral coefficients (MFCC) of short segments, taken as images.
///
/// The coefficients are the orthonormal DCT-II of the log-mel bands, computed inside, so the input is the log-mel
/// spectrogram that the other networks take; each coefficient is normalised by itself. Blocks of 3x3 convolution, batch
/// normalisation, ReLU and 2x2 max pooling follow, then all that is left goes through one dense layer: position in time
/// and frequency matters, unlike in the networks that average over time. This is the network of many tutorials on
/// genre recognition, 13 coefficients of 3-second segments of GTZAN.
///
/// This is the configuration; [`Architecture`](crate::Architecture) builds the network.
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
    /// Fraction of the dense layer set to zero in training, in `[0, 1)`. Default: 0.3.
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
    pub fn validate(&self) -> Result<(), ModelError> {
        check_bands(self.bands, 1)?;
        check_size("coefficients", self.coefficients, 1, self.bands)?;
        check_channels(&self.channels)?;
        check_size("crop_frames", self.crop_frames, 16, 65_536)?;
        check_size("units", self.units, 1, 16_384)?;
        let blocks = self.channels.len();
        for (field, size) in [("coefficients", self.coefficients), ("crop_frames", self.crop_frames)] {
            rule(size >> blocks > 0, field, size, || {
                format!("at least {}, which {blocks} blocks halve to 1", 1usize << blocks)
            })?;
        }
        check_fraction("dropout", self.dropout)
    }

    pub(crate) fn graph(&self) -> LayerGraph {
        let mut graph = LayerGraph::new(Input::LogMel { bands: self.bands }).with_crop(self.crop_frames);
        graph.push("segment", Op::Fit { frames: self.crop_frames });
        graph.push("mfcc", Op::Dct { coefficients: self.coefficients });
        graph.push("input", Op::BatchNorm { relu: false });
        graph.push("image", Op::Image);
        for (i, &channels) in self.channels.iter().enumerate() {
            graph.conv_block(&format!("block{i}"), channels, (3, 3), (2, 2));
        }
        graph.push("flatten", Op::Flatten);
        graph.push("dense", Op::dense(self.units));
        graph.push("dropout", Op::Dropout { probability: self.dropout });
        graph
    }
}
