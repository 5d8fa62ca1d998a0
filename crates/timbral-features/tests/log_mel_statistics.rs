//! Log-mel statistics against loops that follow the definitions.
#![allow(clippy::unwrap_used, clippy::needless_range_loop, reason = "loops that read like the definitions")]

use std::f64::consts::{PI, TAU};

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_features::FeatureError;
use timbral_features::log_mel_statistics::{LogMelStatistics, LogMelStatisticsConfig};

const CONFIG: LogMelStatisticsConfig = LogMelStatisticsConfig {
    bands: 12,
    coefficients: 5,
    correlated: 4,
    bands_per_group: 3,
    modulation_frames: 16,
    modulation_bins: 5,
    modulated: 2,
    texture: true,
    skewness: true,
    contrast: true,
    covariance: true,
};

/// Rows over time to (mean, population standard deviation).
fn moments(row: &[f64]) -> (f64, f64) {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    (mean, (row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64).sqrt())
}

fn difference(row: &[f64]) -> Vec<f64> {
    row.windows(2).map(|w| w[1] - w[0]).collect()
}

fn correlations(rows: &[Vec<f64>], out: &mut Vec<f64>) {
    for i in 0..rows.len() {
        for j in i + 1..rows.len() {
            let ((mi, si), (mj, sj)) = (moments(&rows[i]), moments(&rows[j]));
            let n = rows[i].len() as f64;
            let covariance = rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - mi) * (b - mj)).sum::<f64>() / n;
            out.push(covariance / (si * sj));
        }
    }
}

fn by_definition(x: &[Vec<f64>]) -> Vec<f64> {
    let c = &CONFIG;
    let frames = x[0].len();
    let mut out = Vec::new();
    x.iter().for_each(|row| out.push(moments(row).0));
    x.iter().for_each(|row| out.push(moments(row).1));
    x.iter().for_each(|row| out.push(moments(&difference(row)).1));
    x.iter()
        .for_each(|row| out.push(difference(row).iter().map(|d| d.abs()).sum::<f64>() / (frames - 1) as f64));
    let cepstrum: Vec<Vec<f64>> = (0..c.coefficients)
        .map(|k| {
            let scale = (if k == 0 { 1.0 } else { 2.0 } / c.bands as f64).sqrt();
            let angle = |band: usize| PI * k as f64 * (band as f64 + 0.5) / c.bands as f64;
            (0..frames).map(|t| scale * (0..c.bands).map(|b| x[b][t] * angle(b).cos()).sum::<f64>()).collect()
        })
        .collect();
    let steps: Vec<Vec<f64>> = cepstrum.iter().map(|row| difference(row)).collect();
    cepstrum.iter().for_each(|row| out.push(moments(row).0));
    cepstrum.iter().for_each(|row| out.push((moments(row).1 + 1e-3).ln()));
    steps.iter().for_each(|row| out.push((moments(row).1 + 1e-3).ln()));
    correlations(&cepstrum[..c.correlated], &mut out);
    correlations(&steps[..c.correlated], &mut out);

    let groups: Vec<Vec<f64>> = x
        .chunks(c.bands_per_group)
        .map(|group| {
            (0..frames).map(|t| group.iter().map(|b| b[t]).sum::<f64>() / group.len() as f64).collect()
        })
        .collect();
    groups.iter().for_each(|row| modulation(row, &mut out));
    cepstrum[..c.modulated].iter().for_each(|row| modulation(row, &mut out));

    let rise = |b: usize| -> Vec<f64> { (0..frames).map(|t| x[b + 1][t] - x[b][t]).collect() };
    (0..c.bands - 1).for_each(|b| out.push(moments(&rise(b)).1));
    let size = |row: &[f64]| row.iter().map(|v| v.abs()).sum::<f64>() / row.len() as f64 + 0.1;
    (0..c.bands - 1).for_each(|b| out.push((size(&difference(&x[b + 1])) / size(&rise(b))).ln()));
    let skewness = |row: &[f64]| {
        let (mean, spread) = moments(row);
        row.iter().map(|v| ((v - mean) / (spread + 0.1)).powi(3)).sum::<f64>() / row.len() as f64
    };
    x.iter().for_each(|row| out.push(skewness(row)));
    x.iter().for_each(|row| out.push(skewness(&difference(row))));
    let contrasts: Vec<Vec<f64>> = x
        .chunks(c.bands_per_group)
        .map(|group| {
            let of = |t: usize| {
                let column = || group.iter().map(|row| row[t]);
                column().fold(f64::MIN, f64::max) - column().fold(f64::MAX, f64::min)
            };
            (0..frames).map(of).collect()
        })
        .collect();
    contrasts.iter().for_each(|row| out.push(moments(row).0));
    contrasts.iter().for_each(|row| out.push(moments(row).1));
    contrasts.iter().for_each(|row| modulation(row, &mut out));
    log_covariance(&groups, &mut out);
    out
}

/// The logarithm by repeated square roots: log A = 2^k log A^(1/2^k), and log(I + E) = E - E^2 / 2 + E^3 / 3 - ... where E
/// is small. Square roots by Denman and Beavers' iteration.
fn log_covariance(groups: &[Vec<f64>], out: &mut Vec<f64>) {
    let frames = groups[0].len() - 1;
    let mut rows: Vec<Vec<f64>> = groups.iter().map(|row| row[..frames].to_vec()).collect();
    rows.extend(groups.iter().map(|row| difference(row)));
    let n = rows.len();
    let covariance = |i: usize, j: usize| {
        let (a, b) = (&rows[i], &rows[j]);
        let (ma, mb) = (moments(a).0, moments(b).0);
        a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum::<f64>() / frames as f64
    };
    let ridge = 0.01 * (0..n).map(|i| covariance(i, i)).sum::<f64>() / n as f64;
    let mut root =
        Array2::from_shape_fn((n, n), |(i, j)| covariance(i, j) + if i == j { ridge } else { 0.0 });
    let halvings = 20;
    for _ in 0..halvings {
        let (mut y, mut z) = (root.clone(), Array2::eye(n));
        for _ in 0..60 {
            let next = (&y + &inverse(&z)) / 2.0;
            z = (&z + &inverse(&y)) / 2.0;
            y = next;
        }
        root = y;
    }
    let e = root - Array2::<f64>::eye(n);
    let e2 = e.dot(&e);
    let logarithm = (&e - &(&e2 / 2.0) + e2.dot(&e) / 3.0) * f64::from(1 << halvings);
    for i in 0..n {
        for j in i..n {
            out.push(logarithm[[i, j]] * if i == j { 1.0 } else { 2f64.sqrt() });
        }
    }
}

/// Gauss and Jordan's elimination, with the largest pivot.
fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let (mut a, mut b) = (matrix.clone(), Array2::<f64>::eye(n));
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs())).unwrap();
        for column in 0..n {
            a.swap([k, column], [pivot, column]);
            b.swap([k, column], [pivot, column]);
        }
        let scale = a[[k, k]];
        for column in 0..n {
            a[[k, column]] /= scale;
            b[[k, column]] /= scale;
        }
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[[i, k]];
            for column in 0..n {
                a[[i, column]] -= factor * a[[k, column]];
                b[[i, column]] -= factor * b[[k, column]];
            }
        }
    }
    b
}

/// Appends the modulation bins of one row.
fn modulation(row: &[f64], out: &mut Vec<f64>) {
    let frames = row.len();
    let window = CONFIG.modulation_frames;
    // 9^(i/5) rounded: 1, 2 (1.55), 2 (2.41), 4 (3.74), 6 (5.80), 9; one bin is empty and dropped.
    let edges = [1, 2, 4, 6, 9];
    let starts: Vec<usize> = (0..=frames - window).step_by(window / 2).collect();
    let power = |frequency: usize| {
        let of_window = |&start: &usize| {
            let cut = &row[start..start + window];
            let mean = moments(cut).0;
            let (mut re, mut im) = (0.0, 0.0);
            for (t, value) in cut.iter().enumerate() {
                let hann = 0.5 - 0.5 * (TAU * t as f64 / window as f64).cos();
                let angle = TAU * (t * frequency) as f64 / window as f64;
                re += hann * (value - mean) * angle.cos();
                im += hann * (value - mean) * angle.sin();
            }
            re * re + im * im
        };
        starts.iter().map(of_window).sum::<f64>() / starts.len() as f64
    };
    out.extend(edges.windows(2).map(|e| ((e[0]..e[1]).map(power).sum::<f64>() + 1e-3).ln()));
}

fn compute(x: &[Vec<f64>]) -> Vec<f32> {
    let spectrogram = Array2::from_shape_fn((x.len(), x[0].len()), |(band, frame)| x[band][frame] as f32);
    LogMelStatistics::new(CONFIG).unwrap().compute(spectrogram.view()).unwrap().to_vec()
}

#[test]
fn statistics_equal_the_definitions() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for frames in [16, 17, 24, 39, 64] {
        let x: Vec<Vec<f64>> =
            (0..12).map(|_| (0..frames).map(|_| rng.random_range(-60.0f64..0.0)).collect()).collect();
        let (found, expected) = (compute(&x), by_definition(&x));
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.len(), CONFIG.len());
        for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!(
                (f64::from(*a) - b).abs() < 2e-3 * b.abs().max(1.0),
                "{frames} frames, place {i}: {a} {b}"
            );
        }
    }
}

#[test]
fn a_short_spectrogram_is_repeated() {
    let x: Vec<Vec<f64>> = (0..12).map(|b| (0..5).map(|t| f64::from(b * t % 7)).collect()).collect();
    let long: Vec<Vec<f64>> = x.iter().map(|row| row.iter().copied().cycle().take(16).collect()).collect();
    assert_eq!(compute(&x), compute(&long));
}

#[test]
fn silence_is_finite() {
    for value in [0.0, -80.0] {
        assert!(compute(&vec![vec![value; 40]; 12]).iter().all(|v| v.is_finite()));
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let bad = |change: fn(&mut LogMelStatisticsConfig)| {
        let mut config = LogMelStatisticsConfig::default();
        change(&mut config);
        let error = LogMelStatistics::new(config).unwrap_err();
        assert!(matches!(error, FeatureError::Config { .. }), "{error}");
        error.to_string()
    };
    assert!(bad(|c| c.bands_per_group = 7).contains("bands_per_group"));
    assert!(bad(|c| c.bands_per_group = 0).contains("bands_per_group"));
    assert!(bad(|c| c.modulation_frames = usize::MAX).contains("modulation_frames"));
    assert!(bad(|c| c.coefficients = 129).contains("129"));
    assert!(bad(|c| c.modulation_bins = 0).contains("modulation_bins"));
    assert!(bad(|c| c.modulated = 31).contains("31"));
    assert!(
        bad(|c| (c.bands, c.bands_per_group, c.covariance) = (256, 1, true)).contains("256 groups of bands")
    );
}

#[test]
fn other_bands_no_frames_and_numbers_that_are_not_finite_are_errors() {
    let plan = LogMelStatistics::new(CONFIG).unwrap();
    for shape in [(11, 20), (12, 0)] {
        let error = plan.compute(Array2::zeros(shape).view()).unwrap_err();
        assert!(matches!(error, FeatureError::Shape { .. }), "{error}");
    }
    let mut x = Array2::zeros((12, 20));
    x[[3, 4]] = f32::NAN;
    let error = plan.compute(x.view()).unwrap_err();
    assert!(matches!(error, FeatureError::NonFinite { .. }), "{error}");
}
