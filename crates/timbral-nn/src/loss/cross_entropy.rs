//! Cross-entropy with label smoothing, class weights and soft targets.

use candle_core::{D, DType, Device, Result, Tensor};

use crate::activation::log_softmax;
use crate::error::{config_error, shape_error};

/// What a row of scores should say.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The class of each row.
    Classes(&'a [u32]),
    /// Probabilities (rows, classes), for example mixed labels (mixup).
    Probabilities(&'a Tensor),
}

/// Settings of [`cross_entropy`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrossEntropyConfig {
    /// Fraction of the target that is spread evenly over all classes, within [0, 1]. Default: 0.
    pub label_smoothing: f64,
    /// Weight of each class, not negative. Default: none, all classes weigh 1.
    pub class_weights: Option<Vec<f64>>,
}

/// The mean over rows of `-sum(weight * target * log_softmax(scores))`, as PyTorch's `cross_entropy`.
///
/// `scores` has the shape (rows, classes). With classes as target the sum over rows is divided by the weights of the
/// target classes, with probabilities by the number of rows.
///
/// # Errors
/// If `scores` is not a matrix, the target does not fit it, or a setting breaks its rule.
pub fn cross_entropy(scores: &Tensor, target: Target<'_>, config: &CrossEntropyConfig) -> Result<Tensor> {
    let (rows, classes) = scores.dims2()?;
    let smoothing = config.label_smoothing;
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(config_error("label_smoothing", smoothing, "between 0 and 1"));
    }
    if rows == 0 || classes == 0 {
        return Err(shape_error(
            "shape of the scores",
            scores.dims(),
            "(rows, classes), neither of them zero",
        ));
    }
    let weights = match &config.class_weights {
        None => vec![1.0; classes],
        Some(weights) => {
            if weights.len() != classes
                || weights.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite()))
            {
                return Err(config_error(
                    "class_weights",
                    weights,
                    "one finite weight for each class, not negative",
                ));
            }
            weights.clone()
        }
    };
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let (row_count, share) = (rows as f64, smoothing / classes as f64);
    let (mut coefficients, total) = match target {
        Target::Classes(targets) => {
            if targets.len() != rows {
                return Err(shape_error(
                    "number of targets",
                    targets.len(),
                    format!("{rows}, one for each row of scores"),
                ));
            }
            let mut coefficients = vec![0.0; rows * classes];
            let mut total = 0.0;
            for (row, &class) in coefficients.chunks_exact_mut(classes).zip(targets) {
                let class = usize::try_from(class).unwrap_or(usize::MAX);
                let Some(value) = row.get_mut(class) else {
                    return Err(config_error("target class", class, "below the number of classes"));
                };
                *value = 1.0;
                total += weights[class];
            }
            (coefficients, total)
        }
        Target::Probabilities(probabilities) => {
            if probabilities.dims() != scores.dims() {
                return Err(shape_error(
                    "shape of the targets",
                    probabilities.dims(),
                    format!("{:?}", scores.dims()),
                ));
            }
            (
                probabilities.to_dtype(DType::F64)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?,
                row_count,
            )
        }
    };
    if total <= 0.0 {
        return Err(config_error("class_weights", weights, "above zero for one of the target classes"));
    }
    for row in coefficients.chunks_exact_mut(classes) {
        for (value, weight) in row.iter_mut().zip(&weights) {
            *value = -weight * ((1.0 - smoothing) * *value + share) / total;
        }
    }
    let coefficients = Tensor::from_vec(coefficients, (rows, classes), &Device::Cpu)?
        .to_dtype(scores.dtype())?
        .to_device(scores.device())?;
    log_softmax(scores, D::Minus1)?.mul(&coefficients)?.sum_all()
}
