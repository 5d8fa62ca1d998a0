//! Scores of predicted classes: confusion matrix, precision, recall, F1, accuracy.

pub(crate) mod calibration;
mod confusion;
pub(crate) mod ranking;

pub use confusion::{ClassScores, ConfusionMatrix};
pub(crate) use ranking::Rankings;

/// Accuracy and mean F1 over the classes that occur among the given rows, without a matrix: a bootstrap asks for it ten
/// thousand times. Rows and classes out of range are left out; without rows both are NaN.
#[must_use]
pub fn accuracy_and_macro_f1(
    truth: &[usize],
    predicted: &[usize],
    n_classes: usize,
    rows: &[usize],
) -> (f64, f64) {
    let mut hits = vec![0_u32; n_classes];
    let mut named = vec![0_u32; n_classes];
    for &row in rows {
        let (Some(&truth), Some(&predicted)) = (truth.get(row), predicted.get(row)) else { continue };
        if truth >= n_classes || predicted >= n_classes {
            continue;
        }
        named[truth] += 1;
        named[predicted] += 1;
        if truth == predicted {
            hits[truth] += 1;
        }
    }
    let f1: Vec<f64> = hits
        .iter()
        .zip(&named)
        .filter(|(_, named)| **named > 0)
        .map(|(hits, named)| 2.0 * f64::from(*hits) / f64::from(*named))
        .collect();
    let accuracy = hits.iter().sum::<u32>() as f64 / rows.len() as f64;
    (accuracy, f1.iter().sum::<f64>() / f1.len() as f64)
}
