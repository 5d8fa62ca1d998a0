//! Audio fingerprints (Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002).
//!
//! Every few milliseconds 32 bits say whether the difference of the energies of neighbouring bands rises or falls. The
//! bits survive lossy coding and changes of level, so that two recordings of one performance agree in most of them.

use std::collections::HashMap;

use timbral_features::{FeatureError, FeaturePlan, Spectrogram, SpectrogramConfig, StftConfig};

/// Rate at which signals are looked at, in Hz.
pub(super) const SAMPLE_RATE: u32 = 11_025;
/// Samples of a frame: 0.37 s, so that frames overlap nearly whole and a shift by part of a hop changes few bits.
const N_FFT: usize = 4096;
/// Samples from frame to frame: 23 ms.
const HOP: usize = 256;
/// Bands, one more than bits.
const BANDS: usize = 33;
/// The bands divide this range, in Hz, into equal ratios.
const RANGE: (f64, f64) = (300.0, 2000.0);
/// The least fraction of equal bits of one recording; of unrelated ones half of the bits agree, within a hundredth.
const LEAST_AGREEMENT: f64 = 0.7;
/// The shortest stretch that is compared: 5 s. Music repeats itself over shorter ones.
const LEAST_FRAMES: usize = 5 * SAMPLE_RATE as usize / HOP;
/// Words that occur more often carry no information, such as those of silence.
const MOST_OCCURRENCES: usize = 2000;

/// The words of one signal.
pub(super) type Fingerprint = Vec<u32>;

/// Computes fingerprints.
pub(super) struct Fingerprinter {
    spectrogram: Spectrogram,
    edges: [usize; BANDS + 1],
}

impl Fingerprinter {
    pub(super) fn new() -> Result<Self, FeatureError> {
        let spectrogram = Spectrogram::new(SpectrogramConfig {
            stft: StftConfig { n_fft: N_FFT, hop_length: HOP, center: false, ..StftConfig::default() },
            power: 2.0,
        })?;
        let bin = |i: usize| {
            let hz = RANGE.0 * (RANGE.1 / RANGE.0).powf(i as f64 / BANDS as f64);
            (hz * N_FFT as f64 / f64::from(SAMPLE_RATE)).round() as usize
        };
        Ok(Self { spectrogram, edges: std::array::from_fn(bin) })
    }

    /// The fingerprint of mono samples at [`SAMPLE_RATE`]; empty for less than a frame and a hop.
    pub(super) fn compute(&self, samples: &[f32]) -> Result<Fingerprint, FeatureError> {
        if samples.len() < N_FFT + HOP {
            return Ok(Vec::new());
        }
        let power = self.spectrogram.compute(samples)?;
        let mut words = Vec::with_capacity(power.ncols());
        let mut before: Option<[f32; BANDS]> = None;
        for frame in power.columns() {
            let energy: [f32; BANDS] = std::array::from_fn(|band| {
                (self.edges[band]..self.edges[band + 1]).map(|bin| frame[bin]).sum()
            });
            if let Some(before) = before {
                let rises = |band: usize| {
                    let now = energy[band] - energy[band + 1];
                    now > before[band] - before[band + 1]
                };
                words.push((0..32).fold(0u32, |word, band| word | u32::from(rises(band)) << band));
            }
            before = Some(energy);
        }
        Ok(words)
    }
}

/// Two signals that hold the same recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    pub(super) first: usize,
    pub(super) second: usize,
    /// The fraction of equal bits over the stretch that both hold.
    pub(super) agreement: f64,
    /// Where the second begins in the first, in seconds; negative if the first begins later.
    pub(super) offset: f64,
    /// Length of the stretch in seconds.
    pub(super) overlap: f64,
}

/// Finds all pairs of signals that hold the same recording, in the order of their places.
pub(super) fn matches(prints: &[Fingerprint]) -> Vec<Match> {
    // Every word with the places where it occurs, sorted, so that equal words stand side by side.
    let mut places: Vec<(u32, u32, u32)> = Vec::with_capacity(prints.iter().map(Vec::len).sum());
    for (signal, print) in prints.iter().enumerate() {
        places.extend(print.iter().enumerate().map(|(at, word)| (*word, signal as u32, at as u32)));
    }
    places.sort_unstable();
    // Pairs of signals vote for the shift at which a word of both meets.
    let mut votes: HashMap<(u32, u32, i64), u32> = HashMap::new();
    for same in places.chunk_by(|a, b| a.0 == b.0) {
        if same.len() > MOST_OCCURRENCES || same[0].0 == 0 {
            continue;
        }
        for (i, a) in same.iter().enumerate() {
            for b in same[i + 1..].iter().filter(|b| b.1 != a.1) {
                let shift = i64::from(a.2) - i64::from(b.2);
                *votes.entry((a.1, b.1, shift)).or_default() += 1;
            }
        }
    }
    let mut best: HashMap<(u32, u32), (u32, i64)> = HashMap::new();
    for ((first, second, shift), count) in votes {
        let candidate = best.entry((first, second)).or_default();
        *candidate = (*candidate).max((count, shift));
    }
    let mut found: Vec<Match> = best
        .into_iter()
        .filter_map(|((first, second), (_, shift))| {
            let (first, second) = (first as usize, second as usize);
            let agreement = agreement(&prints[first], &prints[second], shift)?;
            (agreement.0 >= LEAST_AGREEMENT).then(|| Match {
                first,
                second,
                agreement: agreement.0,
                offset: seconds(shift as f64),
                overlap: seconds(agreement.1 as f64),
            })
        })
        .collect();
    found.sort_by_key(|m| (m.first, m.second));
    found
}

fn seconds(frames: f64) -> f64 {
    frames * HOP as f64 / f64::from(SAMPLE_RATE)
}

/// The fraction of equal bits where both are, the second moved by `shift` frames, and the number of frames.
fn agreement(first: &[u32], second: &[u32], shift: i64) -> Option<(f64, usize)> {
    let skip = |by: i64| usize::try_from(by).unwrap_or(0);
    let first = first.get(skip(shift)..)?;
    let second = second.get(skip(-shift)..)?;
    let frames = first.len().min(second.len());
    if frames < LEAST_FRAMES {
        return None;
    }
    let different: u32 = first.iter().zip(second).map(|(a, b)| (a ^ b).count_ones()).sum();
    Some((1.0 - f64::from(different) / (32 * frames) as f64, frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes and noise that follow a seed.
    fn song(seed: u32, n: usize) -> Vec<f32> {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        let mut samples = Vec::with_capacity(n);
        while samples.len() < n {
            let notes = [0; 3].map(|_| 250.0 * 2f32.powf(3.0 * random()));
            let length = (2000.0 + 6000.0 * random()) as usize;
            for i in 0..length {
                let t = i as f32 / SAMPLE_RATE as f32;
                let tone: f32 = notes.iter().map(|hz| (t * hz * std::f32::consts::TAU).sin()).sum();
                samples.push(0.2 * tone * (-2.0 * t).exp() + 0.02 * (random() - 0.5));
            }
        }
        samples.truncate(n);
        samples
    }

    #[test]
    fn one_recording_is_found_again_and_others_are_not() {
        let printer = Fingerprinter::new().unwrap();
        let original = song(1, 15 * SAMPLE_RATE as usize);
        // Later, quieter, coarser and with other noise.
        let noise = song(9, original.len());
        let start = 3 * SAMPLE_RATE as usize + 57;
        let copy: Vec<f32> = original[start..]
            .iter()
            .zip(&noise)
            .map(|(x, n)| ((0.5 * x + 0.005 * n) * 256.0).round() / 256.0)
            .collect();
        let signals = [song(2, original.len()), original, song(3, copy.len()), copy, vec![0.0; 200_000]];
        let prints: Vec<Fingerprint> = signals.iter().map(|s| printer.compute(s).unwrap()).collect();
        let found = matches(&prints);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].first, found[0].second), (1, 3));
        assert!((found[0].offset - 3.0).abs() < 0.05 && found[0].overlap > 11.0, "{found:?}");
        assert!(found[0].agreement > 0.8, "{found:?}");
    }

    #[test]
    fn seven_bits_in_ten_must_agree() {
        let mut state = 7_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.rotate_left(13) ^ (state >> 7)
        };
        let original: Vec<u32> = (0..400).map(|_| random()).collect();
        // Every twentieth word is whole, so that the two are compared at all; the others lose so many bits.
        let spoilt = |bits: u32| -> Vec<u32> {
            let word = |(i, word): (usize, &u32)| {
                let mask = if i % 20 == 0 { 0 } else { ((1_u64 << bits) - 1) as u32 };
                word ^ mask.rotate_left(i as u32)
            };
            original.iter().enumerate().map(word).collect()
        };
        let near = matches(&[original.clone(), spoilt(9)]);
        assert_eq!(near.len(), 1, "{near:?}");
        assert!((near[0].agreement - (1.0 - 0.95 * 9.0 / 32.0)).abs() < 1e-9, "{near:?}");
        // 1 - 0.95 x 11 / 32 = 0.67.
        assert_eq!(matches(&[original.clone(), spoilt(11)]), []);
    }

    #[test]
    fn crumbs_have_no_fingerprint() {
        let printer = Fingerprinter::new().unwrap();
        assert!(printer.compute(&[]).unwrap().is_empty());
        assert!(printer.compute(&[0.1; 4096]).unwrap().is_empty());
        assert_eq!(matches(&[]), []);
        assert_eq!(matches(&[vec![], vec![5; 3], vec![5; 3]]), []);
    }
}
