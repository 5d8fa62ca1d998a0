//! Onset times from an onset envelope.

use super::peak_pick::{PeakPickConfig, peak_pick};
use crate::error::{FeatureError, check_finite};

/// Finds onsets: the peaks of the envelope, scaled to the range 0 to 1 if `normalize` is set. Frames rise.
///
/// [`PeakPickConfig::for_onsets`] gives librosa's parameters; [`onset_backtrack`] moves onsets to where their energy
/// starts to rise. An envelope of zeros has no onsets.
///
/// # Errors
///
/// As [`peak_pick`].
///
/// ```
/// use timbral_features::onset::{PeakPickConfig, onset_detect};
/// let mut envelope = vec![0.0; 50];
/// envelope[20] = 3.0;
/// let onsets = onset_detect(&envelope, &PeakPickConfig::for_onsets(22_050, 512), true)?;
/// assert_eq!(onsets, [20]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn onset_detect(
    envelope: &[f32],
    config: &PeakPickConfig,
    normalize: bool,
) -> Result<Vec<usize>, FeatureError> {
    check_finite("envelope", envelope)?;
    let mut scaled = envelope.to_vec();
    if normalize {
        let lowest = scaled.iter().copied().fold(f32::INFINITY, f32::min);
        scaled.iter_mut().for_each(|x| *x -= lowest);
        let divisor = scaled.iter().copied().fold(0.0, f32::max) + f32::MIN_POSITIVE;
        scaled.iter_mut().for_each(|x| *x /= divisor);
    }
    if scaled.iter().all(|&x| x == 0.0) {
        return Ok(Vec::new());
    }
    peak_pick(&scaled, config)
}

/// Moves each event back to the last local minimum of `energy` at or before it. Frame 0 counts as a minimum.
///
/// Jehan, "Creating music by listening", doctoral dissertation, MIT, 2005, section 3.4.
///
/// # Errors
///
/// [`FeatureError::NonFinite`] for NaN or infinities in the energy.
pub fn onset_backtrack(events: &[usize], energy: &[f32]) -> Result<Vec<usize>, FeatureError> {
    check_finite("energy", energy)?;
    let mut minima = vec![0];
    for (i, triple) in energy.windows(3).enumerate() {
        if triple[1] <= triple[0] && triple[1] < triple[2] {
            minima.push(i + 1);
        }
    }
    Ok(events.iter().map(|&event| minima[minima.partition_point(|&m| m <= event) - 1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_back_to_the_last_minimum() {
        let energy = [5.0, 1.0, 2.0, 0.5, 0.5, 3.0, 2.0];
        assert_eq!(onset_backtrack(&[0, 1, 2, 3, 4, 5, 6, 99], &energy).unwrap(), [0, 1, 1, 1, 4, 4, 4, 4]);
        assert_eq!(onset_backtrack(&[3], &[]).unwrap(), [0]);
        assert!(onset_backtrack(&[3], &[f32::NAN]).is_err());
    }

    #[test]
    fn a_flat_envelope_has_no_onsets() {
        let config = PeakPickConfig::for_onsets(22_050, 512);
        assert!(onset_detect(&[0.0; 30], &config, true).unwrap().is_empty());
        assert!(onset_detect(&[2.0; 30], &config, true).unwrap().is_empty());
        assert!(onset_detect(&[], &config, true).unwrap().is_empty());
        assert!(onset_detect(&[f32::INFINITY], &config, true).is_err());
    }

    #[test]
    fn the_scale_of_a_normalised_envelope_does_not_matter() {
        let envelope: Vec<f32> = (0..200).map(|t| ((t * t) as f32 * 0.01).sin().abs()).collect();
        let scaled: Vec<f32> = envelope.iter().map(|x| 8.0 * x + 16.0).collect();
        let config = PeakPickConfig::for_onsets(22_050, 512);
        let onsets = onset_detect(&envelope, &config, true).unwrap();
        assert!(onsets.len() > 3);
        assert_eq!(onsets, onset_detect(&scaled, &config, true).unwrap());
    }
}
