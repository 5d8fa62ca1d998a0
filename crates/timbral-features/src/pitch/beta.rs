//! The beta distribution.

/// `ln(gamma(x))` for `x > 0`, by Stirling's series after shifting the argument above 12.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0_f64);
    let mut shift = 0.0;
    while x < 12.0 {
        product *= x;
        x += 1.0;
        if product > 1e200 {
            shift += product.ln();
            product = 1.0;
        }
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0
            - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln() - shift
}

/// The probability that a beta variable of shapes `a, b > 0` is at most `x`: the regularised incomplete beta function
/// (Digital Library of Mathematical Functions, 8.17.22).
pub(super) fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if a.fract() == 0.0 && b.fract() == 0.0 && a + b < 60.0 {
        return binomial_cdf(x, a, b);
    }
    // The fraction converges fast on this side of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    let front = (a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    front * continued_fraction(x, a, b)
}

/// The same for integer shapes: at least `a` of `a + b - 1` trials of probability `x` succeed. A finite sum of positive
/// terms, exact to the last bit or two.
fn binomial_cdf(x: f64, a: f64, b: f64) -> f64 {
    let trials = (a + b - 1.0) as u32;
    let (mut below, mut from, mut choose) = (0.0, 0.0, 1.0);
    for successes in 0..=trials {
        let term = choose * x.powf(f64::from(successes)) * (1.0 - x).powf(f64::from(trials - successes));
        if f64::from(successes) < a {
            below += term;
        } else {
            from += term;
        }
        choose = (choose * f64::from(trials - successes) / f64::from(successes + 1)).round();
    }
    if from > 0.5 { 1.0 - below } else { from }
}

/// Lentz's evaluation of the continued fraction.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    const SMALL: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < SMALL { SMALL } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / guard(1.0 + term * d);
            c = guard(1.0 + term / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_of_integers_and_halves() {
        let mut factorial = 1.0_f64;
        for n in 1..30 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-13 * factorial.ln().max(1.0));
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - 0.5 * std::f64::consts::PI.ln()).abs() < 1e-14);
    }

    #[test]
    fn integer_shapes_are_binomial_sums() {
        for (a, b) in [(1_u32, 1_u32), (2, 18), (5, 3), (20, 20)] {
            for i in 0..=50 {
                let x = f64::from(i) / 50.0;
                let n = a + b - 1;
                let mut choose = 1.0;
                let mut sum = 0.0;
                for k in 0..=n {
                    if k >= a {
                        sum += choose * x.powi(k as i32) * (1.0 - x).powi((n - k) as i32);
                    }
                    choose *= f64::from(n - k) / f64::from(k + 1);
                }
                assert!((beta_cdf(x, f64::from(a), f64::from(b)) - sum).abs() < 1e-13, "{a} {b} {x}");
            }
        }
    }
}
