//! The reader that each of these containers becomes once its header is read.

use std::io::{self, SeekFrom};
use std::marker::PhantomData;

use symphonia_core::audio::{Channels, Position};
use symphonia_core::codecs::CodecParameters;
use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia_core::errors::{Error, Result, SeekErrorKind, decode_error, seek_error};
use symphonia_core::formats::probe::{ProbeFormatData, ProbeableFormat, Score, Scoreable};
use symphonia_core::formats::{
    FormatInfo, FormatOptions, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track,
};
use symphonia_core::io::{MediaSource as _, MediaSourceStream, ReadBytes as _, ScopedStream};
use symphonia_core::meta::{METADATA_ID_NULL, Metadata, MetadataBuilder, MetadataInfo, MetadataLog, Tag};
use symphonia_core::packet::Packet;
use symphonia_core::units::{Duration, Timestamp};

use crate::tags::HEADER_NOTE;

/// Frames per packet: few enough to stay in the cache, enough that the cost of a packet does not show.
const FRAMES_PER_PACKET: u64 = 4096;

/// What a header says about the samples that follow it.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(super) codec: AudioCodecId,
    pub(super) sample_rate: u32,
    pub(super) channels: u32,
    /// Bytes of one block: one frame for PCM.
    pub(super) block_bytes: u64,
    pub(super) frames_per_block: u64,
    /// Where the first block starts, in bytes from the start of the stream.
    pub(super) data_start: u64,
    /// Bytes of sample data as the header has it; `None` up to the end of the stream.
    pub(super) data_bytes: Option<u64>,
    /// Frames as the header has it, where the blocks alone do not say (the last ADPCM block is padded).
    pub(super) frames: Option<u64>,
}

impl Layout {
    /// A layout of `sample_bytes` bytes per sample and one frame per block.
    pub(super) fn frames(codec: AudioCodecId, sample_rate: u32, channels: u32, sample_bytes: u64) -> Self {
        Self {
            codec,
            sample_rate,
            channels,
            block_bytes: sample_bytes * u64::from(channels),
            frames_per_block: 1,
            data_start: 0,
            data_bytes: None,
            frames: None,
        }
    }

    /// Blocks of several frames go one by one: their decoder reads on without regard to padding at a block's end.
    fn blocks_per_packet(&self) -> u64 {
        if self.frames_per_block == 1 { FRAMES_PER_PACKET } else { 1 }
    }

    fn frames_in(&self, bytes: u64) -> u64 {
        (bytes / self.block_bytes).saturating_mul(self.frames_per_block)
    }
}

/// A container that is a header and a run of blocks.
pub(crate) trait Container: Send + Sync + 'static {
    /// The name of the container.
    const INFO: FormatInfo;
    /// By which bytes the probe finds it.
    const PROBE: &'static [ProbeFormatData];

    /// Whether the stream starts with this container.
    fn is_here(stream: &mut ScopedStream<&mut MediaSourceStream<'_>>) -> Result<bool>;

    /// Reads the header and leaves the stream at the first block. Contradictions that can be lived with go to `notes`.
    fn read_header(
        stream: &mut MediaSourceStream<'_>,
        metadata: &mut MetadataLog,
        notes: &mut Vec<String>,
    ) -> Result<Layout>;
}

/// Reads the blocks of a [`Container`].
pub(crate) struct BlockReader<'s, C> {
    container: PhantomData<C>,
    stream: MediaSourceStream<'s>,
    media_info: MediaInfo,
    tracks: Vec<Track>,
    metadata: MetadataLog,
    layout: Layout,
    next_block: u64,
    /// Set once the stream has ended before the header said so.
    ended_early: bool,
}

impl<'s, C: Container> BlockReader<'s, C> {
    fn open(mut stream: MediaSourceStream<'s>, options: FormatOptions) -> Result<Self> {
        let (mut metadata, mut notes) = (options.external_data.metadata.unwrap_or_default(), Vec::new());
        let layout = C::read_header(&mut stream, &mut metadata, &mut notes)?;
        if layout.channels == 0 {
            return decode_error("the header says 0 channels");
        }
        if layout.sample_rate == 0 {
            return decode_error("the header says a sample rate of 0 Hz");
        }
        if layout.block_bytes == 0 || layout.frames_per_block == 0 {
            return decode_error("the header says blocks of 0 bytes or 0 frames");
        }
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(layout.codec)
            .with_sample_rate(layout.sample_rate)
            .with_channels(channels(layout.channels))
            .with_frames_per_block(layout.frames_per_block)
            .with_max_frames_per_packet(layout.frames_per_block.saturating_mul(layout.blocks_per_packet()));

        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(parameters));
        // Where the end of the stream is known, trust it over a longer claim of the header.
        let available = stream.byte_len().map(|end| end.saturating_sub(layout.data_start));
        let bytes = match (layout.data_bytes, available) {
            (Some(claimed), Some(available)) => Some(claimed.min(available)),
            (claimed, available) => claimed.or(available),
        };
        if let Some(held) = bytes.map(|bytes| layout.frames_in(bytes)) {
            let frames = layout.frames.map_or(held, |frames| frames.min(held));
            track.with_num_frames(frames).with_duration(Duration::from(frames));
        }
        if !notes.is_empty() {
            let mut builder = MetadataBuilder::new(MetadataInfo {
                metadata: METADATA_ID_NULL,
                short_name: C::INFO.short_name,
                long_name: C::INFO.long_name,
            });
            for note in notes {
                builder.add_tag(Tag::new_from_parts(HEADER_NOTE, note, None));
            }
            metadata.push(builder.build());
        }
        Ok(Self {
            container: PhantomData,
            stream,
            media_info: MediaInfo::from_track(&track),
            tracks: vec![track],
            metadata,
            layout,
            next_block: 0,
            ended_early: false,
        })
    }

    /// Reads until `bytes` is full or the stream ends; returns how much is filled.
    fn read_available(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.stream.read_buf(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl<C: Container> Scoreable for BlockReader<'_, C> {
    fn score(mut stream: ScopedStream<&mut MediaSourceStream<'_>>) -> Result<Score> {
        match C::is_here(&mut stream)? {
            true => Ok(Score::Supported(255)),
            false => Ok(Score::Unsupported),
        }
    }
}

impl<'s, C: Container> ProbeableFormat<'s> for BlockReader<'_, C> {
    fn try_probe_new(
        stream: MediaSourceStream<'s>,
        options: FormatOptions,
    ) -> Result<Box<dyn FormatReader + 's>> {
        Ok(Box::new(BlockReader::<'s, C>::open(stream, options)?))
    }

    fn probe_data() -> &'static [ProbeFormatData] {
        C::PROBE
    }
}

impl<C: Container> FormatReader for BlockReader<'_, C> {
    fn format_info(&self) -> &FormatInfo {
        &C::INFO
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media_info
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        if self.ended_early {
            return Err(Error::IoError(io::ErrorKind::UnexpectedEof.into()));
        }
        let left = match self.layout.data_bytes {
            Some(bytes) => (bytes / self.layout.block_bytes).saturating_sub(self.next_block),
            None => u64::MAX,
        };
        let blocks = left.min(self.layout.blocks_per_packet());
        if blocks == 0 {
            return Ok(None);
        }
        let Ok(length) = usize::try_from(blocks * self.layout.block_bytes) else {
            return decode_error("a block does not fit the memory");
        };
        let mut data = vec![0; length];
        let filled = self.read_available(&mut data)?;
        let whole = filled as u64 / self.layout.block_bytes;
        // A stream without a stated length may end anywhere; one with a length has lost its end.
        self.ended_early = whole < blocks && self.layout.data_bytes.is_some();
        if whole == 0 {
            return match self.ended_early {
                true => Err(Error::IoError(io::ErrorKind::UnexpectedEof.into())),
                false => Ok(None),
            };
        }
        data.truncate((whole * self.layout.block_bytes) as usize);
        let first = self.next_block.saturating_mul(self.layout.frames_per_block);
        let Ok(first) = i64::try_from(first) else {
            return Ok(None);
        };
        self.next_block += whole;
        let duration = Duration::from(whole * self.layout.frames_per_block);
        Ok(Some(Packet::new(0, Timestamp::new(first), duration, data)))
    }

    fn seek(&mut self, _mode: SeekMode, to: SeekTo) -> Result<SeekedTo> {
        let required = match to {
            SeekTo::Timestamp { ts, .. } => ts,
            SeekTo::Time { time, .. } => self.tracks[0]
                .time_base
                .and_then(|base| base.calc_timestamp(time))
                .ok_or(Error::SeekError(SeekErrorKind::OutOfRange))?,
        };
        let Ok(frame) = u64::try_from(required.get()) else {
            return seek_error(SeekErrorKind::OutOfRange);
        };
        if self.tracks[0].num_frames.is_some_and(|frames| frame > frames) {
            return seek_error(SeekErrorKind::OutOfRange);
        }
        let block = frame / self.layout.frames_per_block;
        let target = block
            .checked_mul(self.layout.block_bytes)
            .and_then(|bytes| bytes.checked_add(self.layout.data_start))
            .ok_or(Error::SeekError(SeekErrorKind::OutOfRange))?;
        if self.stream.is_seekable() {
            io::Seek::seek(&mut self.stream, SeekFrom::Start(target))?;
        } else {
            let Some(ahead) = target.checked_sub(self.stream.pos()) else {
                return seek_error(SeekErrorKind::ForwardOnly);
            };
            self.stream.ignore_bytes(ahead)?;
        }
        self.next_block = block;
        self.ended_early = false;
        let actual = block.saturating_mul(self.layout.frames_per_block);
        let actual = i64::try_from(actual).map_err(|_| Error::SeekError(SeekErrorKind::OutOfRange))?;
        Ok(SeekedTo { track_id: 0, required_ts: required, actual_ts: Timestamp::new(actual) })
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}

/// Channels by their number; beyond the positions that symphonia can name they are only counted.
fn channels(count: u32) -> Channels {
    match Position::from_count(count) {
        Some(positions) => Channels::Positioned(positions),
        None => Channels::Discrete(u16::try_from(count).unwrap_or(u16::MAX)),
    }
}

/// The codec of little- or big-endian integer and float samples of `bytes` bytes.
pub(super) fn linear_codec(bytes: u64, float: bool, big_endian: bool) -> Option<AudioCodecId> {
    Some(match (bytes, float, big_endian) {
        (2, false, false) => codec::CODEC_ID_PCM_S16LE,
        (2, false, true) => codec::CODEC_ID_PCM_S16BE,
        (3, false, false) => codec::CODEC_ID_PCM_S24LE,
        (3, false, true) => codec::CODEC_ID_PCM_S24BE,
        (4, false, false) => codec::CODEC_ID_PCM_S32LE,
        (4, false, true) => codec::CODEC_ID_PCM_S32BE,
        (4, true, false) => codec::CODEC_ID_PCM_F32LE,
        (4, true, true) => codec::CODEC_ID_PCM_F32BE,
        (8, true, false) => codec::CODEC_ID_PCM_F64LE,
        (8, true, true) => codec::CODEC_ID_PCM_F64BE,
        _ => return None,
    })
}
