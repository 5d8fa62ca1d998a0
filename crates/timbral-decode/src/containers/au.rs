//! Sun/NeXT audio: `.snd`, then five big-endian u32 (offset of the data, its size, encoding, rate, channels).

use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::common::FourCc;
use symphonia_core::errors::{Result, decode_error, unsupported_error};
use symphonia_core::formats::probe::{ProbeDataMatchSpec, ProbeFormatData};
use symphonia_core::formats::{FormatId, FormatInfo};
use symphonia_core::io::{MediaSource as _, MediaSourceStream, ReadBytes as _, ScopedStream};
use symphonia_core::meta::MetadataLog;

use super::blocks::{Container, Layout, linear_codec};

const MAGIC: [u8; 4] = *b".snd";
const HEADER_BYTES: u32 = 24;
/// The size of a stream whose writer did not know it.
const SIZE_UNKNOWN: u32 = u32::MAX;

/// The `.au` container.
pub(crate) struct Au;

impl Container for Au {
    const INFO: FormatInfo = FormatInfo {
        format: FormatId::new(FourCc::new(MAGIC)),
        short_name: "au",
        long_name: "Sun/NeXT audio",
    };
    const PROBE: &'static [ProbeFormatData] = &[ProbeFormatData {
        spec: ProbeDataMatchSpec {
            extensions: &["au", "snd"],
            mime_types: &["audio/basic"],
            markers: &[&MAGIC],
        },
        info: Self::INFO,
    }];

    fn is_here(stream: &mut ScopedStream<&mut MediaSourceStream<'_>>) -> Result<bool> {
        Ok(stream.read_quad_bytes()? == MAGIC)
    }

    fn read_header(
        stream: &mut MediaSourceStream<'_>,
        _metadata: &mut MetadataLog,
        _notes: &mut Vec<String>,
    ) -> Result<Layout> {
        let start = stream.pos();
        if stream.read_quad_bytes()? != MAGIC {
            return unsupported_error("au: the magic `.snd` is missing");
        }
        let offset = stream.read_be_u32()?;
        let size = stream.read_be_u32()?;
        let encoding = stream.read_be_u32()?;
        let sample_rate = stream.read_be_u32()?;
        let channels = stream.read_be_u32()?;

        if offset < HEADER_BYTES {
            return decode_error("au: the data offset is below the 24 bytes of the header");
        }
        if stream.byte_len().is_some_and(|end| u64::from(offset) > end.saturating_sub(start)) {
            return decode_error("au: the data offset lies beyond the end of the file");
        }
        let (codec, sample_bytes) = match encoding {
            1 => (Some(codec::CODEC_ID_PCM_MULAW), 1),
            2 => (Some(codec::CODEC_ID_PCM_S8), 1),
            3..=5 => (linear_codec(u64::from(encoding) - 1, false, true), u64::from(encoding) - 1),
            6 => (linear_codec(4, true, true), 4),
            7 => (linear_codec(8, true, true), 8),
            27 => (Some(codec::CODEC_ID_PCM_ALAW), 1),
            _ => (None, 0),
        };
        let Some(codec) = codec else {
            return unsupported_error(
                "au: unknown encoding; decoded are 1 (mu-law), 2 to 5 (8 to 32 bit), 6 and 7 (float), 27 (A-law)",
            );
        };
        stream.ignore_bytes(u64::from(offset - HEADER_BYTES))?;
        let mut layout = Layout::frames(codec, sample_rate, channels, sample_bytes);
        layout.data_start = stream.pos();
        layout.data_bytes = (size != SIZE_UNKNOWN).then_some(u64::from(size));
        Ok(layout)
    }
}
