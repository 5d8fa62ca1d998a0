//! Steps from frames to frames.

use std::collections::VecDeque;
use std::fmt;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::delta::{Delta, DeltaMode};
use crate::error::{FeatureError, check_finite};
use crate::onset::{Detrend, OnsetStrengthConfig, maximum_filter};
use crate::pcen::PcenStream;
use crate::simd::dispatch;

/// Takes the frames that a stage, or a stream, gives.
pub type FrameSink<'a, T = f32> = dyn FnMut(&[T]) -> Result<(), FeatureError> + 'a;

/// A step from frames to frames that follows a stream: see [`FeatureStream::then`](crate::stream::FeatureStream::then).
///
/// Stages know nothing of samples and can be used without a stream: push frames, then finish.
pub trait FrameStage<T = f32>: fmt::Debug + Send {
    /// Number of values in the frames that it takes.
    fn n_inputs(&self) -> usize;

    /// Number of values in the frames that it gives.
    fn n_rows(&self) -> usize;

    /// By how many frames the answers lag behind the input: frame `t` is given when frame `t + latency_frames` comes.
    fn latency_frames(&self) -> usize;

    /// Takes the next frame, and gives those that are ready to `sink`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] if the frame does not have [`n_inputs`](Self::n_inputs) values, an error of the stage, or
    /// one of the sink.
    fn push_frame(&mut self, frame: &[T], sink: &mut FrameSink<'_, T>) -> Result<(), FeatureError>;

    /// Gives the frames that waited for more.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if the stage needs more frames than there were, or an error of the sink.
    fn finish(&mut self, sink: &mut FrameSink<'_, T>) -> Result<(), FeatureError>;

    /// Forgets all frames.
    fn reset(&mut self);
}

fn check_frame(frame: &[f32], n_inputs: usize) -> Result<(), FeatureError> {
    if frame.len() == n_inputs {
        return Ok(());
    }
    Err(FeatureError::shape("frame", &[frame.len()], format!("({n_inputs})")))
}

/// The derivative over time of frames that arrive one at a time: equal to [`Delta::compute`] of all, bit for bit.
///
/// Answers lag `width / 2` frames (rounded down) behind. With [`DeltaMode::Interp`] the first `width / 2` frames repeat the
/// one after them, so they are given together with it. Holds `width` frames.
///
/// ```
/// use timbral_features::delta::{Delta, DeltaConfig};
/// use timbral_features::stream::{DeltaStream, FrameStage};
/// let delta = Delta::new(DeltaConfig { width: 3, ..DeltaConfig::default() })?;
/// let mut stream = DeltaStream::new(delta, 1)?;
/// let mut slopes = Vec::new();
/// for value in [1.0, 3.0, 5.0, 7.0] {
///     stream.push_frame(&[value], &mut |slope| Ok(slopes.extend_from_slice(slope)))?;
/// }
/// stream.finish(&mut |slope| Ok(slopes.extend_from_slice(slope)))?;
/// assert_eq!(slopes, [2.0; 4]);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeltaStream {
    plan: Delta,
    n_rows: usize,
    /// The last `width` frames; frame `t` in slot `t % width`.
    history: Vec<f32>,
    frames: usize,
    sums: Vec<f64>,
    answer: Vec<f32>,
}

impl DeltaStream {
    /// Starts with the derivative of frames of `n_rows` values.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for [`DeltaMode::Wrap`], whose first frame depends on the last, and
    /// [`FeatureError::Limit`] if the frames cannot be held.
    pub fn new(plan: Delta, n_rows: usize) -> Result<Self, FeatureError> {
        let config = plan.config();
        if config.mode == DeltaMode::Wrap {
            return Err(FeatureError::config(
                "mode",
                "wrap",
                "another mode in a stream: the first frame depends on the last",
            ));
        }
        let length = config.width.saturating_mul(n_rows);
        let mut history = Vec::new();
        history.try_reserve_exact(length).map_err(|_| FeatureError::Limit {
            what: "the frames of a derivative (values)",
            requested: length as u64,
            maximum: isize::MAX as u64 / 4,
        })?;
        history.resize(length, 0.0);
        Ok(Self { plan, n_rows, history, frames: 0, sums: vec![0.0; n_rows], answer: vec![0.0; n_rows] })
    }

    /// The derivative at frame `middle` of a signal of `n` frames, as far as it is known.
    fn give(&mut self, middle: usize, n: usize, sink: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        let width = self.plan.config().width;
        let Self { history, sums, .. } = self;
        sums.fill(0.0);
        self.plan.visit(middle, n, |weight, source| {
            let slot = source % width * self.n_rows;
            let frame = &history[slot..slot + self.n_rows];
            sums.iter_mut().zip(frame).for_each(|(s, v)| *s += weight * f64::from(*v));
        });
        self.answer.iter_mut().zip(sums.iter()).for_each(|(to, s)| *to = *s as f32);
        sink(&self.answer)
    }
}

impl FrameStage for DeltaStream {
    fn n_inputs(&self) -> usize {
        self.n_rows
    }

    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn latency_frames(&self) -> usize {
        self.plan.latency()
    }

    fn push_frame(&mut self, frame: &[f32], sink: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        check_frame(frame, self.n_rows)?;
        let (width, half) = (self.plan.config().width, self.plan.latency());
        let slot = self.frames % width * self.n_rows;
        self.history[slot..slot + self.n_rows].copy_from_slice(frame);
        self.frames += 1;
        let Some(middle) = self.frames.checked_sub(half + 1) else {
            return Ok(());
        };
        if self.plan.config().mode != DeltaMode::Interp {
            return self.give(middle, self.frames, sink);
        }
        if middle < half {
            return Ok(());
        }
        self.give(middle, self.frames, sink)?;
        let repeats = if middle == half { half } else { 0 };
        (0..repeats).try_for_each(|_| sink(&self.answer))
    }

    fn finish(&mut self, sink: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        let n = self.frames;
        self.plan.check_length(n)?;
        let half = self.plan.latency();
        if self.plan.config().mode == DeltaMode::Interp {
            return (0..half).try_for_each(|_| sink(&self.answer));
        }
        (n.saturating_sub(half)..n).try_for_each(|middle| self.give(middle, n, sink))
    }

    fn reset(&mut self) {
        self.frames = 0;
    }
}

/// The onset envelope of frames in decibels that arrive one at a time: equal to [`onset_strength`](crate::onset::onset_strength)
/// of all, bit for bit. Its frames hold one value.
///
/// The shift of [`center`](OnsetStrengthConfig::center) moves values to later frames, so nothing has to wait: the answers
/// do not lag behind. Holds `lag` frames.
///
/// [`OnsetEnvelope::stream`](crate::onset::OnsetEnvelope::stream) puts it behind a mel spectrogram.
#[derive(Clone, Debug)]
pub struct OnsetStream {
    config: OnsetStrengthConfig,
    n_inputs: usize,
    /// The last `lag` frames, filtered if asked for, oldest first.
    earlier: VecDeque<f32>,
    reference: Vec<f32>,
    rises: Vec<f32>,
    /// Values that the shift holds back, oldest first.
    delayed: VecDeque<f32>,
    filter: Detrend,
}

impl OnsetStream {
    /// Starts with the envelope of frames of `n_inputs` bands.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for a `lag`, `max_size` or `hop_length` of 0.
    pub fn new(config: OnsetStrengthConfig, n_inputs: usize) -> Result<Self, FeatureError> {
        config.validate()?;
        Ok(Self {
            config,
            n_inputs,
            earlier: VecDeque::new(),
            reference: Vec::with_capacity(n_inputs),
            rises: vec![0.0; n_inputs],
            delayed: VecDeque::new(),
            filter: Detrend::default(),
        })
    }

    /// How much louder the frame is than the one `lag` frames earlier, 0 if there is none.
    fn rise(&mut self, frame: &[f32]) -> f32 {
        let Self { config, n_inputs, earlier, reference, rises, .. } = self;
        let full = earlier.len() >= config.lag.saturating_mul(*n_inputs);
        let value = if full {
            let before = earlier.drain(..*n_inputs);
            for ((rise, now), before) in rises.iter_mut().zip(frame).zip(before) {
                *rise = (now - before).max(0.0);
            }
            dispatch!(config.aggregate.apply(rises))
        } else {
            0.0
        };
        reference.clear();
        dispatch!(maximum_filter(frame, config.max_size, reference));
        earlier.extend(reference.iter());
        value
    }
}

impl FrameStage for OnsetStream {
    fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    fn n_rows(&self) -> usize {
        1
    }

    fn latency_frames(&self) -> usize {
        0
    }

    fn push_frame(&mut self, frame: &[f32], sink: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        check_frame(frame, self.n_inputs)?;
        check_finite("decibels", frame)?;
        let value = self.rise(frame);
        self.delayed.push_back(value);
        let mut value = 0.0;
        if self.delayed.len() > self.config.shift() {
            value = self.delayed.pop_front().unwrap_or_default();
        }
        if self.config.detrend {
            value = self.filter.next(value);
        }
        sink(&[value])
    }

    fn finish(&mut self, _: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        Ok(())
    }

    fn reset(&mut self) {
        self.earlier.clear();
        self.delayed.clear();
        self.filter = Detrend::default();
    }
}

/// Frames go through at once, without waiting to be taken.
impl FrameStage for PcenStream {
    fn n_inputs(&self) -> usize {
        self.state.memory().len()
    }

    fn n_rows(&self) -> usize {
        self.state.memory().len()
    }

    fn latency_frames(&self) -> usize {
        0
    }

    fn push_frame(&mut self, frame: &[f32], sink: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        let n = FrameStage::n_inputs(self);
        check_frame(frame, n)?;
        let shape = |e: ndarray::ShapeError| FeatureError::Input(e.to_string());
        let input = ArrayView2::from_shape((n, 1), frame).map_err(shape)?;
        let mut out = ArrayViewMut2::from_shape((n, 1), &mut self.frame).map_err(shape)?;
        self.plan.compute_into(input, &mut out, &mut self.state)?;
        sink(&self.frame)
    }

    fn finish(&mut self, _: &mut FrameSink<'_>) -> Result<(), FeatureError> {
        Ok(())
    }

    fn reset(&mut self) {
        self.restart();
    }
}
