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
const INFO: CodecInfo = CodecInfo {
    short_name: "opus",
    long_name: "Opus",
    profiles: &[],
};

/// Decodes mono and stereo Opus.
pub(crate) struct OpusDecoder {
    parameters: AudioCodecParameters,
    decoder: ropus::Decoder,
    form: ropus::Channels,
    /// Output gain in 1/256 dB.
    gain: i32,
    interleaved: Vec<f32>,
    buffer: AudioBuffer<f32>,
}

/// The fields of an `OpusHead` that decoding needs.
pub(crate) struct Head {
    pub(crate) channels: u8,
    pub(crate) pre_skip: u16,
    gain: i16,
    family: u8,
}

impl Head {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let body = bytes.strip_prefix(b"OpusHead")?;
        Some(Self {
            channels: *body.get(1)?,
            pre_skip: u16::from_le_bytes(body.get(2..4)?.try_into().ok()?),
            gain: i16::from_le_bytes(body.get(8..10)?.try_into().ok()?),
            family: *body.get(10)?,
        })
    }
}

impl OpusDecoder {
    fn new(parameters: &AudioCodecParameters) -> Result<Self> {
        if parameters.codec != CODEC_ID_OPUS {
            return unsupported_error("opus: the codec is another");
        }
        let head = parameters.extra_data.as_deref().and_then(Head::read);
        let count = match (&head, &parameters.channels) {
            (Some(head), _) => usize::from(head.channels),
            (None, Some(channels)) => channels.count(),
            (None, None) => 2,
        };
        let (form, position) = match count {
            1 => (ropus::Channels::Mono, Position::FRONT_LEFT),
            2 => (
                ropus::Channels::Stereo,
                Position::FRONT_LEFT | Position::FRONT_RIGHT,
            ),
            _ => return unsupported_error("opus: more than two channels are not decoded"),
        };
        if head.as_ref().is_some_and(|head| head.family > 1) {
            return unsupported_error("opus: its channel mapping is not decoded");
        }
        let gain = head.map_or(0, |head| i32::from(head.gain));
        let spec = AudioSpec::new(RATE, Channels::Positioned(position));
        Ok(Self {
            parameters: parameters.clone(),
            decoder: make(form, gain)?,
            form,
            gain,
            interleaved: vec![0.0; MAX_FRAMES * count],
            buffer: AudioBuffer::new(spec, MAX_FRAMES),
        })
    }
}

fn make(form: ropus::Channels, gain: i32) -> Result<ropus::Decoder> {
    let failed = Error::DecodeError("opus: the decoder cannot be made");
    let Ok(mut decoder) = ropus::Decoder::new(RATE, form) else {
        return Err(failed);
    };
    match decoder.set_gain(gain) {
        Ok(()) => Ok(decoder),
        Err(_) => Err(failed),
    }
}

impl AudioDecoder for OpusDecoder {
    fn reset(&mut self) {
        if let Ok(decoder) = make(self.form, self.gain) {
            self.decoder = decoder;
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
        let mode = ropus::DecodeMode::Normal;
        let Ok(frames) = self
            .decoder
            .decode_float(packet.data, &mut self.interleaved, mode)
        else {
            return decode_error("opus: a packet is invalid");
        };
        self.buffer.render_uninit(Some(frames));
        let channels = self.form.count();
        for channel in 0..channels {
            if let Some(plane) = self.buffer.plane_mut(channel) {
                let samples = self.interleaved.iter().skip(channel).step_by(channels);
                plane
                    .iter_mut()
                    .zip(samples)
                    .for_each(|(out, sample)| *out = *sample);
            }
        }
        let trim = |ticks: u64| usize::try_from(ticks).unwrap_or(usize::MAX).min(frames);
        self.buffer
            .trim(trim(packet.trim_start.get()), trim(packet.trim_end.get()));
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
        &[SupportedAudioCodec {
            id: CODEC_ID_OPUS,
            info: INFO,
        }]
    }
}
