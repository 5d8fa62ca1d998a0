//! Core Audio Format with linear or companded samples: `caff`, then chunks of a name and a signed 64-bit size, the
//! description first. The samples of compressed codecs need the packet table behind them, which symphonia reads.

use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::common::FourCc;
use symphonia_core::errors::{Result, decode_error, unsupported_error};
use symphonia_core::formats::probe::{ProbeDataMatchSpec, ProbeFormatData};
use symphonia_core::formats::{FormatId, FormatInfo};
use symphonia_core::io::{MediaSourceStream, ReadBytes as _, ScopedStream};
use symphonia_core::meta::MetadataLog;

use super::blocks::{Container, Layout, linear_codec};

/// Where the name of the codec stands: behind the head of the file, the head of the first chunk and a rate.
const CODEC_AT: usize = 8 + 12 + 8;
const DESCRIPTION_BYTES: u64 = 32;
/// The size of sound that goes on to the end of the file.
const SIZE_OPEN: u64 = u64::MAX;

/// Whether the first bytes of a CAF announce samples that are read here.
pub(crate) fn has_plain_samples(head: &[u8]) -> bool {
    let name = head.get(CODEC_AT..CODEC_AT + 4);
    name.is_some_and(|name| [b"lpcm", b"ulaw", b"alaw"].iter().any(|plain| name == *plain))
}

/// CAF with one sample after another.
pub(crate) struct Caf;

impl Container for Caf {
    const INFO: FormatInfo = FormatInfo {
        format: FormatId::new(FourCc::new(*b"caff")),
        short_name: "caf",
        long_name: "Core Audio Format",
    };
    const PROBE: &'static [ProbeFormatData] = &[ProbeFormatData {
        spec: ProbeDataMatchSpec { extensions: &["caf"], mime_types: &["audio/x-caf"], markers: &[b"caff"] },
        info: Self::INFO,
    }];

    fn is_here(stream: &mut ScopedStream<&mut MediaSourceStream<'_>>) -> Result<bool> {
        let mut head = [0; CODEC_AT + 4];
        stream.read_buf_exact(&mut head)?;
        Ok(head.starts_with(b"caff") && has_plain_samples(&head))
    }

    fn read_header(
        stream: &mut MediaSourceStream<'_>,
        _metadata: &mut MetadataLog,
        _notes: &mut Vec<String>,
    ) -> Result<Layout> {
        stream.ignore_bytes(8)?;
        let mut layout = None;
        loop {
            let (Ok(name), Ok(size)) = (stream.read_quad_bytes(), stream.read_be_u64()) else {
                return decode_error("caf: no `data` chunk");
            };
            match &name {
                b"desc" if size == DESCRIPTION_BYTES => layout = Some(description(stream)?),
                b"data" => {
                    let Some(mut layout) = layout else {
                        return decode_error("caf: the `data` chunk comes without a `desc` chunk");
                    };
                    let _edits = stream.read_be_u32()?;
                    layout.data_start = stream.pos();
                    layout.data_bytes = match size {
                        SIZE_OPEN => None,
                        _ => Some(size.saturating_sub(4)),
                    };
                    return Ok(layout);
                }
                _ => stream.ignore_bytes(size)?,
            }
        }
    }
}

/// The `desc` chunk.
fn description(stream: &mut MediaSourceStream<'_>) -> Result<Layout> {
    let rate = stream.read_be_f64()?;
    let format = stream.read_quad_bytes()?;
    let flags = stream.read_be_u32()?;
    let packet_bytes = stream.read_be_u32()?;
    let packet_frames = stream.read_be_u32()?;
    let channels = stream.read_be_u32()?;
    let bits = stream.read_be_u32()?;
    if !(rate >= 1.0 && rate <= f64::from(u32::MAX)) {
        return decode_error("caf: the sample rate is no rate");
    }
    let (codec, sample_bytes) = match &format {
        b"ulaw" => (Some(codec::CODEC_ID_PCM_MULAW), 1),
        b"alaw" => (Some(codec::CODEC_ID_PCM_ALAW), 1),
        _ => {
            let (float, little_endian) = (flags & 1 != 0, flags & 2 != 0);
            let bytes = u64::from(bits.div_ceil(8));
            match bits {
                8 if !float => (Some(codec::CODEC_ID_PCM_S8), 1),
                _ => (linear_codec(bytes, float, !little_endian), bytes),
            }
        }
    };
    let Some(codec) = codec else {
        return unsupported_error(
            "caf: linear samples of other than 8, 16, 24 or 32 bits, or 32 or 64 as float",
        );
    };
    let layout = Layout::frames(codec, rate.round() as u32, channels, sample_bytes);
    if packet_frames != 1 || u64::from(packet_bytes) != layout.block_bytes {
        return unsupported_error("caf: the samples of a frame do not lie side by side");
    }
    Ok(layout)
}
