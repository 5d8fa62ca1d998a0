//! Loudness range.

use super::{ABSOLUTE_GATE, OFFSET, mean};

/// The loudness range of EBU Tech 3342, in LU, of short-term loudness values in LUFS.
pub(super) fn loudness_range(short_term: &[f64]) -> f64 {
    let power = |loudness: f64| 10f64.powf((loudness - OFFSET) / 10.0);
    let audible = short_term.iter().copied().filter(|&l| l >= ABSOLUTE_GATE);
    let Some(average) = mean(audible.clone().map(power)) else {
        return 0.0;
    };
    let gate = OFFSET + 10.0 * average.log10() - 20.0;
    let mut kept: Vec<f64> = audible.filter(|&l| l >= gate).collect();
    kept.sort_unstable_by(f64::total_cmp);
    let percentile = |share: f64| {
        let last = kept.len().saturating_sub(1);
        kept.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
    };
    percentile(0.95) - percentile(0.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_the_percentiles_above_the_gate() {
        assert_eq!(loudness_range(&[]), 0.0);
        assert_eq!(loudness_range(&[f64::NEG_INFINITY; 4]), 0.0);
        assert_eq!(loudness_range(&[-23.0; 50]), 0.0);
        let mut two = vec![-20.0; 100];
        two.extend([-30.0; 100]);
        two.extend([-60.0; 100]);
        assert!((loudness_range(&two) - 10.0).abs() < 1e-12);
    }
}
