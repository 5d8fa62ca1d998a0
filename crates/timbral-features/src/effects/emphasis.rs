//! Pre-emphasis and its inverse.

use crate::error::{FeatureError, check_finite};

/// The coefficient of [`preemphasis`] and [`deemphasis`] that librosa uses by default.
pub const DEFAULT_EMPHASIS: f64 = 0.97;

fn check(samples: &[f32], coef: f64, zi: Option<f64>) -> Result<(), FeatureError> {
    check_finite("samples", samples)?;
    for (name, value) in [("coef", coef), ("zi", zi.unwrap_or(0.0))] {
        if !value.is_finite() {
            return Err(FeatureError::config(name, value, "finite"));
        }
    }
    Ok(())
}

/// Lifts high frequencies: `y[n] = x[n] - coef x[n - 1]`. Gives the signal and the state behind it.
///
/// The state before the first sample, `zi`, is added to it. Without one the signal is continued to the left in a straight
/// line, so the state is `2 x[0] - x[1]`, or `x[0]` for a single sample. Pass the returned state (`-coef` times the last
/// sample) to the next piece of a signal.
///
/// # Errors
///
/// [`FeatureError::Config`] if `coef` or `zi` is not finite, [`FeatureError::NonFinite`] for NaN or infinite samples.
///
/// ```
/// use timbral_features::effects::preemphasis;
/// let (y, state) = preemphasis(&[1.0, 1.0, 1.0], 0.5, Some(0.0))?;
/// assert_eq!((y, state), (vec![1.0, 0.5, 0.5], -0.5));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn preemphasis(samples: &[f32], coef: f64, zi: Option<f64>) -> Result<(Vec<f32>, f64), FeatureError> {
    check(samples, coef, zi)?;
    let mut state = zi.unwrap_or_else(|| match samples {
        [] => 0.0,
        &[only] => f64::from(only),
        &[first, second, ..] => 2.0 * f64::from(first) - f64::from(second),
    });
    let emphasised = samples
        .iter()
        .map(|&sample| {
            let x = f64::from(sample);
            let y = x + state;
            state = -coef * x;
            y as f32
        })
        .collect();
    Ok((emphasised, state))
}

/// Undoes [`preemphasis`]: `y[n] = x[n] + coef y[n - 1]`. Gives the signal and the state behind it, `coef` times its last
/// sample.
///
/// Without `zi` the filter starts at 0, and the straight line by which [`preemphasis`] continued its signal is taken out
/// afterwards: `((2 - coef) x[0] - x[1]) / (3 - coef) coef^n`. The returned state is that of the filter alone.
///
/// # Errors
///
/// [`FeatureError::Config`] if `coef` or `zi` is not finite or, without `zi`, if `coef` is 3; [`FeatureError::NonFinite`]
/// for NaN or infinite samples.
pub fn deemphasis(samples: &[f32], coef: f64, zi: Option<f64>) -> Result<(Vec<f32>, f64), FeatureError> {
    check(samples, coef, zi)?;
    let mut state = zi.unwrap_or(0.0);
    let mut start = match (zi, samples) {
        (None, &[first, second, ..]) if coef != 3.0 => {
            ((2.0 - coef) * f64::from(first) - f64::from(second)) / (3.0 - coef)
        }
        (None, &[_, _, ..]) => {
            return Err(FeatureError::config(
                "coef",
                "3",
                "other than 3, at which the first sample cannot be recovered",
            ));
        }
        // A single sample was doubled: its state was itself.
        (None, &[only]) => 0.5 * f64::from(only),
        _ => 0.0,
    };
    let plain = samples
        .iter()
        .map(|&sample| {
            let y = f64::from(sample) + state;
            state = coef * y;
            let value = (y - start) as f32;
            start *= coef;
            value
        })
        .collect();
    Ok((plain, state))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[test]
    fn first_samples_follow_the_definition() {
        let (y, state) = preemphasis(&[1.0, 3.0, 2.0], 0.9, None).unwrap();
        assert_eq!(y[0], 0.0);
        assert!((y[1] - 2.1).abs() < 1e-6 && (y[2] + 0.7).abs() < 1e-6);
        assert!((state + 1.8).abs() < 1e-12);
        assert_eq!(preemphasis(&[], 0.9, None).unwrap(), (vec![], 0.0));
        assert_eq!(preemphasis(&[2.0], 0.9, None).unwrap().0, [4.0]);
    }

    #[test]
    fn faults_are_errors() {
        assert!(preemphasis(&[f32::NAN], 0.9, None).is_err());
        assert!(preemphasis(&[1.0], f64::NAN, None).is_err());
        assert!(deemphasis(&[1.0], 0.9, Some(f64::INFINITY)).is_err());
        assert!(deemphasis(&[1.0, 2.0], 3.0, None).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn one_undoes_the_other(x in prop::collection::vec(-1.0_f32..1.0, 0..200), coef in 0.0_f64..0.97, given in any::<bool>()) {
            let zi = given.then_some(0.0);
            let (emphasised, _) = preemphasis(&x, coef, zi).unwrap();
            let (back, _) = deemphasis(&emphasised, coef, zi).unwrap();
            for (a, b) in x.iter().zip(&back) {
                prop_assert!((a - b).abs() < 1e-5, "{} {}", a, b);
            }
        }

        #[test]
        fn pieces_make_the_whole(x in prop::collection::vec(-1.0_f32..1.0, 2..100), cut in 0_usize..100) {
            let cut = cut.min(x.len());
            let (whole, end) = preemphasis(&x, 0.97, Some(0.3)).unwrap();
            let (mut first, state) = preemphasis(&x[..cut], 0.97, Some(0.3)).unwrap();
            let (second, last) = preemphasis(&x[cut..], 0.97, Some(state)).unwrap();
            first.extend(second);
            prop_assert_eq!(first, whole);
            prop_assert_eq!(last, end);
        }
    }
}
