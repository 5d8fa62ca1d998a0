//! Log-mel statistics of candle tensors.

use candle_core::{Device, Result, Tensor};
use ndarray::ArrayView2;
use timbral_features::log_mel_statistics::LogMelStatistics;

/// Statistics of a batch `(batch, bands, frames)`, one row each. They are inputs: no gradient flows back through them.
pub(crate) fn statistics(plan: &LogMelStatistics, x: &Tensor) -> Result<Tensor> {
    let (batch, bands, frames) = x.dims3()?;
    let values: Vec<f32> = x.flatten_all()?.to_vec1()?;
    let mut rows = Vec::with_capacity(batch * plan.config().len());
    if frames == 0 {
        candle_core::bail!("a spectrogram of {bands} bands has no frames; it must have at least 1");
    }
    for example in values.chunks_exact(bands * frames) {
        let view = ArrayView2::from_shape((bands, frames), example).map_err(candle_core::Error::wrap)?;
        rows.extend(plan.compute(view).map_err(candle_core::Error::wrap)?);
    }
    Tensor::from_vec(rows, (batch, plan.config().len()), &Device::Cpu)
}

/// The orthonormal DCT-II of log-mel bands, `(bands, coefficients)`: its product with a frame is the cepstrum.
pub(crate) fn cosines(bands: usize, coefficients: usize) -> Result<Tensor> {
    let value = |band: usize, k: usize| {
        let scale = if k == 0 { (1.0 / bands as f64).sqrt() } else { (2.0 / bands as f64).sqrt() };
        scale * (std::f64::consts::PI * k as f64 * (band as f64 + 0.5) / bands as f64).cos()
    };
    let values: Vec<f32> =
        (0..bands).flat_map(|band| (0..coefficients).map(move |k| value(band, k) as f32)).collect();
    Tensor::from_vec(values, (bands, coefficients), &Device::Cpu)
}
