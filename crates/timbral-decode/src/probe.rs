//! What a source is, without decoding it.

use std::io::Read;
use std::path::Path;

use crate::config::{DecodeConfig, Limits};
use crate::engine::Engine;
use crate::error::DecodeError;
use crate::source::Source;
use crate::tags::Tags;

/// What the header of a source says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Probe {
    /// The container, such as `WAVE`, `MPEG`, `Ogg`, `MP4`.
    pub container: &'static str,
    /// The codec, such as `PCM 16 bit`, `MP3`, `Vorbis`, `AAC`.
    pub codec: &'static str,
    /// Frames per second, in Hz.
    pub sample_rate: u32,
    /// Samples per frame.
    pub channels: usize,
    /// Bits per sample of PCM and lossless codecs, where the header says.
    pub bits_per_sample: Option<u32>,
    /// Audible frames, where the header counts them.
    pub frames: Option<u64>,
    /// Seconds, from `frames` or estimated from the size and the bit rate; `None` for streams of unknown length.
    pub duration_seconds: Option<f64>,
    /// The tags.
    pub tags: Tags,
}

impl Probe {
    pub(crate) fn of(engine: &Engine<'_>) -> Self {
        let (header, timeline) = (&engine.header, &engine.timeline);
        let seconds = |frames: u64| frames as f64 / f64::from(header.sample_rate.max(1));
        Self {
            container: header.container,
            codec: header.codec,
            sample_rate: header.sample_rate,
            channels: header.channels,
            bits_per_sample: header.bits_per_sample,
            frames: timeline.frames.filter(|_| timeline.frames_are_exact),
            duration_seconds: timeline.frames.map(seconds),
            tags: header.tags.clone(),
        }
    }
}

/// Probes the file at `path`.
///
/// # Errors
///
/// As [`decode_file`](crate::decode_file), as far as the header shows it.
pub fn probe_file(path: impl AsRef<Path>) -> Result<Probe, DecodeError> {
    probe(Source::path(path.as_ref())?)
}

/// Probes `bytes`.
///
/// # Errors
///
/// As [`decode_bytes`](crate::decode_bytes), as far as the header shows it.
pub fn probe_bytes(bytes: &[u8]) -> Result<Probe, DecodeError> {
    probe(Source::bytes(bytes))
}

/// Probes what comes from `reader`, which need not seek; it is read a little beyond the header.
///
/// # Errors
///
/// As [`decode_reader`](crate::decode_reader), as far as the header shows it.
pub fn probe_reader(reader: impl Read + Send) -> Result<Probe, DecodeError> {
    probe(Source::stream(reader))
}

fn probe(source: Source<'_>) -> Result<Probe, DecodeError> {
    let options = DecodeConfig::default();
    let limits = Limits {
        max_channels: options.max_channels,
        max_input_bytes: options.max_input_bytes,
        verify: false,
    };
    let mut engine = Engine::open(source, &limits)?;
    if !engine.knows_its_form() {
        // Only the first packet of such a stream knows.
        engine.next_chunk()?;
    }
    Ok(Probe::of(&engine))
}
