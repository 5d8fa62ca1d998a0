//! Distillation.

use candle_core::{Result, Tensor};

use crate::activation::{log_softmax, softmax};
use crate::error::{config_error, shape_error};

/// The divergence of a student from its teacher (Hinton et al. 2015): `temperature^2` times the mean over rows of
/// KL(softmax(teacher / T) || softmax(student / T)). No gradient reaches the teacher.
///
/// # Errors
/// If the shapes differ or `temperature` is not positive.
pub fn distillation_loss(student: &Tensor, teacher: &Tensor, temperature: f64) -> Result<Tensor> {
    let (rows, classes) = student.dims2()?;
    if student.dims() != teacher.dims() || rows == 0 || classes == 0 {
        return Err(shape_error(
            "shape of the teacher",
            teacher.dims(),
            format!("{:?}, not empty", student.dims()),
        ));
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
