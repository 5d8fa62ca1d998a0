//! The public decoder: excerpt, mix, rate and limits over the engine's chunks.

use std::io::{Read, Seek};
use std::path::Path;

use crate::audio::{Audio, Warning, WarningKind};
use crate::config::{DecodeConfig, Excerpt, Limits};
use crate::contained::contained;
use crate::engine::{Chunk, Engine};
use crate::error::DecodeError;
use crate::excerpt::{locate, stand_before};
use crate::probe::Probe;
use crate::resample::Resampler;
use crate::source::Source;

/// Samples set aside before decoding; beyond it memory grows with what is really there, not with what a header claims.
const MAX_RESERVED_SAMPLES: u64 = 1 << 24;

/// The largest magnitude that is resampled; larger samples, 580 dB over full scale, are clipped to it.
const MAX_RESAMPLED: f32 = 1e29;

/// Decodes a source block by block, in memory that does not grow with its length.
///
/// ```
/// # fn main() -> Result<(), timbral_decode::DecodeError> {
/// use timbral_decode::{DecodeConfig, Decoder};
///
/// // A Sun .au file: 16-bit, 8000 Hz, stereo, length unknown, 0.1 s.
/// let mut file = Vec::from(*b".snd");
/// file.extend([24, u32::MAX, 3, 8000, 2].map(u32::to_be_bytes).concat());
/// file.resize(24 + 800 * 4, 0);
///
/// let mut decoder = Decoder::from_bytes(&file, &DecodeConfig::default().mono())?;
/// let mut frames = 0;
/// while let Some(block) = decoder.next_block()? {
///     frames += block.len() / decoder.channels();
/// }
/// assert_eq!(frames, 800);
/// # Ok(())
/// # }
/// ```
pub struct Decoder<'a> {
    engine: Engine<'a>,
    options: DecodeConfig,
    probe: Probe,
    /// The excerpt in frames of the source; `end` is open where it reaches to the end.
    start: u64,
    end: Option<u64>,
    resampler: Option<Resampler>,
    channels: usize,
    /// A chunk that was decoded to learn the form of the stream.
    first: Option<Chunk>,
    block: Vec<f32>,
    taken: u64,
    warnings: Vec<Warning>,
    finished: bool,
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("source", &self.engine.name)
            .field("probe", &self.probe)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Decoder<'static> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// Every kind of [`DecodeError`] that the header shows; see there.
    pub fn open(path: impl AsRef<Path>, options: &DecodeConfig) -> Result<Self, DecodeError> {
        Self::new(Source::path(path.as_ref())?, options)
    }
}

impl<'a> Decoder<'a> {
    /// Decodes the bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`open`](Decoder::open).
    pub fn from_bytes(bytes: &'a [u8], options: &DecodeConfig) -> Result<Self, DecodeError> {
        Self::new(Source::bytes(bytes), options)
    }

    /// Decodes a stream that cannot seek, such as a pipe.
    ///
    /// # Errors
    ///
    /// As [`open`](Decoder::open); [`DecodeError::Unseekable`] for MP4 with its index at the end, for CAF, and for the
    /// middle of a stream whose length is not known.
    pub fn from_reader(reader: impl Read + Send + 'a, options: &DecodeConfig) -> Result<Self, DecodeError> {
        Self::new(Source::stream(reader), options)
    }

    /// Decodes a stream that can seek; it is read from its first byte.
    ///
    /// # Errors
    ///
    /// As [`open`](Decoder::open).
    pub fn from_seekable(
        reader: impl Read + Seek + Send + 'a,
        options: &DecodeConfig,
    ) -> Result<Self, DecodeError> {
        Self::new(Source::seekable(reader)?, options)
    }

    fn new(source: Source<'a>, options: &DecodeConfig) -> Result<Self, DecodeError> {
        options.check()?;
        let limits = Limits {
            max_channels: options.max_channels,
            max_input_bytes: options.max_input_bytes,
            // A checksum holds for the whole, and costs time.
            verify: options.strict && options.excerpt == Excerpt::Whole,
        };
        let mut engine = Engine::open(source, &limits)?;
        let mut first = None;
        if !engine.knows_its_form() {
            first = engine.next_chunk()?;
        }
        let (start, end);
        (engine, start, end) = locate(engine, &limits, options)?;
        if start > 0 && first.is_none() {
            (engine, first) = stand_before(engine, start, &limits)?;
        }
        if !engine.knows_its_form() {
            return Err(DecodeError::NoAudio {
                name: engine.name,
                reason: "not one packet could be decoded".to_owned(),
            });
        }
        let (rate, channels) = (engine.header.sample_rate, engine.header.channels);
        Limits::check_rate(&engine.name, rate)?;
        limits.check_channels(&engine.name, channels)?;
        let probe = Probe::of(&engine);
        let out_channels = if options.mono { 1 } else { channels };
        let resampler = match options.sample_rate {
            Some(wanted) if wanted != rate => {
                let plan = || Resampler::new(rate, wanted, out_channels);
                Some(contained(&engine.name, plan)??)
            }
            _ => None,
        };
        let decoder = Self {
            engine,
            options: options.clone(),
            probe,
            start,
            end,
            resampler,
            channels: out_channels,
            first,
            block: Vec::new(),
            taken: 0,
            warnings: Vec::new(),
            finished: false,
        };
        if let Some(frames) = decoder.probe.frames {
            decoder.check_duration(decoder.source_frames(frames))?;
        }
        Ok(decoder)
    }

    /// What the header says of the whole source.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// The rate of the blocks, in Hz.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.options.sample_rate.unwrap_or(self.probe.sample_rate)
    }

    /// Samples per frame of the blocks.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The frames that all blocks hold together, where the header counts them; damage may make it fewer.
    #[must_use]
    pub fn frames_hint(&self) -> Option<u64> {
        let frames = self.source_frames(self.probe.frames?);
        Some(self.resampler.as_ref().map_or(frames, |resampler| resampler.length(frames)))
    }

    /// Non-fatal problems so far.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The next interleaved frames, some thousands at a time; `None` at the end. Blocks are never empty.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Io`], [`DecodeError::Malformed`] or [`DecodeError::Limit`] as they are met,
    /// [`DecodeError::Damaged`] for damage under [`strict`](DecodeConfig::strict), and [`DecodeError::NoAudio`]
    /// where the end comes without one frame.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, DecodeError> {
        self.block.clear();
        let mut block = std::mem::take(&mut self.block);
        let result = self.append_block(&mut block);
        self.block = block;
        Ok(if result? { Some(&self.block) } else { None })
    }

    /// Appends the next block; `false` at the end.
    fn append_block(&mut self, out: &mut Vec<f32>) -> Result<bool, DecodeError> {
        let before = out.len();
        while out.len() == before && !self.finished {
            let chunk = match self.first.take() {
                Some(chunk) => Some(chunk),
                None if self.end.is_some_and(|end| self.start + self.taken >= end) => None,
                None => self.engine.next_chunk()?,
            };
            if let Some(chunk) = chunk {
                self.take_chunk(&chunk, out)?;
            } else {
                self.finished = true;
                if let Some(resampler) = &mut self.resampler {
                    contained(&self.engine.name, || resampler.finish(out))??;
                    self.replace_non_finite(&mut out[before..], self.start + self.taken);
                }
            }
            self.take_warnings()?;
        }
        if self.finished && self.taken == 0 {
            return Err(self.no_audio());
        }
        Ok(out.len() > before)
    }

    fn take_chunk(&mut self, chunk: &Chunk, out: &mut Vec<f32>) -> Result<(), DecodeError> {
        let chunk_end = chunk.first_frame + chunk.frames as u64;
        let from = self.start.max(chunk.first_frame);
        let to = self.end.map_or(chunk_end, |end| end.min(chunk_end));
        if to <= from {
            return Ok(());
        }
        let before = out.len();
        let source_channels = self.engine.header.channels;
        let range = |frame: u64| (frame - chunk.first_frame) as usize * source_channels;
        let mut samples = std::mem::take(&mut self.engine.samples);
        let wanted = &mut samples[range(from)..range(to)];
        self.replace_non_finite(wanted, from);
        let mut mixed = Vec::new();
        let mut wanted: &[f32] = wanted;
        if self.options.mono && source_channels > 1 {
            mix(wanted, source_channels, &mut mixed);
            wanted = &mixed;
        }
        // The resampler sums over its blocks; beyond this, sums leave the range of f32 and it would panic on the NaN.
        let mut clamped = Vec::new();
        if self.resampler.is_some() && wanted.iter().any(|sample| sample.abs() > MAX_RESAMPLED) {
            clamped.extend(wanted.iter().map(|sample| sample.clamp(-MAX_RESAMPLED, MAX_RESAMPLED)));
            wanted = &clamped;
        }
        let result = match &mut self.resampler {
            Some(resampler) => {
                contained(&self.engine.name, || resampler.push(wanted, out)).and_then(|result| result)
            }
            None => {
                out.extend_from_slice(wanted);
                Ok(())
            }
        };
        self.engine.samples = samples;
        result?;
        if self.resampler.is_some() {
            // Finite samples near the largest float overflow inside the FFT.
            self.replace_non_finite(&mut out[before..], from);
        }
        self.taken += to - from;
        self.check_duration(self.taken)
    }

    /// Replaces NaN and infinite samples by 0 and warns of it.
    fn replace_non_finite(&mut self, samples: &mut [f32], first_frame: u64) {
        // The exponent of what is not finite has all bits set, so that one more carries into the sign. A sum of bits
        // over all is vectorised; a comparison with an early exit is not.
        let carry = |sample: &f32| (sample.to_bits() & 0x7fff_ffff) + 0x0080_0000;
        if samples.iter().map(carry).fold(0, |all, bits| all | bits) >> 31 == 0 {
            return;
        }
        let channels = self.engine.header.channels;
        let bad = samples.iter().position(|sample| !sample.is_finite()).unwrap_or(0);
        let mut count = 0;
        for sample in samples.iter_mut().filter(|sample| !sample.is_finite()) {
            *sample = 0.0;
            count += 1;
        }
        self.engine.warn_non_finite(first_frame + (bad / channels) as u64, count);
    }

    /// Takes over the warnings that concern the excerpt.
    fn take_warnings(&mut self) -> Result<(), DecodeError> {
        let rate = f64::from(self.engine.header.sample_rate.max(1));
        let start = self.start as f64 / rate;
        for warning in self.engine.warnings.drain(..) {
            let concerns_the_file = matches!(warning.kind, WarningKind::Header | WarningKind::AssumedPriming);
            if !concerns_the_file && warning.position_seconds + warning.lost_seconds < start {
                continue;
            }
            if self.options.strict && warning.kind.is_damage() {
                self.finished = true;
                return Err(DecodeError::Damaged { name: self.engine.name.clone(), warning });
            }
            self.warnings.push(warning);
        }
        Ok(())
    }

    fn check_duration(&self, frames: u64) -> Result<(), DecodeError> {
        let seconds = frames as f64 / f64::from(self.probe.sample_rate.max(1));
        if seconds <= self.options.max_duration_seconds {
            return Ok(());
        }
        Err(DecodeError::Limit {
            name: self.engine.name.clone(),
            option: "max_duration_seconds",
            value: format!("a sound of {seconds:.1} s or more"),
            limit: format!("{} s", self.options.max_duration_seconds),
        })
    }

    /// Frames of the excerpt in a source of `frames`.
    fn source_frames(&self, frames: u64) -> u64 {
        self.end.unwrap_or(frames).min(frames).saturating_sub(self.start)
    }

    fn no_audio(&self) -> DecodeError {
        let (good, bad) = self.engine.counts();
        let reason = match self.options.excerpt {
            _ if good == 0 && bad > 0 => format!("all {bad} packets are damaged"),
            Excerpt::Range { start_seconds, .. } if start_seconds > 0.0 && good > 0 => {
                format!("the excerpt at {start_seconds} s lies behind the end")
            }
            _ if good > 0 => "the excerpt is empty".to_owned(),
            _ => "there are 0 frames".to_owned(),
        };
        DecodeError::NoAudio { name: self.engine.name.clone(), reason }
    }

    /// Decodes all that is left.
    ///
    /// # Errors
    ///
    /// As [`next_block`](Decoder::next_block), and [`DecodeError::Limit`] over
    /// [`max_bytes`](DecodeConfig::max_bytes).
    pub fn into_audio(mut self) -> Result<Audio, DecodeError> {
        let mut samples = Vec::new();
        if let Some(frames) = self.frames_hint() {
            let count = frames.saturating_mul(self.channels as u64);
            self.check_bytes(count)?;
            samples.reserve_exact(count.min(MAX_RESERVED_SAMPLES) as usize);
        }
        while self.append_block(&mut samples)? {
            self.check_bytes(samples.len() as u64)?;
        }
        Ok(Audio {
            samples,
            sample_rate: self.sample_rate(),
            channels: self.channels,
            warnings: self.warnings,
        })
    }

    fn check_bytes(&self, samples: u64) -> Result<(), DecodeError> {
        let bytes = samples.saturating_mul(4);
        if bytes <= self.options.max_bytes {
            return Ok(());
        }
        Err(DecodeError::Limit {
            name: self.engine.name.clone(),
            option: "max_bytes",
            value: format!("a sound of {bytes} bytes of samples or more"),
            limit: format!("{} bytes", self.options.max_bytes),
        })
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<Vec<f32>, DecodeError>;

    /// The next block in memory of its own; after an error, nothing.
    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let mut block = Vec::new();
        match self.append_block(&mut block) {
            Ok(true) => Some(Ok(block)),
            Ok(false) => None,
            Err(error) => {
                self.finished = true;
                Some(Err(error))
            }
        }
    }
}

/// The mean of all channels.
fn mix(frames: &[f32], channels: usize, out: &mut Vec<f32>) {
    out.clear();
    match channels {
        2 => out.extend(frames.chunks_exact(2).map(|frame| 0.5 * frame[0] + 0.5 * frame[1])),
        _ => {
            let scale = 1.0 / channels as f32;
            out.extend(
                frames
                    .chunks_exact(channels)
                    .map(|frame| frame.iter().map(|sample| sample * scale).sum::<f32>()),
            );
        }
    }
}

/// Decodes the file at `path`.
///
/// # Errors
///
/// [`DecodeError::Io`] and [`DecodeError::Empty`] for a file that cannot be read; [`DecodeError::Unsupported`] and
/// [`DecodeError::FeatureDisabled`] for formats that are not decoded; [`DecodeError::Malformed`] and
/// [`DecodeError::NoAudio`] for damage beyond use; [`DecodeError::Limit`] over a limit of `options`;
/// [`DecodeError::Damaged`] under [`strict`](DecodeConfig::strict); [`DecodeError::Config`] for options without
/// meaning.
pub fn decode_file(path: impl AsRef<Path>, options: &DecodeConfig) -> Result<Audio, DecodeError> {
    Decoder::open(path, options)?.into_audio()
}

/// Decodes the bytes of a file.
///
/// # Errors
///
/// As [`decode_file`].
pub fn decode_bytes(bytes: &[u8], options: &DecodeConfig) -> Result<Audio, DecodeError> {
    Decoder::from_bytes(bytes, options)?.into_audio()
}

/// Decodes a stream that needs not seek, such as a pipe or a socket. Where it can seek, use
/// [`Decoder::from_seekable`], for which excerpts cost less.
///
/// # Errors
///
/// As [`decode_file`], and [`DecodeError::Unseekable`] for containers that need to seek.
pub fn decode_reader(reader: impl Read + Send, options: &DecodeConfig) -> Result<Audio, DecodeError> {
    Decoder::from_reader(reader, options)?.into_audio()
}
