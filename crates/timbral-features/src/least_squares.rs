//! Polynomial fits as fixed linear maps.

use ndarray::Array2;

/// The matrix that gives the coefficients of the least-squares polynomial of degree `order` through values at
/// `positions`, lowest power first: shape `(order + 1, positions.len())`.
///
/// Powers of positions scaled to at most 1 are made orthonormal one after the other, each one twice, so that rounding
/// does not bring them together again. `None` if the positions do not determine the polynomial.
pub(crate) fn polynomial_fit(positions: &[f64], order: usize) -> Option<Array2<f64>> {
    let n = positions.len();
    if n <= order {
        return None;
    }
    let scale = positions.iter().fold(0.0f64, |a, p| a.max(p.abs()));
    let scale = if scale > 0.0 { scale } else { 1.0 };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    // `basis[k]` is orthonormal; `powers[k]` holds it as a combination of the scaled powers 0 ..= k.
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(order + 1);
    let mut powers: Vec<Vec<f64>> = Vec::with_capacity(order + 1);
    for k in 0..=order {
        let mut vector: Vec<f64> = positions.iter().map(|p| (p / scale).powi(k as i32)).collect();
        let mut combination = vec![0.0; order + 1];
        combination[k] = 1.0;
        let length = dot(&vector, &vector).sqrt();
        for _ in 0..2 {
            for (other, mix) in basis.iter().zip(&powers) {
                let part = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(v, o)| *v -= part * o);
                combination.iter_mut().zip(mix).for_each(|(c, m)| *c -= part * m);
            }
        }
        let left = dot(&vector, &vector).sqrt();
        if left <= 1e-13 * length || left == 0.0 {
            return None;
        }
        vector.iter_mut().for_each(|v| *v /= left);
        combination.iter_mut().for_each(|c| *c /= left);
        basis.push(vector);
        powers.push(combination);
    }
    Some(Array2::from_shape_fn((order + 1, n), |(power, i)| {
        let sum: f64 = basis.iter().zip(&powers).map(|(b, mix)| b[i] * mix[power]).sum();
        sum / scale.powi(power as i32)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovers_polynomials() {
        let positions: Vec<f64> = (0..40).map(|i| f64::from(i) * 10.7).collect();
        let values: Vec<f64> = positions.iter().map(|x| 3.0 - 0.2 * x + 1e-3 * x * x).collect();
        let fit = polynomial_fit(&positions, 3).unwrap();
        for (row, expected) in fit.rows().into_iter().zip([3.0, -0.2, 1e-3, 0.0]) {
            let found: f64 = row.iter().zip(&values).map(|(w, v)| w * v).sum();
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn too_few_positions() {
        assert!(polynomial_fit(&[1.0, 2.0], 2).is_none());
        assert!(polynomial_fit(&[1.0, 1.0, 1.0], 1).is_none());
    }
}
