//! The stream: samples in, frames out.

use std::collections::VecDeque;
use std::fmt;

use ndarray::{Array2, ArrayViewMut2, ShapeBuilder};

use super::plans::StreamPlan;
use super::source::Source;
use super::stage::{FrameSink, FrameStage};
use crate::error::{FeatureError, check_finite};
use crate::shape::frame_major;

/// A feature of a signal that arrives in pieces: equal to the plan's `compute` of the whole signal, bit for bit, however
/// it is cut.
///
/// Samples are pushed in chunks of any size, frames are taken when they are ready, and [`finish`](Self::finish) gives the
/// last ones, which see the padding behind the signal. [`then`](Self::then) adds steps from frames to frames.
///
/// **Latency.** Frame `t` is ready once `t * hop_length + latency()` samples were pushed, see
/// [`latency`](Self::latency).
///
/// **Memory.** A stream holds about a frame and a block of frames, whatever the length of the signal, and the frames
/// that wait to be taken. It allocates only while more frames wait than ever before, or not at all with
/// [`push_with`](Self::push_with), which hands on every frame at once.
///
/// ```
/// use timbral_features::{FeaturePlan, LogMelConfig, LogMelSpectrogram};
/// use timbral_features::stream::StreamPlan;
/// let plan = LogMelSpectrogram::new(LogMelConfig { top_db: None, ..LogMelConfig::default() })?;
/// let signal: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.1).sin()).collect();
///
/// let mut stream = plan.stream()?;
/// assert_eq!(stream.latency(), 1024);
/// let mut frame = vec![0.0; stream.n_rows()];
/// let mut frames = Vec::new();
/// for chunk in signal.chunks(1000) {
///     stream.push(chunk)?;
///     while stream.pop_into(&mut frame)? {
///         frames.extend_from_slice(&frame);
///     }
/// }
/// stream.finish()?;
/// while stream.pop_into(&mut frame)? {
///     frames.extend_from_slice(&frame);
/// }
/// assert!(frames.iter().eq(plan.compute(&signal)?.t().iter()));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub struct FeatureStream<P: StreamPlan> {
    plan: P,
    source: Source,
    frames: Frames<P>,
    ready: VecDeque<P::Value>,
    ended: bool,
}

/// Runs of samples to frames.
struct Frames<P: StreamPlan> {
    /// The plan for frames that are padded already.
    plan: P,
    scratch: P::Scratch,
    block: Vec<P::Value>,
    stages: Vec<Box<dyn FrameStage<P::Value>>>,
}

impl<P: StreamPlan> Frames<P> {
    /// Computes the frames that the samples hold and gives them to `sink`.
    fn run(
        &mut self,
        samples: &[f32],
        frames: usize,
        sink: &mut FrameSink<'_, P::Value>,
    ) -> Result<(), FeatureError> {
        let n_rows = self.plan.n_rows();
        let block = &mut self.block[..n_rows * frames];
        let mut out = ArrayViewMut2::from_shape((n_rows, frames).f(), block)
            .map_err(|e| FeatureError::Input(e.to_string()))?;
        self.plan.compute_into(samples, &mut out, &mut self.scratch)?;
        self.block[..n_rows * frames]
            .chunks_exact(n_rows.max(1))
            .try_for_each(|frame| pass(&mut self.stages, frame, sink))
    }
}

/// Sends a frame through the stages.
fn pass<T>(
    stages: &mut [Box<dyn FrameStage<T>>],
    frame: &[T],
    sink: &mut FrameSink<'_, T>,
) -> Result<(), FeatureError> {
    match stages.split_first_mut() {
        None => sink(frame),
        Some((first, rest)) => first.push_frame(frame, &mut |frame| pass(rest, frame, sink)),
    }
}

/// Ends the stages, each of which gives its last frames to the next one first.
fn drain<T>(stages: &mut [Box<dyn FrameStage<T>>], sink: &mut FrameSink<'_, T>) -> Result<(), FeatureError> {
    let Some((first, rest)) = stages.split_first_mut() else {
        return Ok(());
    };
    first.finish(&mut |frame| pass(rest, frame, sink))?;
    drain(rest, sink)
}

impl<P: StreamPlan> fmt::Debug for FeatureStream<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureStream")
            .field("n_rows", &self.n_rows())
            .field("hop_length", &self.hop_length())
            .field("latency", &self.latency())
            .field("frames_ready", &self.frames_ready())
            .field("stages", &self.frames.stages)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl<P: StreamPlan> FeatureStream<P> {
    /// Starts a stream.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if a frame depends on the whole signal, as listed at [`StreamPlan`];
    /// [`FeatureError::Limit`] if a frame does not fit in memory.
    pub fn new(plan: &P) -> Result<Self, FeatureError> {
        let whole = plan.padded_plan()?;
        let source = Source::new(plan.framing()?)?;
        let length = whole.n_rows().saturating_mul(source.block());
        let mut block = Vec::new();
        block.try_reserve_exact(length).map_err(|_| FeatureError::Limit {
            what: "a block of frames (values)",
            requested: length as u64,
            maximum: isize::MAX as u64 / 8,
        })?;
        block.resize(length, P::Value::default());
        Ok(Self {
            plan: plan.clone(),
            frames: Frames { scratch: whole.scratch(), plan: whole, block, stages: Vec::new() },
            source,
            ready: VecDeque::new(),
            ended: false,
        })
    }

    /// Adds a step from frames to frames behind the ones that are there; what the stage has seen is forgotten.
    ///
    /// ```
    /// use timbral_features::{FeaturePlan, LogMelConfig, LogMelSpectrogram};
    /// use timbral_features::onset::{OnsetStrengthConfig, onset_strength};
    /// use timbral_features::stream::{OnsetStream, StreamPlan};
    /// let plan = LogMelSpectrogram::new(LogMelConfig { top_db: None, ..LogMelConfig::default() })?;
    /// let config = OnsetStrengthConfig::default();
    /// let mut stream = plan.stream()?.then(OnsetStream::new(config.clone(), plan.n_mels())?)?;
    /// let signal: Vec<f32> = (0..22_050).map(|i| (i as f32 * i as f32 * 1e-5).sin()).collect();
    /// stream.push(&signal)?;
    /// stream.finish()?;
    /// let envelope = onset_strength(plan.compute(&signal)?.view(), &config)?;
    /// assert!(stream.take()?.iter().eq(&envelope));
    /// # Ok::<(), timbral_features::FeatureError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] if the stage takes frames of another size, [`FeatureError::Input`] if samples were pushed
    /// already.
    pub fn then(mut self, mut stage: impl FrameStage<P::Value> + 'static) -> Result<Self, FeatureError> {
        if stage.n_inputs() != self.n_rows() {
            let expected = format!("({}), the rows of the frames before", self.n_rows());
            return Err(FeatureError::shape("frames of the stage", &[stage.n_inputs()], expected));
        }
        if self.ended || self.source.samples() > 0 {
            return Err(FeatureError::Input(
                "a stage given to a stream that has begun, stages are added before the first sample".into(),
            ));
        }
        stage.reset();
        self.frames.stages.push(Box::new(stage));
        Ok(self)
    }

    /// The plan that this is the stream of.
    pub fn plan(&self) -> &P {
        &self.plan
    }

    /// Number of values in a frame.
    pub fn n_rows(&self) -> usize {
        let last = self.frames.stages.last();
        last.map_or_else(|| self.frames.plan.n_rows(), |stage| stage.n_rows())
    }

    /// Samples from one frame to the next.
    pub fn hop_length(&self) -> usize {
        self.source.hop_length()
    }

    /// Samples by which frames lag behind: frame `t` is ready once `t * hop_length + latency()` samples were pushed, at
    /// the latest.
    ///
    /// That is `n_fft - n_fft / 2` when frames are centred, and `n_fft` else; mirrored padding ([`Reflect`]) needs one
    /// sample more for the first frame, if `n_fft` is even. A [`DeltaStream`] adds `width / 2` hops; its first `width / 2`
    /// frames by interpolation come with the one after them.
    ///
    /// [`Reflect`]: crate::PadMode::Reflect
    /// [`DeltaStream`]: crate::stream::DeltaStream
    pub fn latency(&self) -> usize {
        let frames =
            self.frames.stages.iter().map(|stage| stage.latency_frames()).fold(0, usize::saturating_add);
        frames.saturating_mul(self.hop_length()).saturating_add(self.source.latency())
    }

    /// Pushes the next samples, any number of them; frames that become ready wait to be taken.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] for NaN or infinite samples (at an index of this chunk), and [`FeatureError::Input`]
    /// after [`finish`](Self::finish); the stream is then as it was. An error of a stage, after which the stream is to be
    /// [`reset`](Self::reset).
    pub fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        self.waiting(|stream, sink| stream.advance(samples, sink))
    }

    /// As [`push`](Self::push), but gives each frame that becomes ready to `each` at once. Frames that wait already stay.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_with(
        &mut self,
        samples: &[f32],
        mut each: impl FnMut(&[P::Value]),
    ) -> Result<(), FeatureError> {
        self.advance(samples, &mut |frame| {
            each(frame);
            Ok(())
        })
    }

    /// Ends the signal: the last frames, which see the padding behind it, become ready. Does nothing the second time.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooShort`] if the signal was too short for the plan or a stage, as for the whole signal at once.
    pub fn finish(&mut self) -> Result<(), FeatureError> {
        self.waiting(Self::end)
    }

    /// As [`finish`](Self::finish), but gives each frame that becomes ready to `each` at once.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_with(&mut self, mut each: impl FnMut(&[P::Value])) -> Result<(), FeatureError> {
        self.end(&mut |frame| {
            each(frame);
            Ok(())
        })
    }

    /// Frames that wait to be taken.
    pub fn frames_ready(&self) -> usize {
        self.ready.len().checked_div(self.n_rows()).unwrap_or(0)
    }

    /// Takes the oldest frame that waits, written to `frame` of [`n_rows`](Self::n_rows) values; false if none does.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Shape`] if `frame` has another length.
    pub fn pop_into(&mut self, frame: &mut [P::Value]) -> Result<bool, FeatureError> {
        let n_rows = self.n_rows();
        if frame.len() != n_rows {
            return Err(FeatureError::shape("frame", &[frame.len()], format!("({n_rows})")));
        }
        if self.ready.is_empty() {
            return Ok(false);
        }
        let oldest = self.ready.drain(..n_rows);
        frame.iter_mut().zip(oldest).for_each(|(to, from)| *to = from);
        Ok(true)
    }

    /// Takes all frames that wait, of shape `(n_rows, frames_ready)`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Limit`] if they do not fit in memory.
    pub fn take(&mut self) -> Result<Array2<P::Value>, FeatureError> {
        let mut out = frame_major(self.n_rows(), self.frames_ready())?;
        // The transpose is in the order of memory, frame after frame.
        out.view_mut().reversed_axes().iter_mut().zip(self.ready.drain(..)).for_each(|(to, from)| *to = from);
        Ok(out)
    }

    /// Goes back to the start, for the next signal. Frames that wait are lost; memory is kept.
    pub fn reset(&mut self) {
        self.source.reset();
        self.frames.stages.iter_mut().for_each(|stage| stage.reset());
        self.ready.clear();
        self.ended = false;
    }

    /// Runs `step` with the frames that wait as its sink.
    fn waiting(
        &mut self,
        step: impl FnOnce(&mut Self, &mut FrameSink<'_, P::Value>) -> Result<(), FeatureError>,
    ) -> Result<(), FeatureError> {
        let mut ready = std::mem::take(&mut self.ready);
        let done = step(self, &mut |frame| {
            ready.extend(frame);
            Ok(())
        });
        self.ready = ready;
        done
    }

    fn advance(&mut self, samples: &[f32], sink: &mut FrameSink<'_, P::Value>) -> Result<(), FeatureError> {
        check_finite("samples", samples)?;
        if self.ended {
            return Err(FeatureError::Input(
                "samples given after the end of the stream, reset begins a new one".into(),
            ));
        }
        let Self { source, frames, .. } = self;
        source.push(samples, &mut |span: &[f32], count| frames.run(span, count, sink))
    }

    fn end(&mut self, sink: &mut FrameSink<'_, P::Value>) -> Result<(), FeatureError> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        self.plan.n_frames(self.source.samples())?;
        let Self { source, frames, .. } = self;
        source.finish(&mut |span: &[f32], count| frames.run(span, count, sink))?;
        drain(&mut frames.stages, sink)
    }
}
