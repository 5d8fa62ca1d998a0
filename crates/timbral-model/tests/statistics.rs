//! Statistics as tensor operations against loops that follow the definitions.
#![allow(
    clippy::unwrap_used,
    clippy::needless_range_loop,
    reason = "loops that read like the definitions"
)]

use std::f64::consts::{PI, TAU};

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_model::{LogMelStatistics, StatisticsConfig};

const CONFIG: StatisticsConfig = StatisticsConfig {
    bands: 12,
    coefficients: 5,
    correlated: 4,
    bands_per_group: 3,
    modulation_frames: 16,
    modulation_bins: 5,
};

/// Rows over time to (mean, population standard deviation).
fn moments(row: &[f64]) -> (f64, f64) {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    (
        mean,
        (row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64).sqrt(),
    )
}

fn difference(row: &[f64]) -> Vec<f64> {
    row.windows(2).map(|w| w[1] - w[0]).collect()
}

fn correlations(rows: &[Vec<f64>], out: &mut Vec<f64>) {
    for i in 0..rows.len() {
        for j in i + 1..rows.len() {
            let ((mi, si), (mj, sj)) = (moments(&rows[i]), moments(&rows[j]));
            let n = rows[i].len() as f64;
            let covariance = rows[i]
                .iter()
                .zip(&rows[j])
                .map(|(a, b)| (a - mi) * (b - mj))
                .sum::<f64>()
                / n;
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
            (0..frames)
                .map(|t| scale * (0..c.bands).map(|b| x[b][t] * angle(b).cos()).sum::<f64>())
                .collect()
        })
        .collect();
    let steps: Vec<Vec<f64>> = cepstrum.iter().map(|row| difference(row)).collect();
    cepstrum.iter().for_each(|row| out.push(moments(row).0));
    cepstrum
        .iter()
        .for_each(|row| out.push((moments(row).1 + 1e-3).ln()));
    steps
        .iter()
        .for_each(|row| out.push((moments(row).1 + 1e-3).ln()));
    correlations(&cepstrum[..c.correlated], &mut out);
    correlations(&steps[..c.correlated], &mut out);

    let window = c.modulation_frames;
    // 9^(i/5) rounded: 1, 2 (1.55), 2 (2.41), 4 (3.74), 6 (5.80), 9; one bin is empty and dropped.
    let edges = [1, 2, 4, 6, 9];
    for group in x.chunks(c.bands_per_group) {
        let row: Vec<f64> = (0..frames)
            .map(|t| group.iter().map(|b| b[t]).sum::<f64>() / group.len() as f64)
            .collect();
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
        out.extend(
            edges
                .windows(2)
                .map(|e| ((e[0]..e[1]).map(power).sum::<f64>() + 1e-3).ln()),
        );
    }
    out
}

fn compute(x: &[Vec<f64>]) -> Vec<f32> {
    let values: Vec<f32> = x.iter().flatten().map(|v| *v as f32).collect();
    let tensor = Tensor::from_vec(values, (1, x.len(), x[0].len()), &Device::Cpu).unwrap();
    let statistics = LogMelStatistics::new(&CONFIG).unwrap().forward(&tensor).unwrap();
    statistics.squeeze(0).unwrap().to_vec1().unwrap()
}

#[test]
fn tensor_operations_equal_the_definitions() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for frames in [16, 17, 24, 39, 64] {
        let x: Vec<Vec<f64>> = (0..12)
            .map(|_| (0..frames).map(|_| rng.random_range(-60.0f64..0.0)).collect())
            .collect();
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
    let x: Vec<Vec<f64>> = (0..12)
        .map(|b| (0..5).map(|t| f64::from(b * t % 7)).collect())
        .collect();
    let long: Vec<Vec<f64>> = x
        .iter()
        .map(|row| row.iter().copied().cycle().take(16).collect())
        .collect();
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
    let bad = |change: fn(&mut StatisticsConfig)| {
        let mut config = StatisticsConfig::default();
        change(&mut config);
        LogMelStatistics::new(&config).unwrap_err().to_string()
    };
    assert!(bad(|c| c.bands_per_group = 7).contains("groups of 7"));
    assert!(bad(|c| c.bands_per_group = 0).contains("groups of 0"));
    assert!(bad(|c| c.modulation_frames = usize::MAX).contains("modulation frames"));
    assert!(bad(|c| c.coefficients = 129).contains("129 coefficients"));
    assert!(bad(|c| c.modulation_bins = 0).contains("0 modulation bins"));
}
