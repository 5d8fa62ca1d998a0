//! Octave by octave at ever lower rates.

use std::ops::Range;

use ndarray::ArrayRef2;
use realfft::num_complex::Complex32;

use super::basis::{Basis, Parts};
use super::config::{VqtConfig, check_cutoff};
use super::decimate::{Decimator, DecimatorScratch};
use crate::error::FeatureError;
use crate::filters::wavelet_lengths;
use crate::plan::FeaturePlan;
use crate::simd::dispatch;
use crate::stft::{Stft, StftConfig, StftScratch};
use crate::window::Window;

/// Working memory of [`Cqt`](super::Cqt) and [`Vqt`](super::Vqt). One for each thread.
#[derive(Debug, Clone, Default)]
pub struct CqtScratch {
    stft: StftScratch,
    decimator: DecimatorScratch,
    parts: Parts,
    bins: Vec<Complex32>,
    lowered: Vec<f32>,
    next: Vec<f32>,
}

/// The plan of all octaves at one tuning, the highest first.
#[derive(Debug, Clone)]
pub(super) struct Octaves {
    early: Option<Early>,
    octaves: Vec<Octave>,
    half: Decimator,
}

/// The decimation before the first octave.
#[derive(Debug, Clone)]
struct Early {
    factor: usize,
    decimator: Decimator,
    gain: f32,
}

#[derive(Debug, Clone)]
struct Octave {
    /// The first of its bins.
    first_bin: usize,
    basis: Basis,
    stft: Stft,
    /// Whether the signal is decimated before the next octave.
    decimate: bool,
}

impl Octaves {
    pub(super) fn new(config: &VqtConfig, tuning: f64) -> Result<Self, FeatureError> {
        let VqtConfig { cqt, intervals, gamma } = config;
        let frequencies = cqt.frequencies(intervals, tuning)?;
        let alpha = cqt.bandwidths(&frequencies)?;
        let rate = f64::from(cqt.sample_rate);
        let (_, cutoff) = wavelet_lengths(&frequencies, &cqt.wavelets(rate, *gamma, alpha.clone()))?;
        check_cutoff(cutoff, cqt.sample_rate)?;
        let n_filters = cqt.bins_per_octave.min(cqt.n_bins);
        let n_octaves = cqt.n_bins.div_ceil(cqt.bins_per_octave);

        let factor = early_factor(rate / 2.0, cutoff, cqt.hop_length, n_octaves);
        let early = if factor > 1 {
            let gain = if cqt.scale { 1.0 } else { (factor as f32).sqrt() };
            Some(Early { factor, decimator: Decimator::new(factor, cqt.res_type)?, gain })
        } else {
            None
        };
        let top_rate = rate / factor as f64;
        let (lengths, _) = wavelet_lengths(&frequencies, &cqt.wavelets(top_rate, *gamma, alpha.clone()))?;

        let (mut hop_length, mut octave_rate) = (cqt.hop_length / factor, top_rate);
        let mut octaves = Vec::with_capacity(n_octaves);
        for i in 0..n_octaves {
            let end = cqt.n_bins - i * n_filters;
            let bins = end.saturating_sub(n_filters)..end;
            let wavelets = cqt.wavelets(octave_rate, *gamma, alpha[bins.clone()].to_vec());
            let louder = (top_rate / octave_rate).sqrt();
            let gain = |index: usize, _: f64| {
                if cqt.scale { louder / lengths[bins.start + index].sqrt() } else { louder }
            };
            let basis = match octaves.last() {
                // An octave down at half the rate the filters are the same.
                Some(above) if is_octave_below(&frequencies, &alpha, &bins, above, *gamma) => {
                    above.basis.scaled(if cqt.scale { 1.0 } else { std::f32::consts::SQRT_2 })
                }
                _ => Basis::new(&frequencies[bins.clone()], &wavelets, cqt.sparsity, 0, gain)?,
            };
            let stft = Stft::new(StftConfig {
                n_fft: basis.n_fft,
                hop_length,
                win_length: None,
                window: Window::Boxcar,
                center: true,
                pad_mode: cqt.pad_mode,
            })?;
            let decimate = hop_length % 2 == 0 && i + 1 < n_octaves;
            octaves.push(Octave { first_bin: bins.start, basis, stft, decimate });
            if decimate {
                hop_length /= 2;
                octave_rate /= 2.0;
            }
        }
        Ok(Self { early, octaves, half: Decimator::new(2, cqt.res_type)? })
    }

    /// The fewest frames of any octave.
    pub(super) fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        let mut length = samples;
        if let Some(early) = &self.early {
            if samples < early.factor {
                return Err(FeatureError::TooShort {
                    samples,
                    needed: early.factor,
                    reason: "to lower the rate before the first octave",
                });
            }
            length = early.decimator.output_len(length);
        }
        let mut fewest = usize::MAX;
        for octave in &self.octaves {
            fewest = fewest.min(octave.stft.n_frames(length)?);
            if octave.decimate {
                length = self.half.output_len(length);
            }
        }
        Ok(fewest)
    }

    pub(super) fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<Complex32>,
        scratch: &mut CqtScratch,
    ) -> Result<(), FeatureError> {
        self.run(samples, out.ncols(), scratch, |first_bin, t, bins| {
            let mut frame = out.column_mut(t);
            let rows = frame.iter_mut().skip(first_bin);
            rows.zip(bins).for_each(|(to, value)| *to = *value);
        })
    }

    /// Gives the number of the first bin, the frame and the bins of each frame of each octave to `take`, the highest
    /// octave first.
    pub(super) fn run(
        &self,
        samples: &[f32],
        n_frames: usize,
        scratch: &mut CqtScratch,
        mut take: impl FnMut(usize, usize, &[Complex32]),
    ) -> Result<(), FeatureError> {
        let CqtScratch { stft, decimator, parts, bins, lowered, next } = scratch;
        let mut is_lowered = false;
        if let Some(early) = &self.early {
            early.decimator.process(samples, lowered, decimator)?;
            lowered.iter_mut().for_each(|x| *x *= early.gain);
            is_lowered = true;
        }
        for octave in &self.octaves {
            let signal: &[f32] = if is_lowered { lowered } else { samples };
            parts.resize(octave.basis.n_fft);
            bins.resize(octave.basis.len(), Complex32::default());
            for t in 0..n_frames {
                let spectrum = octave.stft.spectrum(signal, t, stft);
                dispatch!({
                    octave.basis.load(spectrum, parts);
                    octave.basis.apply(parts, bins);
                });
                take(octave.first_bin, t, bins);
            }
            if octave.decimate {
                self.half.process(signal, next, decimator)?;
                std::mem::swap(lowered, next);
                is_lowered = true;
            }
        }
        Ok(())
    }
}

/// Whether the filters of some bins are those of the octave above, which is decimated next: every frequency a half, and
/// the relative bandwidths equal.
fn is_octave_below(
    frequencies: &[f64],
    alpha: &[f64],
    bins: &Range<usize>,
    above: &Octave,
    gamma: Option<f64>,
) -> bool {
    let is_same = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
    gamma == Some(0.0)
        && above.decimate
        && above.first_bin == bins.end
        && above.basis.len() == bins.len()
        && bins.clone().all(|bin| {
            let upper = bin + bins.len();
            is_same(2.0 * frequencies[bin], frequencies[upper]) && is_same(alpha[bin], alpha[upper])
        })
}

/// The power of two by which the rate can be lowered at once: as far as the highest filter allows, less one octave for
/// the transition band, and as far as the hop stays whole for all octaves.
pub(super) fn early_factor(nyquist: f64, cutoff: f64, hop_length: usize, n_octaves: usize) -> usize {
    let by_cutoff = ((nyquist / cutoff).log2().ceil() as i64 - 2).max(0);
    let by_hop = (i64::from(hop_length.trailing_zeros()) - n_octaves as i64 + 1).max(0);
    1 << by_cutoff.min(by_hop).min(10)
}
