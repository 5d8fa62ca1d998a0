//! What is lost, and the warnings about it.

use symphonia_core::packet::Packet;

use super::{Chunk, Engine};
use crate::audio::{Warning, WarningKind};
use crate::contained::contained;
use crate::error::DecodeError;

/// Packets looked at before a stream that mostly fails is called no audio.
const JUDGED_PACKETS: u64 = 24;
/// The most frames of silence in one chunk.
const MAX_SILENCE_FRAMES: u64 = 1 << 16;

impl Engine<'_> {
    /// Silence for a packet that is lost.
    pub(super) fn replace_lost(&mut self, frames: u64, message: &str) -> Result<Option<Chunk>, DecodeError> {
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

    pub(super) fn silence(&mut self, frames: u64) -> Option<Chunk> {
        // No packet of any codec is longer; a longer claim is not believed.
        let frames = frames.min(MAX_SILENCE_FRAMES) as usize;
        self.samples.clear();
        self.samples.resize(frames * self.header.channels, 0.0);
        self.place(frames)
    }

    /// Warns of packets that the demuxer passed over before `packet`; gives the frames of silence to put there next.
    pub(super) fn gap_before(&mut self, packet: &Packet) -> Option<u64> {
        if !self.timeline.exact_timestamps || self.resynchronise || self.good_packets == 0 {
            return None;
        }
        let start = self.packet_clock(packet);
        let missing = u64::try_from(start.saturating_sub(self.clock)).ok().filter(|&missing| missing > 0)?;
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

    pub(super) fn end(&mut self, message: &str) {
        self.ended = true;
        let missing = self.timeline.missing_at(self.clock);
        if missing > 0 {
            self.warn_lost(WarningKind::Truncated, self.clock, missing, message.to_owned());
        }
        let decoder = &mut self.decoder;
        let verified = contained(&self.name, || decoder.finalize().verify_ok);
        if matches!(verified, Ok(Some(false))) {
            let message = "the decoded sound does not match the checksum of the file".to_owned();
            self.warn(WarningKind::Header, self.clock, message);
        }
    }

    pub(super) fn truncated(&mut self, message: &str) {
        self.ended = true;
        // A Matroska stream has no mark at its end; one that reaches the length it stated is whole.
        let slack = i64::from(self.header.sample_rate) / 10;
        let stated = self.timeline.frames.filter(|_| !self.timeline.frames_are_exact && self.is_matroska);
        if stated.is_some_and(|frames| self.clock.saturating_add(slack).unsigned_abs() >= frames) {
            return;
        }
        let missing = self.timeline.missing_at(self.clock);
        self.warn_lost(WarningKind::Truncated, self.clock, missing, message.to_owned());
    }

    /// Damage at the clock; a run of the same kind of damage is one warning.
    pub(super) fn lost(&mut self, frames: u64, message: &str) {
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
            self.warn(WarningKind::NonFinite, frame, "NaN or infinite samples were replaced by 0".to_owned());
        }
    }

    pub(crate) fn warn(&mut self, kind: WarningKind, clock: i64, message: String) {
        self.warn_lost(kind, clock, 0, message);
    }

    pub(super) fn warn_lost(&mut self, kind: WarningKind, clock: i64, frames: u64, message: String) {
        let position_seconds = self.seconds(clock);
        self.warnings.push(Warning {
            kind,
            position_seconds,
            lost_seconds: frames as f64 / self.rate(),
            message,
        });
    }

    pub(super) fn seconds(&self, clock: i64) -> f64 {
        clock.max(0) as f64 / self.rate()
    }

    pub(super) fn rate(&self) -> f64 {
        f64::from(self.header.sample_rate.max(1))
    }
}
