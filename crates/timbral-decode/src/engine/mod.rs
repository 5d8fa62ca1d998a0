//! Packets to interleaved samples on one clock: frame 0 is the first audible frame of the source.

mod damage;
mod open;
mod seek;

use std::io;

use symphonia_core::codecs::audio::AudioDecoder;
use symphonia_core::errors::Error;
use symphonia_core::formats::{FormatReader, Track, TrackType};
use symphonia_core::packet::Packet;
use symphonia_core::units::TimeBase;

use crate::audio::{Warning, WarningKind};
use crate::contained::{contained, translate};
use crate::error::DecodeError;
use crate::tags::Tags;
use crate::timeline::Timeline;

pub(crate) use open::Opening;
use open::make_decoder;
pub(crate) use seek::Sought;

/// Errors of one demuxer in a row before the rest is given up.
const MAX_ERRORS_IN_A_ROW: u32 = 64;

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
    is_opus: bool,
    track: Track,
    time_base: Option<TimeBase>,
    /// The clock of the next decoded frame; below 0 while priming is dropped.
    clock: i64,
    /// The timestamp of the first packet.
    first_ticks: Option<i64>,
    /// Whether Opus decoded speech since the latest seek.
    speech_since_seek: bool,
    /// Set by a seek: the next packet sets the clock.
    resynchronise: bool,
    good_packets: u64,
    bad_packets: u64,
    errors_in_a_row: u32,
    non_finite: u64,
    /// A packet that comes behind silence.
    waiting: Option<Packet>,
    /// Whether the gap before `waiting` has been reported.
    in_gap: bool,
    ended: bool,
}

impl<'a> Engine<'a> {
    /// Whether the header states rate and channels; otherwise the first chunk does.
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
                    self.first_ticks = self.first_ticks.or(Some(packet.pts.get()));
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
        let parameters = self.reader.default_track(TrackType::Audio).cloned().and_then(|track| {
            track.codec_params.clone().and_then(|p| p.audio().cloned()).map(|p| (track, p))
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
        self.note_speech(packet);
        let duration = self.packet_frames(packet);
        let (decoder, samples) = (&mut self.decoder, &mut self.samples);
        let decoded = contained(&self.name, || {
            decoder.decode(packet).map(|buffer| {
                buffer.copy_to_vec_interleaved(samples);
                (buffer.spec().rate(), buffer.spec().channels().count(), buffer.frames())
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
        Some(Chunk { first_frame: keep_from as u64, frames: (keep_to - keep_from) as usize })
    }

    /// Keeps the latest frames back while they may be padding; what is still held at the end was.
    fn hold_back(&mut self, chunk: Chunk) -> Option<Chunk> {
        if self.timeline.end_padding == 0 {
            return Some(chunk);
        }
        let channels = self.header.channels;
        let held_before = (self.held.len() / channels) as u64;
        self.held.append(&mut self.samples);
        let keep = usize::try_from(self.timeline.end_padding).unwrap_or(usize::MAX).saturating_mul(channels);
        let ready = self.held.len().checked_sub(keep).filter(|&samples| samples > 0)?;
        self.samples.extend(self.held.drain(..ready));
        Some(Chunk { first_frame: chunk.first_frame.saturating_sub(held_before), frames: ready / channels })
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.good_packets, self.bad_packets)
    }
}
