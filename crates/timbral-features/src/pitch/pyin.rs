//! The probabilistic YIN estimator.

use serde::{Deserialize, Serialize};

use super::beta::beta_cdf;
use super::difference::{Difference, PitchScratch, Range, is_trough, parabolic_shift};
use crate::error::FeatureError;
use crate::framing::PadMode;
use crate::sequence::{Model, Run, local_row, runs};
use crate::window::Window;

/// How the fundamental frequency is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PyinConfig {
    /// Rate of the signal in Hz. Default: 22 050.
    pub sample_rate: u32,
    /// Lowest frequency in Hz. Default: 65.406 (C2).
    pub fmin: f64,
    /// Highest frequency in Hz, at most half the sample rate. Default: 2093.005 (C7).
    pub fmax: f64,
    /// Length of the frames in samples. Default: 2048.
    pub frame_length: usize,
    /// Samples from one frame to the next. Default: 512.
    pub hop_length: usize,
    /// Thresholds that are tried, evenly spaced up to 1. Default: 100.
    pub n_thresholds: usize,
    /// Shapes of the beta distribution over the thresholds, above 0. Default: 2 and 18.
    pub beta_parameters: (f64, f64),
    /// Decay of the weights of the troughs below a threshold, from the first one on, above 0. Default: 2.
    pub boltzmann_parameter: f64,
    /// Width of the pitch bins in semitones, above 0 and below 1. Default: 0.1.
    pub resolution: f64,
    /// Largest change of pitch in octaves a second. Default: 35.92.
    pub max_transition_rate: f64,
    /// Probability that voiced turns unvoiced, or the reverse, from one frame to the next. Default: 0.01.
    pub switch_prob: f64,
    /// Fraction of the probability that the lowest trough gets where no trough lies below the threshold. Default: 0.01.
    pub no_trough_prob: f64,
    /// What is reported for unvoiced frames; without it the best guess is. Default: NaN.
    #[serde(with = "fill")]
    pub fill_na: Option<f64>,
    /// Whether frame `t` is centred on sample `t * hop_length`. Default: true.
    pub center: bool,
    /// What the padding of centred frames holds. Default: zeros.
    pub pad_mode: PadMode,
}

/// NaN has no number in JSON, so the filling is written as text where it is none.
mod fill {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Fill {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            None => Fill::Text("none".to_owned()),
            Some(v) if v.is_finite() => Fill::Number(*v),
            Some(v) => Fill::Text(v.to_string()),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        match Fill::deserialize(deserializer)? {
            Fill::Number(v) => Ok(Some(v)),
            Fill::Text(text) if text == "none" => Ok(None),
            Fill::Text(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
        }
    }
}

impl Default for PyinConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            fmin: 65.406_391_325_149_66,
            fmax: 2_093.004_522_404_789,
            frame_length: 2048,
            hop_length: 512,
            n_thresholds: 100,
            beta_parameters: (2.0, 18.0),
            boltzmann_parameter: 2.0,
            resolution: 0.1,
            max_transition_rate: 35.92,
            switch_prob: 0.01,
            no_trough_prob: 0.01,
            fill_na: Some(f64::NAN),
            center: true,
            pad_mode: PadMode::Constant,
        }
    }
}

/// A pitch track, one element a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct PitchTrack {
    /// Fundamental frequency in Hz, on the grid of pitch bins; `fill_na` where unvoiced.
    pub f0: Vec<f64>,
    /// Whether the frame is voiced.
    pub voiced_flag: Vec<bool>,
    /// The probability that it is.
    pub voiced_prob: Vec<f64>,
}

/// Fundamental frequency and voicing (Mauch and Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold
/// distributions", ICASSP 2014).
///
/// The troughs of YIN's difference function become candidates with probabilities; a hidden Markov model over pitch
/// bins, each voiced or unvoiced, finds the likeliest track.
#[derive(Clone, Debug)]
pub struct Pyin {
    config: PyinConfig,
    difference: Difference,
    /// Upper ends of the thresholds, and the probability of each.
    thresholds: Vec<f64>,
    threshold_probs: Vec<f64>,
    n_pitch_bins: usize,
    bins_per_semitone: usize,
    predecessors: Vec<Vec<Run>>,
}

/// Pitch bins beyond this would make tracking take gigabytes.
const MAX_PITCH_BINS: usize = 1 << 16;

impl Pyin {
    /// Checks the configuration and plans the transforms and the model.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a parameter lies outside of its range, or the pitch bins that can be reached from one
    /// frame to the next are more than there are between `fmin` and `fmax`; [`FeatureError::Limit`] for more than 65 536
    /// pitch bins.
    pub fn new(config: PyinConfig) -> Result<Self, FeatureError> {
        let PyinConfig { sample_rate, fmin, fmax, frame_length, hop_length, center, pad_mode, .. } = config;
        let difference =
            Difference::new(Range { sample_rate, fmin, fmax, frame_length, hop_length, center, pad_mode })?;
        check(&config)?;
        let (a, b) = config.beta_parameters;
        let edges: Vec<f64> =
            (0..=config.n_thresholds).map(|i| i as f64 / config.n_thresholds as f64).collect();
        let threshold_probs =
            edges.windows(2).map(|pair| beta_cdf(pair[1], a, b) - beta_cdf(pair[0], a, b)).collect();
        let bins_per_semitone = (1.0 / config.resolution).ceil() as usize;
        let n_pitch_bins = (12.0 * bins_per_semitone as f64 * (fmax / fmin).log2()).floor() as usize + 1;
        if n_pitch_bins > MAX_PITCH_BINS {
            return Err(FeatureError::Limit {
                what: "the number of pitch bins",
                requested: n_pitch_bins as u64,
                maximum: MAX_PITCH_BINS as u64,
            });
        }
        let rate = f64::from(sample_rate);
        let reach = (config.max_transition_rate * 12.0 * hop_length as f64 / rate).round_ties_even();
        let width = (reach as usize).saturating_mul(bins_per_semitone).saturating_add(1);
        let predecessors = predecessors(n_pitch_bins, width, config.switch_prob)?;
        Ok(Self {
            config,
            difference,
            thresholds: edges[1..].to_vec(),
            threshold_probs,
            n_pitch_bins,
            bins_per_semitone,
            predecessors,
        })
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &PyinConfig {
        &self.config
    }

    /// Number of frames of a signal of `samples` samples.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits.
    pub fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.difference.n_frames(samples)
    }

    /// Working memory for [`compute_with`](Self::compute_with).
    #[must_use]
    pub fn scratch(&self) -> PitchScratch {
        self.difference.scratch()
    }

    /// Tracks the pitch of a mono signal.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if not a single frame fits, [`FeatureError::NonFinite`] for NaN or infinite samples.
    pub fn compute(&self, samples: &[f32]) -> Result<PitchTrack, FeatureError> {
        self.compute_with(samples, &mut self.scratch())
    }

    /// As [`compute`](Self::compute), with working memory that is used again.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute).
    pub fn compute_with(
        &self,
        samples: &[f32],
        scratch: &mut PitchScratch,
    ) -> Result<PitchTrack, FeatureError> {
        let n_frames = self.n_frames(samples.len())?;
        if n_frames == 0 {
            return Ok(PitchTrack { f0: Vec::new(), voiced_flag: Vec::new(), voiced_prob: Vec::new() });
        }
        self.difference.prepare(samples, scratch)?;
        let mut voiced_prob = vec![0.0; n_frames];
        let n = self.n_pitch_bins;
        let init = vec![0.5 / n as f64; 2 * n];
        let mut candidates = Vec::new();
        let path = Model::from_runs(self.predecessors.clone(), init, n_frames).decode(|t, out| {
            self.difference.frame(samples, t, scratch);
            self.candidates(&scratch.difference, &mut candidates);
            out[..n].fill(0.0);
            for &(bin, probability) in &candidates {
                // Of two candidates in one bin the longer period stands. The bin above the last is no voiced one.
                if bin < n {
                    out[bin] = probability;
                }
            }
            voiced_prob[t] = out[..n].iter().sum::<f64>().clamp(0.0, 1.0);
            out[n..].fill((1.0 - voiced_prob[t]) / n as f64);
            out.iter_mut().for_each(|p| *p = (*p + f64::MIN_POSITIVE).ln());
        });
        let voiced_flag: Vec<bool> = path.states.iter().map(|&state| state < n).collect();
        let f0 = path
            .states
            .iter()
            .zip(&voiced_flag)
            .map(|(&state, &voiced)| match self.config.fill_na {
                Some(fill) if !voiced => fill,
                _ => self.config.fmin * ((state % n) as f64 / (12 * self.bins_per_semitone) as f64).exp2(),
            })
            .collect();
        Ok(PitchTrack { f0, voiced_flag, voiced_prob })
    }

    /// Pitch bins and probabilities of the troughs of a difference function, by rising period.
    fn candidates(&self, difference: &[f64], out: &mut Vec<(usize, f64)>) {
        out.clear();
        let troughs: Vec<usize> = (0..difference.len()).filter(|&i| is_trough(difference, i)).collect();
        let Some(deepest) = (0..troughs.len())
            .reduce(|best, i| if difference[troughs[i]] < difference[troughs[best]] { i } else { best })
        else {
            return;
        };
        let mut probabilities = vec![0.0; troughs.len()];
        let decay = self.config.boltzmann_parameter;
        for (&threshold, &weight) in self.thresholds.iter().zip(&self.threshold_probs) {
            let below = || (0..troughs.len()).filter(|&i| difference[troughs[i]] < threshold);
            let count = below().count();
            if count == 0 {
                probabilities[deepest] += self.config.no_trough_prob * weight;
                continue;
            }
            // The Boltzmann distribution over the ranks 0 to count - 1.
            let first = (-decay).exp_m1() / (-decay * count as f64).exp_m1();
            for (rank, i) in below().enumerate() {
                probabilities[i] += weight * first * (-decay * rank as f64).exp();
            }
        }
        for (&trough, probability) in troughs.iter().zip(probabilities) {
            if probability == 0.0 {
                continue;
            }
            let period = (self.difference.min_period + trough) as f64 + parabolic_shift(difference, trough);
            let octaves = (f64::from(self.config.sample_rate) / period / self.config.fmin).log2();
            let bin = (12.0 * self.bins_per_semitone as f64 * octaves).round_ties_even();
            let bin = bin.clamp(0.0, self.n_pitch_bins as f64) as usize;
            out.push((bin, probability));
        }
    }
}

fn check(config: &PyinConfig) -> Result<(), FeatureError> {
    let rules = [
        (
            "n_thresholds",
            config.n_thresholds as f64,
            (1..=1 << 20).contains(&config.n_thresholds),
            "1 to 2^20",
        ),
        (
            "beta_parameters",
            config.beta_parameters.0,
            positive(config.beta_parameters.0),
            "finite and above 0",
        ),
        (
            "beta_parameters",
            config.beta_parameters.1,
            positive(config.beta_parameters.1),
            "finite and above 0",
        ),
        (
            "boltzmann_parameter",
            config.boltzmann_parameter,
            positive(config.boltzmann_parameter),
            "finite and above 0",
        ),
        (
            "resolution",
            config.resolution,
            config.resolution > 0.0 && config.resolution < 1.0,
            "above 0 and below 1",
        ),
        (
            "max_transition_rate",
            config.max_transition_rate,
            config.max_transition_rate >= 0.0 && config.max_transition_rate.is_finite(),
            "finite and at least 0",
        ),
        ("switch_prob", config.switch_prob, (0.0..=1.0).contains(&config.switch_prob), "0 to 1"),
        ("no_trough_prob", config.no_trough_prob, (0.0..=1.0).contains(&config.no_trough_prob), "0 to 1"),
    ];
    for (parameter, value, holds, rule) in rules {
        if !holds {
            return Err(FeatureError::config(parameter, value, rule));
        }
    }
    Ok(())
}

fn positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

/// Transitions to each state: `n` voiced pitch bins, then the same unvoiced.
fn predecessors(n: usize, width: usize, switch_prob: f64) -> Result<Vec<Vec<Run>>, FeatureError> {
    if n < 2 || width > n {
        return Err(FeatureError::config(
            "max_transition_rate",
            format!("a reach of {width} pitch bins"),
            format!("less than the {n} bins from fmin to fmax; widen the range or shorten the hop"),
        ));
    }
    let mut columns: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n];
    for from in 0..n {
        for (to, probability) in local_row(n, from, width, &Window::Triang, false)? {
            columns[to].push((from, probability));
        }
    }
    // The complement twice, as in the reference: rounding included.
    let stay = 1.0 - switch_prob;
    let go = 1.0 - stay;
    let states = (0..2).flat_map(|half| columns.iter().map(move |column| (half, column)));
    Ok(states
        .map(|(half, column)| {
            (0..2)
                .flat_map(|other| {
                    let switch = if other == half { stay } else { go };
                    let entries = column.iter().map(move |&(from, p)| (other * n + from, switch * p));
                    runs(entries.filter(|&(_, p)| p > 0.0))
                })
                .collect()
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use ndarray::Array2;

    use super::*;
    use crate::sequence::{transition_local, transition_loop, viterbi};

    fn config() -> PyinConfig {
        PyinConfig {
            sample_rate: 8000,
            fmin: 80.0,
            fmax: 400.0,
            frame_length: 512,
            hop_length: 128,
            resolution: 0.25,
            ..PyinConfig::default()
        }
    }

    /// A tone, silence, noise.
    fn signal() -> Vec<f32> {
        let mut state = 5_u32;
        (0..9000)
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match n {
                    0..4000 => (TAU * 150.0 * f64::from(n) / 8000.0).sin() as f32,
                    4000..6000 => 0.0,
                    _ => (state >> 8) as f32 / (1 << 23) as f32 - 1.0,
                }
            })
            .collect()
    }

    #[test]
    fn tells_tone_from_silence_and_noise() {
        let track = Pyin::new(config()).unwrap().compute(&signal()).unwrap();
        assert!(track.voiced_flag[3..28].iter().all(|&v| v));
        assert!(track.f0[3..28].iter().all(|f| (f / 150.0 - 1.0).abs() < 0.02));
        assert!(track.voiced_flag[36..45].iter().all(|&v| !v));
        assert!(track.f0[40].is_nan() && track.voiced_prob[40] == 0.0);
        assert!(track.voiced_flag[55..].iter().filter(|&&v| v).count() < 5);
    }

    #[test]
    fn the_banded_model_equals_the_dense_one() {
        let plan = Pyin::new(config()).unwrap();
        let samples = signal();
        let n = plan.n_pitch_bins;
        let mut scratch = plan.scratch();
        let n_frames = plan.n_frames(samples.len()).unwrap();
        let mut observations = Array2::<f64>::zeros((2 * n, n_frames));
        let mut candidates = Vec::new();
        for t in 0..n_frames {
            plan.difference.frame(&samples, t, &mut scratch);
            plan.candidates(&scratch.difference, &mut candidates);
            for &(bin, p) in candidates.iter().filter(|c| c.0 < n) {
                observations[[bin, t]] = p;
            }
            let voiced: f64 = observations.column(t).sum();
            for i in n..2 * n {
                observations[[i, t]] = (1.0 - voiced.clamp(0.0, 1.0)) / n as f64;
            }
        }
        let reach = (35.92 * 12.0 * 128.0 / 8000.0_f64).round_ties_even() as usize;
        let local = transition_local(n, &[reach * 4 + 1], &Window::Triang, false).unwrap();
        let switch = transition_loop(2, &[0.99]).unwrap();
        let dense =
            Array2::from_shape_fn((2 * n, 2 * n), |(i, j)| switch[[i / n, j / n]] * local[[i % n, j % n]]);
        let path = viterbi(observations.view(), dense.view(), None).unwrap();
        let track = plan.compute(&samples).unwrap();
        let expected: Vec<bool> = path.states.iter().map(|&s| s < n).collect();
        assert_eq!(track.voiced_flag, expected);
        for (f0, state) in track.f0.iter().zip(path.states) {
            if state < n {
                assert_eq!(*f0, 80.0 * (state as f64 / 48.0).exp2());
            }
        }
    }

    #[test]
    fn crumbs_are_answered_and_faults_refused() {
        let plan = Pyin::new(PyinConfig { fill_na: Some(0.0), ..config() }).unwrap();
        for samples in [vec![], vec![0.3], vec![0.5; 2000], vec![0.0; 2000]] {
            let track = plan.compute(&samples).unwrap();
            assert_eq!(track.f0.len(), 1 + samples.len() / 128);
            assert!(track.f0.iter().chain(&track.voiced_prob).all(|v| v.is_finite()));
        }
        assert!(plan.compute(&[f32::INFINITY]).is_err());
        let good = config();
        for bad in [
            PyinConfig { n_thresholds: 0, ..good },
            PyinConfig { beta_parameters: (0.0, 1.0), ..good },
            PyinConfig { boltzmann_parameter: 0.0, ..good },
            PyinConfig { resolution: 1.0, ..good },
            PyinConfig { resolution: 1e-9, ..good },
            PyinConfig { max_transition_rate: 1e9, ..good },
            PyinConfig { switch_prob: 1.1, ..good },
            PyinConfig { no_trough_prob: f64::NAN, ..good },
        ] {
            assert!(Pyin::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_configuration_survives_json() {
        for fill_na in [Some(f64::NAN), Some(0.0), None] {
            let text = serde_json::to_string(&PyinConfig { fill_na, ..config() }).unwrap();
            let back: PyinConfig = serde_json::from_str(&text).unwrap();
            assert_eq!(back.fill_na.map(f64::to_bits), fill_na.map(f64::to_bits));
        }
    }
}
