use ndarray::ArrayView2;

use crate::parallel;

/// Features whose bins lie side by side: their histograms together fit into the first-level cache.
pub(super) const BLOCK: usize = 8;

/// Features as small whole numbers: the bin of each value.
pub(super) struct Bins {
    /// The bins of a row in a block of [`BLOCK`] features; block by block, row by row. Features beyond the last are 0.
    codes: Vec<[u8; BLOCK]>,
    /// Upper edges of the bins of each feature but the last: a value is in bin b if it is at most edge b.
    pub(super) edges: Vec<Vec<f64>>,
    n_rows: usize,
}

impl Bins {
    /// At most `max_bins` (2 to 256) bins of about as many rows each.
    pub(super) fn new(x: ArrayView2<'_, f64>, max_bins: usize) -> Self {
        let (n_rows, n_features) = x.dim();
        let blocks = parallel::map(n_features.div_ceil(BLOCK), |block| {
            let features = block * BLOCK..n_features.min((block + 1) * BLOCK);
            let edges: Vec<Vec<f64>> =
                features.clone().map(|feature| edges(x.column(feature).to_vec(), max_bins)).collect();
            let mut codes = vec![[0; BLOCK]; n_rows];
            for (lane, (feature, edges)) in features.zip(&edges).enumerate() {
                for (value, codes) in x.column(feature).iter().zip(&mut codes) {
                    codes[lane] = edges.partition_point(|edge| edge < value) as u8;
                }
            }
            (edges, codes)
        });
        let mut bins = Self {
            codes: Vec::with_capacity(n_rows * blocks.len()),
            edges: Vec::with_capacity(n_features),
            n_rows,
        };
        for (edges, codes) in blocks {
            bins.edges.extend(edges);
            bins.codes.extend(codes);
        }
        bins
    }

    /// The bins of all rows in a block of features.
    pub(super) fn block(&self, block: usize) -> &[[u8; BLOCK]] {
        &self.codes[block * self.n_rows..(block + 1) * self.n_rows]
    }
}

fn edges(mut values: Vec<f64>, max_bins: usize) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let between = |a: f64, b: f64| {
        let middle = a + (b - a) / 2.0;
        if middle < b { middle } else { a }
    };
    let distinct = values.chunk_by(|a, b| a == b).count();
    let n = values.len();
    if distinct <= max_bins {
        return values.windows(2).filter(|w| w[0] < w[1]).map(|w| between(w[0], w[1])).collect();
    }
    let mut out: Vec<f64> = (1..max_bins)
        .filter_map(|bin| {
            let at = (bin * n / max_bins).clamp(1, n - 1);
            (values[at - 1] < values[at]).then(|| between(values[at - 1], values[at])).or_else(|| {
                // In the middle of a run of equal values: the edge goes behind it.
                let next = values.partition_point(|v| *v <= values[at]);
                (next < n).then(|| between(values[at], values[next]))
            })
        })
        .collect();
    out.dedup();
    out
}
