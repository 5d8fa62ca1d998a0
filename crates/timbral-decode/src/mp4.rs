//! What an MP4 says of its own encoder delay, which symphonia's reader passes over: the edit list (ISO/IEC 14496-12,
//! 8.6.6), and the `iTunSMPB` tag of Apple's encoders.

use crate::error::DecodeError;
use crate::source::Source;

/// An index beyond this is not searched: ten hours of AAC have one of about 7 MB.
const MAX_INDEX_BYTES: usize = 64 << 20;

/// The audible part of one track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) track_id: u32,
    /// Frames before the first audible one, in ticks of the track.
    pub(crate) priming: u64,
    /// Audible frames, in ticks, where they are counted; the edit list only rounds them to its own ticks.
    pub(crate) length: Option<u64>,
}

/// What was found before the sound.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) edits: Vec<Edit>,
    /// Whether the file ends within the box that holds the sound.
    pub(crate) is_cut: bool,
}

/// Searches the boxes of the file for its index.
pub(crate) fn read_index(source: &mut Source<'_>, start: u64) -> Result<Index, DecodeError> {
    let mut index = Index::default();
    let mut position = start;
    let mut has_index = false;
    // A box has at least 8 bytes; files have a handful at the top, fragmented ones two for each second or so.
    for _ in 0..64 {
        if !source.can_seek() {
            source.keep(
                usize::try_from(position).unwrap_or(usize::MAX).saturating_add(16).min(MAX_INDEX_BYTES),
            )?;
        }
        let head = source.peek_at(position, 16)?;
        let Some((name, size, header)) = box_header(&head) else {
            break;
        };
        match &name {
            b"moov" => {
                let length = usize::try_from(size).unwrap_or(usize::MAX).min(MAX_INDEX_BYTES);
                if !source.can_seek() {
                    source.keep((position as usize).saturating_add(length).min(MAX_INDEX_BYTES))?;
                }
                let bytes = source.peek_at(position, length)?;
                index.edits = edits(bytes.get(header..).unwrap_or_default());
                has_index = true;
            }
            b"mdat" if source.can_seek() => {
                index.is_cut = source.length().is_some_and(|end| position.saturating_add(size) > end);
            }
            b"mdat" | b"moof" if has_index => break,
            b"mdat" | b"moof" => {
                return Err(DecodeError::Unseekable {
                    name: source.name.clone(),
                    reason: "the index of this MP4 (its `moov` box) comes behind the sound".to_owned(),
                });
            }
            _ => {}
        }
        match position.checked_add(size) {
            Some(next) if size > 0 => position = next,
            _ => break,
        }
    }
    Ok(index)
}

/// Name, size and header length of a box; a size of 0 means to the end of the file.
fn box_header(bytes: &[u8]) -> Option<([u8; 4], u64, usize)> {
    let name = bytes.get(4..8)?.try_into().ok()?;
    let (size, header) = match u32_at(bytes, 0)? {
        0 => (u64::from(u32::MAX), 8),
        1 => (u64_at(bytes, 8)?, 16),
        size => (u64::from(size), 8),
    };
    (size >= header as u64).then_some((name, size, header))
}

/// The child boxes of `bytes`; ends quietly where they stop making sense.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (name, size, header) = box_header(bytes)?;
        let end = usize::try_from(size).ok()?.min(bytes.len());
        let body = bytes.get(header..end)?;
        bytes = &bytes[end..];
        Some((name, body))
    })
}

fn child<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == name).map(|(_, body)| body)
}

fn edits(moov: &[u8]) -> Vec<Edit> {
    let smoothing = child(moov, b"udta").and_then(smoothing_tag);
    let edit_of = |track: &[u8]| {
        let header = child(track, b"tkhd")?;
        let track_id = u32_at(header, if header.first() == Some(&1) { 20 } else { 12 })?;
        if child(child(track, b"mdia")?, b"hdlr")?.get(8..12)? != b"soun" {
            return None;
        }
        if let Some((priming, length)) = smoothing {
            return Some(Edit { track_id, priming, length: Some(length) });
        }
        let priming =
            child(track, b"edts").and_then(|edits| child(edits, b"elst")).and_then(first_media_time)?;
        Some(Edit { track_id, priming, length: None })
    };
    boxes(moov).filter(|(name, _)| name == b"trak").filter_map(|(_, track)| edit_of(track)).collect()
}

/// The media time of the first edit that shows media; edits before it are pauses.
fn first_media_time(list: &[u8]) -> Option<u64> {
    let version = *list.first()?;
    let count = u32_at(list, 4)?.min(64);
    (0..count as usize).find_map(|index| {
        let time = match version {
            1 => u64_at(list, 8 + index * 20 + 8)? as i64,
            _ => i64::from(u32_at(list, 8 + index * 12 + 4)? as i32),
        };
        u64::try_from(time).ok()
    })
}

/// Priming and audible frames of an `iTunSMPB` tag: hexadecimal words, of which the second is the priming, the third
/// the padding and the fourth the audible frames.
fn smoothing_tag(user_data: &[u8]) -> Option<(u64, u64)> {
    let meta = child(user_data, b"meta")?.get(4..)?;
    boxes(child(meta, b"ilst")?).filter(|(name, _)| name == b"----").find_map(|(_, tag)| {
        if child(tag, b"name")?.get(4..)? != b"iTunSMPB" {
            return None;
        }
        let text = std::str::from_utf8(child(tag, b"data")?.get(8..)?).ok()?;
        let mut words = text.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16));
        let priming = words.nth(1)?.ok()?;
        let length = words.nth(1)?.ok()?;
        (length > 0).then_some((priming, length))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Edit, edits};

    fn make_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(body);
        bytes
    }

    fn track(edit_list: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 84];
        header[15] = 7;
        let handler = [&[0; 8][..], b"soun", &[0; 13]].concat();
        let media = make_box(b"mdia", &make_box(b"hdlr", &handler));
        let edits = make_box(b"edts", &make_box(b"elst", edit_list));
        make_box(b"trak", &[make_box(b"tkhd", &header), edits, media].concat())
    }

    #[test]
    fn an_edit_list_gives_the_priming_behind_a_pause() {
        let pause = [0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0];
        let sound = [0, 0, 0x2e, 0xe0, 0, 0, 8, 0x40, 0, 1, 0, 0];
        let list = [&[0, 0, 0, 0, 0, 0, 0, 2][..], &pause, &sound].concat();
        assert_eq!(edits(&track(&list)), [Edit { track_id: 7, priming: 2112, length: None }]);
    }

    #[test]
    fn a_smoothing_tag_gives_priming_and_length() {
        let text = b" 00000000 00000840 000001CA 00000000003F31F6 00000000";
        let data = make_box(b"data", &[&[0; 8][..], text].concat());
        let name = make_box(b"name", b"\0\0\0\0iTunSMPB");
        let list = make_box(b"ilst", &make_box(b"----", &[name, data].concat()));
        let meta = make_box(b"meta", &[vec![0; 4], list].concat());
        let moov = [track(&[0; 20]), make_box(b"udta", &meta)].concat();
        assert_eq!(edits(&moov), [Edit { track_id: 7, priming: 2112, length: Some(0x3f_31f6) }]);
    }

    #[test]
    fn cut_boxes_give_nothing() {
        let whole = track(&[0; 20]);
        for end in 0..whole.len() {
            assert!(edits(&whole[..end]).len() <= 1);
        }
    }
}
