//! Covariance matrices as points of a flat space.

use candle_core::{DType, Device, Result, Tensor};
use ndarray::{Array2, Axis};
use timbral_classic::symmetric_eigen;

use super::difference;

/// Share of the mean variance that is added to each variance: without it a nearly singular matrix, whose logarithm runs
/// away, would be all that counts.
const RIDGE: f64 = 0.01;

/// Smallest eigenvalue, in dB squared, whose logarithm is taken.
const SMALLEST: f64 = 1e-6;

/// Entries of the upper triangle of a matrix of `n` rows.
pub(super) fn len(n: usize) -> usize {
    n * (n + 1) / 2
}

/// `(batch, frames, groups)` to the logarithms of the covariance matrices of groups and their differences between frames.
pub(super) fn log_covariance(grouped: &Tensor) -> Result<Tensor> {
    let steps = difference(grouped)?;
    let rows = Tensor::cat(&[&grouped.narrow(1, 0, steps.dim(1)?)?, &steps], 2)?;
    let (batch, frames, n) = rows.dims3()?;
    let centred = rows.broadcast_sub(&rows.mean_keepdim(1)?)?.contiguous()?;
    let covariance = (centred.transpose(1, 2)?.contiguous()?.matmul(&centred)? / frames as f64)?;
    let matrices: Vec<f64> = covariance.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    let mut out = Vec::with_capacity(batch * len(n));
    for matrix in matrices.chunks_exact(n * n) {
        upper_of_logarithm(matrix, n, &mut out)?;
    }
    Tensor::from_vec(out, (batch, len(n)), &Device::Cpu)
}

/// Appends the upper triangle of the logarithm of a covariance matrix of `n` rows.
fn upper_of_logarithm(matrix: &[f64], n: usize, out: &mut Vec<f32>) -> Result<()> {
    let mut matrix = Array2::from_shape_vec((n, n), matrix.to_vec()).map_err(candle_core::Error::wrap)?;
    let ridge = RIDGE * matrix.diag().mean().unwrap_or(0.0);
    matrix.diag_mut().iter_mut().for_each(|v| *v += ridge);
    let (values, vectors) = symmetric_eigen(&matrix).map_err(candle_core::Error::wrap)?;
    let mut scaled = vectors.clone();
    for (mut row, value) in scaled.axis_iter_mut(Axis(0)).zip(&values) {
        row *= value.max(SMALLEST).ln();
    }
    let logarithm = vectors.t().dot(&scaled);
    for i in 0..n {
        out.push(logarithm[[i, i]] as f32);
        let right = (i + 1..n).map(|j| (std::f64::consts::SQRT_2 * logarithm[[i, j]]) as f32);
        out.extend(right);
    }
    Ok(())
}
