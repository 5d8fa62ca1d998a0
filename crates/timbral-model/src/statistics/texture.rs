//! Statistics of how sharp a spectrogram is, in frequency and in time. All take `(batch, frames, bands)` in dB.

use candle_core::{Result, Tensor};

use super::spread;

/// What is added to sizes in dB, so that silence has a logarithm and a skewness.
const FLOOR_DB: f64 = 0.1;

/// Per pair of neighbouring bands: spread of their difference, and how much the sound changes over time compared with how
/// much it changes over frequency. `steps` are the differences between frames.
pub(super) fn neighbours(x: &Tensor, steps: &Tensor) -> Result<Tensor> {
    let pairs = x.dim(2)? - 1;
    let rises = (x.narrow(2, 1, pairs)? - x.narrow(2, 0, pairs)?)?;
    let size = |x: &Tensor| x.abs()?.mean(1)? + FLOOR_DB;
    let ratio = (size(&steps.narrow(2, 1, pairs)?)? / size(&rises)?)?.log()?;
    Tensor::cat(&[spread(&rises)?, ratio], 1)
}

/// Skewness of each band.
pub(super) fn skewness(x: &Tensor) -> Result<Tensor> {
    let scale = (spread(x)? + FLOOR_DB)?.unsqueeze(1)?;
    let z = x.broadcast_sub(&x.mean_keepdim(1)?)?.broadcast_div(&scale)?;
    (z.sqr()? * z)?.mean(1)
}

/// Largest less smallest band of each group, `(batch, frames, groups)`.
pub(super) fn contrast(x: &Tensor, bands_per_group: usize) -> Result<Tensor> {
    let (batch, frames, bands) = x.dims3()?;
    let grouped = x.reshape((batch, frames, bands / bands_per_group, bands_per_group))?;
    grouped.max(3)? - grouped.min(3)?
}
