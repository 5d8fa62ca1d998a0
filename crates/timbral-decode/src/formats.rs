//! Which container the first bytes show, and which reader and decoders stand ready for it.

use std::sync::OnceLock;

use symphonia_core::codecs::audio::AudioCodecId;
use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::codecs::registry::CodecRegistry;
use symphonia_core::formats::probe::Probe;

/// What the first bytes of a source show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Wave,
    Wave64,
    Au,
    Aiff,
    Flac,
    Ogg,
    Mp4,
    Matroska,
    /// CAF of plain samples.
    Caf,
    /// CAF of compressed packets.
    CafPackets,
    Adts,
    Mpeg,
    /// Something known that is not decoded, in words.
    Foreign(&'static str),
    Unknown,
}

impl Kind {
    /// Looks at the first bytes, behind any ID3v2 tag.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]
            | [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..]
            | [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Kind::Wave,
            [b'r', b'i', b'f', b'f', 0x2e, 0x91, 0xcf, 0x11, ..] => Kind::Wave64,
            [b'.', b's', b'n', b'd', ..] => Kind::Au,
            [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => Kind::Aiff,
            [b'f', b'L', b'a', b'C', ..] => Kind::Flac,
            [b'O', b'g', b'g', b'S', ..] => Kind::Ogg,
            [_, _, _, _, b'f', b't', b'y', b'p', ..]
            | [_, _, _, _, b'm', b'o', b'o', b'v' | b'f', ..]
            | [_, _, _, _, b'm', b'd', b'a', b't', ..] => Kind::Mp4,
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Kind::Matroska,
            [b'c', b'a', b'f', b'f', 0, ..] if caf_has_plain_samples(head) => Kind::Caf,
            [b'c', b'a', b'f', b'f', 0, ..] => Kind::CafPackets,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => Kind::Foreign("AVI video"),
            [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => Kind::Foreign("Windows Media (ASF, WMA)"),
            [b'M', b'A', b'C', b' ', ..] => Kind::Foreign("Monkey's Audio"),
            [b'w', b'v', b'p', b'k', ..] => Kind::Foreign("WavPack"),
            [b'T', b'T', b'A', b'1', ..] => Kind::Foreign("True Audio (TTA)"),
            [b'M', b'P', b'C', b'K', ..] | [b'M', b'P', b'+', ..] => Kind::Foreign("Musepack"),
            [b'D', b'S', b'D', b' ', ..] | [b'F', b'R', b'M', b'8', ..] => Kind::Foreign("DSD audio"),
            [b'M', b'T', b'h', b'd', ..] => Kind::Foreign("MIDI notes, which hold no sound"),
            [b'#', b'!', b'A', b'M', b'R', ..] => Kind::Foreign("AMR speech"),
            [0x0b, 0x77, ..] => Kind::Foreign("AC-3"),
            [b'.', b'R', b'M', b'F', ..] | [b'.', b'r', b'a', 0xfd, ..] => Kind::Foreign("RealAudio"),
            [0x89, b'P', b'N', b'G', ..] => Kind::Foreign("a PNG picture"),
            [0xff, 0xd8, 0xff, 0xe0 | 0xe1 | 0xdb | 0xee, ..] => Kind::Foreign("a JPEG picture"),
            [b'G', b'I', b'F', b'8', ..] => Kind::Foreign("a GIF picture"),
            [b'%', b'P', b'D', b'F', ..] => Kind::Foreign("a PDF document"),
            [b'P', b'K', 3, 4, ..] => Kind::Foreign("a ZIP archive"),
            [0x1f, 0x8b, ..] => Kind::Foreign("gzip data"),
            [b'7', b'z', 0xbc, 0xaf, ..] => Kind::Foreign("a 7z archive"),
            [0x7f, b'E', b'L', b'F', ..] => Kind::Foreign("a program"),
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Kind::Adts,
            [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 => Kind::Mpeg,
            _ if starts_with_markup(head) => Kind::Foreign("a web page"),
            _ => Kind::Unknown,
        }
    }

    /// The cargo feature that reads this container where this build lacks it, with the name of the container.
    pub(crate) fn disabled(self) -> Option<(&'static str, &'static str)> {
        let any_of = |features: &[bool]| features.iter().any(|&on| on);
        let (name, feature, on) = match self {
            Kind::Wave => ("WAVE", "wav", cfg!(feature = "wav")),
            Kind::Wave64 => ("Wave64", "wav", cfg!(feature = "wav")),
            Kind::Au => ("Sun/NeXT .au", "au", cfg!(feature = "au")),
            Kind::Aiff => ("AIFF", "aiff", cfg!(feature = "aiff")),
            Kind::Flac => ("FLAC", "flac", cfg!(feature = "flac")),
            Kind::Ogg => {
                let codecs = [cfg!(feature = "vorbis"), cfg!(feature = "flac"), cfg!(feature = "opus")];
                ("Ogg", "vorbis", any_of(&codecs))
            }
            Kind::Mp4 => ("MP4/M4A", "aac", any_of(&[cfg!(feature = "aac"), cfg!(feature = "alac")])),
            Kind::Matroska => ("Matroska/WebM", "mkv", cfg!(feature = "mkv")),
            Kind::Caf | Kind::CafPackets => ("CAF", "caf", cfg!(feature = "caf")),
            Kind::Adts => ("ADTS AAC", "aac", cfg!(feature = "aac")),
            Kind::Mpeg => ("MPEG audio", "mp3", cfg!(feature = "mp3")),
            Kind::Foreign(_) | Kind::Unknown => return None,
        };
        (!on).then_some((name, feature))
    }

    /// A probe with the readers that this kind needs; all of them for an unknown one.
    pub(crate) fn probe(self) -> Probe {
        let mut probe = Probe::new();
        #[cfg(feature = "wav")]
        if matches!(self, Kind::Wave | Kind::Wave64 | Kind::Unknown) {
            probe.register_format::<crate::containers::WaveReader<'_>>();
            probe.register_format::<crate::containers::Wave64Reader<'_>>();
        }
        #[cfg(feature = "au")]
        if matches!(self, Kind::Au | Kind::Unknown) {
            probe.register_format::<crate::containers::AuReader<'_>>();
        }
        #[cfg(feature = "aiff")]
        if matches!(self, Kind::Aiff | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::AiffReader<'_>>();
        }
        #[cfg(feature = "flac")]
        if matches!(self, Kind::Flac | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::FlacReader<'_>>();
        }
        #[cfg(any(feature = "vorbis", feature = "flac", feature = "opus"))]
        if matches!(self, Kind::Ogg | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::OggReader<'_>>();
        }
        #[cfg(any(feature = "aac", feature = "alac"))]
        if matches!(self, Kind::Mp4 | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::IsoMp4Reader<'_>>();
        }
        #[cfg(feature = "mkv")]
        if matches!(self, Kind::Matroska | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::MkvReader<'_>>();
        }
        #[cfg(feature = "caf")]
        if self == Kind::Caf {
            probe.register_format::<crate::containers::CafReader<'_>>();
        }
        #[cfg(feature = "caf")]
        if matches!(self, Kind::CafPackets | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::CafReader<'_>>();
        }
        #[cfg(feature = "aac")]
        if matches!(self, Kind::Adts | Kind::Mpeg | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::AdtsReader<'_>>();
        }
        #[cfg(feature = "mp3")]
        if matches!(self, Kind::Adts | Kind::Mpeg | Kind::Unknown) {
            probe.register_format::<symphonia::default::formats::MpaReader<'_>>();
        }
        probe.register_metadata::<symphonia::default::meta::Id3v2Reader<'_>>();
        probe.register_metadata::<symphonia::default::meta::Id3v1Reader<'_>>();
        probe.register_metadata::<symphonia::default::meta::ApeReader<'_>>();
        probe
    }
}

#[cfg(feature = "caf")]
use crate::containers::has_plain_samples as caf_has_plain_samples;

#[cfg(not(feature = "caf"))]
fn caf_has_plain_samples(_head: &[u8]) -> bool {
    false
}

fn starts_with_markup(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    [b"<!doctype".as_slice(), b"<html", b"<?xml"]
        .iter()
        .any(|mark| text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark)))
}

/// The bytes of an ID3v2 tag at the start of `head`, header included.
pub(crate) fn id3v2_length(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = head else {
        return None;
    };
    let digits = [a, b, c, d];
    if digits.iter().any(|&&digit| digit > 0x7f) {
        return None;
    }
    let body = digits.iter().fold(0, |sum, &&digit| (sum << 7) | u64::from(digit));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + body + footer)
}

/// All decoders of this build.
pub(crate) fn codecs() -> &'static CodecRegistry {
    static CODECS: OnceLock<CodecRegistry> = OnceLock::new();
    CODECS.get_or_init(|| {
        let mut registry = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut registry);
        #[cfg(feature = "opus")]
        registry.register_audio_decoder::<crate::opus::OpusDecoder>();
        registry
    })
}

/// The name of a codec for people, and the cargo feature that decodes it; no feature where none does.
pub(crate) fn codec_name(id: AudioCodecId) -> (&'static str, Option<&'static str>) {
    match id {
        codec::CODEC_ID_VORBIS => ("Vorbis", Some("vorbis")),
        codec::CODEC_ID_OPUS => ("Opus", Some("opus")),
        codec::CODEC_ID_FLAC => ("FLAC", Some("flac")),
        codec::CODEC_ID_MP1 => ("MPEG layer 1", Some("mp3")),
        codec::CODEC_ID_MP2 => ("MPEG layer 2", Some("mp3")),
        codec::CODEC_ID_MP3 => ("MP3", Some("mp3")),
        codec::CODEC_ID_AAC => ("AAC", Some("aac")),
        codec::CODEC_ID_ALAC => ("ALAC", Some("alac")),
        codec::CODEC_ID_ADPCM_MS => ("MS ADPCM", Some("wav")),
        codec::CODEC_ID_ADPCM_IMA_WAV | codec::CODEC_ID_ADPCM_IMA_QT => ("IMA ADPCM", Some("wav")),
        codec::CODEC_ID_PCM_ALAW => ("A-law", Some("wav")),
        codec::CODEC_ID_PCM_MULAW => ("mu-law", Some("wav")),
        codec::CODEC_ID_PCM_F32LE | codec::CODEC_ID_PCM_F32BE => ("PCM 32-bit float", Some("wav")),
        codec::CODEC_ID_PCM_F64LE | codec::CODEC_ID_PCM_F64BE => ("PCM 64-bit float", Some("wav")),
        codec::CODEC_ID_PCM_S8 | codec::CODEC_ID_PCM_U8 => ("PCM 8 bit", Some("wav")),
        codec::CODEC_ID_PCM_S16LE | codec::CODEC_ID_PCM_S16BE => ("PCM 16 bit", Some("wav")),
        codec::CODEC_ID_PCM_S24LE | codec::CODEC_ID_PCM_S24BE => ("PCM 24 bit", Some("wav")),
        codec::CODEC_ID_PCM_S32LE | codec::CODEC_ID_PCM_S32BE => ("PCM 32 bit", Some("wav")),
        codec::CODEC_ID_AC3 | codec::CODEC_ID_EAC3 => ("AC-3", None),
        codec::CODEC_ID_DCA => ("DTS", None),
        codec::CODEC_ID_SPEEX => ("Speex", None),
        codec::CODEC_ID_WAVPACK => ("WavPack", None),
        codec::CODEC_ID_TRUEHD => ("TrueHD", None),
        _ => ("an unknown codec", None),
    }
}

/// Bits per sample of a linear codec.
pub(crate) fn sample_bits(id: AudioCodecId) -> Option<u32> {
    Some(match id {
        codec::CODEC_ID_PCM_S8 | codec::CODEC_ID_PCM_U8 => 8,
        codec::CODEC_ID_PCM_S16LE | codec::CODEC_ID_PCM_S16BE => 16,
        codec::CODEC_ID_PCM_S24LE | codec::CODEC_ID_PCM_S24BE => 24,
        codec::CODEC_ID_PCM_S32LE | codec::CODEC_ID_PCM_S32BE => 32,
        codec::CODEC_ID_PCM_F32LE | codec::CODEC_ID_PCM_F32BE => 32,
        codec::CODEC_ID_PCM_F64LE | codec::CODEC_ID_PCM_F64BE => 64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Kind, id3v2_length};

    #[test]
    fn first_bytes_tell_the_container() {
        assert_eq!(Kind::of(b"RIFF\0\0\0\0WAVEfmt "), Kind::Wave);
        assert_eq!(Kind::of(b".snd\0\0\0\x18"), Kind::Au);
        assert_eq!(Kind::of(&[0xff, 0xfb, 0x90, 0x64]), Kind::Mpeg);
        assert_eq!(Kind::of(&[0xff, 0xf1, 0x50, 0x80]), Kind::Adts);
        assert_eq!(Kind::of(b"  <!DOCTYPE html>"), Kind::Foreign("a web page"));
        assert_eq!(Kind::of(b""), Kind::Unknown);
    }

    #[test]
    fn id3_sizes_are_synchsafe() {
        assert_eq!(id3v2_length(b"ID3\x03\0\0\0\0\x02\x01"), Some(10 + 257));
        assert_eq!(id3v2_length(b"ID3\x04\0\x10\0\0\0\0"), Some(20));
        assert_eq!(id3v2_length(b"ID3\x04\0\0\x80\0\0\0"), None);
        assert_eq!(id3v2_length(b"ID3"), None);
    }
}
