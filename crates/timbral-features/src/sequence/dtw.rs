//! Dynamic time warping.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::metric::{Metric, cdist};
use crate::error::FeatureError;
use crate::shape::frame_major;

/// How two sequences are aligned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DtwConfig {
    /// The distance between frames. Default: Euclidean.
    pub metric: Metric,
    /// The steps allowed, as advances in `(x, y)`; the earlier one wins ties. Default: `(1, 1), (0, 1), (1, 0)`.
    pub step_sizes_sigma: Vec<(usize, usize)>,
    /// Added to the cost of a cell that is entered by each step. Default: zeros.
    pub weights_add: Option<Vec<f64>>,
    /// Factors of the cost of a cell that is entered by each step. Default: ones.
    pub weights_mul: Option<Vec<f64>>,
    /// Whether the shorter sequence may match anywhere inside the longer one. Default: false.
    pub subseq: bool,
    /// Whether only cells near the diagonal may be used (Sakoe-Chiba band). Default: false.
    pub global_constraints: bool,
    /// Radius of that band, as a fraction of the shorter sequence. Default: 0.25.
    pub band_rad: f64,
    /// Whether the path is traced back. Default: true.
    pub backtrack: bool,
}

impl Default for DtwConfig {
    fn default() -> Self {
        Self {
            metric: Metric::Euclidean,
            step_sizes_sigma: vec![(1, 1), (0, 1), (1, 0)],
            weights_add: None,
            weights_mul: None,
            subseq: false,
            global_constraints: false,
            band_rad: 0.25,
            backtrack: true,
        }
    }
}

/// An alignment of two sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// The accumulated cost of the best path to each cell, infinite where none leads. For a subsequence search of a
    /// longer `x` in a shorter `y` the roles are exchanged, and this array is transposed.
    pub cost: Array2<f64>,
    /// The best path as pairs of frames `(x, y)`, from its end to its start; empty without `backtrack`.
    pub path: Vec<(usize, usize)>,
}

/// Aligns the columns of `x` and `y` by dynamic time warping (Sakoe and Chiba, 1978; Müller, Fundamentals of Music Processing,
/// 2015, sections 3.2 and 7.2).
///
/// # Errors
///
/// [`FeatureError::Config`] for steps that do not advance, weights of another number or NaN, [`FeatureError::Shape`] if
/// `x` and `y` have columns of different length or a sequence is empty, [`FeatureError::NonFinite`] for NaN or
/// infinite values, [`FeatureError::Input`] if no path can be made from these steps,
/// [`FeatureError::Limit`] if the cost matrix cannot be allocated.
///
/// ```
/// use ndarray::array;
/// use timbral_features::sequence::{DtwConfig, dtw};
/// let x = array![[0.0, 1.0, 2.0]];
/// let y = array![[0.0, 1.0, 1.0, 2.0]];
/// let alignment = dtw(x.view(), y.view(), &DtwConfig::default())?;
/// assert_eq!(alignment.path, [(2, 3), (1, 2), (1, 1), (0, 0)]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn dtw(
    x: ArrayView2<'_, f32>,
    y: ArrayView2<'_, f32>,
    config: &DtwConfig,
) -> Result<Alignment, FeatureError> {
    dtw_cost(cdist(x, y, config.metric)?.view(), config)
}

/// As [`dtw`], from a matrix of costs with one row for each frame of `x` and one column for each of `y`.
///
/// # Errors
///
/// As [`dtw`]; [`FeatureError::Input`] if a cost is NaN.
pub fn dtw_cost(cost: ArrayView2<'_, f64>, config: &DtwConfig) -> Result<Alignment, FeatureError> {
    let steps = Steps::new(config)?;
    if cost.is_empty() {
        return Err(FeatureError::shape("cost", cost.shape(), "at least one frame in each sequence"));
    }
    if cost.iter().any(|c| c.is_nan()) {
        return Err(FeatureError::Input("NaN given as cost, costs are numbers".to_owned()));
    }
    let turned = config.subseq && cost.nrows() > cost.ncols();
    let cost = if turned { cost.reversed_axes() } else { cost };
    let band = config.global_constraints.then(|| Band::new(cost.dim(), config.band_rad)).transpose()?;
    let (accumulated, choices) = accumulate(&cost, &steps, config.subseq, band)?;
    let mut path = Vec::new();
    if config.backtrack {
        path = backtrack(&accumulated, &choices, &steps, config.subseq)?;
        if turned {
            path.iter_mut().for_each(|(a, b)| std::mem::swap(a, b));
        }
    }
    Ok(Alignment { cost: accumulated, path })
}

struct Step {
    advance: (usize, usize),
    add: f64,
    mul: f64,
}

struct Steps(Vec<Step>);

impl Steps {
    fn new(config: &DtwConfig) -> Result<Self, FeatureError> {
        let sizes = &config.step_sizes_sigma;
        if sizes.is_empty() || sizes.len() > usize::from(u8::MAX) || sizes.contains(&(0, 0)) {
            return Err(FeatureError::config(
                "step_sizes_sigma",
                format!("{sizes:?}"),
                "1 to 255 steps, each of which advances",
            ));
        }
        let weights = |name, given: &Option<Vec<f64>>, default| match given {
            None => Ok(vec![default; sizes.len()]),
            Some(weights) if weights.len() == sizes.len() && weights.iter().all(|w| !w.is_nan()) => {
                Ok(weights.clone())
            }
            Some(weights) => Err(FeatureError::config(
                name,
                format!("{weights:?}"),
                format!("one number for each of {} steps", sizes.len()),
            )),
        };
        let add = weights("weights_add", &config.weights_add, 0.0)?;
        let mul = weights("weights_mul", &config.weights_mul, 1.0)?;
        Ok(Self(
            sizes
                .iter()
                .zip(add.into_iter().zip(mul))
                .map(|(&advance, (add, mul))| Step { advance, add, mul })
                .collect(),
        ))
    }
}

/// Columns of each row inside the Sakoe-Chiba band.
#[derive(Clone, Copy)]
struct Band {
    below: usize,
    above: usize,
}

impl Band {
    fn new((rows, columns): (usize, usize), radius: f64) -> Result<Self, FeatureError> {
        if !(radius >= 0.0 && radius.is_finite()) {
            return Err(FeatureError::config("band_rad", radius, "finite and at least 0"));
        }
        let radius = (radius * rows.min(columns) as f64).round_ties_even() as usize;
        let longer = |a: usize, b: usize| radius.saturating_add(a.saturating_sub(b));
        Ok(Self { below: longer(rows, columns), above: longer(columns, rows) })
    }

    /// Cells at `column - row >= above` and `row - column >= below` are out.
    fn contains(self, row: usize, column: usize) -> bool {
        if column >= row && column - row >= self.above {
            return false;
        }
        !(row >= column && row - column >= self.below)
    }
}

fn accumulate(
    cost: &ArrayView2<'_, f64>,
    steps: &Steps,
    subseq: bool,
    band: Option<Band>,
) -> Result<(Array2<f64>, Array2<u8>), FeatureError> {
    let (rows, columns) = cost.dim();
    let mut total = frame_major::<f64>(columns, rows)?.reversed_axes();
    let mut choices = frame_major::<u8>(columns, rows)?.reversed_axes();
    for row in 0..rows {
        for column in 0..columns {
            let here = match band {
                Some(band) if !band.contains(row, column) => f64::INFINITY,
                _ => cost[[row, column]],
            };
            let start = (row == 0 && (subseq || column == 0)).then_some(here);
            let (mut best, mut choice) = (start.unwrap_or(f64::INFINITY), 0);
            for (index, step) in steps.0.iter().enumerate() {
                let (down, right) = step.advance;
                if down > row || right > column {
                    continue;
                }
                let candidate = total[[row - down, column - right]] + (step.mul * here + step.add);
                if candidate < best {
                    (best, choice) = (candidate, index as u8);
                }
            }
            total[[row, column]] = best;
            choices[[row, column]] = choice;
        }
    }
    Ok((total, choices))
}

fn backtrack(
    total: &Array2<f64>,
    choices: &Array2<u8>,
    steps: &Steps,
    subseq: bool,
) -> Result<Vec<(usize, usize)>, FeatureError> {
    let (rows, columns) = total.dim();
    let last = rows - 1;
    let end = if subseq {
        (1..columns).fold(0, |best, j| if total[[last, j]] < total[[last, best]] { j } else { best })
    } else {
        columns - 1
    };
    let broken = || {
        FeatureError::Input(format!(
            "no warping path through {rows} by {columns} frames can be made from the given steps and band"
        ))
    };
    if !total[[last, end]].is_finite() {
        return Err(broken());
    }
    let (mut row, mut column) = (last, end);
    let mut path = vec![(row, column)];
    while row > 0 || (!subseq && column > 0) {
        let (down, right) = steps.0[usize::from(choices[[row, column]])].advance;
        match (row.checked_sub(down), column.checked_sub(right)) {
            (Some(r), Some(c)) => (row, column) = (r, c),
            _ if subseq => break,
            _ => return Err(broken()),
        }
        path.push((row, column));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// The cost of the cheapest of all paths to a cell.
    fn slow(cost: &Array2<f64>, steps: &[(usize, usize)], cell: (usize, usize)) -> f64 {
        let here = cost[cell];
        let mut best = if cell == (0, 0) { here } else { f64::INFINITY };
        for &(down, right) in steps {
            if down <= cell.0 && right <= cell.1 {
                best = best.min(slow(cost, steps, (cell.0 - down, cell.1 - right)) + here);
            }
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn the_best_of_all_paths(rows in 1_usize..6, columns in 1_usize..6, seed in any::<u32>()) {
            let mut state = seed;
            let cost = Array2::from_shape_simple_fn((rows, columns), || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 20)
            });
            for steps in [vec![(1, 1), (0, 1), (1, 0)], vec![(1, 1), (1, 2), (2, 1)]] {
                let config =
                    DtwConfig { step_sizes_sigma: steps.clone(), backtrack: false, ..DtwConfig::default() };
                let alignment = dtw_cost(cost.view(), &config).unwrap();
                for row in 0..rows {
                    for column in 0..columns {
                        prop_assert_eq!(alignment.cost[[row, column]], slow(&cost, &steps, (row, column)));
                    }
                }
                let traced = dtw_cost(cost.view(), &DtwConfig { backtrack: true, ..config });
                match traced {
                    Ok(traced) => {
                        let sum: f64 = traced.path.iter().map(|&cell| cost[cell]).sum();
                        prop_assert_eq!(sum, traced.cost[[rows - 1, columns - 1]]);
                        prop_assert_eq!(traced.path.last(), Some(&(0, 0)));
                    }
                    Err(_) => prop_assert!(alignment.cost[[rows - 1, columns - 1]].is_infinite()),
                }
            }
        }
    }

    #[test]
    fn a_subsequence_is_found_from_either_side() {
        let long = array![[9.0_f32, 9.0, 1.0, 2.0, 3.0, 9.0]];
        let short = array![[1.0_f32, 2.0, 3.0]];
        let config = DtwConfig { subseq: true, ..DtwConfig::default() };
        let found = dtw(short.view(), long.view(), &config).unwrap();
        assert_eq!(found.path, [(2, 4), (1, 3), (0, 2)]);
        let turned = dtw(long.view(), short.view(), &config).unwrap();
        assert_eq!(turned.path, [(4, 2), (3, 1), (2, 0)]);
        assert_eq!(turned.cost.dim(), (3, 6));
    }

    #[test]
    fn the_band_forbids_corners() {
        let config = DtwConfig { global_constraints: true, band_rad: 0.5, ..DtwConfig::default() };
        let cost = dtw_cost(Array2::ones((4, 4)).view(), &config).unwrap().cost;
        assert!(cost[[0, 2]].is_infinite() && cost[[2, 0]].is_infinite());
        assert!(cost[[0, 1]].is_finite() && cost[[3, 3]].is_finite());
        let closed = DtwConfig { band_rad: 0.0, ..config };
        assert!(dtw_cost(Array2::ones((4, 4)).view(), &closed).is_err());
    }

    #[test]
    fn faults_are_errors() {
        let cost = Array2::<f64>::ones((3, 3));
        let good = DtwConfig::default();
        for bad in [
            DtwConfig { step_sizes_sigma: vec![], ..good.clone() },
            DtwConfig { step_sizes_sigma: vec![(0, 0)], ..good.clone() },
            DtwConfig { weights_mul: Some(vec![1.0]), ..good.clone() },
            DtwConfig { weights_add: Some(vec![f64::NAN; 3]), ..good.clone() },
            DtwConfig { global_constraints: true, band_rad: -1.0, ..good.clone() },
        ] {
            assert!(dtw_cost(cost.view(), &bad).is_err(), "{bad:?}");
        }
        let diagonal = DtwConfig { step_sizes_sigma: vec![(1, 1)], ..good.clone() };
        assert!(dtw_cost(Array2::ones((2, 3)).view(), &diagonal).is_err());
        assert!(dtw_cost(array![[f64::NAN]].view(), &good).is_err());
        assert!(dtw_cost(Array2::zeros((0, 3)).view(), &good).is_err());
        assert_eq!(dtw_cost(array![[2.0]].view(), &good).unwrap().path, [(0, 0)]);
    }
}
