use ndarray::ArrayView2;

/// Number of values of a [`level_contour`].
pub const CONTOUR_VALUES: usize = 7;

/// Frames this far below the loudest one, in decibels, are silence: at both ends they are left out, between them they
/// count as this.
const FLOOR_DB: f64 = -40.0;

/// Frames below this are pauses, in decibels.
const PAUSE_DB: f64 = -25.0;

/// How the level of a sound moves, from a log-mel spectrogram in decibels, `(bands, frames)`.
///
/// The level of a frame is the sum of the power of its bands, in decibels below the loudest frame, at least -40; silence
/// at both ends is left out. The values: 10th, 50th and 90th percentile of the levels (linear interpolation), their
/// standard deviation, mean and standard deviation of the absolute steps from frame to frame, and the fraction of
/// frames below -25. They depend neither on loudness nor, much, on bandwidth and length: what separates speech from music in them are
/// its pauses. None without a finite frame.
#[must_use]
pub fn level_contour(spectrogram: ArrayView2<'_, f32>) -> Option<[f64; CONTOUR_VALUES]> {
    let power = |frame: ndarray::ArrayView1<'_, f32>| -> f64 {
        frame.iter().map(|db| 10f64.powf(f64::from(*db) / 10.0)).sum()
    };
    let levels: Vec<f64> =
        spectrogram.columns().into_iter().map(|frame| 10.0 * power(frame).log10()).collect();
    let top = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return None;
    }
    let sounds = |level: &f64| level - top > FLOOR_DB;
    let first = levels.iter().position(sounds)?;
    let last = levels.iter().rposition(sounds)?;
    let mut levels: Vec<f64> = levels[first..=last].iter().map(|level| (level - top).max(FLOOR_DB)).collect();
    let steps: Vec<f64> = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let pauses = levels.iter().filter(|level| **level < PAUSE_DB).count() as f64 / levels.len() as f64;
    let (_, deviation) = moments(&levels);
    let (step, step_deviation) = moments(&steps);
    levels.sort_by(f64::total_cmp);
    let quantile = |q| percentile(&levels, q);
    Some([quantile(0.1), quantile(0.5), quantile(0.9), deviation, step, step_deviation, pauses])
}

/// Mean and population standard deviation; 0 of nothing.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Percentile of sorted values by linear interpolation.
fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let place = fraction * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn a_contour_by_hand() {
        // One band. Silence at both ends goes, the pause within counts as -40.
        let levels = array![[-90.0f32, -10.0, -70.0, 0.0, -20.0, -80.0]];
        let c = level_contour(levels.view()).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{c:?}");
        // -40, -20, -10, 0 in order; steps 30, 40, 20.
        close(c[0], -34.0);
        close(c[1], -15.0);
        close(c[2], -3.0);
        close(c[3], (2100.0f64 / 4.0 - 17.5 * 17.5).sqrt());
        close(c[4], 30.0);
        close(c[5], (200.0f64 / 3.0).sqrt());
        close(c[6], 0.25);
    }

    #[test]
    fn loudness_and_bands_do_not_matter_and_one_frame_is_enough() {
        let one = array![[-3.0f32, -12.0, -1.0, -30.0]];
        let louder = Array2::from_shape_fn((5, 4), |(_, frame)| one[[0, frame]] + 17.0);
        let (a, b) = (level_contour(one.view()).unwrap(), level_contour(louder.view()).unwrap());
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-5), "{a:?} {b:?}");
        assert_eq!(level_contour(array![[-3.0f32]].view()).unwrap(), [0.0; CONTOUR_VALUES]);
        assert_eq!(level_contour(Array2::zeros((3, 0)).view()), None);
    }
}
