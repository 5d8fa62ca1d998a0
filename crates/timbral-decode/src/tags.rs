//! What a file says of itself.

use symphonia_core::formats::FormatReader;
use symphonia_core::meta::{MetadataContainer, MetadataRevision, StandardTag, StandardVisualKey, Visual};

/// The key of tags by which this crate's own container readers report to the engine that a header is wrong.
pub(crate) const HEADER_NOTE: &str = "timbral-decode:header-note";

/// Tags of ID3v1, ID3v2, Vorbis comments, MP4, APE, RIFF INFO and Matroska, as written by whoever tagged the file.
/// They say nothing certain about the sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tags {
    /// The title of the track.
    pub title: Option<String>,
    /// The artist of the track.
    pub artist: Option<String>,
    /// The album.
    pub album: Option<String>,
    /// The artist of the album.
    pub album_artist: Option<String>,
    /// The year of recording or release.
    pub year: Option<u16>,
    /// The genre as the tagger wrote it.
    pub genre: Option<String>,
    /// The number of the track on its medium.
    pub track_number: Option<u32>,
    /// The embedded picture: the front cover, or the first one where none is marked so.
    pub picture: Option<Picture>,
}

/// An embedded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// The MIME type, such as `image/png`; by the tag, or by the first bytes where the tag has none.
    pub mime_type: String,
    /// The encoded picture.
    pub data: Vec<u8>,
}

/// Tags and the header notes of own readers. Later revisions fill what earlier ones left empty.
pub(crate) fn collect(reader: &mut dyn FormatReader) -> (Tags, Vec<String>) {
    let (mut tags, mut notes) = (Tags::default(), Vec::new());
    let mut metadata = reader.metadata();
    loop {
        if let Some(revision) = metadata.current() {
            take_revision(revision, &mut tags, &mut notes);
        }
        if metadata.pop().is_none() {
            break;
        }
    }
    (tags, notes)
}

fn take_revision(revision: &MetadataRevision, tags: &mut Tags, notes: &mut Vec<String>) {
    take_container(&revision.media, tags, notes);
    for track in &revision.per_track {
        take_container(&track.metadata, tags, notes);
    }
}

fn take_container(container: &MetadataContainer, tags: &mut Tags, notes: &mut Vec<String>) {
    for tag in &container.tags {
        if tag.raw.key == HEADER_NOTE {
            notes.push(tag.raw.value.to_string());
        }
        let Some(standard) = &tag.std else { continue };
        match standard {
            StandardTag::TrackTitle(text) => fill(&mut tags.title, text),
            StandardTag::Artist(text) => fill(&mut tags.artist, text),
            StandardTag::Album(text) => fill(&mut tags.album, text),
            StandardTag::AlbumArtist(text) => fill(&mut tags.album_artist, text),
            StandardTag::Genre(text) => fill(&mut tags.genre, text),
            StandardTag::TrackNumber(number) => {
                let number = u32::try_from(*number).ok().filter(|&number| number > 0);
                tags.track_number = tags.track_number.or(number);
            }
            StandardTag::RecordingYear(year) | StandardTag::ReleaseYear(year) => {
                tags.year = tags.year.or(Some(*year));
            }
            StandardTag::RecordingDate(text)
            | StandardTag::ReleaseDate(text)
            | StandardTag::OriginalReleaseDate(text) => {
                tags.year = tags.year.or_else(|| year_of(text));
            }
            _ => {}
        }
    }
    let front = |visual: &&Visual| visual.usage == Some(StandardVisualKey::FrontCover);
    if tags.picture.is_none()
        && let Some(visual) = container.visuals.iter().find(front).or_else(|| container.visuals.first())
    {
        let mime_type = visual.media_type.clone().filter(|text| text.contains('/'));
        tags.picture = Some(Picture {
            mime_type: mime_type.unwrap_or_else(|| mime_of(&visual.data).to_owned()),
            data: visual.data.to_vec(),
        });
    }
}

fn fill(slot: &mut Option<String>, text: &str) {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if slot.is_none() && !text.is_empty() {
        *slot = Some(text.to_owned());
    }
}

fn year_of(date: &str) -> Option<u16> {
    date.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 4)?.parse().ok()
}

fn mime_of(data: &[u8]) -> &'static str {
    match data {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'B', b'M', ..] => "image/bmp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::{mime_of, year_of};

    #[test]
    fn years_come_from_any_date_form() {
        assert_eq!(year_of("1999-03-01"), Some(1999));
        assert_eq!(year_of("01/03/2004"), Some(2004));
        assert_eq!(year_of("99"), None);
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        assert_eq!(mime_of(b"\x89PNG\r\n"), "image/png");
        assert_eq!(mime_of(b""), "application/octet-stream");
    }
}
