//! Ways to divide an octave.

use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// How an octave is divided into bins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intervals {
    /// Evenly in log frequency. The default.
    #[default]
    Equal,
    /// By powers of 3.
    Pythagorean,
    /// Just intonation from the primes 2 and 3.
    Ji3,
    /// Just intonation from the primes 2, 3 and 5.
    Ji5,
    /// Just intonation from the primes 2, 3, 5 and 7.
    Ji7,
    /// Given as ratios to the first bin of the octave, usually from 1 up to 2.
    Ratios(
        /// The ratios.
        Vec<f64>,
    ),
}

/// The frequencies in Hz of `n_bins` bins from `fmin` on, rising. [`Intervals::Ratios`] has as many bins in an octave as
/// ratios; else there are `bins_per_octave`.
///
/// # Errors
///
/// [`FeatureError::Config`] if `fmin` or a ratio is not finite and above 0, or there are no bins in an octave.
///
/// ```
/// use timbral_features::cqt::{Intervals, interval_frequencies};
/// let just = interval_frequencies(3, 100.0, &Intervals::Ratios(vec![1.0, 1.25, 1.5]), 12)?;
/// assert_eq!(just, [100.0, 125.0, 150.0]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn interval_frequencies(
    n_bins: usize,
    fmin: f64,
    intervals: &Intervals,
    bins_per_octave: usize,
) -> Result<Vec<f64>, FeatureError> {
    const MOST_JUST: usize = 512;
    if !(fmin.is_finite() && fmin > 0.0) {
        return Err(FeatureError::config("fmin", format!("{fmin} Hz"), "above 0"));
    }
    if bins_per_octave == 0 {
        return Err(FeatureError::config("bins_per_octave", "0", "at least 1"));
    }
    let primes: &[f64] = match intervals {
        Intervals::Ji3 => &[3.0],
        Intervals::Ji5 => &[3.0, 5.0],
        Intervals::Ji7 => &[3.0, 5.0, 7.0],
        _ => &[],
    };
    if !primes.is_empty() && bins_per_octave > MOST_JUST {
        return Err(FeatureError::config(
            "bins_per_octave",
            bins_per_octave,
            format!("at most {MOST_JUST} for just intonation"),
        ));
    }
    let ratios: Vec<f64> = match intervals {
        Intervals::Equal => {
            (0..bins_per_octave).map(|i| (i as f64 / bins_per_octave as f64).exp2()).collect()
        }
        Intervals::Pythagorean => {
            let mut ratios: Vec<f64> =
                (0..bins_per_octave).map(|i| octave_reduced(i as f64 * 3.0f64.log2())).collect();
            ratios.sort_by(f64::total_cmp);
            ratios
        }
        Intervals::Ratios(ratios) => {
            let bad = ratios.iter().find(|r| !(r.is_finite() && **r > 0.0));
            if ratios.is_empty() || bad.is_some() {
                return Err(FeatureError::config(
                    "intervals",
                    format!("{ratios:?}"),
                    "one or more finite ratios above 0",
                ));
            }
            ratios.clone()
        }
        _ => just_ratios(primes, bins_per_octave),
    };
    let mut frequencies: Vec<f64> =
        (0..n_bins).map(|i| fmin * ratios[i % ratios.len()] * ((i / ratios.len()) as f64).exp2()).collect();
    frequencies.sort_by(f64::total_cmp);
    Ok(frequencies)
}

/// The ratio between 1 and 2 with this logarithm, whole octaves taken away.
fn octave_reduced(log2_ratio: f64) -> f64 {
    (log2_ratio - log2_ratio.floor()).exp2()
}

/// Intervals over the primes given, grown like a crystal from unison: each next one is the neighbour (by one prime up or
/// down) of the present ones with the least sum of harmonic distances to all of them, and of two equal ones the one with
/// the smaller prime factors.
///
/// Tenney, "On 'crystal growth' in harmonic space", Contemporary Music Review 27(1), 2008.
fn just_ratios(primes: &[f64], count: usize) -> Vec<f64> {
    let logs: Vec<f64> = primes.iter().map(|p| p.log2()).collect();
    let size = |point: &[i32]| point.iter().zip(&logs).map(|(e, log)| f64::from(e.abs()) * log).sum::<f64>();
    // The harmonic distance of two ratios is the logarithm of the product of their quotient's terms, 2 left out.
    let distance = |a: &[i32], b: &[i32]| {
        let apart: Vec<i32> = a.iter().zip(b).map(|(x, y)| x - y).collect();
        (size(&apart) * 1e6).round_ties_even() / 1e6
    };
    let steps: Vec<Vec<i32>> = (0..primes.len())
        .flat_map(|prime| {
            [1, -1].map(|step| (0..primes.len()).map(|i| if i == prime { step } else { 0 }).collect())
        })
        .collect();
    let mut chosen = vec![vec![0; primes.len()]];
    // Each point of the frontier with its sum of distances to the chosen ones.
    let mut frontier: Vec<(Vec<i32>, f64)> =
        steps.iter().map(|step: &Vec<i32>| (step.clone(), distance(step, &chosen[0]))).collect();
    while chosen.len() < count {
        let mut best = 0;
        let mut score = f64::INFINITY;
        for (i, (point, total)) in frontier.iter().enumerate() {
            let tied = score.is_finite() && (total - score).abs() <= 1e-8 + 1e-5 * score.abs();
            if *total < score || tied && size(point) < size(&frontier[best].0) {
                best = i;
                score = *total;
            }
        }
        let (point, _) = frontier.remove(best);
        for (other, total) in &mut frontier {
            *total += distance(other, &point);
        }
        chosen.push(point.clone());
        for step in &steps {
            let next: Vec<i32> = point.iter().zip(step).map(|(x, s)| x + s).collect();
            if !chosen.contains(&next) && !frontier.iter().any(|(known, _)| *known == next) {
                let total = chosen.iter().map(|c| distance(&next, c)).sum();
                frontier.push((next, total));
            }
        }
    }
    let mut ratios: Vec<f64> = chosen
        .iter()
        .take(count)
        .map(|point| octave_reduced(point.iter().zip(&logs).map(|(e, log)| f64::from(*e) * log).sum()))
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octave(intervals: &Intervals) -> Vec<f64> {
        interval_frequencies(12, 1.0, intervals, 12).unwrap()
    }

    #[test]
    fn just_intonation_has_the_textbook_ratios() {
        // The minor seventh is 9/5, a fifth above the minor third 6/5, and not the Pythagorean 16/9: it lies nearer to the
        // ratios already chosen. librosa's `plimit_intervals` says the same; septimal ratios come after these twelve.
        let five = [
            (1, 1),
            (16, 15),
            (9, 8),
            (6, 5),
            (5, 4),
            (4, 3),
            (45, 32),
            (3, 2),
            (8, 5),
            (5, 3),
            (9, 5),
            (15, 8),
        ];
        let three = [
            (1, 1),
            (256, 243),
            (9, 8),
            (32, 27),
            (81, 64),
            (4, 3),
            (729, 512),
            (3, 2),
            (128, 81),
            (27, 16),
            (16, 9),
            (243, 128),
        ];
        for (intervals, ratios) in [(Intervals::Ji5, five), (Intervals::Ji7, five), (Intervals::Ji3, three)] {
            let found = octave(&intervals);
            assert_eq!(found.len(), ratios.len());
            for (found, (over, under)) in found.iter().zip(ratios) {
                let expected = f64::from(over) / f64::from(under);
                assert!((found - expected).abs() < 1e-12, "{intervals:?}: {found}, not {over}/{under}");
            }
        }
        assert!(octave(&Intervals::Pythagorean).iter().any(|r| (r - 1.5).abs() < 1e-12));
    }

    #[test]
    fn octaves_repeat_and_frequencies_rise() {
        for intervals in [Intervals::Equal, Intervals::Pythagorean, Intervals::Ji5, Intervals::Ji7] {
            let f = interval_frequencies(30, 50.0, &intervals, 12).unwrap();
            assert_eq!(f.len(), 30);
            assert!(f.windows(2).all(|pair| pair[0] < pair[1]));
            assert!((f[15] / f[3] - 2.0).abs() < 1e-12);
        }
    }

    #[test]
    fn refuses_nonsense() {
        for (fmin, intervals, bins_per_octave, wrong) in [
            (0.0, Intervals::Equal, 12, "fmin"),
            (1.0, Intervals::Equal, 0, "bins_per_octave"),
            (1.0, Intervals::Ratios(vec![]), 12, "intervals"),
            (1.0, Intervals::Ratios(vec![-1.0]), 12, "intervals"),
            (1.0, Intervals::Ji7, 10_000, "bins_per_octave"),
        ] {
            let error = interval_frequencies(3, fmin, &intervals, bins_per_octave).unwrap_err();
            assert!(matches!(&error, FeatureError::Config { field, .. } if field == wrong), "{error}");
        }
        assert!(interval_frequencies(0, 1.0, &Intervals::Ji7, 12).unwrap().is_empty());
    }
}
