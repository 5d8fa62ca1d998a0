//! Predominant local pulse.

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::fourier::{FourierTempogram, FourierTempogramConfig};
use super::{check_positive, check_rate};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::window::{Window, get_window};

/// Parameters of [`plp`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlpConfig {
    /// Samples per second of the signal behind the envelope. Default: 22 050.
    pub sample_rate: u32,
    /// Samples from one value of the envelope to the next. Default: 512.
    pub hop_length: usize,
    /// Length of the window in frames of the envelope, at least 2. Default: 384.
    pub win_length: usize,
    /// The slowest pulse in beats per minute; none is no bound. Default: 30.
    pub tempo_min: Option<f64>,
    /// The fastest pulse in beats per minute; none is no bound. Default: 300.
    pub tempo_max: Option<f64>,
}

impl Default for PlpConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            win_length: 384,
            tempo_min: Some(30.0),
            tempo_max: Some(300.0),
        }
    }
}

/// The predominant local pulse of an onset envelope: a curve between 0 and 1 whose peaks are where beats are likely,
/// built from the strongest local periodicity of each frame.
///
/// Frames of the Fourier tempogram keep their strongest bin within the bounds, reduced to its phase, and are added up
/// again. As in librosa 0.11, the divisor is the largest bin in lexicographic order of real and imaginary part with the
/// silenced bins (zeros) among them: a frame whose strongest bin has a negative real part is divided by the square root
/// of the smallest normal number alone, so wherever there is such a frame it outweighs all others.
///
/// Grosche, Müller, "Extracting predominant local pulse information from music recordings", IEEE TASLP 19(6), 2011.
///
/// # Errors
///
/// [`FeatureError::Config`] for a rate, hop or bound that is not above 0, bounds out of order or a window of less than
/// two frames; [`FeatureError::TooShort`] for an empty envelope; [`FeatureError::NonFinite`] for NaN or infinities.
pub fn plp(envelope: &[f32], config: &PlpConfig) -> Result<Vec<f32>, FeatureError> {
    check_rate(config.sample_rate, config.hop_length)?;
    for (name, bound) in [("tempo_min", config.tempo_min), ("tempo_max", config.tempo_max)] {
        if let Some(bound) = bound {
            check_positive(name, bound)?;
        }
    }
    if let (Some(low), Some(high)) = (config.tempo_min, config.tempo_max)
        && high <= low
    {
        return Err(FeatureError::config("tempo_max", high, format!("above tempo_min = {low}")));
    }
    if config.win_length < 2 {
        return Err(FeatureError::config("win_length", config.win_length, "at least 2"));
    }
    if envelope.is_empty() {
        return Err(FeatureError::TooShort { samples: 0, needed: 1, reason: "to find a pulse" });
    }
    check_finite("envelope", envelope)?;
    let tempogram = FourierTempogram::new(FourierTempogramConfig {
        win_length: config.win_length,
        ..FourierTempogramConfig::default()
    })?
    .compute(envelope)?;
    let allowed = allowed_bins(config);
    let mut synthesis = PulseSynthesis::new(config.win_length, envelope.len())?;
    let mut bins = vec![Complex::default(); tempogram.nrows()];
    for (t, frame) in tempogram.columns().into_iter().enumerate() {
        bins.iter_mut().zip(frame).for_each(|(to, c)| *to = Complex::new(c.re.into(), c.im.into()));
        keep_strongest(&mut bins, &allowed);
        synthesis.add(t, &mut bins);
    }
    Ok(synthesis.finish())
}

fn allowed_bins(config: &PlpConfig) -> Vec<bool> {
    let step = f64::from(config.sample_rate) * 60.0 / config.hop_length as f64 / config.win_length as f64;
    (0..=config.win_length / 2)
        .map(|bin| {
            let tempo = step * bin as f64;
            config.tempo_min.is_none_or(|low| tempo >= low)
                && config.tempo_max.is_none_or(|high| tempo <= high)
        })
        .collect()
}

/// Silences all bins but the strongest allowed ones, and divides by the largest in lexicographic order.
fn keep_strongest(bins: &mut [Complex<f64>], allowed: &[bool]) {
    let strength = |c: Complex<f64>| (1e6 * c.norm() as f32).ln_1p();
    let mut strongest = 0.0f32;
    for (bin, &allowed) in bins.iter_mut().zip(allowed) {
        if !allowed {
            *bin = Complex::default();
        }
        strongest = strongest.max(strength(*bin));
    }
    for bin in bins.iter_mut() {
        if strength(*bin) < strongest {
            *bin = Complex::default();
        }
    }
    let largest = bins.iter().copied().reduce(|a, b| if (b.re, b.im) > (a.re, a.im) { b } else { a });
    let divisor = f64::from(f32::MIN_POSITIVE).sqrt() + largest.map_or(0.0, |c| c.norm());
    bins.iter_mut().for_each(|bin| *bin /= divisor);
}

/// Overlap-add with a hop of one frame, centred.
struct PulseSynthesis {
    window: Vec<f64>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    frame: Vec<f64>,
    scratch: Vec<Complex<f64>>,
    pulse: Vec<f64>,
    weight: Vec<f64>,
}

impl PulseSynthesis {
    fn new(win_length: usize, length: usize) -> Result<Self, FeatureError> {
        let inverse = RealFftPlanner::new().plan_fft_inverse(win_length);
        Ok(Self {
            window: get_window(&Window::Hann, win_length, true)?,
            frame: vec![0.0; win_length],
            scratch: vec![Complex::default(); inverse.get_scratch_len()],
            pulse: vec![0.0; length],
            weight: vec![0.0; length],
            inverse,
        })
    }

    fn add(&mut self, t: usize, bins: &mut [Complex<f64>]) {
        let lead = self.window.len() / 2;
        bins[0].im = 0.0;
        if self.window.len().is_multiple_of(2) {
            bins[lead].im = 0.0;
        }
        let done = self.inverse.process_with_scratch(bins, &mut self.frame, &mut self.scratch);
        debug_assert!(done.is_ok(), "buffers have the planned lengths");
        let scale = 1.0 / self.window.len() as f64;
        let skipped = lead.saturating_sub(t);
        let start = t + skipped - lead;
        let places = self.pulse.iter_mut().zip(&mut self.weight).skip(start);
        for ((value, weight), (x, w)) in places.zip(self.frame.iter().zip(&self.window).skip(skipped)) {
            *value += x * w * scale;
            *weight += w * w;
        }
    }

    /// The pulse curve, clipped below at 0 and divided by its maximum.
    fn finish(mut self) -> Vec<f32> {
        for (value, weight) in self.pulse.iter_mut().zip(&self.weight) {
            if *weight > f64::from(f32::MIN_POSITIVE) {
                *value /= weight;
            }
            *value = value.max(0.0);
        }
        let peak = self.pulse.iter().copied().fold(0.0, f64::max);
        let divisor = if peak < f64::from(f32::MIN_POSITIVE) { 1.0 } else { peak };
        self.pulse.iter().map(|value| (value / divisor) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_follow_a_pulse_train() {
        let envelope: Vec<f32> = (0..600).map(|t| if t % 22 == 0 { 1.0 } else { 0.0 }).collect();
        let pulse = plp(&envelope, &PlpConfig::default()).unwrap();
        assert_eq!(pulse.len(), 600);
        assert!(pulse.iter().all(|x| (0.0..=1.0).contains(x)));
        for beat in (220..400).step_by(22) {
            let peak = (beat - 5..beat + 6).max_by(|&a, &b| pulse[a].total_cmp(&pulse[b])).unwrap();
            assert!(peak.abs_diff(beat) <= 1, "{peak} {beat}");
        }
    }

    #[test]
    fn silence_and_short_envelopes_answer() {
        assert!(plp(&[0.0; 50], &PlpConfig::default()).unwrap().iter().all(|&x| x == 0.0));
        assert!(plp(&[1.0], &PlpConfig::default()).unwrap()[0].is_finite());
        assert!(plp(&[], &PlpConfig::default()).is_err());
        assert!(plp(&[1.0], &PlpConfig { win_length: 1, ..Default::default() }).is_err());
        assert!(plp(&[1.0], &PlpConfig { tempo_max: Some(20.0), ..Default::default() }).is_err());
    }
}
