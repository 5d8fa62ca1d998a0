//! Beat tracking by dynamic programming.

use serde::{Deserialize, Serialize};

use super::tempo::{Tempo, TempoConfig};
use super::{check_positive, check_rate};
use crate::error::{FeatureError, check_finite};

/// Where the beat tracker has its tempo from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BeatTempo {
    /// Estimated from the whole envelope, as [`Tempo`] does.
    #[default]
    Estimated,
    /// Given, in beats per minute.
    Given(f64),
    /// Given for each value of the envelope, in beats per minute.
    PerFrame(Vec<f64>),
}

/// Parameters of [`beat_track`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeatTrackConfig {
    /// Samples per second of the signal behind the envelope. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one value of the envelope to the next. Default: 512.
    pub hop_length: usize,
    /// The tempo that the estimate starts from, in beats per minute. Default: 120.
    pub start_bpm: f64,
    /// How closely beats keep to the tempo. Default: 100.
    pub tightness: f64,
    /// Whether weak beats at the start and at the end are dropped. Default: true.
    pub trim: bool,
    /// The tempo. Default: estimated.
    pub bpm: BeatTempo,
}

impl Default for BeatTrackConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            start_bpm: 120.0,
            tightness: 100.0,
            trim: true,
            bpm: BeatTempo::Estimated,
        }
    }
}

/// What [`beat_track`] finds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Beats {
    /// The tempo in beats per minute: one value, or as many as were given; 0 for an envelope without any onset.
    pub bpm: Vec<f64>,
    /// The beats, as rising indices into the envelope.
    pub frames: Vec<usize>,
}

/// Tracks beats in an onset envelope.
///
/// A path of beats is chosen that collects the most onset strength, each step from one beat to the next costing
/// `tightness ln(step / period)^2`. The reference takes the envelope with the median over bands for this
/// (`OnsetStrengthConfig::aggregate`), not the mean.
///
/// An envelope of zeros has no beats and a tempo of 0, whatever tempo was given.
///
/// Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007.
///
/// # Errors
///
/// [`FeatureError::Config`] for parameters that are not above 0, [`FeatureError::Shape`] if there is not one tempo for
/// each value, [`FeatureError::NonFinite`] for NaN or infinities in the envelope.
///
/// ```
/// use timbral_features::rhythm::{BeatTrackConfig, beat_track};
/// let envelope: Vec<f32> = (0..430).map(|t| if t % 22 == 5 { 1.0 } else { 0.0 }).collect();
/// let beats = beat_track(&envelope, &BeatTrackConfig::default())?;
/// assert!((beats.bpm[0] - 117.45).abs() < 0.01);
/// assert!(beats.frames.windows(2).all(|pair| pair[1] - pair[0] == 22));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn beat_track(envelope: &[f32], config: &BeatTrackConfig) -> Result<Beats, FeatureError> {
    check_rate(config.sample_rate, config.hop_length)?;
    check_positive("tightness", config.tightness)?;
    check_finite("envelope", envelope)?;
    match &config.bpm {
        BeatTempo::Estimated => check_positive("start_bpm", config.start_bpm)?,
        BeatTempo::Given(bpm) => check_positive("bpm", *bpm)?,
        BeatTempo::PerFrame(bpm) if bpm.len() != envelope.len() => {
            return Err(FeatureError::shape("bpm", &[bpm.len()], format!("{} values", envelope.len())));
        }
        BeatTempo::PerFrame(bpm) => bpm.iter().try_for_each(|&bpm| check_positive("bpm", bpm))?,
    }
    if envelope.iter().all(|&x| x == 0.0) {
        return Ok(Beats { bpm: vec![0.0], frames: Vec::new() });
    }
    let bpm = match &config.bpm {
        BeatTempo::Estimated => {
            let tempo = Tempo::new(TempoConfig {
                sample_rate: config.sample_rate,
                hop_length: config.hop_length,
                start_bpm: config.start_bpm,
                ..TempoConfig::default()
            })?;
            vec![tempo.compute(envelope)?]
        }
        BeatTempo::Given(bpm) => vec![*bpm],
        BeatTempo::PerFrame(bpm) => bpm.clone(),
    };
    let frame_rate = f64::from(config.sample_rate) / config.hop_length as f64;
    // A period beyond the envelope reaches nothing more than one of its length.
    let longest = 4 * envelope.len() + 4;
    let periods: Vec<usize> = bpm
        .iter()
        .map(|bpm| ((frame_rate * 60.0 / bpm).round_ties_even() as usize).clamp(1, longest))
        .collect();
    let period = |t: usize| {
        if periods.len() == 1 { periods[0] } else { periods[t] }
    };
    let score = local_score(&equalize(envelope), period);
    let (links, cumulative) = best_paths(&score, period, config.tightness);
    let mut frames = Vec::new();
    let mut at = Some(last_beat(&cumulative));
    while let Some(frame) = at {
        frames.push(frame);
        at = links[frame];
    }
    frames.reverse();
    Ok(Beats { bpm, frames: trim_beats(&score, frames, config.trim) })
}

/// Divides the envelope by its standard deviation.
fn equalize(envelope: &[f32]) -> Vec<f64> {
    let n = envelope.len() as f64;
    let mean = envelope.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let squares: f64 = envelope.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
    // One value has no deviation: dividing by the smallest number alone would overflow, so it stays.
    let deviation = if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 1.0 };
    let divisor = deviation + f64::from(f32::MIN_POSITIVE);
    envelope.iter().map(|&x| f64::from((f64::from(x) / divisor) as f32)).collect()
}

/// The envelope smoothed by a Gaussian of a 32nd of a period. Value 0 of the envelope takes no part, as in librosa.
fn local_score(onsets: &[f64], period: impl Fn(usize) -> usize) -> Vec<f64> {
    let mut weights: (usize, Vec<f64>) = (0, Vec::new());
    (0..onsets.len())
        .map(|t| {
            let period = period(t);
            if weights.0 != period {
                let gaussian = |d: usize| (-0.5 * (d as f64 * 32.0 / period as f64).powi(2)).exp();
                weights = (period, (0..=period).map(gaussian).collect());
            }
            let first = t.saturating_sub(period).max(1);
            let last = (t + period).min(onsets.len() - 1);
            (first..=last).rev().map(|s| weights.1[s.abs_diff(t)] * onsets[s]).sum()
        })
        .collect()
}

/// For each frame its best predecessor, and the score of the best path that ends there.
fn best_paths(
    score: &[f64],
    period: impl Fn(usize) -> usize,
    tightness: f64,
) -> (Vec<Option<usize>>, Vec<f64>) {
    let threshold = 0.01 * score.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut links = vec![None; score.len()];
    let mut cumulative = vec![0.0; score.len()];
    let mut costs: (usize, Vec<f64>) = (0, Vec::new());
    let mut before_first = true;
    for t in 0..score.len() {
        let period = period(t);
        let nearest = ((period as f64 / 2.0).round_ties_even() as usize).max(1);
        if costs.0 != period {
            let cost = |gap: usize| tightness * ((gap as f64).ln() - (period as f64).ln()).powi(2);
            costs = (period, (nearest..=2 * period).map(cost).collect());
        }
        let mut best = (f64::NEG_INFINITY, None);
        for (gap, cost) in (nearest..=(2 * period).min(t)).zip(&costs.1) {
            let total = cumulative[t - gap] - cost;
            if total > best.0 {
                best = (total, Some(t - gap));
            }
        }
        cumulative[t] = if best.1.is_some() { score[t] + best.0 } else { score[t] };
        if !(before_first && score[t] < threshold) {
            links[t] = best.1;
            before_first = false;
        }
    }
    (links, cumulative)
}

/// The last local maximum of the cumulative score that reaches half their median; without any, the last frame.
fn last_beat(cumulative: &[f64]) -> usize {
    let last = cumulative.len() - 1;
    let peak = |t: usize| {
        t > 0 && cumulative[t] > cumulative[t - 1] && (t == last || cumulative[t] >= cumulative[t + 1])
    };
    let peaks: Vec<usize> = (0..=last).filter(|&t| peak(t)).collect();
    let mut heights: Vec<f64> = peaks.iter().map(|&t| cumulative[t]).collect();
    heights.sort_by(f64::total_cmp);
    let Some(&upper) = heights.get(heights.len() / 2) else {
        return last;
    };
    let median = if heights.len() % 2 == 1 { upper } else { 0.5 * (upper + heights[heights.len() / 2 - 1]) };
    peaks.into_iter().rev().find(|&t| cumulative[t] >= 0.5 * median).unwrap_or(last)
}

/// Drops the beats before the first and after the last frame whose score exceeds the threshold.
fn trim_beats(score: &[f64], frames: Vec<usize>, trim: bool) -> Vec<usize> {
    let mut threshold = 0.0;
    if trim {
        // Beat scores in a symmetric Hann window of five, whose outer values are 0. The reference's mean runs over two
        // values more than there are beats.
        let at = |i: usize| i.checked_sub(1).and_then(|i| frames.get(i)).map_or(0.0, |&t| score[t]);
        let squares: f64 = (1..=frames.len() + 2)
            .map(|i| (0.5 * at(i - 1) + at(i) + 0.5 * at(i + 1)).powi(2))
            .take(score.len())
            .sum();
        let count = (frames.len() + 2).min(score.len());
        threshold = 0.5 * (squares / count as f64).sqrt();
    }
    let first = score.iter().position(|&s| s > threshold);
    let last = score.iter().rposition(|&s| s > threshold);
    match (first, last) {
        (Some(first), Some(last)) => frames.into_iter().filter(|t| (first..=last).contains(t)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulses(n: usize, period: usize, phase: usize) -> Vec<f32> {
        (0..n).map(|t| if t % period == phase { 1.0 } else { 0.01 }).collect()
    }

    #[test]
    fn follows_the_tempo_given() {
        let envelope = pulses(500, 20, 7);
        let config = BeatTrackConfig { bpm: BeatTempo::Given(129.2), ..Default::default() };
        let beats = beat_track(&envelope, &config).unwrap();
        assert_eq!(beats.bpm, [129.2]);
        let inner: Vec<usize> = beats.frames.iter().copied().filter(|t| (60..440).contains(t)).collect();
        assert!(inner.len() == 19 && inner.iter().all(|t| t % 20 == 7), "{inner:?}");
        let per_frame = BeatTrackConfig { bpm: BeatTempo::PerFrame(vec![129.2; 500]), ..config };
        assert_eq!(beat_track(&envelope, &per_frame).unwrap().frames, beats.frames);
    }

    #[test]
    fn paths_collect_the_most() {
        // Every path by brute force over a short score.
        let score: Vec<f64> = (0..13).map(|t| ((t * t) as f64 * 0.7).sin().abs()).collect();
        let (links, cumulative) = best_paths(&score, |_| 3, 2.0);
        fn best(score: &[f64], t: usize) -> f64 {
            let earlier =
                (2..=6.min(t)).map(|gap| best(score, t - gap) - 2.0 * (gap as f64 / 3.0).ln().powi(2));
            let best = earlier.fold(f64::NEG_INFINITY, f64::max);
            if best.is_finite() { score[t] + best } else { score[t] }
        }
        for t in 0..13 {
            assert!((cumulative[t] - best(&score, t)).abs() < 1e-12);
            if let Some(link) = links[t] {
                assert!((2..=6).contains(&(t - link)));
            }
        }
    }

    #[test]
    fn silence_has_no_beats() {
        let silent = beat_track(&[0.0; 40], &BeatTrackConfig::default()).unwrap();
        assert_eq!((silent.bpm, silent.frames), (vec![0.0], vec![]));
        assert!(beat_track(&[], &BeatTrackConfig::default()).unwrap().frames.is_empty());
    }

    #[test]
    fn short_and_constant_envelopes_do_not_panic() {
        for envelope in [vec![1.0], vec![1.0, 2.0], vec![1.0; 100], vec![-1.0; 50], vec![1e-38; 9]] {
            for trim in [false, true] {
                let config = BeatTrackConfig { trim, ..Default::default() };
                let beats = beat_track(&envelope, &config).unwrap();
                assert!(beats.frames.iter().all(|&t| t < envelope.len()));
            }
        }
        let slow = BeatTrackConfig { bpm: BeatTempo::Given(1e-300), ..Default::default() };
        beat_track(&[1.0; 10], &slow).unwrap();
        let fast = BeatTrackConfig { bpm: BeatTempo::Given(1e300), ..Default::default() };
        beat_track(&[1.0; 10], &fast).unwrap();
        let wrong = BeatTrackConfig { bpm: BeatTempo::PerFrame(vec![1.0; 3]), ..Default::default() };
        assert!(beat_track(&[1.0; 10], &wrong).is_err());
    }
}
