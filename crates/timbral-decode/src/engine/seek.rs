//! Frames and ticks, and seeking to where a decode equals one from the start.

use std::io::{self, Seek as _};

use symphonia_core::errors::Error;
use symphonia_core::formats::{SeekMode, SeekTo};
use symphonia_core::packet::Packet;
use symphonia_core::units::Timestamp;

use super::Engine;
use crate::contained::{contained, translate};
use crate::error::DecodeError;
use crate::options::Limits;
use crate::source::Source;

/// How a seek ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// Nothing has moved: the next chunk is the one that would have come.
    Stays,
    /// The next chunk tells where.
    Moved,
    /// Somewhere: only starting again helps.
    Lost,
}

impl Engine<'_> {
    /// The clock of the first frame that decoding `packet` gives.
    pub(super) fn packet_clock(&self, packet: &Packet) -> i64 {
        let ticks = packet.pts.get().saturating_add_unsigned(packet.trim_start.get());
        self.ticks_to_frames(ticks)
            .saturating_sub_unsigned(self.timeline.priming)
    }

    pub(super) fn packet_frames(&self, packet: &Packet) -> u64 {
        let ticks = i64::try_from(packet.dur.get()).unwrap_or(i64::MAX);
        self.ticks_to_frames(ticks).unsigned_abs()
    }

    pub(super) fn ticks_to_frames(&self, ticks: i64) -> i64 {
        let Some(base) = self.time_base else { return ticks };
        let rate = i128::from(self.header.sample_rate);
        let frames = i128::from(ticks) * i128::from(base.numer.get()) * rate / i128::from(base.denom.get());
        i64::try_from(frames).unwrap_or(i64::MAX)
    }

    pub(super) fn frames_to_ticks(&self, frames: i64) -> i64 {
        let Some(base) = self.time_base else { return frames };
        let rate = i128::from(self.header.sample_rate.max(1));
        let ticks = i128::from(frames) * i128::from(base.denom.get()) / (rate * i128::from(base.numer.get()));
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// Tries to stand before `frame`, far enough that what is decoded from `frame` on equals a whole decode.
    pub(crate) fn seek_before(&mut self, frame: u64) -> Result<Sought, DecodeError> {
        // What cannot seek back could not start again after a seek that went too far; it is decoded to there.
        let Some(preroll) = self.timeline.preroll.filter(|_| self.can_seek) else {
            return Ok(Sought::Stays);
        };
        let Some(target) = frame.checked_sub(preroll).filter(|&target| target > 0) else {
            return Ok(Sought::Stays);
        };
        let target = i64::try_from(target + self.timeline.priming).unwrap_or(i64::MAX);
        let to = SeekTo::Timestamp {
            ts: Timestamp::new(self.frames_to_ticks(target)),
            track_id: self.track.id,
        };
        let (reader, decoder) = (&mut self.reader, &mut self.decoder);
        let sought = contained(&self.name, || {
            let sought = reader.seek(SeekMode::Accurate, to);
            decoder.reset();
            sought
        });
        match sought {
            Ok(Ok(_)) => {
                self.waiting = None;
                self.resynchronise = true;
                Ok(Sought::Moved)
            }
            Ok(Err(Error::IoError(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(translate(&self.name, Error::IoError(error)))
            }
            // Where the reader stands now is anyone's guess, and one that panicked is used no more.
            Ok(Err(_)) | Err(_) => Ok(Sought::Lost),
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
    pub(super) fn count_frames(&mut self) -> Result<u64, DecodeError> {
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
}
