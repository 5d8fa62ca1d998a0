//! Resampling block by block: the same samples as one call over the whole, exactly as many, and none late.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::config::DecodeConfig;
use crate::contained::contained;
use crate::error::DecodeError;

/// The least frames of one block at the rate of the source. The filter is as long as the block: from 44 100 to
/// 22 050 Hz it passes to 0.94 of the lower Nyquist frequency and holds aliases below -140 dB.
const BLOCK_FRAMES: usize = 1024;

/// Frames of one FFT block at the rate `from`: a multiple of the least whole ratio, even at both rates. rubato centres
/// its filter on a whole frame, so that blocks of odd length would put all sound half a frame early.
fn block_frames(from: u32, to: u32) -> usize {
    let (mut a, mut b) = (from, to);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (unit_in, unit_out) = ((from / a.max(1)) as usize, (to / a.max(1)) as usize);
    let units = BLOCK_FRAMES.div_ceil(unit_in.max(1));
    let units = if unit_in % 2 == 1 || unit_out % 2 == 1 { units.next_multiple_of(2) } else { units };
    unit_in * units
}

/// Changes the rate of samples in memory: `ceil(frames * to / from)` frames, none late.
///
/// Equal rates give the samples back as they are. Rates are in Hz.
///
/// This is rubato's resampler, the one that [`Decoder`](crate::Decoder) uses while a file is decoded. For the numbers of
/// librosa and SciPy, take `timbral_features::resample`, whose filters differ; use the same one in training and in serving.
///
/// # Errors
///
/// [`DecodeError::Config`] for a rate outside 100..=768000 Hz, no channels, or samples that are no whole frames.
pub fn resample(samples: &[f32], channels: usize, from: u32, to: u32) -> Result<Vec<f32>, DecodeError> {
    for rate in [from, to] {
        if !(DecodeConfig::MIN_SAMPLE_RATE..=DecodeConfig::MAX_SAMPLE_RATE).contains(&rate) {
            return Err(DecodeError::config(
                "sample_rate",
                format!("{rate} Hz"),
                "between 100 and 768000 Hz",
            ));
        }
    }
    if channels == 0 || !samples.len().is_multiple_of(channels) {
        let given = format!("{} samples of {channels} channels", samples.len());
        return Err(DecodeError::config("samples", given, "whole frames of at least one channel"));
    }
    if from == to {
        return Ok(samples.to_vec());
    }
    contained("samples", || {
        let mut resampler = Resampler::new(from, to, channels)?;
        let length = resampler.length((samples.len() / channels) as u64) as usize * channels;
        let mut out = Vec::with_capacity(length);
        resampler.push(samples, &mut out)?;
        resampler.finish(&mut out)?;
        Ok(out)
    })?
}

/// Changes the rate of a stream of interleaved frames.
pub(crate) struct Resampler {
    fft: Fft<f32>,
    channels: usize,
    rates: (u32, u32),
    /// Frames that wait for a whole step.
    waiting: Vec<f32>,
    step: Vec<f32>,
    frames_in: u64,
    /// Frames put out, the delay included.
    frames_out: u64,
}

impl Resampler {
    pub(crate) fn new(from: u32, to: u32, channels: usize) -> Result<Self, DecodeError> {
        let fft = plan(from, to, channels)?;
        let step = vec![0.0; fft.output_frames_max() * channels];
        Ok(Self { fft, channels, rates: (from, to), waiting: Vec::new(), step, frames_in: 0, frames_out: 0 })
    }

    /// The frames that `frames` give: `ceil(frames * to / from)`.
    pub(crate) fn length(&self, frames: u64) -> u64 {
        let (from, to) = self.rates;
        let length = (u128::from(frames) * u128::from(to)).div_ceil(u128::from(from));
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    /// Takes frames and appends those that are ready to `out`.
    pub(crate) fn push(&mut self, mut frames: &[f32], out: &mut Vec<f32>) -> Result<(), DecodeError> {
        self.frames_in += (frames.len() / self.channels) as u64;
        let needed = self.fft.input_frames_next() * self.channels;
        if !self.waiting.is_empty() {
            let (taken, rest) = frames.split_at(frames.len().min(needed - self.waiting.len()));
            self.waiting.extend_from_slice(taken);
            frames = rest;
            if self.waiting.len() < needed {
                return Ok(());
            }
            let mut waiting = std::mem::take(&mut self.waiting);
            let result = self.step(&waiting, out);
            waiting.clear();
            self.waiting = waiting;
            result?;
        }
        let mut steps = frames.chunks_exact(needed);
        for step in &mut steps {
            self.step(step, out)?;
        }
        self.waiting.extend_from_slice(steps.remainder());
        Ok(())
    }

    /// Appends what is still inside.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), DecodeError> {
        let total = self.length(self.frames_in).saturating_add(self.fft.output_delay() as u64);
        let needed = self.fft.input_frames_next() * self.channels;
        while self.frames_out < total {
            let mut last = std::mem::take(&mut self.waiting);
            last.resize(needed, 0.0);
            let before = self.frames_out;
            self.step(&last, out)?;
            let surplus = self.frames_out.saturating_sub(total.max(before)) as usize * self.channels;
            out.truncate(out.len().saturating_sub(surplus));
        }
        Ok(())
    }

    /// One step of the plan, without the frames of its delay.
    fn step(&mut self, frames: &[f32], out: &mut Vec<f32>) -> Result<(), DecodeError> {
        let (from, to) = self.rates;
        let fail = || failed(from, to);
        let capacity = self.step.len() / self.channels;
        let input = InterleavedSlice::new(frames, self.channels, frames.len() / self.channels);
        let output = InterleavedSlice::new_mut(&mut self.step, self.channels, capacity);
        let (input, mut output) = (input.map_err(|_| fail())?, output.map_err(|_| fail())?);
        let (_, made) = self.fft.process_into_buffer(&input, &mut output, None).map_err(|_| fail())?;
        let delay = self.fft.output_delay() as u64;
        let skip = delay.saturating_sub(self.frames_out).min(made as u64) as usize;
        out.extend_from_slice(&self.step[skip * self.channels..made * self.channels]);
        self.frames_out += made as u64;
        Ok(())
    }
}

fn plan(from: u32, to: u32, channels: usize) -> Result<Fft<f32>, DecodeError> {
    Fft::new(from as usize, to as usize, block_frames(from, to), channels, FixedSync::Both)
        .map_err(|_| failed(from, to))
}

fn failed(from: u32, to: u32) -> DecodeError {
    DecodeError::config(
        "sample_rate",
        format!("{to} Hz"),
        &format!("a rate that a source of {from} Hz can be resampled to"),
    )
}

#[cfg(test)]
mod tests {
    use super::{Resampler, block_frames, plan};
    use rubato::Resampler as _;
    use rubato::audioadapter_buffers::direct::InterleavedSlice;

    fn noise(samples: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..samples).map(next).collect()
    }

    fn resample(input: &[f32], from: u32, to: u32, channels: usize, block: usize) -> Vec<f32> {
        let mut blocks = Resampler::new(from, to, channels).unwrap();
        let mut out = Vec::new();
        for block in input.chunks(channels * block) {
            blocks.push(block, &mut out).unwrap();
        }
        blocks.finish(&mut out).unwrap();
        assert_eq!(out.len() as u64, blocks.length((input.len() / channels) as u64) * channels as u64);
        out
    }

    #[test]
    fn samples_in_memory_are_resampled_or_refused() {
        use super::resample;

        let input = noise(2 * 4410);
        assert_eq!(resample(&input, 2, 44_100, 22_050).unwrap().len(), 4410);
        assert_eq!(resample(&input, 2, 8000, 8000).unwrap(), input);
        assert!(resample(&[], 1, 44_100, 22_050).unwrap().is_empty());
        assert!(resample(&input[1..], 2, 44_100, 22_050).is_err());
        assert!(resample(&input, 0, 44_100, 22_050).is_err());
        assert!(resample(&input, 1, u32::MAX, 22_050).is_err());
        assert!(resample(&input, 1, 44_100, 0).is_err());
    }

    #[test]
    fn blocks_give_what_the_whole_gives() {
        for (from, to) in [(44_100, 22_050), (48_000, 22_050), (8_000, 44_100), (44_100, 48_000)] {
            for channels in [1, 2] {
                for frames in [0, 1, 10, 1023, 5000] {
                    let input = noise(frames * channels);
                    let slice = InterleavedSlice::new(&input, channels, frames).unwrap();
                    let mut whole = plan(from, to, channels).unwrap();
                    let expected = whole.process_all(&slice, frames, None).unwrap().take_data();
                    let out = resample(&input, from, to, channels, 701);
                    assert_eq!(out, expected, "{from} to {to}, {frames} frames, {channels} channels");
                }
            }
        }
    }

    #[test]
    fn nothing_comes_early_or_late() {
        // A bell far below both Nyquist frequencies, between two frames: its centre of mass must stay in its place.
        let centre = 0.123_456;
        for (from, to) in
            [(44_100, 48_000), (44_100, 22_050), (48_000, 22_050), (22_050, 44_100), (44_101, 22_050)]
        {
            let bell = |n: usize| (-((n as f64 / f64::from(from) - centre) / 0.002).powi(2)).exp() as f32;
            let input: Vec<f32> = (0..from as usize / 4).map(bell).collect();
            let out = resample(&input, from, to, 1, 1000);
            let mass: f64 = out.iter().map(|&x| f64::from(x)).sum();
            let moment: f64 = out.iter().enumerate().map(|(n, &x)| n as f64 * f64::from(x)).sum();
            let found = moment / mass / f64::from(to);
            let frames_off = (found - centre) * f64::from(to);
            assert!(frames_off.abs() < 1e-3, "{from} to {to}: {frames_off} frames off");
        }
    }

    #[test]
    fn blocks_are_even_at_both_rates() {
        assert_eq!(block_frames(44_100, 22_050), 1024);
        assert_eq!(block_frames(44_100, 48_000), 1176);
        assert_eq!(block_frames(44_101, 22_050), 88_202);
        assert_eq!(block_frames(48_000, 48_000), 1024);
    }
}
