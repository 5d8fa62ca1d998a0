//! Frames and ticks, and seeking to where a decode equals one from the start.

use std::io::{self, Seek as _};

use symphonia_core::errors::Error;
use symphonia_core::formats::{SeekMode, SeekTo};
use symphonia_core::packet::Packet;
use symphonia_core::units::Timestamp;

use super::Engine;
use crate::config::Limits;
use crate::contained::{contained, translate};
use crate::error::DecodeError;
use crate::source::Source;
use crate::timeline::Places;

/// How a seek ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// Nothing has moved: the next chunk is the one that would have come.
    Stays,
    /// The next chunk says where.
    Moved,
    /// Somewhere: only starting again helps.
    Lost,
}

impl Engine<'_> {
    /// The clock of the first frame that decoding `packet` gives.
    pub(super) fn packet_clock(&self, packet: &Packet) -> i64 {
        let ticks = packet.pts.get().saturating_add_unsigned(packet.trim_start.get());
        let frames = match self.timeline.places {
            Places::Steps(step) => {
                let since_first = ticks.saturating_sub(self.first_ticks.unwrap_or(0));
                let frames = self.ticks_to_frames(since_first).max(0).unsigned_abs();
                let steps = frames.saturating_add(step / 2) / step;
                i64::try_from(steps.saturating_mul(step)).unwrap_or(i64::MAX)
            }
            Places::FlacNumbers(block) => flac_frame(&packet.data, block).unwrap_or(i64::MAX),
            Places::Timestamps | Places::Nothing => self.ticks_to_frames(ticks),
        };
        frames.saturating_sub_unsigned(self.timeline.priming)
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
        if self.first_ticks.is_none() {
            self.waiting = self.next_packet()?;
        }
        let target = i64::try_from(target + self.timeline.priming).unwrap_or(i64::MAX);
        let to =
            SeekTo::Timestamp { ts: Timestamp::new(self.frames_to_ticks(target)), track_id: self.track.id };
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
                self.speech_since_seek = false;
                Ok(Sought::Moved)
            }
            Ok(Err(Error::IoError(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(translate(&self.name, Error::IoError(error)))
            }
            // Where the reader stands now is anyone's guess, and one that panicked is used no more.
            Ok(Err(_)) | Err(_) => Ok(Sought::Lost),
        }
    }

    /// Whether what was decoded since a seek may still sound other than in a whole decode. Opus decodes speech with a
    /// memory that fades in no certain time; the memory of music does, and is cleared where speech begins.
    pub(crate) fn remembers_too_much(&self) -> bool {
        self.speech_since_seek
    }

    /// Notes what of `packet` matters for [`remembers_too_much`](Self::remembers_too_much).
    pub(super) fn note_speech(&mut self, packet: &Packet) {
        // The first five bits are the configuration; from 16 on it is CELT alone (RFC 6716, 3.1).
        let is_speech = packet.data.first().is_some_and(|first| first >> 3 < 16);
        self.speech_since_seek |= self.is_opus && is_speech;
    }

    /// The audible frames of the whole source: as the header counts them, or counted by a pass over the packets.
    pub(crate) fn total_frames(mut self, limits: &Limits) -> Result<(Self, u64), DecodeError> {
        if let Some(frames) = self.timeline.frames.filter(|_| self.timeline.frames_are_exact) {
            return Ok((self, frames));
        }
        if !self.can_seek {
            return Err(DecodeError::Unseekable {
                name: self.name,
                reason: "its middle is not known, because it does not state its length".to_owned(),
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

    /// Counts the frames to the end, without decoding them where packets state their length.
    pub(super) fn count_frames(&mut self) -> Result<u64, DecodeError> {
        if !self.timeline.packets_tell_frames {
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
        let frames = self.ticks_to_frames(i64::try_from(ticks).unwrap_or(i64::MAX)).unsigned_abs();
        Ok(frames.saturating_sub(self.timeline.priming))
    }
}

/// The number of the first frame of a FLAC frame in a stream of blocks of `block` frames (RFC 9639, 9.1).
fn flac_frame(packet: &[u8], block: u64) -> Option<i64> {
    let (&[0xff, second, _, _], number) = packet.split_first_chunk()? else {
        return None;
    };
    if second & 0xfc != 0xf8 {
        return None;
    }
    // Coded as UTF-8 codes characters, up to 36 bits.
    let first = *number.first()?;
    let ones = first.leading_ones() as usize;
    let length = if ones == 0 { 1 } else { ones };
    if ones == 1 || ones > 7 {
        return None;
    }
    let start = u64::from(first) & (0x7f_u64 >> ones);
    let value =
        number.get(1..length)?.iter().fold(start, |value, &byte| (value << 6) | u64::from(byte & 0x3f));
    let frames = if second & 1 == 1 { value } else { value.checked_mul(block)? };
    i64::try_from(frames).ok()
}

#[cfg(test)]
mod tests {
    use super::flac_frame;

    #[test]
    fn flac_frames_tell_their_place() {
        assert_eq!(flac_frame(&[0xff, 0xf8, 0, 0, 5, 9], 4096), Some(5 * 4096));
        assert_eq!(flac_frame(&[0xff, 0xf8, 0, 0, 0xc2, 0x80], 4096), Some(128 * 4096));
        assert_eq!(flac_frame(&[0xff, 0xf9, 0, 0, 0xe1, 0x80, 0x81], 4096), Some(0x1001));
        assert_eq!(flac_frame(&[0xff, 0xf9, 0, 0, 0xe1, 0x80], 4096), None);
        assert_eq!(flac_frame(&[0xff, 0xf1, 0, 0, 5], 4096), None);
        assert_eq!(flac_frame(&[], 4096), None);
    }
}
