use crate::rng::SeededRng;
use rand::Rng;

/// A standard normal number (Box and Muller 1958).
pub(crate) fn normal(rng: &mut SeededRng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// Two independent standard normal numbers, for the price of one.
pub(crate) fn normal_pair(rng: &mut SeededRng) -> (f32, f32) {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let (sine, cosine) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
    ((radius * cosine) as f32, (radius * sine) as f32)
}

/// A number from the symmetric beta distribution with parameter `alpha`, as the fraction of one of two gamma numbers
/// (Jöhnk 1964), for `alpha` up to 1.
pub(crate) fn beta(alpha: f32, rng: &mut SeededRng) -> f32 {
    let power = 1.0 / f64::from(alpha.max(1e-3));
    loop {
        let (a, b) = (rng.random::<f64>().powf(power), rng.random::<f64>().powf(power));
        let sum = a + b;
        // Both powers may underflow for a small alpha; the pair is then drawn again.
        if sum > 0.0 && sum <= 1.0 {
            return (a / sum) as f32;
        }
    }
}

/// A number drawn evenly from `low` to `high`.
pub(crate) fn between([low, high]: [f64; 2], rng: &mut SeededRng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// A number whose logarithm is drawn evenly between those of `low` and `high`, which are above 0.
pub(crate) fn log_between([low, high]: [f64; 2], rng: &mut SeededRng) -> f64 {
    between([low.ln(), high.ln()], rng).exp()
}

/// Whether what has this probability comes to pass.
pub(crate) fn chance(probability: f64, rng: &mut SeededRng) -> bool {
    rng.random::<f64>() < probability
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn moments_of_the_distributions() {
        let mut rng = SeededRng::new(5);
        let n = 40_000;
        let draws: Vec<f64> = (0..n).map(|_| f64::from(normal(&mut rng))).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
        let shares: Vec<f64> = (0..n).map(|_| f64::from(beta(0.3, &mut rng))).collect();
        let mean = shares.iter().sum::<f64>() / f64::from(n);
        let variance = shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 6.4).abs() < 0.005);
    }

    #[test]
    fn the_two_normal_numbers_are_independent() {
        let mut rng = SeededRng::new(6);
        let n = 40_000;
        let pairs: Vec<(f32, f32)> = (0..n).map(|_| normal_pair(&mut rng)).collect();
        let mean = |of: &dyn Fn(&(f32, f32)) -> f32| {
            pairs.iter().map(|pair| f64::from(of(pair))).sum::<f64>() / f64::from(n)
        };
        assert!(mean(&|p| p.0 * p.1).abs() < 0.02);
        assert!((mean(&|p| p.1 * p.1) - 1.0).abs() < 0.03);
    }

    #[test]
    fn ranges_are_kept() {
        let mut rng = SeededRng::new(7);
        let mut below_middle = 0;
        for _ in 0..2000 {
            assert!((-3.0..=5.0).contains(&between([-3.0, 5.0], &mut rng)));
            let octave = log_between([100.0, 1600.0], &mut rng);
            assert!((99.999..=1600.001).contains(&octave));
            below_middle += usize::from(octave < 400.0);
            assert!(!chance(0.0, &mut rng) && chance(1.0, &mut rng));
        }
        assert!((900..1100).contains(&below_middle), "{below_middle}");
        assert_eq!(between([4.0, 4.0], &mut rng), 4.0);
    }
}
