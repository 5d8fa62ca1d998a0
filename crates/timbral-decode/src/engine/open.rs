//! From the first bytes to a demuxer, a decoder and a clock.

use std::io;

use symphonia_core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::errors::Error;
use symphonia_core::formats::probe::Hint;
use symphonia_core::formats::{FormatOptions, TrackType};
use symphonia_core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia_core::meta::MetadataOptions;

use super::Engine;
use super::Header;
use crate::audio::WarningKind;
use crate::config::Limits;
use crate::contained::{contained, translate};
use crate::error::DecodeError;
use crate::formats::{self, Kind};
use crate::source::Source;
use crate::tags;
use crate::timeline::{self, Timeline};

impl<'a> Engine<'a> {
    pub(crate) fn open(mut source: Source<'a>, limits: &Limits) -> Result<Self, DecodeError> {
        source.set_budget(limits.max_input_bytes);
        let name = source.name.clone();
        let opening = Opening::look(&mut source)?;
        let fail = |error| translate(&name, error);

        let hints = timeline::Hints::gather(&mut source, &opening)?;
        if hints.is_cut() {
            // symphonia's reader refuses boxes that reach beyond the end; a stream of unknown length it reads.
            source.forget_length();
        }
        let can_seek = source.can_seek();
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let probe = opening.kind.probe();
        let probed = contained(&name, || {
            probe.probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        })?;
        let mut reader = match probed {
            Ok(reader) => reader,
            Err(Error::Unsupported(reason)) if reason.starts_with("core (probe)") => {
                return Err(not_audio(name, opening.tagged));
            }
            Err(_) if opening.kind == Kind::CafPackets && !can_seek => {
                return Err(DecodeError::Unseekable {
                    name,
                    reason: "CAF of compressed packets holds its parts in any order".to_owned(),
                });
            }
            Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(DecodeError::Malformed { name, reason: "it ends within its header".to_owned() });
            }
            Err(error) => return Err(fail(error)),
        };
        let track = reader
            .default_track(TrackType::Audio)
            .or_else(|| reader.first_track_known_codec(TrackType::Audio))
            .cloned();
        let Some((track, mut parameters)) = track.and_then(|track| {
            track.codec_params.clone().and_then(|p| p.audio().cloned()).map(|p| (track, p))
        }) else {
            return Err(DecodeError::NoAudio { name, reason: "no track holds sound".to_owned() });
        };
        if parameters.codec == CODEC_ID_OPUS {
            // WebM states the rate of what was encoded; Opus always decodes to this one.
            parameters.sample_rate = Some(48_000);
        }
        if let Some(channels) = &parameters.channels {
            limits.check_channels(&name, channels.count())?;
        }
        if let Some(rate) = parameters.sample_rate {
            Limits::check_rate(&name, rate)?;
        }
        let decoder = make_decoder(&name, &parameters, limits.verify)?;
        let (tags, notes) = contained(&name, || tags::collect(reader.as_mut()))?;
        let container = container_name(opening.kind, reader.format_info().short_name);
        let timeline =
            contained(&name, || Timeline::of(reader.as_ref(), &track, &parameters, &hints, opening.kind))?;
        let mut engine = Self {
            header: Header {
                container,
                codec: formats::codec_name(parameters.codec).0,
                sample_rate: parameters.sample_rate.unwrap_or(0),
                channels: parameters.channels.as_ref().map_or(0, |channels| channels.count()),
                bits_per_sample: parameters.bits_per_sample.or(formats::sample_bits(parameters.codec)),
                tags,
            },
            name,
            clock: timeline.first_clock(),
            timeline,
            warnings: Vec::new(),
            samples: Vec::new(),
            held: Vec::new(),
            reader,
            decoder,
            can_seek,
            is_matroska: opening.kind == Kind::Matroska,
            is_opus: parameters.codec == CODEC_ID_OPUS,
            first_ticks: None,
            speech_since_seek: false,
            time_base: track.time_base,
            track,
            resynchronise: false,
            good_packets: 0,
            bad_packets: 0,
            errors_in_a_row: 0,
            non_finite: 0,
            waiting: None,
            in_gap: false,
            ended: false,
        };
        for note in notes {
            engine.warn(WarningKind::Header, 0, note);
        }
        if engine.timeline.assumed_priming {
            let message = format!(
                "the file does not say how many frames its encoder put in front; {} were removed",
                engine.timeline.priming
            );
            engine.warn(WarningKind::AssumedPriming, 0, message);
        }
        Ok(engine)
    }
}

/// What the first bytes say.
pub(crate) struct Opening {
    pub(crate) kind: Kind,
    /// Where the container starts, behind any ID3v2 tags.
    pub(crate) position: u64,
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
    /// Whether tags precede them.
    pub(crate) tagged: bool,
}

impl Opening {
    pub(super) fn look(source: &mut Source<'_>) -> Result<Self, DecodeError> {
        let mut head = source.head()?;
        if head.is_empty() {
            return Err(DecodeError::Empty { name: source.name.clone() });
        }
        let (mut position, mut tagged) = (0_u64, false);
        // A file may carry several tags one behind another; more than a few is an attack.
        for _ in 0..8 {
            let Some(length) = formats::id3v2_length(&head) else {
                break;
            };
            tagged = true;
            position = position.saturating_add(length);
            head = source.peek_at(position, 4096)?;
        }
        let kind = Kind::of(&head);
        let name = || source.name.clone();
        if let Kind::Foreign(what) = kind {
            return Err(DecodeError::Unsupported {
                name: name(),
                reason: format!("this is {what}, which is not decoded"),
            });
        }
        if let Some((format, feature)) = kind.disabled() {
            return Err(DecodeError::FeatureDisabled { name: name(), format, feature });
        }
        Ok(Self { kind, position, head, tagged })
    }
}

fn not_audio(name: String, tagged: bool) -> DecodeError {
    let reason = match tagged {
        true => "there is a tag but no audio that is decoded behind it",
        false => "unrecognised or unsupported audio format",
    };
    DecodeError::Unsupported { name, reason: reason.to_owned() }
}

fn container_name(kind: Kind, short_name: &'static str) -> &'static str {
    match (kind, short_name) {
        (_, "wave") => "WAVE",
        (_, "w64") => "Wave64",
        (_, "au") => "AU",
        (_, "aiff") => "AIFF",
        (_, "flac") => "FLAC",
        (_, "ogg") => "Ogg",
        (_, "isomp4") => "MP4",
        (_, "mkv" | "matroska" | "webm") => "Matroska",
        (_, "caf") => "CAF",
        (_, "aac" | "adts") => "ADTS",
        (_, "mp1" | "mp2" | "mp3") => "MPEG",
        (_, other) => other,
    }
}

pub(super) fn make_decoder(
    name: &str,
    parameters: &AudioCodecParameters,
    verify: bool,
) -> Result<Box<dyn AudioDecoder>, DecodeError> {
    let options = AudioDecoderOptions::default().verify(verify);
    match contained(name, || formats::codecs().make_audio_decoder(parameters, &options))? {
        Ok(decoder) => Ok(decoder),
        Err(Error::Unsupported(reason)) => {
            let known = formats::codecs().get_audio_decoder(parameters.codec).is_some();
            let name = name.to_owned();
            Err(match formats::codec_name(parameters.codec) {
                (format, Some(feature)) if !known => DecodeError::FeatureDisabled { name, format, feature },
                (codec, _) if known => {
                    DecodeError::Unsupported { name, reason: format!("{codec}: {reason}") }
                }
                (codec, _) => DecodeError::Unsupported { name, reason: format!("unsupported codec {codec}") },
            })
        }
        Err(error) => Err(translate(name, error)),
    }
}
