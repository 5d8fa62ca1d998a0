//! Finding what is not silent.

use serde::{Deserialize, Serialize};

use crate::error::{FeatureError, check_finite};
use crate::framing::{Framing, PadMode};

/// What counts as silence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceConfig {
    /// Frames this many dB below the reference are silent. Default: 60.
    pub top_db: f64,
    /// The reference, a root mean square above 0; without it the loudest frame. Default: the loudest frame.
    pub reference: Option<f64>,
    /// Length of the frames in samples. Default: 2048.
    pub frame_length: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
}

impl Default for SilenceConfig {
    fn default() -> Self {
        Self { top_db: 60.0, reference: None, frame_length: 2048, hop_length: 512 }
    }
}

/// The smallest root mean square that counts as sound.
const AMIN: f64 = 1e-5;

/// Whether each frame lies above the threshold.
fn sounding(samples: &[f32], config: &SilenceConfig) -> Result<Vec<bool>, FeatureError> {
    check_finite("samples", samples)?;
    if config.top_db.is_nan() {
        return Err(FeatureError::config("top_db", "NaN", "a number of decibels"));
    }
    if let Some(reference) = config.reference
        && !reference.is_finite()
    {
        return Err(FeatureError::config("reference", reference, "finite"));
    }
    let framing = Framing::new(config.frame_length, config.hop_length, true, PadMode::Constant)?;
    let mut frame = vec![0.0; config.frame_length];
    let levels = (0..framing.n_frames(samples.len())?)
        .map(|index| {
            framing.fill(samples, index, &mut frame);
            let squares: f64 = frame.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            // The reference works with root mean squares in single precision.
            f64::from((squares / config.frame_length as f64).sqrt() as f32)
        })
        .collect::<Vec<f64>>();
    let loudest = levels.iter().copied().fold(0.0, f64::max);
    let reference = config.reference.map_or(loudest, f64::abs);
    let db = |level: f64| 20.0 * level.max(AMIN).log10();
    let zero = db(reference);
    Ok(levels.into_iter().map(|level| db(level) - zero > -config.top_db).collect())
}

/// The passage from the first to the last frame that is not silent, as a range of samples.
///
/// A frame is judged by its root mean square, frames being centred and padded with zeros. The ends are multiples
/// of `hop_length`, at most the length of the signal. If every frame is silent the range is `0..0`. A signal that is
/// silent from end to end is not trimmed when the reference is the loudest frame, since all its frames are equal.
///
/// # Errors
///
/// [`FeatureError::Config`] for a frame or hop of 0 samples or parameters that are no numbers, [`FeatureError::TooShort`]
/// for an empty signal and odd frames, [`FeatureError::NonFinite`] for NaN or infinite samples.
///
/// ```
/// use timbral_features::effects::{SilenceConfig, trim};
/// let mut samples = vec![0.0; 10_000];
/// samples[4096..6144].fill(0.5);
/// let config = SilenceConfig { frame_length: 512, hop_length: 128, ..SilenceConfig::default() };
/// assert_eq!(trim(&samples, &config)?, 3968..6400);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn trim(samples: &[f32], config: &SilenceConfig) -> Result<std::ops::Range<usize>, FeatureError> {
    let sounding = sounding(samples, config)?;
    let ends = sounding.iter().position(|&s| s).zip(sounding.iter().rposition(|&s| s));
    Ok(ends.map_or(0..0, |(first, last)| {
        let start = first.saturating_mul(config.hop_length);
        let end = (last + 1).saturating_mul(config.hop_length).min(samples.len());
        start.min(end)..end
    }))
}

/// All passages that are not silent, as ranges of samples.
///
/// Their ends are those of frames, so a passage may hold up to a hop of silence at each end.
///
/// # Errors
///
/// As [`trim`].
pub fn split(samples: &[f32], config: &SilenceConfig) -> Result<Vec<std::ops::Range<usize>>, FeatureError> {
    let sounding = sounding(samples, config)?;
    let mut passages = Vec::new();
    let mut begun = None;
    for (frame, sounds) in sounding.into_iter().chain([false]).enumerate() {
        let edge = frame.saturating_mul(config.hop_length).min(samples.len());
        match (begun, sounds) {
            (None, true) => begun = Some(edge),
            (Some(start), false) => {
                passages.push(start..edge);
                begun = None;
            }
            _ => {}
        }
    }
    Ok(passages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SilenceConfig {
        SilenceConfig { frame_length: 64, hop_length: 16, top_db: 40.0, ..SilenceConfig::default() }
    }

    #[test]
    fn passages_between_silences() {
        let mut samples = vec![0.0; 1000];
        samples[200..300].fill(0.5);
        samples[700..720].fill(-0.4);
        let passages = split(&samples, &config()).unwrap();
        assert_eq!(passages.len(), 2);
        assert!(passages[0].start <= 200 && passages[0].end >= 300);
        assert!(passages[1].start <= 700 && passages[1].end >= 720);
        let whole = trim(&samples, &config()).unwrap();
        assert_eq!((whole.start, whole.end), (passages[0].start, passages[1].end));
    }

    #[test]
    fn silence_is_judged_by_the_reference() {
        assert_eq!(trim(&[0.0; 100], &config()).unwrap(), 0..100);
        let passages = split(&[0.0; 100], &config()).unwrap();
        assert_eq!(passages, std::slice::from_ref(&(0..100)));
        let fixed = SilenceConfig { reference: Some(1.0), ..config() };
        assert_eq!(trim(&[0.0; 100], &fixed).unwrap(), 0..0);
        assert!(split(&[0.0; 100], &fixed).unwrap().is_empty());
        assert_eq!(trim(&[], &config()).unwrap(), 0..0);
        assert_eq!(trim(&[0.5], &config()).unwrap(), 0..1);
    }

    #[test]
    fn faults_are_errors() {
        assert!(trim(&[f32::NAN], &config()).is_err());
        for bad in [
            SilenceConfig { top_db: f64::NAN, ..config() },
            SilenceConfig { reference: Some(f64::INFINITY), ..config() },
            SilenceConfig { frame_length: 0, ..config() },
            SilenceConfig { hop_length: 0, ..config() },
        ] {
            assert!(split(&[0.0; 10], &bad).is_err(), "{bad:?}");
        }
    }
}
