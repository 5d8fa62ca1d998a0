//! The Kaiser window as a continuous function, and the design rules of Kaiser for windowed-sinc filters.

use std::f64::consts::PI;

/// The modified Bessel function of the first kind and order zero.
///
/// The power series converges for every argument; its terms are all positive, so nothing cancels.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut k = 1.0;
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// `sin(pi x) / (pi x)`.
pub(crate) fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// A Kaiser window over `[-1, 1]`, zero outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kaiser {
    beta: f64,
    scale: f64,
}

impl Kaiser {
    pub(crate) fn new(beta: f64) -> Self {
        Self { beta, scale: 1.0 / bessel_i0(beta) }
    }

    /// The window whose windowed-sinc filter attenuates its stop band by `attenuation` dB (over 50).
    pub(crate) fn for_attenuation(attenuation: f64) -> Self {
        Self::new(0.1102 * (attenuation - 8.7))
    }

    pub(crate) fn at(&self, x: f64) -> f64 {
        if x.abs() > 1.0 { 0.0 } else { bessel_i0(self.beta * (1.0 - x * x).sqrt()) * self.scale }
    }
}

/// Half the length, in samples, of a Kaiser filter of `attenuation` dB and a transition of `width` cycles per sample.
pub(crate) fn kaiser_half_length(attenuation: f64, width: f64) -> usize {
    (0.5 * (attenuation - 7.95) / (14.36 * width)).ceil() as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_matches_its_integral() {
        for x in [0.0, 0.3, 1.0, 5.0, 14.0, 30.0] {
            let steps = 4000;
            let mean = (0..steps)
                .map(|i| (x * (PI * (f64::from(i) + 0.5) / f64::from(steps)).cos()).exp())
                .sum::<f64>()
                / f64::from(steps);
            assert!((bessel_i0(x) / mean - 1.0).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn window_is_one_in_the_middle_and_zero_outside() {
        let window = Kaiser::new(5.0);
        assert!((window.at(0.0) - 1.0).abs() < 1e-15);
        assert!((window.at(1.0) - 1.0 / bessel_i0(5.0)).abs() < 1e-15);
        assert_eq!(window.at(1.0 + 1e-9), 0.0);
    }
}
