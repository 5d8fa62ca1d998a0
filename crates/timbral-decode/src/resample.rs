//! Resampling block by block: the same samples as one call over the whole, exactly as many, and none late.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::error::DecodeError;
use crate::options::DecodeOptions;

/// Frames per step. The filter is as long as the step: at 1024 it passes to 0.94 of the lower Nyquist frequency and
/// holds aliases below -140 dB.
const CHUNK_FRAMES: usize = 1024;

/// Changes the rate of samples in memory: `ceil(frames * to / from)` frames, none late.
///
/// Equal rates give the samples back as they are. Rates are in Hz.
///
/// # Errors
///
/// [`DecodeError::Config`] for a rate outside 100..=768000 Hz, no channels, or samples that are no whole frames.
pub fn resample(samples: &[f32], channels: usize, from: u32, to: u32) -> Result<Vec<f32>, DecodeError> {
    for rate in [from, to] {
        if !(DecodeOptions::MIN_SAMPLE_RATE..=DecodeOptions::MAX_SAMPLE_RATE).contains(&rate) {
            let rule = "the rate must lie in 100..=768000 Hz";
            return Err(DecodeError::Config { option: "sample_rate", given: rate.to_string(), rule });
        }
    }
    if channels == 0 || !samples.len().is_multiple_of(channels) {
        let given = format!("{} samples of {channels} channels", samples.len());
        return Err(DecodeError::Config { option: "channels", given, rule: "samples must be whole frames" });
    }
    if from == to {
        return Ok(samples.to_vec());
    }
    let mut resampler = Resampler::new(from, to, channels)?;
    let mut out = Vec::with_capacity(resampler.length((samples.len() / channels) as u64) as usize * channels);
    resampler.push(samples, &mut out)?;
    resampler.finish(&mut out)?;
    Ok(out)
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
        let fft = Fft::new(
            from as usize,
            to as usize,
            CHUNK_FRAMES,
            channels,
            FixedSync::Both,
        );
        let fft = fft.map_err(|_| failed(from, to))?;
        let step = vec![0.0; fft.output_frames_max() * channels];
        Ok(Self {
            fft,
            channels,
            rates: (from, to),
            waiting: Vec::new(),
            step,
            frames_in: 0,
            frames_out: 0,
        })
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
        let total = self
            .length(self.frames_in)
            .saturating_add(self.fft.output_delay() as u64);
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
        let (_, made) = self
            .fft
            .process_into_buffer(&input, &mut output, None)
            .map_err(|_| fail())?;
        let delay = self.fft.output_delay() as u64;
        let skip = delay.saturating_sub(self.frames_out).min(made as u64) as usize;
        out.extend_from_slice(&self.step[skip * self.channels..made * self.channels]);
        self.frames_out += made as u64;
        Ok(())
    }
}

fn failed(from: u32, to: u32) -> DecodeError {
    DecodeError::Config {
        option: "sample_rate",
        given: to.to_string(),
        rule: match from {
            0 => "a source of 0 Hz cannot be resampled",
            _ => "no resampler can be planned for these rates",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Resampler, resample};
    use rubato::audioadapter_buffers::direct::InterleavedSlice;
    use rubato::{Fft, FixedSync, Resampler as _};

    fn noise(samples: usize) -> Vec<f32> {
        let mut state = 1_u32;
        (0..samples)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn samples_in_memory_are_resampled_or_refused() {
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
        for (from, to) in [
            (44_100, 22_050),
            (48_000, 22_050),
            (8_000, 44_100),
            (44_100, 48_000),
        ] {
            for channels in [1, 2] {
                for frames in [0, 1, 10, 1023, 5000] {
                    let input = noise(frames * channels);
                    let mut whole =
                        Fft::<f32>::new(from as usize, to as usize, 1024, channels, FixedSync::Both).unwrap();
                    let slice = InterleavedSlice::new(&input, channels, frames).unwrap();
                    let expected = whole.process_all(&slice, frames, None).unwrap().take_data();

                    let mut blocks = Resampler::new(from, to, channels).unwrap();
                    let mut out = Vec::new();
                    for block in input.chunks(channels * 701) {
                        blocks.push(block, &mut out).unwrap();
                    }
                    blocks.finish(&mut out).unwrap();
                    assert_eq!(out.len() as u64, blocks.length(frames as u64) * channels as u64);
                    assert_eq!(
                        out, expected,
                        "{from} to {to}, {frames} frames, {channels} channels"
                    );
                }
            }
        }
    }
}
