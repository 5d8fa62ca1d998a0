//! Packets to interleaved samples on one clock: frame 0 is the first audible frame of the source.

use std::io::{self, Seek as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::errors::{Error, SeekErrorKind};
use symphonia_core::formats::probe::Hint;
use symphonia_core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType};
use symphonia_core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia_core::meta::MetadataOptions;
use symphonia_core::packet::Packet;
use symphonia_core::units::{TimeBase, Timestamp};

use crate::audio::{Warning, WarningKind};
use crate::error::DecodeError;
use crate::formats::{self, Kind};
use crate::source::{OverBudget, Source};
use crate::tags::{self, Tags};
use crate::timeline::{self, Timeline};

/// Errors of one demuxer in a row before the rest is given up.
const MAX_ERRORS_IN_A_ROW: u32 = 64;
/// Packets looked at before a stream that mostly fails is called no audio.
const JUDGED_PACKETS: u64 = 24;

/// The most frames of silence in one chunk.
const MAX_SILENCE_FRAMES: u64 = 1 << 16;

/// What is known once the header is read.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) container: &'static str,
    pub(crate) codec: &'static str,
    pub(crate) sample_rate: u32,
    pub(crate) channels: usize,
    pub(crate) bits_per_sample: Option<u32>,
    pub(crate) tags: Tags,
}

/// A run of decoded frames.
pub(crate) struct Chunk {
    /// Its first frame on the clock.
    pub(crate) first_frame: u64,
    /// Frames in [`Engine::samples`].
    pub(crate) frames: usize,
}

/// A demuxer and a decoder at work.
pub(crate) struct Engine<'a> {
    pub(crate) name: String,
    pub(crate) header: Header,
    pub(crate) timeline: Timeline,
    pub(crate) warnings: Vec<Warning>,
    /// The interleaved samples of the latest chunk.
    pub(crate) samples: Vec<f32>,
    held: Vec<f32>,
    reader: Box<dyn FormatReader + 'a>,
    decoder: Box<dyn AudioDecoder>,
    can_seek: bool,
    is_matroska: bool,
    track: Track,
    time_base: Option<TimeBase>,
    /// The clock of the next decoded frame; below 0 while priming is dropped.
    clock: i64,
    /// Set by a seek: the next packet tells the clock.
    resynchronise: bool,
    good_packets: u64,
    bad_packets: u64,
    errors_in_a_row: u32,
    non_finite: u64,
    /// A packet that comes behind silence.
    waiting: Option<Packet>,
    /// Whether the gap before `waiting` has been told.
    in_gap: bool,
    ended: bool,
}

impl<'a> Engine<'a> {
    pub(crate) fn open(mut source: Source<'a>, limits: &Limits) -> Result<Self, DecodeError> {
        source.set_budget(limits.max_input_bytes);
        let name = source.name.clone();
        let opening = Opening::look(&mut source)?;
        let fail = |error| translate(&name, error);

        let hints = timeline::Hints::gather(&mut source, &opening)?;
        if hints.is_cut() {
            // symphonia's reader refuses boxes that reach beyond the end; a stream of unknown length it reads.
            source.forget_length();
        }
        let can_seek = source.can_seek();
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let probe = opening.kind.probe();
        let probed = contained(&name, || {
            probe.probe(
                &Hint::new(),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
        })?;
        let mut reader = match probed {
            Ok(reader) => reader,
            Err(Error::Unsupported(reason)) if reason.starts_with("core (probe)") => {
                return Err(not_audio(name, opening.tagged));
            }
            Err(_) if opening.kind == Kind::Caf && !can_seek => {
                return Err(DecodeError::Unseekable {
                    name,
                    reason: "CAF holds its parts in any order".to_owned(),
                });
            }
            Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(DecodeError::Malformed {
                    name,
                    reason: "it ends within its header".to_owned(),
                });
            }
            Err(error) => return Err(fail(error)),
        };
        let track = reader
            .default_track(TrackType::Audio)
            .or_else(|| reader.first_track_known_codec(TrackType::Audio))
            .cloned();
        let Some((track, mut parameters)) = track.and_then(|track| {
            track
                .codec_params
                .clone()
                .and_then(|p| p.audio().cloned())
                .map(|p| (track, p))
        }) else {
            return Err(DecodeError::NoAudio {
                name,
                reason: "no track holds sound".to_owned(),
            });
        };
        if parameters.codec == CODEC_ID_OPUS {
            // WebM states the rate of what was encoded; Opus always decodes to this one.
            parameters.sample_rate = Some(48_000);
        }
        if let Some(channels) = &parameters.channels {
            limits.check_channels(&name, channels.count())?;
        }
        if let Some(rate) = parameters.sample_rate {
            Limits::check_rate(&name, rate)?;
        }
        let decoder = make_decoder(&name, &parameters, limits.verify)?;
        let (tags, notes) = contained(&name, || tags::collect(reader.as_mut()))?;
        let container = container_name(opening.kind, reader.format_info().short_name);
        let timeline = Timeline::of(reader.as_ref(), &track, &parameters, &hints, opening.kind);
        let mut engine = Self {
            header: Header {
                container,
                codec: formats::codec_name(parameters.codec).0,
                sample_rate: parameters.sample_rate.unwrap_or(0),
                channels: parameters
                    .channels
                    .as_ref()
                    .map_or(0, |channels| channels.count()),
                bits_per_sample: parameters
                    .bits_per_sample
                    .or(formats::sample_bits(parameters.codec)),
                tags,
            },
            name,
            clock: timeline.first_clock(),
            timeline,
            warnings: Vec::new(),
            samples: Vec::new(),
            held: Vec::new(),
            reader,
            decoder,
            can_seek,
            is_matroska: opening.kind == Kind::Matroska,
            time_base: track.time_base,
            track,
            resynchronise: false,
            good_packets: 0,
            bad_packets: 0,
            errors_in_a_row: 0,
            non_finite: 0,
            waiting: None,
            in_gap: false,
            ended: false,
        };
        for note in notes {
            engine.warn(WarningKind::Header, 0, note);
        }
        if engine.timeline.assumed_priming {
            let message = format!(
                "the file does not say how many frames its encoder put in front; {} were removed",
                engine.timeline.priming
            );
            engine.warn(WarningKind::AssumedPriming, 0, message);
        }
        Ok(engine)
    }

    /// Whether the header tells rate and channels; otherwise the first chunk does.
    pub(crate) fn knows_its_form(&self) -> bool {
        self.header.sample_rate > 0 && self.header.channels > 0
    }

    /// Decodes the next frames into `samples`; `None` at the end.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk>, DecodeError> {
        while !self.ended {
            let packet = match self.waiting.take() {
                Some(packet) => packet,
                None => match self.next_packet()? {
                    Some(packet) => packet,
                    None => break,
                },
            };
            if let Some(frames) = self.gap_before(&packet) {
                self.waiting = Some(packet);
                match self.silence(frames).and_then(|chunk| self.hold_back(chunk)) {
                    Some(chunk) => return Ok(Some(chunk)),
                    None => continue,
                }
            }
            if let Some(chunk) = self.decode(&packet)?.and_then(|chunk| self.hold_back(chunk)) {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        loop {
            let reader = &mut self.reader;
            match contained(&self.name, || reader.next_packet()) {
                Ok(Ok(Some(packet))) if packet.track_id != self.track.id => {}
                Ok(Ok(Some(packet))) => {
                    self.errors_in_a_row = 0;
                    return Ok(Some(packet));
                }
                Ok(Ok(None)) => {
                    self.end("the source ends before its header says it does");
                    return Ok(None);
                }
                Ok(Err(Error::IoError(error))) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.truncated("the source ends within the sound");
                    return Ok(None);
                }
                Ok(Err(Error::IoError(error))) => return Err(translate(&self.name, Error::IoError(error))),
                Ok(Err(Error::ResetRequired)) => {
                    if !self.next_stream()? {
                        return Ok(None);
                    }
                }
                Ok(Err(error)) => {
                    self.errors_in_a_row += 1;
                    self.bad_packets += 1;
                    if self.errors_in_a_row > MAX_ERRORS_IN_A_ROW {
                        self.truncated(&format!("the rest cannot be read: {error}"));
                        return Ok(None);
                    }
                    self.lost(0, &format!("a packet could not be read: {error}"));
                }
                Err(DecodeError::Malformed { reason, .. }) if self.good_packets > 0 => {
                    self.truncated(&reason);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on with the next stream of a chain where it has the same form.
    fn next_stream(&mut self) -> Result<bool, DecodeError> {
        let parameters = self
            .reader
            .default_track(TrackType::Audio)
            .cloned()
            .and_then(|track| {
                track
                    .codec_params
                    .clone()
                    .and_then(|p| p.audio().cloned())
                    .map(|p| (track, p))
            });
        let same = parameters.filter(|(_, parameters)| {
            parameters.sample_rate == Some(self.header.sample_rate)
                && parameters.channels.as_ref().map(|channels| channels.count()) == Some(self.header.channels)
        });
        let Some((track, parameters)) = same else {
            self.warn(
                WarningKind::FormatChange,
                self.clock,
                "another stream of another form follows and is left out".to_owned(),
            );
            self.ended = true;
            return Ok(false);
        };
        self.decoder = make_decoder(&self.name, &parameters, false)?;
        self.time_base = track.time_base;
        self.track = track;
        // Its own clock starts at 0; what it holds is appended.
        self.timeline.join_chain();
        Ok(true)
    }

    fn decode(&mut self, packet: &Packet) -> Result<Option<Chunk>, DecodeError> {
        if self.resynchronise {
            self.clock = self.packet_clock(packet);
            self.resynchronise = false;
        }
        let duration = self.packet_frames(packet);
        let (decoder, samples) = (&mut self.decoder, &mut self.samples);
        let decoded = contained(&self.name, || {
            decoder.decode(packet).map(|buffer| {
                buffer.copy_to_vec_interleaved(samples);
                (
                    buffer.spec().rate(),
                    buffer.spec().channels().count(),
                    buffer.frames(),
                )
            })
        });
        let (rate, channels, frames) = match decoded {
            Ok(Ok(form)) => form,
            Ok(Err(Error::IoError(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(translate(&self.name, Error::IoError(error)));
            }
            Ok(Err(error)) => return self.replace_lost(duration, &format!("a packet is damaged: {error}")),
            // A decoder that panicked may be in any state; it is not used again.
            Err(error) => {
                if self.good_packets == 0 {
                    return Err(error);
                }
                self.truncated("the decoder failed on damaged data");
                return Ok(None);
            }
        };
        if frames == 0 || channels == 0 {
            return Ok(None);
        }
        if !self.knows_its_form() {
            self.header.sample_rate = rate;
            self.header.channels = channels;
        }
        if rate != self.header.sample_rate || channels != self.header.channels {
            let message = format!(
                "a packet of {rate} Hz and {channels} channels stands in a stream of {} Hz and {}",
                self.header.sample_rate, self.header.channels
            );
            return self.replace_lost(duration, &message);
        }
        self.good_packets += 1;
        Ok(self.place(frames))
    }

    /// Puts `frames` decoded frames on the clock, without those before 0 or behind the end.
    fn place(&mut self, frames: usize) -> Option<Chunk> {
        let start = self.clock;
        let end = start.saturating_add_unsigned(frames as u64);
        self.clock = end;
        let keep_to = match self.timeline.cut_at {
            Some(last) => end.min(i64::try_from(last).unwrap_or(i64::MAX)),
            None => end,
        };
        let keep_from = start.max(0);
        if keep_to <= keep_from {
            return None;
        }
        let channels = self.header.channels;
        self.samples.truncate((keep_to - start) as usize * channels);
        if keep_from > start {
            self.samples.drain(..(keep_from - start) as usize * channels);
        }
        Some(Chunk {
            first_frame: keep_from as u64,
            frames: (keep_to - keep_from) as usize,
        })
    }

    /// Keeps the latest frames back while they may be padding; what is still held at the end was.
    fn hold_back(&mut self, chunk: Chunk) -> Option<Chunk> {
        if self.timeline.end_padding == 0 {
            return Some(chunk);
        }
        let channels = self.header.channels;
        let held_before = (self.held.len() / channels) as u64;
        self.held.append(&mut self.samples);
        let keep = usize::try_from(self.timeline.end_padding)
            .unwrap_or(usize::MAX)
            .saturating_mul(channels);
        let ready = self.held.len().checked_sub(keep).filter(|&samples| samples > 0)?;
        self.samples.extend(self.held.drain(..ready));
        Some(Chunk {
            first_frame: chunk.first_frame.saturating_sub(held_before),
            frames: ready / channels,
        })
    }

    /// Silence for a packet that is lost.
    fn replace_lost(&mut self, frames: u64, message: &str) -> Result<Option<Chunk>, DecodeError> {
        self.bad_packets += 1;
        if self.bad_packets >= JUDGED_PACKETS && self.bad_packets > self.good_packets {
            return Err(DecodeError::Malformed {
                name: self.name.clone(),
                reason: format!(
                    "{} of {} packets fail, so it is no audio or damaged beyond use; the last: {message}",
                    self.bad_packets,
                    self.bad_packets + self.good_packets
                ),
            });
        }
        self.lost(frames, message);
        if !self.knows_its_form() {
            self.clock = self.clock.saturating_add_unsigned(frames);
            return Ok(None);
        }
        Ok(self.silence(frames))
    }

    fn silence(&mut self, frames: u64) -> Option<Chunk> {
        // No packet of any codec is longer; a longer claim is not believed.
        let frames = frames.min(MAX_SILENCE_FRAMES) as usize;
        self.samples.clear();
        self.samples.resize(frames * self.header.channels, 0.0);
        self.place(frames)
    }

    /// Tells of packets that the demuxer passed over before `packet`; gives the frames of silence to put there next.
    fn gap_before(&mut self, packet: &Packet) -> Option<u64> {
        if !self.timeline.exact_timestamps || self.resynchronise || self.good_packets == 0 {
            return None;
        }
        let start = self.packet_clock(packet);
        let missing = u64::try_from(start.saturating_sub(self.clock))
            .ok()
            .filter(|&missing| missing > 0)?;
        // A jump beyond the stated end is a lie of the timestamp: no sound is made up for it.
        let end = self.timeline.frames.and_then(|frames| i64::try_from(frames).ok());
        if end.is_none_or(|end| start > end) && missing > u64::from(self.header.sample_rate) {
            self.clock = start;
            return None;
        }
        if !self.in_gap {
            self.lost(missing, "packets are missing");
        }
        let now = missing.min(MAX_SILENCE_FRAMES);
        self.in_gap = now < missing;
        Some(now)
    }

    /// The clock of the first frame that decoding `packet` gives.
    fn packet_clock(&self, packet: &Packet) -> i64 {
        let ticks = packet.pts.get().saturating_add_unsigned(packet.trim_start.get());
        self.ticks_to_frames(ticks)
            .saturating_sub_unsigned(self.timeline.priming)
    }

    fn packet_frames(&self, packet: &Packet) -> u64 {
        let ticks = i64::try_from(packet.dur.get()).unwrap_or(i64::MAX);
        self.ticks_to_frames(ticks).unsigned_abs()
    }

    fn ticks_to_frames(&self, ticks: i64) -> i64 {
        let Some(base) = self.time_base else { return ticks };
        let rate = i128::from(self.header.sample_rate);
        let frames = i128::from(ticks) * i128::from(base.numer.get()) * rate / i128::from(base.denom.get());
        i64::try_from(frames).unwrap_or(i64::MAX)
    }

    fn frames_to_ticks(&self, frames: i64) -> i64 {
        let Some(base) = self.time_base else { return frames };
        let rate = i128::from(self.header.sample_rate.max(1));
        let ticks = i128::from(frames) * i128::from(base.denom.get()) / (rate * i128::from(base.numer.get()));
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// Tries to stand before `frame`, far enough that what is decoded from `frame` on equals a whole decode.
    /// `false` where the container cannot; the clock then has not moved.
    pub(crate) fn seek_before(&mut self, frame: u64) -> Result<bool, DecodeError> {
        let Some(preroll) = self.timeline.preroll else {
            return Ok(false);
        };
        let Some(target) = frame.checked_sub(preroll).filter(|&target| target > 0) else {
            return Ok(false);
        };
        let target = i64::try_from(target + self.timeline.priming).unwrap_or(i64::MAX);
        let to = SeekTo::Timestamp {
            ts: Timestamp::new(self.frames_to_ticks(target)),
            track_id: self.track.id,
        };
        let reader = &mut self.reader;
        match contained(&self.name, || reader.seek(SeekMode::Accurate, to))? {
            Ok(_) => {
                self.decoder.reset();
                self.waiting = None;
                self.resynchronise = true;
                Ok(true)
            }
            Err(Error::SeekError(SeekErrorKind::Unseekable | SeekErrorKind::ForwardOnly)) => Ok(false),
            Err(Error::SeekError(SeekErrorKind::OutOfRange)) => Ok(false),
            Err(Error::IoError(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(translate(&self.name, Error::IoError(error)))
            }
            Err(_) => Ok(false),
        }
    }

    /// The audible frames of the whole source: as the header counts them, or counted by a pass over the packets.
    pub(crate) fn total_frames(mut self, limits: &Limits) -> Result<(Self, u64), DecodeError> {
        if let Some(frames) = self.timeline.frames.filter(|_| self.timeline.frames_are_exact) {
            return Ok((self, frames));
        }
        if !self.can_seek {
            return Err(DecodeError::Unseekable {
                name: self.name,
                reason: "its middle is not known, because it does not tell its length".to_owned(),
            });
        }
        let total = self.count_frames()?;
        Ok((self.reopen(limits)?, total))
    }

    /// Starts again from the first byte.
    pub(crate) fn reopen(self, limits: &Limits) -> Result<Self, DecodeError> {
        let name = self.name;
        let mut stream = self.reader.into_inner();
        match stream.rewind() {
            Ok(()) => Self::open(Source::again(name, stream), limits),
            Err(error) => Err(translate(&name, Error::IoError(error))),
        }
    }

    /// Counts the frames to the end, without decoding them where packets tell their length.
    fn count_frames(&mut self) -> Result<u64, DecodeError> {
        if self.is_matroska {
            // Its packets do not tell their length; only their sound does.
            let mut frames = 0;
            while let Some(chunk) = self.next_chunk()? {
                frames = chunk.first_frame + chunk.frames as u64;
            }
            return Ok(frames);
        }
        let mut ticks = 0_u64;
        while let Some(packet) = self.next_packet()? {
            ticks = ticks.saturating_add(packet.dur.get());
        }
        self.warnings.clear();
        let frames = self
            .ticks_to_frames(i64::try_from(ticks).unwrap_or(i64::MAX))
            .unsigned_abs();
        Ok(frames.saturating_sub(self.timeline.priming))
    }

    fn end(&mut self, message: &str) {
        self.ended = true;
        let missing = self.timeline.missing_at(self.clock);
        if missing > 0 {
            self.warn_lost(WarningKind::Truncated, self.clock, missing, message.to_owned());
        }
        if self.decoder.finalize().verify_ok == Some(false) {
            let message = "the decoded sound does not match the checksum of the file".to_owned();
            self.warn(WarningKind::Header, self.clock, message);
        }
    }

    fn truncated(&mut self, message: &str) {
        self.ended = true;
        // A Matroska stream has no mark at its end; one that reaches the length it stated is whole.
        let slack = i64::from(self.header.sample_rate) / 10;
        let stated = self
            .timeline
            .frames
            .filter(|_| !self.timeline.frames_are_exact && self.is_matroska);
        if stated.is_some_and(|frames| self.clock.saturating_add(slack).unsigned_abs() >= frames) {
            return;
        }
        let missing = self.timeline.missing_at(self.clock);
        self.warn_lost(WarningKind::Truncated, self.clock, missing, message.to_owned());
    }

    /// Damage at the clock; a run of the same kind of damage is one warning.
    fn lost(&mut self, frames: u64, message: &str) {
        let (rate, position) = (self.rate(), self.seconds(self.clock));
        if let Some(last) = self.warnings.last_mut()
            && last.kind == WarningKind::LostPacket
            && (last.position_seconds + last.lost_seconds - position).abs() < 0.5 / rate
        {
            last.lost_seconds += frames as f64 / rate;
            return;
        }
        self.warn_lost(WarningKind::LostPacket, self.clock, frames, message.to_owned());
    }

    /// Adds `count` samples that were replaced at `frame` to the one warning about them.
    pub(crate) fn warn_non_finite(&mut self, frame: u64, count: u64) {
        self.non_finite += count;
        if self.non_finite == count {
            let frame = i64::try_from(frame).unwrap_or(i64::MAX);
            self.warn(
                WarningKind::NonFinite,
                frame,
                "NaN or infinite samples were replaced by 0".to_owned(),
            );
        }
    }

    pub(crate) fn warn(&mut self, kind: WarningKind, clock: i64, message: String) {
        self.warn_lost(kind, clock, 0, message);
    }

    fn warn_lost(&mut self, kind: WarningKind, clock: i64, frames: u64, message: String) {
        let position_seconds = self.seconds(clock);
        self.warnings.push(Warning {
            kind,
            position_seconds,
            lost_seconds: frames as f64 / self.rate(),
            message,
        });
    }

    fn seconds(&self, clock: i64) -> f64 {
        clock.max(0) as f64 / self.rate()
    }

    fn rate(&self) -> f64 {
        f64::from(self.header.sample_rate.max(1))
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.good_packets, self.bad_packets)
    }
}

/// The limits that hold while a source is opened.
pub(crate) struct Limits {
    pub(crate) max_channels: usize,
    pub(crate) max_input_bytes: u64,
    /// Compare with the checksum of the whole sound where the format has one.
    pub(crate) verify: bool,
}

impl Limits {
    pub(crate) fn check_channels(&self, name: &str, channels: usize) -> Result<(), DecodeError> {
        if channels <= self.max_channels {
            return Ok(());
        }
        Err(DecodeError::Limit {
            name: name.to_owned(),
            option: "max_channels",
            value: format!("a source of {channels} channels"),
            limit: format!("{} channels", self.max_channels),
        })
    }

    pub(crate) fn check_rate(name: &str, rate: u32) -> Result<(), DecodeError> {
        use crate::DecodeOptions as Options;
        if (Options::MIN_SAMPLE_RATE..=Options::MAX_SAMPLE_RATE).contains(&rate) {
            return Ok(());
        }
        Err(DecodeError::Malformed {
            name: name.to_owned(),
            reason: format!("its sample rate of {rate} Hz lies outside 100..=768000 Hz"),
        })
    }
}

/// What the first bytes told.
pub(crate) struct Opening {
    pub(crate) kind: Kind,
    /// Where the container starts, behind any ID3v2 tags.
    pub(crate) position: u64,
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
    /// Whether tags precede them.
    pub(crate) tagged: bool,
}

impl Opening {
    fn look(source: &mut Source<'_>) -> Result<Self, DecodeError> {
        let mut head = source.head()?;
        if head.is_empty() {
            return Err(DecodeError::Empty {
                name: source.name.clone(),
            });
        }
        let (mut position, mut tagged) = (0_u64, false);
        // A file may carry several tags one behind another; more than a few is an attack.
        for _ in 0..8 {
            let Some(length) = formats::id3v2_length(&head) else {
                break;
            };
            tagged = true;
            position = position.saturating_add(length);
            head = source.peek_at(position, 4096)?;
        }
        let kind = Kind::of(&head);
        let name = || source.name.clone();
        if let Kind::Foreign(what) = kind {
            return Err(DecodeError::Unsupported {
                name: name(),
                reason: format!("this is {what}, which is not decoded"),
            });
        }
        if let Some((format, feature)) = kind.disabled() {
            return Err(DecodeError::FeatureDisabled {
                name: name(),
                format,
                feature,
            });
        }
        Ok(Self {
            kind,
            position,
            head,
            tagged,
        })
    }
}

fn not_audio(name: String, tagged: bool) -> DecodeError {
    let reason = match tagged {
        true => "there is a tag but no audio that is decoded behind it",
        false => "this is no audio format that is decoded",
    };
    DecodeError::Unsupported {
        name,
        reason: reason.to_owned(),
    }
}

fn container_name(kind: Kind, short_name: &'static str) -> &'static str {
    match (kind, short_name) {
        (_, "wave") => "WAVE",
        (_, "w64") => "Wave64",
        (_, "au") => "AU",
        (_, "aiff") => "AIFF",
        (_, "flac") => "FLAC",
        (_, "ogg") => "Ogg",
        (_, "isomp4") => "MP4",
        (_, "mkv" | "matroska" | "webm") => "Matroska",
        (_, "caf") => "CAF",
        (_, "aac" | "adts") => "ADTS",
        (_, "mp1" | "mp2" | "mp3") => "MPEG",
        (_, other) => other,
    }
}

fn make_decoder(
    name: &str,
    parameters: &AudioCodecParameters,
    verify: bool,
) -> Result<Box<dyn AudioDecoder>, DecodeError> {
    let options = AudioDecoderOptions::default().verify(verify);
    match contained(name, || {
        formats::codecs().make_audio_decoder(parameters, &options)
    })? {
        Ok(decoder) => Ok(decoder),
        Err(Error::Unsupported(reason)) => {
            let known = formats::codecs().get_audio_decoder(parameters.codec).is_some();
            let name = name.to_owned();
            Err(match formats::codec_name(parameters.codec) {
                (format, Some(feature)) if !known => DecodeError::FeatureDisabled {
                    name,
                    format,
                    feature,
                },
                (codec, _) if known => DecodeError::Unsupported {
                    name,
                    reason: format!("{codec}: {reason}"),
                },
                (codec, _) => DecodeError::Unsupported {
                    name,
                    reason: format!("it holds {codec}, which is not decoded"),
                },
            })
        }
        Err(error) => Err(translate(name, error)),
    }
}

/// Runs code of a codec crate; a panic in it becomes an error.
fn contained<T>(name: &str, run: impl FnOnce() -> T) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| DecodeError::Malformed {
        name: name.to_owned(),
        reason: "its decoder failed on data that no encoder writes".to_owned(),
    })
}

fn translate(name: &str, error: Error) -> DecodeError {
    let name = name.to_owned();
    match error {
        Error::IoError(source) => {
            if let Some(OverBudget(bytes)) = source.get_ref().and_then(|inner| inner.downcast_ref()) {
                return DecodeError::Limit {
                    name,
                    option: "max_input_bytes",
                    value: "the source".to_owned(),
                    limit: format!("{bytes} bytes"),
                };
            }
            DecodeError::Io { name, source }
        }
        Error::Unsupported(reason) => DecodeError::Unsupported {
            name,
            reason: reason.to_owned(),
        },
        Error::DecodeError(reason) | Error::LimitError(reason) => DecodeError::Malformed {
            name,
            reason: reason.to_owned(),
        },
        Error::SeekError(_) => DecodeError::Unseekable {
            name,
            reason: "its container needs to seek".to_owned(),
        },
        error => DecodeError::Malformed {
            name,
            reason: error.to_string(),
        },
    }
}
