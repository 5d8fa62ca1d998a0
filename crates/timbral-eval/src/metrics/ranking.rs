use ndarray::Array2;

/// The rows of each class against the rest in the order of their scores, the largest first, so that thousands of draws of
/// rows are ranked without sorting each.
pub(crate) struct Rankings {
    truth: Vec<usize>,
    classes: Vec<Vec<Ranked>>,
}

struct Ranked {
    row: usize,
    positive: bool,
    /// Whether the next row has a lower score.
    ends_tie: bool,
}

impl Rankings {
    /// Orders the rows by each column of `scores`, of shape (rows, classes).
    pub(crate) fn new(truth: &[usize], scores: &Array2<f64>) -> Self {
        let class = |class: usize| {
            let score = scores.column(class);
            let mut order: Vec<usize> = (0..truth.len()).collect();
            order.sort_by(|&a, &b| score[b].total_cmp(&score[a]));
            let ranked = |(i, &row): (usize, &usize)| Ranked {
                row,
                positive: truth[row] == class,
                ends_tie: order.get(i + 1).is_none_or(|&next| score[next] < score[row]),
            };
            order.iter().enumerate().map(ranked).collect()
        };
        Self { truth: truth.to_vec(), classes: (0..scores.ncols()).map(class).collect() }
    }

    /// Mean ROC-AUC and mean average precision over the classes that have one, of each row taken `counts[row]` times; NaN
    /// where no class has one.
    pub(crate) fn means(&self, counts: &[u32]) -> (f64, f64) {
        let mut of_class = vec![0.0; self.classes.len()];
        for (&class, &count) in self.truth.iter().zip(counts) {
            of_class[class] += f64::from(count);
        }
        let total: f64 = of_class.iter().sum();
        let (mut areas, mut precisions) = ((0.0, 0.0), (0.0, 0.0));
        for (ranked, &positives) in self.classes.iter().zip(&of_class) {
            let negatives = total - positives;
            if positives == 0.0 {
                continue;
            }
            let (area, precision) = one_class(ranked, counts, positives, negatives);
            precisions = (precisions.0 + precision, precisions.1 + 1.0);
            if negatives > 0.0 {
                areas = (areas.0 + area, areas.1 + 1.0);
            }
        }
        (areas.0 / areas.1, precisions.0 / precisions.1)
    }
}

fn one_class(ranked: &[Ranked], counts: &[u32], positives: f64, negatives: f64) -> (f64, f64) {
    let (mut hits, mut misses) = (0.0, 0.0);
    let (mut tied_hits, mut tied_misses) = (0.0, 0.0);
    let (mut pairs, mut precision) = (0.0, 0.0);
    for entry in ranked {
        let count = f64::from(counts[entry.row]);
        if entry.positive {
            tied_hits += count;
        } else {
            tied_misses += count;
        }
        if entry.ends_tie {
            if tied_hits > 0.0 {
                pairs += tied_hits * (negatives - misses - tied_misses / 2.0);
                let taken = hits + misses + tied_hits + tied_misses;
                precision += tied_hits / positives * (hits + tied_hits) / taken;
            }
            hits += tied_hits;
            misses += tied_misses;
            (tied_hits, tied_misses) = (0.0, 0.0);
        }
    }
    (pairs / (positives * negatives), precision)
}

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
pub(crate) fn average_precision(is_positive: &[bool], score: &[f64]) -> Option<f64> {
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
