//! Binary cross-entropy.

use candle_core::{Result, Tensor};

use crate::activation::relu;
use crate::error::shape_error;

/// Binary cross-entropy of logits, the mean over all elements, as PyTorch's `binary_cross_entropy_with_logits`: for
/// labels that do not exclude each other. `targets` lie within [0, 1] and have the shape of `scores`.
///
/// # Errors
/// If the shapes differ.
pub fn binary_cross_entropy(scores: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if scores.dims() != targets.dims() || scores.elem_count() == 0 {
        return Err(shape_error(
            "shape of the targets",
            targets.dims(),
            format!("{:?}, not empty", scores.dims()),
        ));
    }
    // max(x, 0) - x * t + ln(1 + exp(-|x|)): no overflow.
    let positive = relu(scores)?;
    let size = (&positive + relu(&scores.neg()?)?)?;
    let tail = (size.neg()?.exp()? + 1.0)?.log()?;
    ((positive - (scores * targets)?)? + tail)?.mean_all()
}
