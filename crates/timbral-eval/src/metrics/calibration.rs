/// Expected and maximum calibration error over `n_bins` bins (low, high] of equal width of the top probability.
///
/// The first is the mean over rows, the second the maximum over bins, of |accuracy - mean confidence| of a bin.
pub(crate) fn calibration_errors(confidence: &[f64], correct: &[bool], n_bins: usize) -> (f64, f64) {
    let mut bins = vec![(0_usize, 0.0, 0_usize); n_bins];
    for (&p, &hit) in confidence.iter().zip(correct) {
        let mut bin = ((p * n_bins as f64).ceil() as usize).clamp(1, n_bins) - 1;
        // The product may round across an edge; the edges themselves are what the definition compares with.
        if bin > 0 && p <= bin as f64 / n_bins as f64 {
            bin -= 1;
        } else if bin + 1 < n_bins && p > (bin + 1) as f64 / n_bins as f64 {
            bin += 1;
        }
        bins[bin].0 += 1;
        bins[bin].1 += p;
        bins[bin].2 += usize::from(hit);
    }
    let gap = |&(_, sum, hits): &(usize, f64, usize)| (hits as f64 - sum).abs();
    let n = confidence.len().max(1) as f64;
    let expected = bins.iter().map(|bin| gap(bin) / n).sum();
    let maximum = bins.iter().filter(|bin| bin.0 > 0).map(|bin| gap(bin) / bin.0 as f64).fold(0.0, f64::max);
    (expected, maximum)
}
