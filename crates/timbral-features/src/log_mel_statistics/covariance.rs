//! Covariance matrices as points of a flat space.

use ndarray::{Array2, Axis, Slice, concatenate};

/// Fraction of the mean variance that is added to each variance: without it a nearly singular matrix, whose logarithm runs
/// away, would be all that counts.
const RIDGE: f64 = 0.01;

/// Smallest eigenvalue, in dB squared, whose logarithm is taken.
const SMALLEST: f64 = 1e-6;

/// Sweeps over all pairs of rows after which the rotations end in any case; ten reach full precision.
const MAX_SWEEPS: usize = 30;

/// Entries of the upper triangle of a matrix of `n` rows.
pub(super) fn len(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Appends the upper triangle of the logarithm of the covariance matrix of `(frames, groups)` and its differences between
/// frames.
pub(super) fn log_covariance(grouped: &Array2<f32>, out: &mut Vec<f64>) {
    let values = grouped.mapv(f64::from);
    let earlier = values.slice_axis(Axis(0), Slice::from(..-1));
    let steps = &values.slice_axis(Axis(0), Slice::from(1..)) - &earlier;
    // Axes agree by construction, so that joining them cannot fail.
    let Ok(mut rows) = concatenate(Axis(1), &[earlier, steps.view()]) else {
        return;
    };
    for mut column in rows.columns_mut() {
        let mean = column.sum() / column.len() as f64;
        column -= mean;
    }
    let (frames, n) = rows.dim();
    let mut covariance = rows.t().dot(&rows) / frames as f64;
    let ridge = RIDGE * covariance.diag().sum() / n as f64;
    covariance.diag_mut().iter_mut().for_each(|v| *v += ridge);

    let (values, vectors) = symmetric_eigen(covariance);
    let mut scaled = vectors.clone();
    for (mut row, value) in scaled.rows_mut().into_iter().zip(&values) {
        row *= value.max(SMALLEST).ln();
    }
    let logarithm = vectors.t().dot(&scaled);
    for i in 0..n {
        out.push(logarithm[[i, i]]);
        out.extend((i + 1..n).map(|j| std::f64::consts::SQRT_2 * logarithm[[i, j]]));
    }
}

/// Eigenvalues of a symmetric matrix, and its eigenvectors as rows, by Jacobi's rotations.
///
/// Each rotation sets one pair of entries to zero. Rotations undo each other's zeros only a little, so that what is left
/// beside the diagonal shrinks quadratically; small eigenvalues come out with full relative precision, which their
/// logarithms need.
fn symmetric_eigen(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut vectors = Array2::eye(n);
    for _ in 0..MAX_SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (app, aqq, apq) = (a[[p, p]], a[[q, q]], a[[p, q]]);
                if apq.abs() <= f64::EPSILON * (app.abs() * aqq.abs()).sqrt() {
                    continue;
                }
                rotated = true;
                let ratio = (aqq - app) / (2.0 * apq);
                // The smaller of the two angles, without cancellation.
                let tangent = 1f64.copysign(ratio) / (ratio.abs() + ratio.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                rotate_rows(&mut a, p, q, sine, cosine);
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    (a[[k, p]], a[[k, q]]) = (cosine * x - sine * y, sine * x + cosine * y);
                }
                rotate_rows(&mut vectors, p, q, sine, cosine);
            }
        }
        if !rotated {
            break;
        }
    }
    (a.diag().to_vec(), vectors)
}

fn rotate_rows(a: &mut Array2<f64>, p: usize, q: usize, sine: f64, cosine: f64) {
    // p lies before q.
    let (mut before, mut from) = a.view_mut().split_at(Axis(0), q);
    for (x, y) in before.row_mut(p).iter_mut().zip(&mut from.row_mut(0)) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}
