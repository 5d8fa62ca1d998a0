use std::fmt::Debug;

use candle_core::{D, Module, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use timbral_nn::{BatchNormConfig, Linear, LinearConfig, linear, softmax};

use crate::ModelError;
use crate::architecture::log_probabilities;

/// Values of crops that go through a network at once: enough to fill its threads, few enough for memory.
const CHUNK_VALUES: usize = 1 << 20;

/// A network without its last layer: inputs to features `(batch, width)`, from which one dense layer makes the logits.
///
/// [`Architecture::build_trunk`](crate::Architecture::build_trunk) makes one. What a classifier has learned to see
/// stands in these features, so they serve as an embedding and for transfer to other classes.
pub trait Trunk: Debug + Send + Sync {
    /// Features of a batch `(batch, bands, frames)`, or `(batch, 1, samples)` for networks over the waveform; with
    /// `train` dropout and batch statistics are in use.
    ///
    /// # Errors
    /// When `x` is not what the network takes.
    fn features(&self, x: &Tensor, train: bool) -> Result<Tensor>;

    /// Frames (or samples) of the crops that inference cuts a longer input into; 0 takes it whole.
    fn crop_frames(&self) -> usize;
}

/// Features of inputs of any length: the mean over crops where the trunk asks for crops.
pub(crate) fn cropped_features(trunk: &dyn Trunk, x: &Tensor, train: bool) -> Result<Tensor> {
    if train {
        return trunk.features(x, true);
    }
    mean_over_crops(x, trunk.crop_frames(), |crops| trunk.features(crops, false))
}

/// A trunk and its last layer.
#[derive(Debug)]
pub(crate) struct Headed {
    trunk: Box<dyn Trunk>,
    output: Linear,
}

impl Headed {
    pub(crate) fn new(
        trunk: Box<dyn Trunk>,
        width: usize,
        classes: usize,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let output = linear(dense(width, classes), vb.pp("output"))?;
        Ok(Self { trunk, output })
    }

    fn logits(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.output.forward(&self.trunk.features(x, train)?)
    }
}

impl ModuleT for Headed {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (frames, crop) = (x.dim(D::Minus1)?, self.trunk.crop_frames());
        if train || crop == 0 || frames <= crop {
            return self.logits(x, train);
        }
        log_probabilities(&mean_over_crops(x, crop, |crops| softmax(&self.logits(crops, false)?, D::Minus1))?)
    }
}

/// Applies `rows` to crops of the last axis and takes the mean over those of each input.
fn mean_over_crops(x: &Tensor, crop: usize, rows: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (batch, bands, frames) = x.dims3()?;
    if crop == 0 || frames <= crop {
        return rows(x);
    }
    let starts = crop_starts(frames, crop);
    let at_once = (CHUNK_VALUES / (batch * bands * crop).max(1)).max(1);
    let mut parts = Vec::new();
    for starts in starts.chunks(at_once) {
        let crops = starts.iter().map(|&start| x.narrow(2, start, crop)).collect::<Result<Vec<_>>>()?;
        parts.push(rows(&Tensor::cat(&crops, 0)?)?);
    }
    let parts = Tensor::cat(&parts, 0)?;
    let width = parts.dim(1)?;
    parts.reshape((starts.len(), batch, width))?.mean(0)
}

/// Starts of crops that overlap by about half, from the first frame to the last and evenly spaced.
fn crop_starts(frames: usize, crop: usize) -> Vec<usize> {
    let room = frames - crop;
    let steps = room.div_ceil((crop / 2).max(1)).max(1);
    (0..=steps).map(|i| i * room / steps).collect()
}

/// `x` repeated along the last axis until it has at least `least` frames; refuses other bands and no frames.
pub(crate) fn at_least(x: &Tensor, bands: usize, least: usize) -> Result<Tensor> {
    let (_, given, frames) = x.dims3()?;
    if given != bands || frames == 0 {
        candle_core::bail!(
            "an input of {given} bands and {frames} frames was given, {bands} bands and at least 1 frame are needed"
        );
    }
    if frames < least { x.repeat((1, 1, least.div_ceil(frames))) } else { Ok(x.clone()) }
}

/// `(batch, bands, frames)` with neighbouring bands averaged.
pub(crate) fn group_bands(x: &Tensor, bands_per_group: usize) -> Result<Tensor> {
    let (batch, bands, frames) = x.dims3()?;
    x.reshape((batch, bands / bands_per_group, bands_per_group, frames))?.mean(2)
}

pub(crate) fn norm(channels: usize) -> BatchNormConfig {
    BatchNormConfig { channels, ..BatchNormConfig::default() }
}

pub(crate) fn dense(in_features: usize, out_features: usize) -> LinearConfig {
    LinearConfig { in_features, out_features, bias: true }
}

/// An error with `text` unless the rule holds.
pub(crate) fn rule(holds: bool, text: impl FnOnce() -> String) -> std::result::Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Config(text())) }
}

/// The rules that the networks over log-mel spectrograms share.
pub(crate) fn check_bands(bands: usize, bands_per_group: usize) -> std::result::Result<(), ModelError> {
    rule((1..=1024).contains(&bands), || format!("{bands} bands, 1 to 1024 are allowed"))?;
    rule(bands_per_group > 0 && bands.is_multiple_of(bands_per_group), || {
        format!("{bands} bands do not divide into groups of {bands_per_group}")
    })
}

pub(crate) fn check_channels(channels: &[usize]) -> std::result::Result<(), ModelError> {
    rule((1..=12).contains(&channels.len()), || format!("{} blocks, 1 to 12 are allowed", channels.len()))?;
    rule(channels.iter().all(|c| (1..=4096).contains(c)), || {
        format!("channels {channels:?}, each must be 1 to 4096")
    })
}

pub(crate) fn check_share(name: &str, share: f64) -> std::result::Result<(), ModelError> {
    rule((0.0..1.0).contains(&share), || format!("{name} {share}, it must be in [0, 1)"))
}

pub(crate) fn check_size(
    name: &str,
    size: usize,
    least: usize,
    most: usize,
) -> std::result::Result<(), ModelError> {
    rule((least..=most).contains(&size), || format!("{name} is {size}, {least} to {most} are allowed"))
}

pub(crate) fn check_crop(frames: usize) -> std::result::Result<(), ModelError> {
    rule(frames == 0 || (16..=65_536).contains(&frames), || {
        format!("crops of {frames} frames, 0 or 16 to 65536 are allowed")
    })
}
