use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::ClassicError;

/// Eigenvalues, largest first, and eigenvectors (rows) of a symmetric matrix.
///
/// Householder reflections bring the matrix to tridiagonal form, implicit QL steps with Wilkinson's shift to diagonal form
/// (Golub and Van Loan, Matrix Computations, chapter 8). `matrix` is taken to be symmetric.
///
/// # Errors
///
/// [`ClassicError::Data`] for a matrix that is not square, [`ClassicError::NotConverged`] if the eigenvalues cannot be found, which finite values do not cause.
pub fn symmetric_eigen(matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>), ClassicError> {
    let n = matrix.nrows();
    if matrix.ncols() != n {
        let given = format!("a matrix of {n} x {}", matrix.ncols());
        return Err(ClassicError::data(given, "eigenvalues are those of a square one"));
    }
    let (mut diagonal, mut off, mut vectors) = tridiagonalise(matrix.clone());
    implicit_ql(&mut diagonal, &mut off, &mut vectors)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let values = order.iter().map(|&i| diagonal[i]).collect();
    Ok((values, vectors.select(Axis(0), &order)))
}

fn lower_right(a: ArrayView2<'_, f64>, from: usize) -> ArrayView2<'_, f64> {
    a.split_at(Axis(0), from).1.split_at(Axis(1), from).1
}

fn lower_right_mut(a: ArrayViewMut2<'_, f64>, from: usize) -> ArrayViewMut2<'_, f64> {
    a.split_at(Axis(0), from).1.split_at(Axis(1), from).1
}

/// A = Q T Q': gives T's diagonal, its off-diagonal, and the rows of Q'.
fn tridiagonalise(mut a: Array2<f64>) -> (Vec<f64>, Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut reflectors: Vec<(Array1<f64>, f64)> = Vec::with_capacity(n);
    let mut off = Vec::with_capacity(n);
    for k in 0..n.saturating_sub(2) {
        // The reflection that maps column k below the diagonal to a multiple of the first unit vector.
        let mut v = a.column(k).split_at(Axis(0), k + 1).1.to_owned();
        let scale = v.fold(0.0_f64, |m, x| m.max(x.abs()));
        let norm = if scale > 0.0 { (v.mapv(|x| (x / scale).powi(2)).sum()).sqrt() * scale } else { 0.0 };
        let alpha = if v[0] > 0.0 { -norm } else { norm };
        off.push(alpha);
        v[0] -= alpha;
        let square = v.dot(&v);
        let beta = if square > 0.0 { 2.0 / square } else { 0.0 };
        if beta > 0.0 && beta.is_finite() {
            let block = lower_right(a.view(), k + 1);
            let p = block.dot(&v) * beta;
            let w = &p - &(&v * (0.5 * beta * p.dot(&v)));
            let mut block = lower_right_mut(a.view_mut(), k + 1);
            for (i, mut row) in block.rows_mut().into_iter().enumerate() {
                row.scaled_add(-v[i], &w);
                row.scaled_add(-w[i], &v);
            }
            reflectors.push((v, beta));
        } else {
            reflectors.push((v, 0.0));
        }
    }
    if n >= 2 {
        off.push(a[(n - 1, n - 2)]);
    }
    off.resize(n, 0.0);
    let diagonal = a.diag().to_vec();
    // Q' = H_last ... H_1, built from the last reflection so that only its block is touched.
    let mut q = Array2::<f64>::eye(n);
    for (k, (v, beta)) in reflectors.iter().enumerate().rev() {
        let mut block = lower_right_mut(q.view_mut(), k + 1);
        let projection = block.dot(v);
        for (mut row, p) in block.rows_mut().into_iter().zip(&projection) {
            row.scaled_add(-beta * p, v);
        }
    }
    (diagonal, off, q)
}

fn implicit_ql(d: &mut [f64], e: &mut [f64], vectors: &mut Array2<f64>) -> Result<(), ClassicError> {
    const SWEEPS: usize = 60;
    let n = d.len();
    for l in 0..n {
        for sweep in 0.. {
            let small = |i: usize| e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs());
            let m = (l..n - 1).find(|&i| small(i)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if sweep == SWEEPS {
                return Err(ClassicError::NotConverged {
                    learner: "the eigenvalue decomposition",
                    iterations: SWEEPS,
                    detail: format!("{} remains beside the diagonal", e[l].abs()),
                });
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + if g >= 0.0 { r } else { -r });
            let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
            let mut broke = false;
            for i in (l..m).rev() {
                let (f, b) = (sine * e[i], cosine * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    broke = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * sine + 2.0 * cosine * b;
                p = sine * r;
                d[i + 1] = g + p;
                g = cosine * r - b;
                let (mut lower, mut upper) = vectors.view_mut().split_at(Axis(0), i + 1);
                for (x, y) in lower.row_mut(i).iter_mut().zip(upper.row_mut(0).iter_mut()) {
                    let (u, v) = (*x, *y);
                    *y = sine * u + cosine * v;
                    *x = cosine * u - sine * v;
                }
            }
            if !broke {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    Ok(())
}
