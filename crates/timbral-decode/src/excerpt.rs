//! Where an excerpt lies, and how to come there.

use crate::config::{DecodeConfig, Excerpt, Limits};
use crate::engine::{Chunk, Engine, Sought};
use crate::error::DecodeError;

/// Stands where decoding gives from `start` on what a whole decode gives; the chunk, if any, is the first that does.
pub(crate) fn stand_before<'a>(
    mut engine: Engine<'a>,
    start: u64,
    limits: &Limits,
) -> Result<(Engine<'a>, Option<Chunk>), DecodeError> {
    // Not every container lands where it says; clusters of Matroska, for one, are 5 s long as a rule.
    let told = engine.warnings.len();
    for seconds in [0, 12, 60] {
        engine.warnings.truncate(told);
        let before = seconds * u64::from(engine.header.sample_rate);
        let sought = engine.seek_before(start.saturating_sub(before))?;
        if sought == Sought::Stays && seconds == 0 {
            return Ok((engine, None));
        }
        if sought != Sought::Moved {
            break;
        }
        let mut chunk = engine.next_chunk()?;
        if chunk.as_ref().is_none_or(|chunk| chunk.first_frame > start) {
            continue;
        }
        let ends_early = |chunk: &Chunk| chunk.first_frame + chunk.frames as u64 <= start;
        while chunk.as_ref().is_some_and(ends_early) {
            chunk = engine.next_chunk()?;
        }
        if engine.remembers_too_much() {
            break;
        }
        return Ok((engine, chunk));
    }
    Ok((engine.reopen(limits)?, None))
}

/// The excerpt in frames of the source.
pub(crate) fn locate<'a>(
    engine: Engine<'a>,
    limits: &Limits,
    options: &DecodeConfig,
) -> Result<(Engine<'a>, u64, Option<u64>), DecodeError> {
    let rate = f64::from(engine.header.sample_rate);
    let frames = |seconds: f64| (seconds * rate).round() as u64;
    Ok(match options.excerpt {
        Excerpt::Whole => (engine, 0, None),
        Excerpt::Range { start_seconds, duration_seconds } => {
            let start = frames(start_seconds);
            (engine, start, duration_seconds.map(|seconds| start.saturating_add(frames(seconds))))
        }
        Excerpt::Middle { seconds } => {
            let (engine, total) = engine.total_frames(limits)?;
            let length = frames(seconds).min(total);
            let start = (total - length) / 2;
            (engine, start, Some(start + length))
        }
    })
}
