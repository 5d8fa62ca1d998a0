//! Samples that arrive in pieces, padded and cut into frames.

use std::collections::VecDeque;

use crate::error::FeatureError;
use crate::framing::{Framing, PadMode};

/// Frames that are computed at a time, at most.
const MAX_BLOCK: usize = 32;
/// Samples that the frames of a block may span beyond the first, unless that one is longer.
const BLOCK_SPAN: usize = 8192;
/// Samples of padding that are made at a time.
const PADDING_PIECE: usize = 64;

/// Gives runs of whole frames, cut from the padded signal, to a function: first the samples that they span, then how
/// many they are.
pub(super) trait Run: FnMut(&[f32], usize) -> Result<(), FeatureError> {}
impl<F: FnMut(&[f32], usize) -> Result<(), FeatureError>> Run for F {}

/// The padded signal, as far as frames to come need it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    framing: Framing,
    block: usize,
    /// The padded signal from the first sample of the next frame on; never longer than a block of frames.
    buffer: Vec<f32>,
    /// Samples to drop before the next frame begins, where the hop is longer than a frame.
    skip: usize,
    /// The first samples of the signal until the padding before it is known, then the last ones, for the padding behind.
    edge: VecDeque<f32>,
    started: bool,
    samples: usize,
}

impl Source {
    pub(super) fn new(framing: Framing) -> Result<Self, FeatureError> {
        let span = framing.frame_length.max(BLOCK_SPAN);
        let block = (1 + span / framing.hop_length).min(MAX_BLOCK);
        let capacity = framing.frame_length + (block - 1) * framing.hop_length;
        let limit = |_| FeatureError::Limit {
            what: "the buffer of a stream (samples)",
            requested: capacity as u64,
            maximum: isize::MAX as u64 / 4,
        };
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(capacity).map_err(limit)?;
        let mut edge = VecDeque::new();
        edge.try_reserve_exact(edge_length(&framing)).map_err(limit)?;
        Ok(Self { framing, block, buffer, skip: 0, edge, started: false, samples: 0 })
    }

    /// The most frames that a run holds.
    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// Samples pushed so far.
    pub(super) fn samples(&self) -> usize {
        self.samples
    }

    pub(super) fn hop_length(&self) -> usize {
        self.framing.hop_length
    }

    /// Frame `t` is complete after `t * hop_length + latency` samples.
    pub(super) fn latency(&self) -> usize {
        (self.framing.frame_length - self.framing.padding()).max(edge_length(&self.framing))
    }

    pub(super) fn reset(&mut self) {
        self.buffer.clear();
        self.skip = 0;
        self.edge.clear();
        self.started = false;
        self.samples = 0;
    }

    pub(super) fn push(&mut self, mut samples: &[f32], run: &mut impl Run) -> Result<(), FeatureError> {
        self.samples = self.samples.saturating_add(samples.len());
        if !self.started {
            let missing = edge_length(&self.framing).saturating_sub(self.edge.len());
            let (first, rest) = samples.split_at(missing.min(samples.len()));
            self.edge.extend(first);
            if first.len() < missing {
                return Ok(());
            }
            self.start(run)?;
            samples = rest;
        }
        self.feed(samples, run)?;
        self.remember(samples);
        Ok(())
    }

    /// Adds the padding behind the signal.
    pub(super) fn finish(&mut self, run: &mut impl Run) -> Result<(), FeatureError> {
        if !self.started {
            self.start(run)?;
        }
        self.pad(self.edge.len() as isize, run)
    }

    /// Adds the padding before the signal, and the samples that it was made from.
    fn start(&mut self, run: &mut impl Run) -> Result<(), FeatureError> {
        self.started = true;
        self.pad(-(self.framing.padding() as isize), run)?;
        let edge = std::mem::take(&mut self.edge);
        let (first, second) = edge.as_slices();
        let done = self.feed(first, run).and_then(|()| self.feed(second, run));
        self.edge = edge;
        done
    }

    /// Adds the padding that begins at `position`, counted from the first sample of the edge. The edge is as long as the
    /// padding reaches or it is the whole signal, so that it is mirrored as the signal would be.
    fn pad(&mut self, position: isize, run: &mut impl Run) -> Result<(), FeatureError> {
        let padding = self.framing.padding();
        let mut piece = [0.0; PADDING_PIECE];
        let mut done = 0;
        while done < padding {
            let count = (padding - done).min(PADDING_PIECE);
            for (i, value) in piece[..count].iter_mut().enumerate() {
                let at = position + (done + i) as isize;
                let source = self.framing.pad_mode.resolve(at, self.edge.len());
                *value = source.and_then(|s| self.edge.get(s)).copied().unwrap_or(0.0);
            }
            self.feed(&piece[..count], run)?;
            done += count;
        }
        Ok(())
    }

    /// Keeps the last samples for the padding.
    fn remember(&mut self, samples: &[f32]) {
        let length = edge_length(&self.framing);
        let last = &samples[samples.len().saturating_sub(length)..];
        let excess = (self.edge.len() + last.len()).saturating_sub(length);
        self.edge.drain(..excess);
        self.edge.extend(last);
    }

    /// Appends to the padded signal and runs the frames that are complete.
    fn feed(&mut self, mut samples: &[f32], run: &mut impl Run) -> Result<(), FeatureError> {
        let Framing { frame_length, hop_length, .. } = self.framing;
        let capacity = frame_length + (self.block - 1) * hop_length;
        loop {
            let skipped = self.skip.min(samples.len());
            self.skip -= skipped;
            samples = &samples[skipped..];
            let room = capacity - self.buffer.len();
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.buffer.extend_from_slice(now);
            samples = later;
            let Some(beyond) = self.buffer.len().checked_sub(frame_length) else {
                return Ok(());
            };
            let frames = 1 + beyond / hop_length;
            let done = run(&self.buffer[..frame_length + (frames - 1) * hop_length], frames);
            let used = frames * hop_length;
            self.skip = used.saturating_sub(self.buffer.len());
            self.buffer.drain(..used.min(self.buffer.len()));
            done?;
        }
    }
}

/// Samples at either end that the padding is made from.
fn edge_length(framing: &Framing) -> usize {
    let padding = framing.padding();
    match framing.pad_mode {
        _ if padding == 0 => 0,
        PadMode::Constant => 0,
        PadMode::Edge => 1,
        PadMode::Reflect => padding + 1,
        PadMode::Symmetric => padding,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

        #[test]
        fn frames_equal_those_of_the_whole_signal(
            frame_length in 1usize..20,
            hop_length in 1usize..30,
            center: bool,
            pad_mode in prop::sample::select(vec![
                PadMode::Constant, PadMode::Edge, PadMode::Reflect, PadMode::Symmetric,
            ]),
            length in 0usize..200,
            chunks in prop::collection::vec(0usize..40, 1..20),
        ) {
            let framing = Framing::new(frame_length, hop_length, center, pad_mode).unwrap();
            let signal: Vec<f32> = (1..=length).map(|i| i as f32).collect();
            let Ok(n_frames) = framing.n_frames(length) else { return Ok(()) };
            let mut expected = vec![vec![0.0; frame_length]; n_frames];
            for (t, frame) in expected.iter_mut().enumerate() {
                framing.fill(&signal, t, frame);
            }
            let mut frames = Vec::new();
            let mut run = |span: &[f32], count: usize| {
                frames.extend((0..count).map(|i| span[i * hop_length..i * hop_length + frame_length].to_vec()));
                Ok(())
            };
            let mut source = Source::new(framing).unwrap();
            let mut rest = &signal[..];
            for chunk in chunks.iter().cycle().take(10 * length) {
                let (now, later) = rest.split_at((*chunk).min(rest.len()));
                source.push(now, &mut run).unwrap();
                rest = later;
            }
            source.push(rest, &mut run).unwrap();
            source.finish(&mut run).unwrap();
            prop_assert_eq!(frames, expected);
        }
    }
}
