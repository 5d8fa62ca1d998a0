//! Small functions of signals.

use realfft::RealFftPlanner;

use crate::error::{FeatureError, check_finite};

/// The linear (not circular) autocorrelation of a signal for the lags `0 .. max_size`, not normalised.
///
/// # Errors
///
/// [`FeatureError::NonFinite`] for NaN or infinite samples.
pub fn autocorrelate(samples: &[f32], max_size: Option<usize>) -> Result<Vec<f32>, FeatureError> {
    check_finite("samples", samples)?;
    let lags = max_size.unwrap_or(samples.len()).min(samples.len());
    if lags == 0 {
        return Ok(Vec::new());
    }
    // Zeros at the end keep the ends from meeting.
    let n = (2 * samples.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(n), planner.plan_fft_inverse(n));
    let mut signal = forward.make_input_vec();
    signal.iter_mut().zip(samples).for_each(|(to, x)| *to = f64::from(*x));
    let mut spectrum = forward.make_output_vec();
    let done = forward.process(&mut signal, &mut spectrum);
    spectrum.iter_mut().for_each(|c| *c = c.norm_sqr().into());
    let done = done.and_then(|()| inverse.process(&mut spectrum, &mut signal));
    debug_assert!(done.is_ok(), "buffers have the planned lengths");
    Ok(signal[..lags].iter().map(|v| (v / n as f64) as f32).collect())
}

/// Linear prediction coefficients by Burg's method (1967), `order + 1` of them, the first being 1.
///
/// Silence is predicted by zeros.
///
/// # Errors
///
/// [`FeatureError::Config`] for an order of 0, [`FeatureError::TooShort`] if there are not more samples than the order,
/// [`FeatureError::NonFinite`] for NaN or infinite samples.
pub fn lpc(samples: &[f32], order: usize) -> Result<Vec<f32>, FeatureError> {
    if order == 0 {
        return Err(FeatureError::config("order", "0", "at least 1"));
    }
    if samples.len() <= order {
        let needed = order.saturating_add(1);
        return Err(FeatureError::TooShort { samples: samples.len(), needed, reason: "for that order" });
    }
    check_finite("samples", samples)?;
    let mut forward: Vec<f64> = samples[1..].iter().map(|v| f64::from(*v)).collect();
    let mut backward: Vec<f64> = samples[..samples.len() - 1].iter().map(|v| f64::from(*v)).collect();
    let energy = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    let mut coefficients = vec![1.0f64];
    for _ in 0..order {
        let power = energy(&forward) + energy(&backward);
        let cross: f64 = forward.iter().zip(&backward).map(|(f, b)| f * b).sum();
        let reflection = if power > 0.0 { -2.0 * cross / power } else { 0.0 };
        coefficients.push(0.0);
        let reversed: Vec<f64> = coefficients.iter().rev().copied().collect();
        coefficients.iter_mut().zip(&reversed).for_each(|(c, r)| *c += reflection * r);
        for (f, b) in forward.iter_mut().zip(&mut backward) {
            (*f, *b) = (*f + reflection * *b, *b + reflection * *f);
        }
        // The errors of the next order are one sample farther apart.
        forward.remove(0);
        backward.pop();
    }
    Ok(coefficients.into_iter().map(|c| c as f32).collect())
}

/// Compresses values within -1 and 1 by the mu law: `sign(x) ln(1 + mu |x|) / ln(1 + mu)`.
///
/// # Errors
///
/// [`FeatureError::Config`] if `mu` is not above 0, [`FeatureError::Input`] for values outside -1 to 1.
pub fn mu_compress(values: &[f32], mu: f64) -> Result<Vec<f32>, FeatureError> {
    check_mu(values, mu)?;
    Ok(values.iter().map(|v| compress(f64::from(*v), mu) as f32).collect())
}

/// Compresses values within -1 and 1 by the mu law and quantises them to `mu + 1` levels, from `-(mu + 1) / 2` to
/// `(mu + 1) / 2 - 1` for an odd `mu`.
///
/// # Errors
///
/// As [`mu_compress`]; here `mu` must be a whole number too.
pub fn mu_quantize(values: &[f32], mu: u32) -> Result<Vec<i64>, FeatureError> {
    let mu_f = f64::from(mu);
    check_mu(values, mu_f)?;
    let levels = i64::from(mu) + 1;
    // Bin edges divide -1 to 1 evenly; a value on an edge belongs to the bin below it.
    let quantize = |v: &f32| {
        let compressed = compress(f64::from(*v), mu_f);
        let bin = ((compressed + 1.0) / 2.0 * mu_f).ceil() as i64;
        bin.clamp(0, levels - 1) - levels / 2
    };
    Ok(values.iter().map(quantize).collect())
}

/// Undoes [`mu_compress`].
///
/// # Errors
///
/// As [`mu_compress`].
pub fn mu_expand(values: &[f32], mu: f64) -> Result<Vec<f32>, FeatureError> {
    check_mu(values, mu)?;
    let expand = |v: &f32| {
        let x = f64::from(*v);
        (x.signum() / mu * ((1.0 + mu).powf(x.abs()) - 1.0)) as f32
    };
    Ok(values.iter().map(expand).collect())
}

fn compress(x: f64, mu: f64) -> f64 {
    x.signum() * (mu * x.abs()).ln_1p() / mu.ln_1p()
}

fn check_mu(values: &[f32], mu: f64) -> Result<(), FeatureError> {
    if !(mu.is_finite() && mu > 0.0) {
        return Err(FeatureError::config("mu", mu, "above 0"));
    }
    match values.iter().find(|v| !(-1.0..=1.0).contains(*v)) {
        Some(v) => Err(FeatureError::Input(format!("value {v} given, values lie between -1 and 1"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autocorrelation_follows_the_definition() {
        let x: Vec<f32> = (0..37).map(|i| (i as f32 * 0.9).sin()).collect();
        let fast = autocorrelate(&x, Some(20)).unwrap();
        assert_eq!(fast.len(), 20);
        for (lag, value) in fast.iter().enumerate() {
            let slow: f32 = x.iter().zip(&x[lag..]).map(|(a, b)| a * b).sum();
            assert!((value - slow).abs() < 1e-5);
        }
        assert!(autocorrelate(&[], None).unwrap().is_empty());
    }

    #[test]
    fn prediction_finds_a_resonance() {
        let mut state = 7u32;
        let mut x = vec![0.0f32, 0.0];
        for i in 2..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            x.push(1.2 * x[i - 1] - 0.9 * x[i - 2] + noise);
        }
        let a = lpc(&x, 2).unwrap();
        assert!((a[1] + 1.2).abs() < 0.02 && (a[2] - 0.9).abs() < 0.02, "{a:?}");
        assert_eq!(lpc(&[0.0; 10], 2).unwrap(), [1.0, 0.0, 0.0]);
        assert!(lpc(&x, 0).is_err());
        assert!(lpc(&x, x.len()).is_err());
    }

    #[test]
    fn the_mu_law_is_undone() {
        let x: Vec<f32> = (-10..=10).map(|i| i as f32 / 10.0).collect();
        let back = mu_expand(&mu_compress(&x, 255.0).unwrap(), 255.0).unwrap();
        assert!(x.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(mu_quantize(&[-1.0, 0.0, 1.0], 255).unwrap(), [-128, 0, 127]);
        assert!(mu_compress(&[1.5], 255.0).is_err());
        assert!(mu_quantize(&[0.5], 0).is_err());
    }
}
