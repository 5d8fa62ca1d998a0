use ndarray::{Array2, ArrayView2};

/// Features as small whole numbers: the bin of each value.
pub(super) struct Bins {
    /// Bins, shape (rows, features).
    pub(super) codes: Array2<u8>,
    /// Upper edges of the bins of each feature but the last: a value is in bin b if it is at most edge b.
    pub(super) edges: Vec<Vec<f64>>,
    /// Where the bins of each feature begin in a histogram, and the number of all.
    pub(super) offsets: Vec<usize>,
}

impl Bins {
    /// At most `max_bins` (2 to 256) bins of about as many rows each.
    pub(super) fn new(x: ArrayView2<'_, f64>, max_bins: usize) -> Self {
        let edges: Vec<Vec<f64>> = x
            .columns()
            .into_iter()
            .map(|c| edges(c.to_vec(), max_bins))
            .collect();
        let mut codes = Array2::zeros(x.dim());
        for ((column, edges), mut target) in x.columns().into_iter().zip(&edges).zip(codes.columns_mut()) {
            for (value, code) in column.iter().zip(target.iter_mut()) {
                *code = edges.partition_point(|edge| edge < value) as u8;
            }
        }
        let mut offsets = Vec::with_capacity(edges.len() + 1);
        let mut total = 0;
        for feature in &edges {
            offsets.push(total);
            total += feature.len() + 1;
        }
        offsets.push(total);
        Self {
            codes,
            edges,
            offsets,
        }
    }
}

fn edges(mut values: Vec<f64>, max_bins: usize) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let between = |a: f64, b: f64| {
        let middle = a + (b - a) / 2.0;
        if middle < b { middle } else { a }
    };
    let distinct = values.chunk_by(|a, b| a == b).count();
    let n = values.len();
    if distinct <= max_bins {
        return values
            .windows(2)
            .filter(|w| w[0] < w[1])
            .map(|w| between(w[0], w[1]))
            .collect();
    }
    let mut out: Vec<f64> = (1..max_bins)
        .filter_map(|bin| {
            let at = (bin * n / max_bins).clamp(1, n - 1);
            (values[at - 1] < values[at])
                .then(|| between(values[at - 1], values[at]))
                .or_else(|| {
                    // In the middle of a run of equal values: the edge goes behind it.
                    let next = values.partition_point(|v| *v <= values[at]);
                    (next < n).then(|| between(values[at], values[next]))
                })
        })
        .collect();
    out.dedup();
    out
}
