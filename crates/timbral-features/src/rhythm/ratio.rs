//! A tempogram seen relative to the tempo.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::tempo::{TempoConfig, best_tempi};
use super::{check_rate, lag_to_bpm};
use crate::error::FeatureError;
use crate::shape::{fill_frames, frame_major};

/// Parameters of [`tempogram_ratio`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TempogramRatioConfig {
    /// How the tempo is estimated where it is not given. Its `ac_size` has no effect.
    pub tempo: TempoConfig,
    /// Multiples of the tempo at which the tempogram is read. Default: 4, 8/3, 3, 2, 4/3, 3/2, 1, 2/3, 3/4, 1/2, 1/3,
    /// 3/8, 1/4.
    pub factors: Vec<f64>,
    /// The value outside of the tempogram's range of tempi. Default: 0.
    pub fill_value: f32,
}

impl Default for TempogramRatioConfig {
    fn default() -> Self {
        let factors =
            [4.0, 8.0 / 3.0, 3.0, 2.0, 4.0 / 3.0, 1.5, 1.0, 2.0 / 3.0, 0.75, 0.5, 1.0 / 3.0, 3.0 / 8.0, 0.25];
        Self { tempo: TempoConfig::default(), factors: factors.to_vec(), fill_value: 0.0 }
    }
}

/// The strength of metrical multiples of the tempo, of shape `(factors, n_frames)`.
///
/// Row `i` is the tempogram at `factors[i]` times the tempo, interpolated linearly between the tempi of its lags. `bpm`
/// is one tempo, or one for each frame; where it is empty, the tempo is estimated frame by frame.
///
/// Peeters, "Rhythm classification using spectral rhythm patterns", ISMIR 2005; Prockup et al., "Modeling genre with
/// the music genome project: comparing human-labeled attributes and audio features", ISMIR 2015.
///
/// # Errors
///
/// [`FeatureError::Shape`] if the tempogram has less than three lags, or `bpm` neither 0, 1 nor as many values as there
/// are frames; [`FeatureError::Config`] for tempi or factors that are not finite, or an invalid tempo configuration.
pub fn tempogram_ratio(
    tempogram: ArrayView2<'_, f32>,
    bpm: &[f64],
    config: &TempogramRatioConfig,
) -> Result<Array2<f32>, FeatureError> {
    let (n_lags, n_frames) = tempogram.dim();
    let TempoConfig { sample_rate, hop_length, .. } = config.tempo;
    check_rate(sample_rate, hop_length)?;
    if n_lags < 3 {
        return Err(FeatureError::shape("tempogram", tempogram.shape(), "at least three lags"));
    }
    if bpm.len() > 1 && bpm.len() != n_frames {
        return Err(FeatureError::shape("bpm", &[bpm.len()], format!("0, 1 or {n_frames} values")));
    }
    if let Some(bad) = bpm.iter().find(|x| !x.is_finite()) {
        return Err(FeatureError::config("bpm", bad, "finite"));
    }
    if let Some(bad) = config.factors.iter().find(|x| !x.is_finite()) {
        return Err(FeatureError::config("factors", bad, "finite"));
    }
    let estimated;
    let bpm = if bpm.is_empty() {
        estimated = best_tempi(&config.tempo.log_prior(n_lags)?, &config.tempo, &tempogram);
        &estimated
    } else {
        bpm
    };
    // Rising tempi, so falling lags, without lag 0.
    let tempi: Vec<f64> = (1..n_lags).rev().map(|lag| lag_to_bpm(lag, sample_rate, hop_length)).collect();
    let mut out = frame_major(config.factors.len(), n_frames)?;
    fill_frames(&mut out, &mut Vec::new(), |t, ratios: &mut [f32]| {
        let tempo = if bpm.len() == 1 { bpm[0] } else { bpm[t] };
        for (ratio, factor) in ratios.iter_mut().zip(&config.factors) {
            let at = tempo * factor;
            *ratio = if at < tempi[0] || at > tempi[n_lags - 2] {
                config.fill_value
            } else {
                let above = tempi.partition_point(|&x| x < at).clamp(1, n_lags - 2);
                let value = |i: usize| f64::from(tempogram[[n_lags - 1 - i, t]]);
                let slope = (value(above) - value(above - 1)) / (tempi[above] - tempi[above - 1]);
                (slope * (at - tempi[above - 1]) + value(above - 1)) as f32
            };
        }
    });
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_tempogram_at_multiples() {
        let tempogram = Array2::from_shape_fn((50, 2), |(lag, t)| (lag * (t + 1)) as f32);
        let config = TempogramRatioConfig { factors: vec![1.0, 0.5, 2.0, 100.0], ..Default::default() };
        let bpm = lag_to_bpm(20, 22_050, 512);
        let ratios = tempogram_ratio(tempogram.view(), &[bpm], &config).unwrap();
        for (row, lag) in [(0, 20.0), (1, 40.0), (2, 10.0), (3, 0.0)] {
            for t in 0..2 {
                assert!((ratios[[row, t]] - lag * (t as f32 + 1.0)).abs() < 1e-4);
            }
        }
        assert!(tempogram_ratio(tempogram.view(), &[1.0, 2.0, 3.0], &config).is_err());
        assert!(tempogram_ratio(tempogram.view(), &[f64::NAN], &config).is_err());
    }
}
