//! The focal loss.

use candle_core::{D, Device, Result, Tensor};

use crate::activation::log_softmax;
use crate::error::{config_error, shape_error};

fn one_hot(classes: &[u32], scores: &Tensor) -> Result<Tensor> {
    let (rows, count) = scores.dims2()?;
    if classes.len() != rows || rows == 0 {
        return Err(shape_error(
            "number of targets",
            classes.len(),
            format!("{rows}, one for each row of scores, not none"),
        ));
    }
    let mut values = vec![0f32; rows * count];
    for (row, &class) in values.chunks_exact_mut(count).zip(classes) {
        match row.get_mut(usize::try_from(class).unwrap_or(usize::MAX)) {
            Some(value) => *value = 1.0,
            None => {
                return Err(config_error("target class", class, "below the number of classes"));
            }
        }
    }
    Tensor::from_vec(values, (rows, count), &Device::Cpu)?
        .to_dtype(scores.dtype())?
        .to_device(scores.device())
}

/// The focal loss (Lin et al. 2017): the mean over rows of `-(1 - p)^gamma * ln p` for the probability p of the target
/// class. `scores` has the shape (rows, classes); `gamma` 0 is cross-entropy, the paper's value is 2.
///
/// # Errors
/// If the shapes do not fit or `gamma` is negative or not finite.
pub fn focal_loss(scores: &Tensor, classes: &[u32], gamma: f64) -> Result<Tensor> {
    if !(gamma >= 0.0 && gamma.is_finite()) {
        return Err(config_error("gamma", gamma, "finite and not negative"));
    }
    let log = (log_softmax(scores, D::Minus1)? * one_hot(classes, scores)?)?.sum(1)?;
    let loss = if gamma == 0.0 { log } else { ((1.0 - log.exp()?)?.powf(gamma)? * log)? };
    loss.mean_all()?.neg()
}
