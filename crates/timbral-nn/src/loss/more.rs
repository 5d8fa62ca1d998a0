//! Further losses on scores.

use candle_core::{D, Device, Result, Tensor};

use crate::activation::{log_softmax, softmax};
use crate::error::{config_error, shape_error};

fn one_hot(classes: &[u32], scores: &Tensor) -> Result<Tensor> {
    let (rows, count) = scores.dims2()?;
    if classes.len() != rows || rows == 0 {
        return Err(shape_error(
            "targets",
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

/// Binary cross-entropy of logits, the mean over all elements, as PyTorch's `binary_cross_entropy_with_logits`: for
/// labels that do not exclude each other. `targets` lie within [0, 1] and have the shape of `scores`.
///
/// # Errors
/// If the shapes differ.
pub fn binary_cross_entropy(scores: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if scores.dims() != targets.dims() || scores.elem_count() == 0 {
        return Err(shape_error("targets", targets.dims(), format!("{:?}, not empty", scores.dims())));
    }
    // max(x, 0) - x * t + ln(1 + exp(-|x|)): no overflow.
    let positive = crate::activation::relu(scores)?;
    let size = (&positive + crate::activation::relu(&scores.neg()?)?)?;
    let tail = (size.neg()?.exp()? + 1.0)?.log()?;
    ((positive - (scores * targets)?)? + tail)?.mean_all()
}

/// The divergence of a student from its teacher (Hinton et al. 2015): `temperature^2` times the mean over rows of
/// KL(softmax(teacher / T) || softmax(student / T)). No gradient reaches the teacher.
///
/// # Errors
/// If the shapes differ or `temperature` is not positive.
pub fn distillation_loss(student: &Tensor, teacher: &Tensor, temperature: f64) -> Result<Tensor> {
    let (rows, classes) = student.dims2()?;
    if student.dims() != teacher.dims() || rows == 0 || classes == 0 {
        return Err(shape_error("teacher", teacher.dims(), format!("{:?}, not empty", student.dims())));
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(config_error("temperature", temperature, "finite and positive"));
    }
    let teacher = (teacher.detach() / temperature)?;
    let (target, log_target) = (softmax(&teacher, 1)?, log_softmax(&teacher, 1)?);
    let difference = (log_target - log_softmax(&(student / temperature)?, 1)?)?;
    let total = (target * difference)?.sum_all()?;
    #[allow(clippy::cast_precision_loss, reason = "row counts stay far below 2^52")]
    let rows = rows as f64;
    total * (temperature * temperature / rows)
}
