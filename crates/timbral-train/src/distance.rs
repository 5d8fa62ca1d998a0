use timbral_features::log_mel_statistics::CONTOUR_VALUES;
use timbral_model::LevelDistance;

use crate::TrainError;

/// Fraction of a spherical covariance that is mixed into the one of the data (Ledoit and Wolf 2004 give the idea; the fraction
/// is fixed).
const SHRINKAGE: f64 = 0.1;

const N: usize = CONTOUR_VALUES;

type Matrix = [[f64; N]; N];

/// Fits the distance of a track's level contour to the nearest class: class means and the covariance within classes, both
/// of standardised values, the covariance shrunk by a tenth towards a sphere.
///
/// # Errors
///
/// [`TrainError::Shape`] if there are not as many classes as contours, a class is out of range or has no contour, or a
/// value is not finite.
pub fn fit_level_distance(
    contours: &[[f64; N]],
    classes: &[usize],
    n_classes: usize,
) -> Result<LevelDistance, TrainError> {
    let wrong = |given: String, rule: &str| Err(TrainError::shape("contours", given, rule));
    if contours.len() != classes.len() {
        return wrong(
            format!("{} for {} tracks", contours.len(), classes.len()),
            "there must be as many of both",
        );
    }
    if contours.iter().flatten().any(|value| !value.is_finite()) {
        return wrong("a value that is not finite".into(), "every value must be");
    }
    let mut counts = vec![0_usize; n_classes];
    for class in classes {
        match counts.get_mut(*class) {
            Some(count) => *count += 1,
            None => return wrong(format!("the class {class}"), &format!("it must be below {n_classes}")),
        }
    }
    if n_classes == 0 || counts.contains(&0) {
        return wrong("a class without tracks".into(), "each class must have some");
    }
    let n = contours.len() as f64;
    let mean: [f64; N] = std::array::from_fn(|i| contours.iter().map(|c| c[i]).sum::<f64>() / n);
    let scale: [f64; N] = std::array::from_fn(|i| {
        let variance = contours.iter().map(|c| (c[i] - mean[i]).powi(2)).sum::<f64>() / n;
        // A value that never changes tells nothing, whatever it is divided by.
        if variance > 0.0 { variance.sqrt() } else { 1.0 }
    });
    let standard: Vec<[f64; N]> =
        contours.iter().map(|c| std::array::from_fn(|i| (c[i] - mean[i]) / scale[i])).collect();
    let mut means = vec![[0.0; N]; n_classes];
    for (row, &class) in standard.iter().zip(classes) {
        (0..N).for_each(|i| means[class][i] += row[i] / counts[class] as f64);
    }
    let mut covariance: Matrix = [[0.0; N]; N];
    for (row, &class) in standard.iter().zip(classes) {
        let rest: [f64; N] = std::array::from_fn(|i| row[i] - means[class][i]);
        for i in 0..N {
            (0..N).for_each(|j| covariance[i][j] += rest[i] * rest[j] / (n - 1.0).max(1.0));
        }
    }
    // Above 0 also where all tracks of a class are alike.
    let sphere = ((0..N).map(|i| covariance[i][i]).sum::<f64>() / N as f64).max(1e-6);
    for (i, row) in covariance.iter_mut().enumerate() {
        row.iter_mut().for_each(|value| *value *= 1.0 - SHRINKAGE);
        row[i] += SHRINKAGE * sphere;
    }
    let inverse = inverse_of_lower(&cholesky(&covariance));
    let white = |row: &[f64; N]| -> Vec<f64> {
        (0..N).map(|i| (0..N).map(|j| inverse[i][j] * row[j]).sum()).collect()
    };
    Ok(LevelDistance {
        mean: mean.to_vec(),
        whitening: (0..N).map(|i| (0..N).map(|j| inverse[i][j] / scale[j]).collect()).collect(),
        classes: means.iter().map(white).collect(),
    })
}

/// Lower triangle whose product with its transpose is a positive definite matrix.
fn cholesky(matrix: &Matrix) -> Matrix {
    let mut lower = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let sum: f64 = matrix[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            lower[i][j] = if i == j { sum.sqrt() } else { sum / lower[j][j] };
        }
    }
    lower
}

#[allow(clippy::needless_range_loop, reason = "indices as in the recursion")]
fn inverse_of_lower(lower: &Matrix) -> Matrix {
    let mut inverse = [[0.0; N]; N];
    for column in 0..N {
        for i in column..N {
            let unit = if i == column { 1.0 } else { 0.0 };
            let sum: f64 = unit - (column..i).map(|k| lower[i][k] * inverse[k][column]).sum::<f64>();
            inverse[i][column] = sum / lower[i][i];
        }
    }
    inverse
}
