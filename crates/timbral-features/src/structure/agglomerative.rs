//! Temporal segmentation by clustering.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ndarray::ArrayView2;

use crate::error::FeatureError;

/// A run of frames that are one cluster.
struct Segment {
    start: usize,
    frames: f64,
    sum: Vec<f64>,
    previous: Option<usize>,
    next: Option<usize>,
    /// Counts changes, so that outdated merges in the queue are known.
    version: u32,
    alive: bool,
}

/// A possible merge, the cheapest first: its cost, both segments and their versions.
type Merge = Reverse<(Cost, usize, usize, u32, u32)>;

/// A non-negative cost that orders like a number.
#[derive(Clone, Copy, PartialEq)]
struct Cost(f64);

impl Eq for Cost {}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Cuts a sequence of frames, the columns of `data`, into `k` segments and gives the first frame of each, from 0 on.
///
/// Starting with single frames, the two neighbouring segments whose union adds the least to the sum of squared
/// distances from the segments' means are merged (Ward, 1963), until `k` are left. Of equal merges the earliest is made.
///
/// # Errors
///
/// [`FeatureError::Config`] if `k` is 0 or exceeds the number of frames, [`FeatureError::NonFinite`] for NaN or infinite
/// values.
///
/// ```
/// use ndarray::array;
/// use timbral_features::structure::agglomerative;
/// let data = array![[0.0, 0.1, 5.0, 5.1, 5.0, 9.0]];
/// assert_eq!(agglomerative(data.view(), 3)?, [0, 2, 5]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn agglomerative(data: ArrayView2<'_, f32>, k: usize) -> Result<Vec<usize>, FeatureError> {
    let n = data.ncols();
    if k == 0 || k > n {
        return Err(FeatureError::config(
            "k",
            format!("{k} segments"),
            format!("between 1 and {n}, the number of frames"),
        ));
    }
    if let Some((index, &value)) = data.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(FeatureError::NonFinite { array: "data", index, value });
    }
    let mut segments: Vec<Segment> = data
        .columns()
        .into_iter()
        .enumerate()
        .map(|(start, column)| Segment {
            start,
            frames: 1.0,
            sum: column.iter().map(|&v| f64::from(v)).collect(),
            previous: start.checked_sub(1),
            next: (start + 1 < n).then_some(start + 1),
            version: 0,
            alive: true,
        })
        .collect();
    let mut queue: BinaryHeap<Merge> = BinaryHeap::new();
    for left in 0..n - 1 {
        queue.push(entry(&segments, left, left + 1));
    }
    let mut remaining = n;
    while remaining > k {
        let Some(Reverse((_, left, right, left_version, right_version))) = queue.pop() else {
            break;
        };
        let current = |i: usize, version: u32| segments[i].alive && segments[i].version == version;
        if !current(left, left_version) || !current(right, right_version) {
            continue;
        }
        let absorbed = std::mem::take(&mut segments[right].sum);
        let (frames, next) = (segments[right].frames, segments[right].next);
        segments[right].alive = false;
        let merged = &mut segments[left];
        merged.sum.iter_mut().zip(absorbed).for_each(|(to, from)| *to += from);
        merged.frames += frames;
        merged.next = next;
        merged.version += 1;
        let previous = merged.previous;
        remaining -= 1;
        if let Some(next) = next {
            segments[next].previous = Some(left);
            queue.push(entry(&segments, left, next));
        }
        if let Some(previous) = previous {
            queue.push(entry(&segments, previous, left));
        }
    }
    Ok(segments.iter().filter(|s| s.alive).map(|s| s.start).collect())
}

/// What merging two neighbours costs, with the versions that it was computed for.
fn entry(segments: &[Segment], left: usize, right: usize) -> Merge {
    let (a, b) = (&segments[left], &segments[right]);
    let apart: f64 = a.sum.iter().zip(&b.sum).map(|(x, y)| (x / a.frames - y / b.frames).powi(2)).sum();
    let cost = apart * a.frames * b.frames / (a.frames + b.frames);
    Reverse((Cost(cost), left, right, a.version, b.version))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Merges by looking at every pair each time.
    fn slow(data: &Array2<f32>, k: usize) -> Vec<usize> {
        let mut segments: Vec<Vec<usize>> = (0..data.ncols()).map(|i| vec![i]).collect();
        let scatter = |frames: &[usize]| -> f64 {
            data.rows()
                .into_iter()
                .map(|row| {
                    let mean = frames.iter().map(|&i| f64::from(row[i])).sum::<f64>() / frames.len() as f64;
                    frames.iter().map(|&i| (f64::from(row[i]) - mean).powi(2)).sum::<f64>()
                })
                .sum()
        };
        while segments.len() > k {
            let cost = |i: usize| {
                let union = [segments[i].clone(), segments[i + 1].clone()].concat();
                scatter(&union) - scatter(&segments[i]) - scatter(&segments[i + 1])
            };
            let best = (0..segments.len() - 1).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap();
            let absorbed = segments.remove(best + 1);
            segments[best].extend(absorbed);
        }
        segments.iter().map(|s| s[0]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn the_queue_equals_looking_at_every_pair(
            values in prop::collection::vec(-1.0_f32..1.0, 3 * 25), k in 1_usize..25,
        ) {
            let data = Array2::from_shape_vec((3, 25), values).unwrap();
            prop_assert_eq!(agglomerative(data.view(), k).unwrap(), slow(&data, k));
        }
    }

    #[test]
    fn edges_and_faults() {
        let flat = Array2::<f32>::zeros((2, 6));
        assert_eq!(agglomerative(flat.view(), 6).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(agglomerative(flat.view(), 1).unwrap(), [0]);
        assert_eq!(agglomerative(flat.view(), 2).unwrap().len(), 2);
        assert!(agglomerative(flat.view(), 0).is_err());
        assert!(agglomerative(flat.view(), 7).is_err());
        assert!(agglomerative(Array2::zeros((2, 0)).view(), 1).is_err());
        assert!(agglomerative(Array2::from_elem((1, 3), f32::NAN).view(), 1).is_err());
    }
}
