//! The WAVE family: RIFF, RF64/BW64 (EBU Tech 3306: 64-bit sizes in a `ds64` chunk) and Sony Wave64 (chunks named by
//! 16-byte GUIDs with 64-bit sizes). One `fmt ` chunk for all.

use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::common::FourCc;
use symphonia_core::errors::{Error, Result, decode_error, unsupported_error};
use symphonia_core::formats::probe::{ProbeDataMatchSpec, ProbeFormatData};
use symphonia_core::formats::{FormatId, FormatInfo};
use symphonia_core::io::{MediaSource as _, MediaSourceStream, ReadBytes as _, ScopedStream};
use symphonia_core::meta::{METADATA_ID_NULL, MetadataBuilder, MetadataInfo, MetadataLog};

use super::blocks::{Container, Layout, linear_codec};

/// The largest `LIST` chunk read for its tags.
const MAX_TAG_BYTES: u64 = 1 << 20;
/// A 32-bit size that says "unknown" (streams) or "see `ds64`" (RF64).
const SIZE_UNKNOWN: u64 = u32::MAX as u64;

/// RIFF, RF64 and BW64.
pub(crate) struct Riff;

/// Sony Wave64.
pub(crate) struct Wave64;

const fn info(name: &'static str, id: [u8; 4], long_name: &'static str) -> FormatInfo {
    FormatInfo { format: FormatId::new(FourCc::new(id)), short_name: name, long_name }
}

impl Container for Riff {
    const INFO: FormatInfo = info("wave", *b"WAVE", "Waveform Audio File Format");
    const PROBE: &'static [ProbeFormatData] = &[ProbeFormatData {
        spec: ProbeDataMatchSpec {
            extensions: &["wav", "wave", "rf64", "bw64"],
            mime_types: &["audio/vnd.wave", "audio/x-wav", "audio/wav", "audio/wave"],
            markers: &[b"RIFF", b"RF64", b"BW64"],
        },
        info: Self::INFO,
    }];

    fn is_here(stream: &mut ScopedStream<&mut MediaSourceStream<'_>>) -> Result<bool> {
        let magic = stream.read_quad_bytes()?;
        stream.ignore_bytes(4)?;
        Ok(matches!(&magic, b"RIFF" | b"RF64" | b"BW64") && &stream.read_quad_bytes()? == b"WAVE")
    }

    fn read_header(
        stream: &mut MediaSourceStream<'_>,
        metadata: &mut MetadataLog,
        notes: &mut Vec<String>,
    ) -> Result<Layout> {
        stream.ignore_bytes(12)?;
        let (mut format, mut facts, mut sizes64) = (None, None, None);
        loop {
            let (name, size) = match (stream.read_quad_bytes(), stream.read_u32()) {
                (Ok(name), Ok(size)) => (name, u64::from(size)),
                _ if format.is_none() => return decode_error("wav: no `fmt ` chunk"),
                _ => return decode_error("wav: no `data` chunk"),
            };
            match &name {
                b"ds64" if size >= 24 => {
                    stream.ignore_bytes(8)?;
                    sizes64 = Some((stream.read_u64()?, stream.read_u64()?));
                    stream.ignore_bytes(size - 24)?;
                }
                b"fmt " => format = Some(Format::read(stream, size)?),
                b"fact" if size >= 4 => {
                    facts = Some(u64::from(stream.read_u32()?));
                    stream.ignore_bytes(size - 4)?;
                }
                b"LIST" => read_list(stream, size, metadata)?,
                b"data" => {
                    let Some(format) = format else {
                        return decode_error("wav: the `data` chunk comes without a `fmt ` chunk");
                    };
                    let size = match sizes64 {
                        Some((data, samples)) if size == SIZE_UNKNOWN => {
                            facts = Some(samples).filter(|&samples| samples > 0 && samples != u64::MAX);
                            Some(data)
                        }
                        _ => data_size(stream, size, notes),
                    };
                    return format.layout(stream.pos(), size, facts);
                }
                _ => stream.ignore_bytes(size)?,
            }
            if size % 2 == 1 {
                stream.ignore_bytes(1)?;
            }
        }
    }
}

/// The size of the data; `None`, and a note, where the writer left it open although bytes follow.
fn data_size(stream: &MediaSourceStream<'_>, size: u64, notes: &mut Vec<String>) -> Option<u64> {
    if size == SIZE_UNKNOWN {
        notes.push("the header leaves the length of the data open, so it is read to the end".to_owned());
        return None;
    }
    let bytes_follow = stream.byte_len().is_none_or(|end| end > stream.pos());
    if size == 0 && bytes_follow {
        notes.push("the header says 0 bytes of data, but more follow and are read to the end".to_owned());
        return None;
    }
    Some(size)
}

impl Container for Wave64 {
    const INFO: FormatInfo = info("w64", *b"riff", "Sony Wave64");
    const PROBE: &'static [ProbeFormatData] = &[ProbeFormatData {
        spec: ProbeDataMatchSpec {
            extensions: &["w64"],
            mime_types: &["audio/x-w64"],
            markers: &[b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"],
        },
        info: Self::INFO,
    }];

    fn is_here(stream: &mut ScopedStream<&mut MediaSourceStream<'_>>) -> Result<bool> {
        let mut head = [0; 40];
        stream.read_buf_exact(&mut head)?;
        Ok(&head[..4] == b"riff" && &head[24..28] == b"wave")
    }

    fn read_header(
        stream: &mut MediaSourceStream<'_>,
        _metadata: &mut MetadataLog,
        notes: &mut Vec<String>,
    ) -> Result<Layout> {
        stream.ignore_bytes(40)?;
        let (mut format, mut facts) = (None, None);
        loop {
            let mut guid = [0; 16];
            if stream.read_buf_exact(&mut guid).is_err() {
                return decode_error("w64: no `data` chunk");
            }
            // The size counts the 24 bytes of the chunk's own header; chunks start at multiples of 8.
            let Some(size) = stream.read_u64()?.checked_sub(24) else {
                return decode_error("w64: a chunk is shorter than its own header");
            };
            match &guid[..4] {
                b"fmt " => format = Some(Format::read(stream, size)?),
                b"fact" if size >= 8 => {
                    facts = Some(stream.read_u64()?);
                    stream.ignore_bytes(size - 8)?;
                }
                b"data" => {
                    let Some(format) = format else {
                        return decode_error("w64: the `data` chunk comes without a `fmt ` chunk");
                    };
                    let size = match size > i64::MAX as u64 {
                        true => None,
                        false => data_size(stream, size, notes),
                    };
                    return format.layout(stream.pos(), size, facts);
                }
                _ => stream.ignore_bytes(size)?,
            }
            stream.ignore_bytes(size.wrapping_neg() % 8)?;
        }
    }
}

/// A `fmt ` chunk.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    block_align: u16,
    bits: u16,
    /// Samples per block of an ADPCM extension.
    samples_per_block: u16,
}

impl Format {
    fn read(stream: &mut MediaSourceStream<'_>, size: u64) -> Result<Self> {
        if size < 16 {
            return decode_error("wav: the `fmt ` chunk is shorter than 16 bytes");
        }
        let mut format = Self {
            tag: stream.read_u16()?,
            channels: stream.read_u16()?,
            sample_rate: stream.read_u32()?,
            block_align: {
                stream.ignore_bytes(4)?;
                stream.read_u16()?
            },
            bits: stream.read_u16()?,
            samples_per_block: 0,
        };
        let mut read = 16;
        if size >= 20 {
            let _extension_bytes = stream.read_u16()?;
            format.samples_per_block = stream.read_u16()?;
            read += 4;
        }
        if format.tag == EXTENSIBLE {
            if size < 40 {
                return decode_error("wav: the extensible `fmt ` chunk is shorter than 40 bytes");
            }
            // The first two bytes of the sub-format GUID are the tag it stands for.
            stream.ignore_bytes(4)?;
            format.tag = stream.read_u16()?;
            read += 6;
        }
        stream.ignore_bytes(size - read)?;
        Ok(format)
    }

    fn layout(self, data_start: u64, data_bytes: Option<u64>, facts: Option<u64>) -> Result<Layout> {
        let channels = u64::from(self.channels);
        // The container of a sample, in whole bytes: 12 or 20 bits lie left-justified in 2 or 3.
        let sample_bytes = u64::from(self.bits.div_ceil(8));
        let frames = |codec, bytes| Layout::frames(codec, self.sample_rate, self.channels.into(), bytes);
        let mut layout = match self.tag {
            PCM if sample_bytes == 1 => frames(codec::CODEC_ID_PCM_U8, 1),
            PCM => match linear_codec(sample_bytes, false, false) {
                Some(codec) => frames(codec, sample_bytes),
                None => return decode_error("wav: PCM of other than 1 to 32 bits per sample"),
            },
            FLOAT => match linear_codec(sample_bytes, true, false) {
                Some(codec) => frames(codec, sample_bytes),
                None => return decode_error("wav: float samples of other than 32 or 64 bits"),
            },
            ALAW => frames(codec::CODEC_ID_PCM_ALAW, 1),
            MULAW => frames(codec::CODEC_ID_PCM_MULAW, 1),
            MS_ADPCM | IMA_ADPCM => {
                let (codec, header, first) = match self.tag {
                    MS_ADPCM => (codec::CODEC_ID_ADPCM_MS, 7 * channels, 2),
                    _ => (codec::CODEC_ID_ADPCM_IMA_WAV, 4 * channels, 1),
                };
                if !(1..=2).contains(&channels) {
                    return unsupported_error("wav: ADPCM of more than two channels");
                }
                let Some(body) = u64::from(self.block_align).checked_sub(header).filter(|&bytes| bytes > 0)
                else {
                    return decode_error("wav: ADPCM blocks are shorter than their header");
                };
                let mut held = body * 2 / channels + first;
                if self.tag == IMA_ADPCM {
                    // The nibbles of a channel come in groups of 8.
                    held -= (held - 1) % 8;
                }
                let stated = u64::from(self.samples_per_block);
                if self.tag == MS_ADPCM && stated != 0 && stated < held {
                    held = stated;
                }
                if self.tag == MS_ADPCM && (held < 2 || (channels == 1 && held % 2 == 1)) {
                    // Two samples stand in the header of a block, and two in each byte of mono behind it.
                    return decode_error("wav: MS ADPCM blocks of a number of samples that none can hold");
                }
                let mut layout = frames(codec, 0);
                layout.block_bytes = self.block_align.into();
                layout.frames_per_block = held;
                layout.frames = facts;
                layout
            }
            _ => return Err(Error::Unsupported(unsupported_tag(self.tag))),
        };
        layout.data_start = data_start;
        layout.data_bytes = data_bytes;
        Ok(layout)
    }
}

const PCM: u16 = 0x0001;
const MS_ADPCM: u16 = 0x0002;
const FLOAT: u16 = 0x0003;
const ALAW: u16 = 0x0006;
const MULAW: u16 = 0x0007;
const IMA_ADPCM: u16 = 0x0011;
const EXTENSIBLE: u16 = 0xfffe;

fn unsupported_tag(tag: u16) -> &'static str {
    match tag {
        0x0031 => "wav: GSM 6.10 is not decoded",
        0x0045 | 0x0064 | 0x0040 => "wav: G.726 ADPCM is not decoded",
        0x0050 | 0x0055 => "wav: MPEG audio inside WAVE is not decoded",
        0x0160..=0x0163 => "wav: Windows Media Audio is not decoded",
        0x2000 => "wav: AC-3 is not decoded",
        _ => {
            "wav: the format tag names no codec that is decoded (PCM, float, A-law, mu-law, MS and IMA ADPCM)"
        }
    }
}

/// Reads the tags of an `INFO` list and passes over other lists.
fn read_list(stream: &mut MediaSourceStream<'_>, size: u64, metadata: &mut MetadataLog) -> Result<()> {
    if !(4..=MAX_TAG_BYTES).contains(&size) {
        return Ok(stream.ignore_bytes(size)?);
    }
    let mut list = vec![0; size as usize];
    stream.read_buf_exact(&mut list)?;
    let Some(mut rest) = list.strip_prefix(b"INFO") else {
        return Ok(());
    };
    let mut builder = MetadataBuilder::new(MetadataInfo {
        metadata: METADATA_ID_NULL,
        short_name: "wave",
        long_name: "RIFF INFO",
    });
    while let [a, b, c, d, s0, s1, s2, s3, body @ ..] = rest {
        let length = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let Some(text) = body.get(..length) else { break };
        add_info(&mut builder, [*a, *b, *c, *d], text);
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
    metadata.push(builder.build());
    Ok(())
}

fn add_info(builder: &mut MetadataBuilder, name: [u8; 4], text: &[u8]) {
    use symphonia_core::meta::{StandardTag, Tag};
    let text =
        String::from_utf8_lossy(text).trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned();
    let shared = std::sync::Arc::new(text.clone());
    let number = |text: &str| text.split('/').next().and_then(|digits| digits.trim().parse().ok());
    let standard = match name.to_ascii_uppercase().as_slice() {
        b"INAM" => Some(StandardTag::TrackTitle(shared)),
        b"IART" => Some(StandardTag::Artist(shared)),
        b"IPRD" => Some(StandardTag::Album(shared)),
        b"IGNR" => Some(StandardTag::Genre(shared)),
        b"ICRD" => Some(StandardTag::RecordingDate(shared)),
        b"ITRK" | b"IPRT" => number(&text).map(StandardTag::TrackNumber),
        _ => None,
    };
    builder.add_tag(Tag::new_from_parts(String::from_utf8_lossy(&name), text, standard));
}
