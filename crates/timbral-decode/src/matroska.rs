//! What a Matroska or WebM file says that symphonia's reader passes over: the padding at its end, `DiscardPadding` of
//! the last block (RFC 9559, 5.1.3.5.7), and whether the file ends before its segment does.

use crate::error::DecodeError;
use crate::source::Source;

/// How far from the end the last cluster is searched; muxers write one at least every 5 MB or 5 s.
const TAIL_BYTES: u64 = 1 << 19;

const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
const BLOCK_GROUP: u32 = 0xa0;
const DISCARD_PADDING: u32 = 0x75a2;

/// Whether the segment that starts in `head`, the bytes at `position`, ends behind the end of the source.
pub(crate) fn is_cut(head: &[u8], position: u64, length: Option<u64>) -> bool {
    let segment_end = || {
        let (size, digits) = number(head.get(4..)?)?;
        let segment = usize::try_from(size).ok()?.checked_add(4 + digits)?;
        let (size, digits) = number(head.get(segment..)?.strip_prefix(&SEGMENT)?)?;
        // All bits set is a segment of unknown size, as streams have.
        let is_known = size != (1 << (7 * digits)) - 1;
        let body = position + (segment + SEGMENT.len() + digits) as u64;
        is_known.then(|| body.saturating_add(size))
    };
    length.is_some_and(|length| segment_end().is_some_and(|end| end > length))
}

/// Nanoseconds of sound to leave out at the end; 0 where nothing says so.
pub(crate) fn end_padding(source: &mut Source<'_>) -> Result<u64, DecodeError> {
    let Some(length) = source.length() else {
        return Ok(0);
    };
    let from = length.saturating_sub(TAIL_BYTES);
    let tail = source.peek_at(from, TAIL_BYTES as usize)?;
    // Chance may make the four bytes anywhere; only a real cluster parses as one to its end.
    let starts = tail.windows(4).enumerate().rev().filter(|(_, window)| *window == CLUSTER);
    Ok(starts.take(8).find_map(|(start, _)| cluster_padding(&tail[start + 4..])).unwrap_or(0))
}

/// The padding of the last block of a cluster (behind its id), if it is one.
fn cluster_padding(bytes: &[u8]) -> Option<u64> {
    let (size, header) = number(bytes)?;
    let body = bytes.get(header..)?;
    let body = body.get(..usize::try_from(size).ok()?).unwrap_or(body);
    let mut padding = 0;
    let mut rest = body;
    while !rest.is_empty() {
        let (id, element, behind) = element(rest)?;
        if id == BLOCK_GROUP {
            padding = group_padding(element)?;
        }
        rest = behind;
    }
    Some(padding)
}

fn group_padding(mut rest: &[u8]) -> Option<u64> {
    let mut padding = 0;
    while !rest.is_empty() {
        let (id, body, behind) = element(rest)?;
        if id == DISCARD_PADDING && body.len() <= 8 {
            let negative = body.first().is_some_and(|first| first & 0x80 != 0);
            let value = body.iter().fold(0_u64, |sum, &byte| (sum << 8) | u64::from(byte));
            // A negative one pads the start.
            padding = if negative { 0 } else { value };
        }
        rest = behind;
    }
    Some(padding)
}

/// Id, body and what follows.
fn element(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    if id_length > 4 {
        return None;
    }
    let id = bytes.get(..id_length)?.iter().fold(0, |sum, &byte| (sum << 8) | u32::from(byte));
    let (size, size_length) = number(&bytes[id_length..])?;
    let start = id_length + size_length;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    Some((id, bytes.get(start..end)?, &bytes[end..]))
}

/// A variable-length number and its length.
fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let mask = 0xff_u32.checked_shr(length as u32).unwrap_or(0) as u8;
    let number =
        bytes.get(1..length)?.iter().fold(u64::from(first & mask), |sum, &byte| (sum << 8) | u64::from(byte));
    Some((number, length))
}

#[cfg(test)]
mod tests {
    use super::{cluster_padding, is_cut};

    #[test]
    fn a_segment_tells_where_it_ends() {
        let head = [0x1a, 0x45, 0xdf, 0xa3, 0x81, 0, 0x18, 0x53, 0x80, 0x67, 0x40, 0x64];
        assert!(!is_cut(&head, 0, Some(112)));
        assert!(is_cut(&head, 0, Some(111)));
        assert!(is_cut(&head, 1, Some(112)));
        assert!(!is_cut(&head, 0, None));
        let open = [&head[..10], &[0x7f, 0xff]].concat();
        assert!(!is_cut(&open, 0, Some(1)));
        assert!(!is_cut(&head[..11], 0, Some(1)));
    }

    #[test]
    fn the_last_block_tells_its_padding() {
        let block = [0xa1, 0x84, 0x81, 0, 0, 0x80];
        let padding = [0x75, 0xa2, 0x83, 0x01, 0x02, 0x03];
        let group = [&[0xa0, 0x8c][..], &block, &padding].concat();
        let simple = [0xa3, 0x84, 0x81, 0, 0, 0x80];
        let cluster = [&[0x92 + 2][..], &simple, &group].concat();
        assert_eq!(cluster_padding(&cluster), Some(0x01_0203));
        assert_eq!(cluster_padding(&cluster[..9]), None);
    }
}
