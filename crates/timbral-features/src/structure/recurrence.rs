//! Recurrence and cross-similarity matrices.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::decompose::median;
use crate::error::FeatureError;
use crate::sequence::{Metric, cdist};
use crate::shape::frame_major;

/// What the matrices hold where two frames are linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecurrenceMode {
    /// One.
    #[default]
    Connectivity,
    /// Their distance.
    Distance,
    /// `exp(-distance / bandwidth)`.
    Affinity,
}

/// The bandwidth of [`RecurrenceMode::Affinity`], by the names of librosa. `d_k` is a frame's distance to its k-th
/// neighbour, or the last one if it has fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bandwidth {
    /// The median of `d_k` over all frames that have neighbours.
    #[default]
    MedKScalar,
    /// For each pair the mean of both `d_k`.
    MeanK,
    /// For each pair the geometric mean of both `d_k`.
    GmeanK,
    /// For each pair the mean of both frames' mean distances to their first k neighbours.
    MeanKAvg,
    /// For each pair the geometric mean of these.
    GmeanKAvg,
    /// For each pair the mean of these two and the pair's own distance.
    MeanKAvgAndPair,
    /// This number, above 0.
    Value(f64),
}

/// How frames are linked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecurrenceConfig {
    /// Neighbours of each frame. Default: `2 ceil(sqrt(frames - 2 width + 1))`.
    pub k: Option<usize>,
    /// Frames closer in time than this are not linked, 1 to `(frames - 1) / 2`. Default: 1.
    pub width: usize,
    /// The distance of frames. Default: Euclidean.
    pub metric: Metric,
    /// Keep only links that hold both ways. Default: false.
    pub sym: bool,
    /// What links hold. Default: one.
    pub mode: RecurrenceMode,
    /// The bandwidth of affinities. Default: the median distance to the k-th neighbour.
    pub bandwidth: Bandwidth,
    /// Link each frame with itself (librosa: `self`). Default: false.
    #[serde(rename = "self")]
    pub self_links: bool,
    /// Link all frames; `k` then only counts for the bandwidth. Default: false.
    pub full: bool,
}

impl Default for RecurrenceConfig {
    fn default() -> Self {
        Self {
            k: None,
            width: 1,
            metric: Metric::Euclidean,
            sym: false,
            mode: RecurrenceMode::Connectivity,
            bandwidth: Bandwidth::MedKScalar,
            self_links: false,
            full: false,
        }
    }
}

/// One frame's links, as `(other frame, distance)`.
type Links = Vec<Vec<(usize, f64)>>;

/// Which frames resemble each other: `R[i, j]` is not 0 if frame `i` is among the `k` nearest neighbours of frame `j`.
///
/// The columns of `data` are the frames. Frames at distance 0 are not linked, since a matrix of distances could not
/// show it; this is what librosa does in its modes `distance` and `affinity`. (Its mode `connectivity` does not keep
/// the nearest ones; here it marks the links of `distance`.)
///
/// # Errors
///
/// [`FeatureError::Config`] if `k` is 0, `width` lies outside of its range or the bandwidth is not above 0;
/// [`FeatureError::NonFinite`] for NaN or infinite data, [`FeatureError::Input`] if no frame has a neighbour to take the
/// bandwidth from, [`FeatureError::Limit`] if the matrix does not fit in memory.
pub fn recurrence_matrix(
    data: ArrayView2<'_, f32>,
    config: &RecurrenceConfig,
) -> Result<Array2<f32>, FeatureError> {
    let t = data.ncols();
    let widest = t.saturating_sub(1) / 2;
    if !(1..=widest).contains(&config.width) {
        return Err(FeatureError::config(
            "width",
            format!("{} for {t} frames", config.width),
            format!("between 1 and {widest}"),
        ));
    }
    let k = match config.k {
        Some(0) => {
            return Err(FeatureError::config("k", "0", "at least 1"));
        }
        Some(k) => k,
        None => 2 * ((t - 2 * config.width + 1) as f64).sqrt().ceil() as usize,
    };
    let distances = cdist(data, data, config.metric)?;
    let candidates = if config.full { t - 1 } else { (t - 1).min(k.saturating_add(2 * config.width)) };
    let kept = if config.full { t } else { k };
    let mut links: Links = (0..t)
        .map(|j| {
            let mut others: Vec<(usize, f64)> =
                (0..t).filter(|&i| i != j).map(|i| (i, distances[[j, i]])).collect();
            nearest(&mut others, candidates);
            others.retain(|&(i, distance)| i.abs_diff(j) >= config.width && distance > 0.0);
            others.truncate(kept);
            others
        })
        .collect();
    if config.sym {
        links = mutual(&links);
    }
    let scale = Scale::new(&links, &links, config.mode, config.bandwidth, k)?;
    let mut matrix = frame_major::<f32>(t, t)?;
    for (j, others) in links.iter().enumerate() {
        for &(i, distance) in others {
            matrix[[i, j]] = scale.value(i, j, distance) as f32;
        }
        if config.self_links && config.mode != RecurrenceMode::Distance {
            matrix[[j, j]] = 1.0;
        }
    }
    Ok(matrix)
}

/// How frames of one sequence are linked with those of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossSimilarityConfig {
    /// Neighbours of each frame. Default: `min(reference frames, 2 ceil(sqrt(reference frames)))`.
    pub k: Option<usize>,
    /// The distance of frames. Default: Euclidean.
    pub metric: Metric,
    /// What links hold. Default: one.
    pub mode: RecurrenceMode,
    /// The bandwidth of affinities; the median, or a value. Default: the median distance to the k-th neighbour.
    pub bandwidth: Bandwidth,
    /// Link all frames; `k` then only counts for the bandwidth. Default: false.
    pub full: bool,
}

/// Which frames of `reference` resemble frames of `data`, of shape `(reference frames, data frames)`: `X[i, j]` is not 0 if
/// frame `i` of `reference` is among the `k` nearest of frame `j` of `data`.
///
/// The columns are the frames. As in [`recurrence_matrix`], distance 0 is no link in modes other than connectivity.
///
/// # Errors
///
/// [`FeatureError::Config`] if `k` is 0, or the bandwidth is for pairs of the same sequence or not above 0;
/// [`FeatureError::Shape`] if the frames differ in size or there are none, [`FeatureError::NonFinite`] for NaN or infinite
/// data, [`FeatureError::Input`] if there is no link to take the bandwidth from, [`FeatureError::Limit`] if the
/// matrix does not fit in memory.
pub fn cross_similarity(
    data: ArrayView2<'_, f32>,
    reference: ArrayView2<'_, f32>,
    config: &CrossSimilarityConfig,
) -> Result<Array2<f32>, FeatureError> {
    let (n, n_ref) = (data.ncols(), reference.ncols());
    if n_ref == 0 || n == 0 {
        return Err(FeatureError::shape("reference", reference.shape(), "at least one frame in both"));
    }
    let k = match config.k {
        Some(0) => {
            return Err(FeatureError::config("k", "0", "at least 1"));
        }
        Some(k) => k.min(n_ref),
        None => n_ref.min(2 * (n_ref as f64).sqrt().ceil() as usize),
    };
    if config.mode == RecurrenceMode::Affinity
        && !matches!(config.bandwidth, Bandwidth::MedKScalar | Bandwidth::Value(_))
    {
        return Err(FeatureError::config(
            "bandwidth",
            format!("{:?}", config.bandwidth),
            "one that is the same for all pairs",
        ));
    }
    let distances = cdist(data, reference, config.metric)?;
    let kept = if config.full { n_ref } else { k };
    let links: Links = (0..n)
        .map(|j| {
            let mut others: Vec<(usize, f64)> = distances.row(j).iter().copied().enumerate().collect();
            nearest(&mut others, kept);
            if config.mode != RecurrenceMode::Connectivity {
                others.retain(|&(_, distance)| distance > 0.0);
            }
            others
        })
        .collect();
    let scale = Scale::new(&links, &links, config.mode, config.bandwidth, k)?;
    let mut matrix = frame_major::<f32>(n_ref, n)?;
    for (j, others) in links.iter().enumerate() {
        for &(i, distance) in others {
            matrix[[i, j]] = scale.value(i, j, distance) as f32;
        }
    }
    Ok(matrix)
}

/// Keeps the `count` nearest in order of distance, the earlier frame first at ties.
fn nearest(others: &mut Vec<(usize, f64)>, count: usize) {
    let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
    if count == 0 {
        others.clear();
    } else if count < others.len() {
        others.select_nth_unstable_by(count - 1, order);
        others.truncate(count);
    }
    others.sort_unstable_by(order);
}

/// The links that hold both ways.
fn mutual(links: &Links) -> Links {
    let sets: Vec<std::collections::BTreeSet<usize>> =
        links.iter().map(|others| others.iter().map(|&(i, _)| i).collect()).collect();
    links
        .iter()
        .enumerate()
        .map(|(j, others)| others.iter().copied().filter(|&(i, _)| sets[i].contains(&j)).collect())
        .collect()
}

/// From distances to what the matrix holds.
enum Scale {
    One,
    Distance,
    Affinity(f64),
    Pairs { sides: Vec<f64>, mean: PairMean },
}

#[derive(Clone, Copy)]
enum PairMean {
    Arithmetic,
    Geometric,
    WithPair,
}

impl Scale {
    fn new(
        links: &Links,
        columns: &Links,
        mode: RecurrenceMode,
        bandwidth: Bandwidth,
        k: usize,
    ) -> Result<Self, FeatureError> {
        match mode {
            RecurrenceMode::Connectivity => return Ok(Self::One),
            RecurrenceMode::Distance => return Ok(Self::Distance),
            RecurrenceMode::Affinity => {}
        }
        let first =
            |others: &[(usize, f64)]| -> Vec<f64> { others.iter().take(k).map(|&(_, d)| d).collect() };
        let each = |of: fn(&[f64]) -> f64| -> Result<Vec<f64>, FeatureError> {
            columns
                .iter()
                .enumerate()
                .map(|(j, others)| match first(others).as_slice() {
                    [] => Err(FeatureError::Input(format!(
                        "frame {j} has no neighbour to take a bandwidth from"
                    ))),
                    near => Ok(of(near)),
                })
                .collect()
        };
        let last = |near: &[f64]| near.last().copied().unwrap_or(0.0);
        let average = |near: &[f64]| near.iter().sum::<f64>() / near.len() as f64;
        let pairs = |sides, mean| Ok(Self::Pairs { sides, mean });
        match bandwidth {
            Bandwidth::Value(value) if value > 0.0 && value.is_finite() => Ok(Self::Affinity(value)),
            Bandwidth::Value(value) => Err(FeatureError::config("bandwidth", value, "finite and above 0")),
            Bandwidth::MedKScalar => {
                let mut to_k: Vec<f64> =
                    links.iter().filter_map(|others| first(others).last().copied()).collect();
                if to_k.is_empty() {
                    return Err(FeatureError::Input("no links given, a bandwidth needs some".to_owned()));
                }
                Ok(Self::Affinity(median(&mut to_k)))
            }
            Bandwidth::MeanK => pairs(each(last)?, PairMean::Arithmetic),
            Bandwidth::GmeanK => pairs(each(last)?, PairMean::Geometric),
            Bandwidth::MeanKAvg => pairs(each(average)?, PairMean::Arithmetic),
            Bandwidth::GmeanKAvg => pairs(each(average)?, PairMean::Geometric),
            Bandwidth::MeanKAvgAndPair => pairs(each(average)?, PairMean::WithPair),
        }
    }

    fn value(&self, i: usize, j: usize, distance: f64) -> f64 {
        let bandwidth = match self {
            Self::One => return 1.0,
            Self::Distance => return distance,
            Self::Affinity(bandwidth) => *bandwidth,
            Self::Pairs { sides, mean } => match mean {
                PairMean::Arithmetic => 0.5 * (sides[i] + sides[j]),
                PairMean::Geometric => (sides[i] * sides[j]).sqrt(),
                PairMean::WithPair => (sides[i] + sides[j] + distance) / 3.0,
            },
        };
        (-distance / bandwidth).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(rows: usize, columns: usize) -> Array2<f32> {
        let mut state = 3_u32;
        Array2::from_shape_simple_fn((rows, columns), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        })
    }

    #[test]
    fn each_frame_is_linked_with_its_nearest() {
        let data = noise(4, 30);
        let config = RecurrenceConfig {
            k: Some(5),
            width: 2,
            mode: RecurrenceMode::Distance,
            ..RecurrenceConfig::default()
        };
        let r = recurrence_matrix(data.view(), &config).unwrap();
        let d = cdist(data.view(), data.view(), Metric::Euclidean).unwrap();
        for j in 0..30_usize {
            let mut allowed: Vec<f64> = (0..30).filter(|i| j.abs_diff(*i) >= 2).map(|i| d[[i, j]]).collect();
            allowed.sort_by(f64::total_cmp);
            let mut linked: Vec<f32> = r.column(j).iter().copied().filter(|&v| v > 0.0).collect();
            linked.sort_by(f32::total_cmp);
            assert_eq!(linked, allowed[..5].iter().map(|&v| v as f32).collect::<Vec<_>>());
        }
        let marks = recurrence_matrix(
            data.view(),
            &RecurrenceConfig { mode: RecurrenceMode::Connectivity, ..config },
        )
        .unwrap();
        assert_eq!(marks, r.mapv(|v| f32::from(u8::from(v > 0.0))));
        let mutual = recurrence_matrix(data.view(), &RecurrenceConfig { sym: true, ..config }).unwrap();
        assert_eq!(mutual, mutual.t());
        assert!(mutual.iter().zip(&r).all(|(a, b)| *a == 0.0 || a == b));
    }

    #[test]
    fn affinities_fall_from_one() {
        let data = noise(4, 30);
        for bandwidth in [
            Bandwidth::MedKScalar,
            Bandwidth::MeanK,
            Bandwidth::GmeanK,
            Bandwidth::MeanKAvg,
            Bandwidth::GmeanKAvg,
            Bandwidth::MeanKAvgAndPair,
            Bandwidth::Value(0.3),
        ] {
            let config = RecurrenceConfig {
                mode: RecurrenceMode::Affinity,
                bandwidth,
                self_links: true,
                ..RecurrenceConfig::default()
            };
            let r = recurrence_matrix(data.view(), &config).unwrap();
            assert!(r.diag().iter().all(|&v| v == 1.0));
            assert!(r.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }

    #[test]
    fn other_sequences() {
        let data = noise(4, 30);
        let reference = noise(4, 12);
        let config = CrossSimilarityConfig { k: Some(3), ..CrossSimilarityConfig::default() };
        let x = cross_similarity(data.view(), reference.view(), &config).unwrap();
        assert_eq!(x.dim(), (12, 30));
        assert!(x.columns().into_iter().all(|c| c.sum() == 3.0));
        let full = CrossSimilarityConfig { full: true, mode: RecurrenceMode::Distance, ..config };
        let d = cdist(reference.view(), data.view(), Metric::Euclidean).unwrap();
        let x = cross_similarity(data.view(), reference.view(), &full).unwrap();
        assert!(x.iter().zip(&d).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6));
    }

    #[test]
    fn constant_frames_and_faults() {
        let flat = Array2::<f32>::ones((3, 10));
        let config = RecurrenceConfig::default();
        assert!(recurrence_matrix(flat.view(), &config).unwrap().iter().all(|&v| v == 0.0));
        let affinity = RecurrenceConfig { mode: RecurrenceMode::Affinity, ..config };
        assert!(recurrence_matrix(flat.view(), &affinity).is_err());
        for bad in [
            RecurrenceConfig { k: Some(0), ..config },
            RecurrenceConfig { width: 0, ..config },
            RecurrenceConfig { width: 5, ..config },
            RecurrenceConfig { bandwidth: Bandwidth::Value(0.0), ..affinity },
        ] {
            assert!(recurrence_matrix(noise(3, 10).view(), &bad).is_err(), "{bad:?}");
        }
        assert!(recurrence_matrix(Array2::zeros((3, 0)).view(), &config).is_err());
        let cross = CrossSimilarityConfig::default();
        assert!(cross_similarity(flat.view(), Array2::zeros((3, 0)).view(), &cross).is_err());
        assert!(cross_similarity(flat.view(), Array2::zeros((2, 4)).view(), &cross).is_err());
    }
}
