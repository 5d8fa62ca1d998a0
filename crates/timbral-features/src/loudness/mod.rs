//! Loudness after ITU-R BS.1770 and EBU R 128.
//!
//! [`integrated_loudness`] gives one number for a programme; [`loudness`] adds momentary and short-term loudness, range and
//! true peak; [`LoudnessMeter`] takes a signal in pieces.
//!
//! ```
//! use timbral_features::loudness::{LoudnessConfig, integrated_loudness};
//! let sine: Vec<f32> = (0..96_000).map(|i| (i as f32 * std::f32::consts::TAU * 997.0 / 48_000.0).sin()).collect();
//! let config = LoudnessConfig { sample_rate: 48_000, ..LoudnessConfig::default() };
//! // A full-scale sine at 997 Hz in one channel measures -3.01 LKFS.
//! assert!((integrated_loudness(&[&sine], &config)? + 3.01).abs() < 0.02);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod filter;
mod peak;
mod range;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use filter::Running;
pub use filter::{Biquad, KWeighting};
use peak::TruePeak;
use range::loudness_range;

use crate::error::{FeatureError, check_finite};

/// Loudness of a mean square of 1: a sine of 997 Hz at full scale in one channel reads -3.01.
const OFFSET: f64 = -0.691;
/// Blocks below do not count (LUFS).
const ABSOLUTE_GATE: f64 = -70.0;
/// Weights of left, right, centre and the two surround channels.
const CHANNEL_WEIGHTS: [f64; 5] = [1.0, 1.0, 1.0, 1.41, 1.41];

/// How loudness is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoudnessConfig {
    /// Rate of the signal in Hz, at least 4000. Default: 22 050.
    pub sample_rate: u32,
    /// Channels, 1 to 5, in the order left, right, centre, left surround, right surround. Default: 1.
    pub channels: usize,
    /// The weighting filters. Default: those of the standard.
    pub filter: KWeighting,
    /// Length of the gated blocks in seconds. Default: 0.4.
    pub block_size: f64,
    /// Fraction of a block that it has in common with the next one, 0 to below 1. Default: 0.75.
    pub overlap: f64,
}

impl Default for LoudnessConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            channels: 1,
            filter: KWeighting::ItuBs1770,
            block_size: 0.4,
            overlap: 0.75,
        }
    }
}

/// What a [`LoudnessMeter`] read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loudness {
    /// Loudness of the whole, in LUFS, gated at -70 LUFS and at 10 LU below the mean of what passed; minus infinity if
    /// nothing passes.
    pub integrated: f64,
    /// Loudness of each block of `block_size` seconds, in LUFS (EBU Tech 3341: momentary loudness). Minus infinity in
    /// silence.
    pub momentary: Vec<f64>,
    /// Loudness of three seconds, at each step of the blocks, in LUFS (EBU Tech 3341). Empty for shorter signals.
    pub short_term: Vec<f64>,
    /// Loudness range in LU (EBU Tech 3342): from the 10th to the 95th percentile of short-term loudness, gated at -70
    /// LUFS and 20 LU below the mean. 0 if nothing passes.
    pub range: f64,
    /// The largest magnitude between samples in any channel, in dB relative to full scale (dBTP); minus infinity in
    /// silence. Interpolated to 192 kHz or more for rates from 48 kHz, else four times.
    pub true_peak: f64,
    /// The largest magnitude of a sample in any channel, in dB relative to full scale.
    pub sample_peak: f64,
}

/// A loudness meter that takes the signal piece by piece. However it is cut, the readings are the same, bit for bit.
///
/// Memory grows by two numbers for each block, that is 160 bytes a second with the default blocks, since the gate needs them
/// all. Momentary loudness has a delay of one block.
///
/// ```
/// use timbral_features::loudness::{LoudnessConfig, LoudnessMeter};
/// let mut meter = LoudnessMeter::new(LoudnessConfig { sample_rate: 48_000, ..LoudnessConfig::default() })?;
/// let tone: Vec<f32> = (0..48_000).map(|n| (n as f32 * 997.0 / 48_000.0 * std::f32::consts::TAU).sin()).collect();
/// meter.push(&[&tone])?;
/// assert!((meter.finish()?.integrated + 3.01).abs() < 0.01);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LoudnessMeter {
    config: LoudnessConfig,
    channels: Vec<Channel>,
    /// Samples pushed, for each channel.
    heard: u64,
    /// The next sample at which a block begins or ends.
    boundary: u64,
    /// Number of the next block to begin.
    begun: u64,
    /// Blocks that have begun but not ended: their last sample plus one, and weighted sums of squares.
    open: VecDeque<(u64, f64)>,
    /// Weighted mean squares of the blocks that have ended.
    blocks: Vec<f64>,
    short: ShortTerm,
}

#[derive(Clone, Debug)]
struct Channel {
    filters: [Running; 2],
    weight: f64,
    /// Sum of squares since the last boundary.
    squares: f64,
    true_peak: TruePeak,
    sample_peak: f32,
}

/// Three-second sums, put together from the pieces between the beginnings of blocks.
#[derive(Clone, Debug)]
struct ShortTerm {
    /// First sample and weighted sum of squares.
    pieces: VecDeque<(u64, f64)>,
    /// Where the current piece began.
    last: u64,
    current: f64,
    loudness: Vec<f64>,
}

impl LoudnessMeter {
    /// Checks the configuration and starts to listen.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a parameter lies outside of its range.
    pub fn new(config: LoudnessConfig) -> Result<Self, FeatureError> {
        let filters = config.filter.filters(config.sample_rate)?.map(Running::new);
        if !(1..=CHANNEL_WEIGHTS.len()).contains(&config.channels) {
            return Err(FeatureError::config(
                "channels",
                config.channels,
                format!("between 1 and {}", CHANNEL_WEIGHTS.len()),
            ));
        }
        let samples = config.block_size * f64::from(config.sample_rate);
        if !(1.0..1e15).contains(&samples) {
            return Err(FeatureError::config(
                "block_size",
                format!("{} s", config.block_size),
                "long enough to hold a sample",
            ));
        }
        if !(config.overlap >= 0.0 && samples * (1.0 - config.overlap) >= 1.0) {
            return Err(FeatureError::config(
                "overlap",
                config.overlap,
                "at least 0, and small enough for blocks to advance by a sample",
            ));
        }
        let channels = CHANNEL_WEIGHTS[..config.channels]
            .iter()
            .map(|&weight| Channel {
                filters,
                weight,
                squares: 0.0,
                true_peak: TruePeak::new(config.sample_rate),
                sample_peak: 0.0,
            })
            .collect();
        let short = ShortTerm { pieces: VecDeque::new(), last: 0, current: 0.0, loudness: Vec::new() };
        let mut meter = Self {
            config,
            channels,
            heard: 0,
            boundary: 0,
            begun: 0,
            open: VecDeque::new(),
            blocks: Vec::new(),
            short,
        };
        meter.cross();
        Ok(meter)
    }

    /// The configuration of the meter.
    #[must_use]
    pub fn config(&self) -> &LoudnessConfig {
        &self.config
    }

    /// Listens to the next samples, one slice for each channel.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] if the number of channels is another or they differ in length,
    /// [`FeatureError::NonFinite`] if a sample is NaN or infinite. The meter is then as it was before.
    pub fn push(&mut self, channels: &[&[f32]]) -> Result<(), FeatureError> {
        let length = channels.first().map_or(0, |c| c.len());
        if channels.len() != self.channels.len() || channels.iter().any(|c| c.len() != length) {
            let given: Vec<usize> = channels.iter().map(|c| c.len()).collect();
            let expected = format!("{} channels of equal length", self.channels.len());
            return Err(FeatureError::shape("channels", &given, expected));
        }
        channels.iter().try_for_each(|samples| check_finite("samples", samples))?;
        let mut from = 0;
        while from < length {
            let to = length.min(from + usize::try_from(self.boundary - self.heard).unwrap_or(usize::MAX));
            for (channel, samples) in self.channels.iter_mut().zip(channels) {
                channel.listen(&samples[from..to]);
            }
            self.heard += (to - from) as u64;
            from = to;
            if self.heard == self.boundary {
                self.cross();
            }
        }
        Ok(())
    }

    /// Blocks whose momentary loudness is known.
    #[must_use]
    pub fn frames_ready(&self) -> usize {
        self.blocks.len()
    }

    /// Loudness of the last whole block in LUFS, if there is one.
    #[must_use]
    pub fn momentary(&self) -> Option<f64> {
        self.blocks.last().map(|&power| lufs(power))
    }

    /// Loudness of the last three seconds in LUFS, as of the last step of the blocks, once they have passed.
    #[must_use]
    pub fn short_term(&self) -> Option<f64> {
        self.short.loudness.last().copied()
    }

    /// Integrated loudness in LUFS of what was pushed so far, whole blocks only.
    #[must_use]
    pub fn integrated(&self) -> f64 {
        gated(&self.blocks)
    }

    /// Ends the signal and reads everything.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if the signal is shorter than a block.
    pub fn finish(mut self) -> Result<Loudness, FeatureError> {
        let LoudnessConfig { sample_rate, block_size, overlap, .. } = self.config;
        let rate = f64::from(sample_rate);
        if (self.heard as f64) < block_size * rate {
            return Err(FeatureError::TooShort {
                samples: usize::try_from(self.heard).unwrap_or(usize::MAX),
                needed: (block_size * rate).ceil() as usize,
                reason: "for one block of loudness",
            });
        }
        // As pyloudnorm, the number of blocks is rounded: a last one that is nearly whole counts.
        let seconds = self.heard as f64 / rate;
        let count = ((seconds - block_size) / (block_size * (1.0 - overlap))).round_ties_even() as usize + 1;
        self.gather();
        let samples = block_size * rate;
        while self.blocks.len() < count {
            let Some((_, sum)) = self.open.pop_front() else {
                break;
            };
            self.blocks.push(sum / samples);
        }
        self.blocks.truncate(count);
        let peak = self.channels.iter().map(|c| c.true_peak.peak()).fold(0.0, f64::max);
        let sample_peak = self.channels.iter().map(|c| f64::from(c.sample_peak)).fold(0.0, f64::max);
        Ok(Loudness {
            integrated: gated(&self.blocks),
            momentary: self.blocks.iter().map(|&power| lufs(power)).collect(),
            range: loudness_range(&self.short.loudness),
            short_term: self.short.loudness,
            true_peak: 20.0 * peak.log10(),
            sample_peak: 20.0 * sample_peak.log10(),
        })
    }

    fn begin_of(&self, block: u64) -> u64 {
        let step = 1.0 - self.config.overlap;
        (self.config.block_size * (block as f64 * step) * f64::from(self.config.sample_rate)) as u64
    }

    fn end_of(&self, block: u64) -> u64 {
        let step = 1.0 - self.config.overlap;
        (self.config.block_size * (block as f64 * step + 1.0) * f64::from(self.config.sample_rate)) as u64
    }

    /// Moves what the channels have summed up to the open blocks.
    fn gather(&mut self) {
        let sum: f64 = self.channels.iter_mut().map(|c| c.weight * std::mem::take(&mut c.squares)).sum();
        self.open.iter_mut().for_each(|(_, total)| *total += sum);
        self.short.current += sum;
    }

    /// Ends and begins the blocks that do so at this sample, and finds the next one where any does.
    fn cross(&mut self) {
        self.gather();
        let samples = self.config.block_size * f64::from(self.config.sample_rate);
        while let Some(&(end, sum)) = self.open.front() {
            if end > self.heard {
                break;
            }
            self.blocks.push(sum / samples);
            self.open.pop_front();
        }
        while self.begin_of(self.begun) <= self.heard {
            self.open.push_back((self.end_of(self.begun), 0.0));
            self.begun += 1;
            self.short.step(self.heard, u64::from(self.config.sample_rate) * 3);
        }
        let next_end = self.open.front().map_or(u64::MAX, |&(end, _)| end);
        self.boundary = next_end.min(self.begin_of(self.begun)).max(self.heard + 1);
        for channel in &mut self.channels {
            channel.filters.iter_mut().for_each(Running::flush);
        }
    }
}

impl Channel {
    fn listen(&mut self, samples: &[f32]) {
        let [shelf, pass] = &mut self.filters;
        for &sample in samples {
            let sample = f64::from(sample);
            let weighted = pass.next(shelf.next(sample));
            self.squares += weighted * weighted;
            self.true_peak.push(sample);
        }
        self.sample_peak = samples.iter().fold(self.sample_peak, |peak, s| peak.max(s.abs()));
    }
}

impl ShortTerm {
    /// A block begins at `position`: closes the piece that ends there.
    fn step(&mut self, position: u64, window: u64) {
        self.pieces.push_back((self.last, std::mem::take(&mut self.current)));
        self.last = position;
        // Whole pieces only: where they do not divide three seconds, the window is shorter by less than one.
        while self.pieces.front().is_some_and(|&(start, _)| start + window < position) {
            self.pieces.pop_front();
        }
        let start = self.pieces.front().map_or(position, |&(start, _)| start);
        if position >= window && start < position {
            let sum: f64 = self.pieces.iter().map(|(_, sum)| sum).sum();
            self.loudness.push(lufs(sum / (position - start) as f64));
        }
    }
}

fn lufs(power: f64) -> f64 {
    OFFSET + 10.0 * power.log10()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// The gated loudness of blocks of mean squares.
fn gated(blocks: &[f64]) -> f64 {
    let loud = |gate: f64| blocks.iter().copied().filter(move |&power| lufs(power) > gate);
    let at_least = blocks.iter().copied().filter(|&power| lufs(power) >= ABSOLUTE_GATE);
    let Some(first) = mean(at_least) else {
        return f64::NEG_INFINITY;
    };
    let relative = lufs(first) - 10.0;
    mean(loud(relative.max(ABSOLUTE_GATE))).map_or(f64::NEG_INFINITY, lufs)
}

/// Integrated loudness of a signal in LUFS, one slice for each channel.
///
/// # Errors
///
/// As [`LoudnessMeter`].
pub fn integrated_loudness(channels: &[&[f32]], config: &LoudnessConfig) -> Result<f64, FeatureError> {
    Ok(loudness(channels, config)?.integrated)
}

/// All readings of a [`LoudnessMeter`] for a whole signal, one slice for each channel.
///
/// # Errors
///
/// As [`LoudnessMeter`].
pub fn loudness(channels: &[&[f32]], config: &LoudnessConfig) -> Result<Loudness, FeatureError> {
    let mut meter = LoudnessMeter::new(*config)?;
    meter.push(channels)?;
    meter.finish()
}

#[cfg(test)]
mod tests;
