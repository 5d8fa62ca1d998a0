//! Opus (RFC 6716) as a symphonia decoder: `ropus` decodes, the header (RFC 7845, 5.1) gives channels and gain.

use symphonia_core::audio::{
    AsGenericAudioBufferRef as _, AudioBuffer, AudioMut as _, AudioSpec, Channels, GenericAudioBufferRef,
    Position,
};
use symphonia_core::codecs::CodecInfo;
use symphonia_core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia_core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult,
};
use symphonia_core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia_core::errors::{Error, Result, decode_error, unsupported_error};
use symphonia_core::packet::PacketRef;

/// Opus always decodes to this rate, whatever was encoded.
const RATE: u32 = 48_000;
/// The longest packet: 120 ms.
const MAX_FRAMES: usize = 5760;
const INFO: CodecInfo = CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] };

/// The mapping family of surround sound in Vorbis's order of channels (RFC 7845, 5.1.1.2).
const FAMILY_SURROUND: u8 = 1;

/// Decodes Opus of 1 to 8 channels.
pub(crate) struct OpusDecoder {
    parameters: AudioCodecParameters,
    layout: Layout,
    /// A factor on every sample.
    gain: f32,
    streams: Streams,
    buffer: AudioBuffer<f32>,
}

/// How the streams of a packet become channels.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    streams: u8,
    /// How many of the streams are stereo.
    coupled: u8,
    /// The stream channel of each channel, in the order of WAVE.
    mapping: Vec<u8>,
    positions: Position,
}

/// One stream is decoded to float, several to integers: the library has no other way.
enum Streams {
    One(Box<ropus::Decoder>, Vec<f32>),
    Several(Box<ropus::OpusMSDecoder>, Vec<i16>),
}

/// The fields of an `OpusHead` that decoding needs.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) channels: u8,
    pub(crate) pre_skip: u16,
    gain: i16,
    family: u8,
    table: &'a [u8],
}

impl<'a> Head<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let body = bytes.strip_prefix(b"OpusHead")?;
        Some(Self {
            channels: *body.get(1)?,
            pre_skip: u16::from_le_bytes(body.get(2..4)?.try_into().ok()?),
            gain: i16::from_le_bytes(body.get(8..10)?.try_into().ok()?),
            family: *body.get(10)?,
            table: body.get(11..)?,
        })
    }
}

impl Layout {
    fn of(head: Option<Head<'_>>, parameters: &AudioCodecParameters) -> Result<Self> {
        let stereo = Position::FRONT_LEFT | Position::FRONT_RIGHT;
        let Some(head) = head else {
            let count = parameters.channels.as_ref().map_or(2, |channels| channels.count());
            return Self::plain(count);
        };
        let count = usize::from(head.channels);
        match head.family {
            0 => Self::plain(count),
            FAMILY_SURROUND => {
                let back = Position::REAR_LEFT | Position::REAR_RIGHT;
                let side = Position::SIDE_LEFT | Position::SIDE_RIGHT;
                let (centre, low) = (Position::FRONT_CENTER, Position::LFE1);
                // For each channel of WAVE, its place in Vorbis's order.
                let (order, positions): (&[usize], Position) = match count {
                    1 => (&[0], Position::FRONT_LEFT),
                    2 => (&[0, 1], stereo),
                    3 => (&[0, 2, 1], stereo | centre),
                    4 => (&[0, 1, 2, 3], stereo | back),
                    5 => (&[0, 2, 1, 3, 4], stereo | centre | back),
                    6 => (&[0, 2, 1, 5, 3, 4], stereo | centre | low | back),
                    7 => (&[0, 2, 1, 6, 5, 3, 4], stereo | centre | low | Position::REAR_CENTER | side),
                    8 => (&[0, 2, 1, 7, 5, 6, 3, 4], stereo | centre | low | back | side),
                    _ => return decode_error("opus: surround sound has 1 to 8 channels"),
                };
                let (Some(&[streams, coupled]), Some(mapping)) =
                    (head.table.first_chunk(), head.table.get(2..2 + count))
                else {
                    return decode_error("opus: the table of channels is cut");
                };
                let held = streams.checked_add(coupled);
                if streams == 0
                    || coupled > streams
                    || held.is_none_or(|held| mapping.iter().any(|&from| from >= held && from != 255))
                {
                    return decode_error("opus: the table of channels contradicts itself");
                }
                Ok(Self {
                    streams,
                    coupled,
                    mapping: order.iter().map(|&place| mapping[place]).collect(),
                    positions,
                })
            }
            _ => unsupported_error("opus: channel mapping families other than 0 and 1 are not decoded"),
        }
    }

    /// One stream, of one or two channels.
    fn plain(count: usize) -> Result<Self> {
        let (coupled, positions) = match count {
            1 => (0, Position::FRONT_LEFT),
            2 => (1, Position::FRONT_LEFT | Position::FRONT_RIGHT),
            _ => return decode_error("opus: more than two channels need a table of channels"),
        };
        Ok(Self { streams: 1, coupled, mapping: (0..count as u8).collect(), positions })
    }

    fn channels(&self) -> usize {
        self.mapping.len()
    }

    fn decoders(&self) -> Result<Streams> {
        let failed = Error::DecodeError("opus: the decoder cannot be made");
        let samples = MAX_FRAMES * self.channels();
        let plain = match (self.streams, &self.mapping[..]) {
            (1, [0]) if self.coupled == 0 => Some(ropus::Channels::Mono),
            (1, [0, 1]) if self.coupled == 1 => Some(ropus::Channels::Stereo),
            _ => None,
        };
        if let Some(form) = plain {
            let decoder = ropus::Decoder::new(RATE, form).map_err(|_| failed)?;
            return Ok(Streams::One(Box::new(decoder), vec![0.0; samples]));
        }
        let (streams, coupled) = (self.streams.into(), self.coupled.into());
        let decoder =
            ropus::OpusMSDecoder::new(RATE as i32, self.channels() as i32, streams, coupled, &self.mapping)
                .map_err(|_| failed)?;
        Ok(Streams::Several(Box::new(decoder), vec![0; samples]))
    }
}

impl Streams {
    /// Decodes a packet; returns its frames, or nothing where it is invalid.
    fn decode(&mut self, packet: &[u8]) -> Option<usize> {
        match self {
            Self::One(decoder, samples) => {
                decoder.decode_float(packet, samples, ropus::DecodeMode::Normal).ok()
            }
            Self::Several(decoder, samples) => {
                let length = i32::try_from(packet.len()).ok()?;
                let frames = decoder.decode(Some(packet), length, samples, MAX_FRAMES as i32, false);
                frames.ok()?.try_into().ok()
            }
        }
    }

    /// The samples of one of `channels` channels.
    fn channel(&self, channel: usize, channels: usize) -> impl Iterator<Item = f32> {
        let (float, integer) = match self {
            Self::One(_, samples) => (&samples[..], &[][..]),
            Self::Several(_, samples) => (&[][..], &samples[..]),
        };
        let float = float.iter().skip(channel).step_by(channels).copied();
        let integer = integer.iter().skip(channel).step_by(channels);
        float.chain(integer.map(|&sample| f32::from(sample) / 32_768.0))
    }
}

impl OpusDecoder {
    fn new(parameters: &AudioCodecParameters) -> Result<Self> {
        if parameters.codec != CODEC_ID_OPUS {
            return unsupported_error("opus: the codec is another");
        }
        let head = parameters.extra_data.as_deref().and_then(Head::read);
        let layout = Layout::of(head, parameters)?;
        let spec = AudioSpec::new(RATE, Channels::Positioned(layout.positions));
        // Output gain in 1/256 dB.
        let decibels = head.map_or(0.0, |head| f32::from(head.gain) / 256.0);
        Ok(Self {
            parameters: parameters.clone(),
            streams: layout.decoders()?,
            layout,
            gain: 10_f32.powf(decibels / 20.0),
            buffer: AudioBuffer::new(spec, MAX_FRAMES),
        })
    }
}

impl AudioDecoder for OpusDecoder {
    fn reset(&mut self) {
        if let Ok(streams) = self.layout.decoders() {
            self.streams = streams;
        }
    }

    fn codec_info(&self) -> &CodecInfo {
        &INFO
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.buffer.clear();
        if packet.data.is_empty() {
            return decode_error("opus: a packet is empty");
        }
        let Some(frames) = self.streams.decode(packet.data) else {
            return decode_error("opus: a packet is invalid");
        };
        self.buffer.render_uninit(Some(frames));
        let channels = self.layout.channels();
        for channel in 0..channels {
            if let Some(plane) = self.buffer.plane_mut(channel) {
                let samples = self.streams.channel(channel, channels);
                plane.iter_mut().zip(samples).for_each(|(out, sample)| *out = sample * self.gain);
            }
        }
        let trim = |ticks: u64| usize::try_from(ticks).unwrap_or(usize::MAX).min(frames);
        self.buffer.trim(trim(packet.trim_start.get()), trim(packet.trim_end.get()));
        Ok(self.buffer.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.buffer.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for OpusDecoder {
    fn try_registry_new(
        parameters: &AudioCodecParameters,
        _options: &AudioDecoderOptions,
    ) -> Result<Box<dyn AudioDecoder>> {
        Ok(Box::new(Self::new(parameters)?))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        &[SupportedAudioCodec { id: CODEC_ID_OPUS, info: INFO }]
    }
}
