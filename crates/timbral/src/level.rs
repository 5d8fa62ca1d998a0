/// Level below which a window is silence: root mean square around the mean, in decibels below full scale.
///
/// Quiet recordings lie well above it; the noise of tape and dither lies at it or below.
pub const SILENCE_DBFS: f64 = -60.0;

/// Samples from here on count as full scale.
const FULL_SCALE: f32 = 0.999;

/// Fraction of samples at full scale from which on a sound is called clipped: loud masters stay below.
const CLIPPED_FRACTION: f64 = 0.01;

/// A sound shorter than this fraction of a window is called very short.
const SHORT_FRACTION: f64 = 0.1;

/// Root mean square of samples around their mean, in decibels relative to 1; minus infinity for a constant.
pub(crate) fn level_dbfs(samples: &[f32]) -> f64 {
    let Some(&first) = samples.first() else {
        return f64::NEG_INFINITY;
    };
    let n = samples.len() as f64;
    // Around the first sample, so that a constant is silence to the last bit.
    let (sum, squares) = samples.iter().fold((0.0, 0.0), |(sum, squares), &sample| {
        let x = f64::from(sample) - f64::from(first);
        (sum + x, squares + x * x)
    });
    let variance = squares / n - (sum / n).powi(2);
    // Rounding may leave a little less than nothing; what is not a number stays so.
    let variance = if variance < 0.0 { 0.0 } else { variance };
    10.0 * variance.log10()
}

pub(crate) fn is_silent(level_dbfs: f64) -> bool {
    // Not a number is a matter of the features, which return an error.
    level_dbfs < SILENCE_DBFS
}

/// What speaks against trusting a prediction for these samples: silence for all or most of the time, very short, clipped.
pub(crate) fn warnings(samples: &[f32], sample_rate: u32, window_seconds: f64) -> Vec<String> {
    let rate = f64::from(sample_rate.max(1));
    let seconds = samples.len() as f64 / rate;
    let mut found = Vec::new();
    let parts = samples.chunks(sample_rate.max(1) as usize);
    let silent: usize = parts.filter(|part| is_silent(level_dbfs(part))).map(<[f32]>::len).sum();
    if silent == samples.len() {
        found.push(format!("silence: nothing is above {SILENCE_DBFS} dBFS"));
    } else if silent * 2 > samples.len() {
        let part = silent as f64 / rate;
        found.push(format!("{part:.1} of {seconds:.1} s are silence, below {SILENCE_DBFS} dBFS"));
    }
    if seconds < SHORT_FRACTION * window_seconds {
        found.push(format!(
            "very short: {seconds:.1} s were given, the model listens to {window_seconds} s at a time"
        ));
    }
    let full = samples.iter().filter(|sample| sample.abs() >= FULL_SCALE).count();
    let fraction = full as f64 / samples.len().max(1) as f64;
    if fraction >= CLIPPED_FRACTION {
        found.push(format!("clipped: {:.1} % of the samples are at full scale", 100.0 * fraction));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_definition() {
        assert_eq!(level_dbfs(&[]), f64::NEG_INFINITY);
        assert_eq!(level_dbfs(&[0.3; 1000]), f64::NEG_INFINITY);
        let square: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { 0.51 } else { 0.49 }).collect();
        assert!((level_dbfs(&square) + 40.0).abs() < 1e-3);
        let sine: Vec<f32> = (0..44_100).map(|i| (i as f32 * 0.1).sin()).collect();
        assert!((level_dbfs(&sine) + 3.01).abs() < 0.01);
        assert!(!is_silent(level_dbfs(&[0.0, f32::NAN])));
    }

    #[test]
    fn each_warning_has_its_reason() {
        let sine = |seconds: usize, amplitude: f32| -> Vec<f32> {
            (0..1000 * seconds).map(|i| amplitude * (i as f32 * 0.3).sin()).collect()
        };
        assert_eq!(warnings(&sine(30, 0.5), 1000, 30.0), Vec::<String>::new());
        let short = warnings(&sine(2, 0.5), 1000, 30.0);
        assert!(short.len() == 1 && short[0].starts_with("very short: 2.0 s"), "{short:?}");
        let clipped: Vec<f32> = sine(30, 1.5).iter().map(|s| s.clamp(-1.0, 1.0)).collect();
        let clipped = warnings(&clipped, 1000, 30.0);
        assert!(clipped.len() == 1 && clipped[0].starts_with("clipped: "), "{clipped:?}");
        let mut gap = sine(30, 0.5);
        gap[5000..].iter_mut().for_each(|s| *s *= 1e-4);
        let gap = warnings(&gap, 1000, 30.0);
        assert!(gap.len() == 1 && gap[0].starts_with("25.0 of 30.0 s are silence"), "{gap:?}");
    }
}
