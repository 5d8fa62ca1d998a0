/// Area under the ROC curve of `is_positive` by `score`: the chance that a positive scores above a negative, ties counted half.
///
/// `None` where either kind is missing.
pub(crate) fn roc_auc(is_positive: &[bool], score: &[f64]) -> Option<f64> {
    let n_positive = is_positive.iter().filter(|p| **p).count();
    let n_negative = is_positive.len() - n_positive;
    if n_positive == 0 || n_negative == 0 {
        return None;
    }
    // Mann and Whitney's statistic from mean ranks, doubled to stay in whole numbers.
    let mut doubled_rank_sum = 0_u128;
    let mut below = 0_u128;
    for_each_tie(is_positive, score, false, |positives, size| {
        doubled_rank_sum += positives as u128 * (2 * below + size as u128 + 1);
        below += size as u128;
    });
    let least = n_positive as u128 * (n_positive as u128 + 1);
    Some((doubled_rank_sum - least) as f64 / 2.0 / (n_positive as f64 * n_negative as f64))
}

/// Average precision: the sum over distinct thresholds of (rise of recall) x precision. `None` without positives.
pub(super) fn average_precision(is_positive: &[bool], score: &[f64]) -> Option<f64> {
    let n_positive = is_positive.iter().filter(|p| **p).count();
    if n_positive == 0 {
        return None;
    }
    let (mut hits, mut taken, mut sum) = (0_usize, 0_usize, 0.0);
    for_each_tie(is_positive, score, true, |positives, size| {
        hits += positives;
        taken += size;
        sum += positives as f64 / n_positive as f64 * (hits as f64 / taken as f64);
    });
    Some(sum)
}

/// Visits runs of equal scores in order, telling how many positives of how many each holds.
fn for_each_tie(is_positive: &[bool], score: &[f64], descending: bool, mut visit: impl FnMut(usize, usize)) {
    let mut order: Vec<usize> = (0..score.len()).collect();
    order.sort_by(|&a, &b| score[a].total_cmp(&score[b]));
    if descending {
        order.reverse();
    }
    for run in order.chunk_by(|&a, &b| score[a] == score[b]) {
        visit(run.iter().filter(|&&i| is_positive[i]).count(), run.len());
    }
}
