//! Where the sound of a track starts and ends on the clock, and how a decoder warms up behind a seek.

use symphonia_core::codecs::audio::AudioCodecParameters;
use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::formats::{FormatReader, Track};

use crate::engine::Opening;
use crate::error::DecodeError;
use crate::formats::Kind;
use crate::source::Source;
use crate::{matroska, mp4};

/// Frames that AAC encoders put in front when the file does not say. Apple's own encoder puts 2112, but its files
/// always say; the others start with one block of 1024.
const AAC_PRIMING: u64 = 1024;

/// What the bytes say that the demuxer does not.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Whether the frame count of an MPEG stream stands in a Xing, Info or VBRI header.
    counted: bool,
    index: mp4::Index,
    is_cut: bool,
    end_padding_ns: u64,
}

impl Hints {
    pub(crate) fn gather(source: &mut Source<'_>, opening: &Opening) -> Result<Self, DecodeError> {
        let mut hints = Self::default();
        match opening.kind {
            Kind::Mp4 => {
                hints.index = mp4::read_index(source, opening.position)?;
                hints.is_cut = hints.index.is_cut;
            }
            Kind::Aiff => {
                let form =
                    opening.head.get(4..8).and_then(|size| size.try_into().ok()).map(u32::from_be_bytes);
                let end = form.map(|size| opening.position + 8 + u64::from(size));
                hints.is_cut = end > source.length() && source.length().is_some();
            }
            Kind::Matroska => {
                hints.is_cut = matroska::is_cut(&opening.head, opening.position, source.length());
                if !hints.is_cut {
                    hints.end_padding_ns = matroska::end_padding(source)?;
                }
            }
            _ => {
                let first_frame = &opening.head[..opening.head.len().min(256)];
                let has = |mark: &[u8]| first_frame.windows(mark.len()).any(|window| window == mark);
                hints.counted = has(b"Xing") || has(b"Info") || has(b"VBRI");
            }
        }
        Ok(hints)
    }

    /// Whether the file ends within its sound, so that its reader must not trust its length.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// What states the place of a packet, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// Its timestamp.
    Timestamps,
    /// Its timestamp, rounded by the container, counts whole steps of so many frames from that of the first packet.
    Steps(u64),
    /// The number in a FLAC frame; it counts blocks of so many frames where all blocks are equally long.
    FlacNumbers(u64),
    /// Nothing but what comes before it.
    Nothing,
}

impl Places {
    /// The places of packets in Matroska, whose timestamps are rounded, to milliseconds as a rule.
    fn in_matroska(parameters: &AudioCodecParameters, tick_seconds: f64) -> Self {
        let rate = parameters.sample_rate.unwrap_or(0);
        let step = match parameters.codec {
            codec::CODEC_ID_FLAC => {
                // STREAMINFO starts with the least and the most frames of a block.
                let info = parameters.extra_data.as_deref().and_then(|info| info.get(2..4));
                let block = info.map_or(0, |most| u64::from(most[0]) << 8 | u64::from(most[1]));
                return Self::FlacNumbers(block);
            }
            codec::CODEC_ID_AAC => 1024,
            codec::CODEC_ID_MP3 if rate < 32_000 => 576,
            codec::CODEC_ID_MP3 | codec::CODEC_ID_MP2 => 1152,
            // The shortest packet, of 2.5 ms; all others are multiples of it.
            codec::CODEC_ID_OPUS => 120,
            _ => return Self::Nothing,
        };
        match tick_seconds * f64::from(rate) < 0.45 * step as f64 {
            true => Self::Steps(step),
            false => Self::Nothing,
        }
    }
}

/// The time of a track, in frames.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Audible frames, where the file says so.
    pub(crate) frames: Option<u64>,
    /// Whether `frames` is a count and not an estimate.
    pub(crate) frames_are_exact: bool,
    /// Whether the durations of packets count the frames in them.
    pub(crate) packets_tell_frames: bool,
    /// Frames before the first audible one that the demuxer leaves in.
    pub(crate) priming: u64,
    /// Whether `priming` is the usual number and not a stated one.
    pub(crate) assumed_priming: bool,
    /// The frame at which sound that the demuxer leaves in is cut.
    pub(crate) cut_at: Option<u64>,
    /// Frames to leave out at the end, wherever that is.
    pub(crate) end_padding: u64,
    /// Whether timestamps count frames, so that a jump in them is a loss.
    pub(crate) exact_timestamps: bool,
    /// How packets state their place behind a seek.
    pub(crate) places: Places,
    /// Frames to decode before a sought one until the decoder's state equals that of a whole decode; `None` where
    /// only a decode from the start is exact.
    pub(crate) preroll: Option<u64>,
}

impl Timeline {
    pub(crate) fn of(
        reader: &dyn FormatReader,
        track: &Track,
        parameters: &AudioCodecParameters,
        hints: &Hints,
        kind: Kind,
    ) -> Self {
        let rate = u64::from(parameters.sample_rate.unwrap_or(0));
        let edit = hints.index.edits.iter().find(|edit| edit.track_id == track.id);
        // Ticks of an audio track are frames in all but odd files, for which the demuxer gives no frame count either.
        let ticks_are_frames = track
            .time_base
            .is_some_and(|base| u64::from(base.denom.get()) == rate * u64::from(base.numer.get()));
        let edit = edit.filter(|_| ticks_are_frames);
        let (priming, assumed_priming) = match (parameters.codec, edit) {
            (_, Some(edit)) => (edit.priming, false),
            (codec::CODEC_ID_AAC, None) => (AAC_PRIMING, true),
            (codec::CODEC_ID_OPUS, None) => (opus_priming(track, parameters), false),
            _ => (0, false),
        };
        let counted = track.num_frames.map(|frames| frames.saturating_sub(priming));
        let frames = edit.and_then(|edit| edit.length).or(counted);
        let from_duration = || {
            let media = reader.media_info();
            let seconds = media.time_base?.calc_duration(media.duration?)?.as_secs_f64();
            (seconds > 0.0 && rate > 0).then_some((seconds * rate as f64) as u64)
        };
        // Some writers of ALAC count the last packet as full and do not say how much of it is.
        let fills_its_last_packet = kind == Kind::CafPackets && track.padding.is_none();
        let is_own = matches!(kind, Kind::Wave | Kind::Wave64 | Kind::Au | Kind::Caf);
        let cuts = is_own || kind == Kind::Mp4 || parameters.codec == codec::CODEC_ID_OPUS;
        let places = match (kind, track.time_base) {
            (Kind::Matroska, None) => Places::Nothing,
            (Kind::Matroska, Some(base)) => {
                let tick_seconds = f64::from(base.numer.get()) / f64::from(base.denom.get());
                Places::in_matroska(parameters, tick_seconds)
            }
            _ => Places::Timestamps,
        };
        let preroll = match parameters.codec {
            // Overlap of one block, and the bit reservoir of up to 511 bytes: at the lowest rates about 24 frames.
            codec::CODEC_ID_MP1 | codec::CODEC_ID_MP2 | codec::CODEC_ID_MP3 => 32 * 1152,
            codec::CODEC_ID_VORBIS => 4 * 8192,
            codec::CODEC_ID_AAC => 8 * 1024,
            // Its prediction fades within half a second of music; see `Engine::remembers_too_much` for speech.
            codec::CODEC_ID_OPUS => 4 * 48_000,
            _ => 0,
        };
        // A seek in Matroska lands on the first packet at or behind its target.
        let margin = if kind == Kind::Matroska { rate } else { 0 };
        Self {
            frames_are_exact: frames.is_some()
                && (kind != Kind::Mpeg || hints.counted)
                && !fills_its_last_packet,
            packets_tell_frames: kind != Kind::Matroska && !fills_its_last_packet,
            cut_at: frames.filter(|_| cuts),
            frames: frames.or_else(from_duration),
            priming,
            assumed_priming,
            end_padding: u64::try_from(u128::from(hints.end_padding_ns) * u128::from(rate) / 1_000_000_000)
                .unwrap_or(0),
            exact_timestamps: matches!(kind, Kind::Flac | Kind::Ogg),
            preroll: (places != Places::Nothing).then_some(preroll + margin),
            places,
        }
    }

    /// The clock of the first decoded frame.
    pub(crate) fn first_clock(&self) -> i64 {
        -i64::try_from(self.priming).unwrap_or(0)
    }

    /// Frames that the header promised beyond `clock`.
    pub(crate) fn missing_at(&self, clock: i64) -> u64 {
        let reached = u64::try_from(clock).unwrap_or(0);
        self.frames.filter(|_| self.frames_are_exact).map_or(0, |frames| frames.saturating_sub(reached))
    }

    /// Another stream follows in the chain: nothing the first one said of length or time holds for it.
    pub(crate) fn join_chain(&mut self) {
        self.frames = None;
        self.frames_are_exact = false;
        self.cut_at = None;
        self.exact_timestamps = false;
        self.preroll = None;
        self.places = Places::Nothing;
    }
}

#[cfg(feature = "opus")]
fn opus_priming(track: &Track, parameters: &AudioCodecParameters) -> u64 {
    let head = parameters.extra_data.as_deref().and_then(crate::opus::Head::read);
    head.map_or(u64::from(track.delay.unwrap_or(0)), |head| u64::from(head.pre_skip))
}

#[cfg(not(feature = "opus"))]
fn opus_priming(track: &Track, _parameters: &AudioCodecParameters) -> u64 {
    u64::from(track.delay.unwrap_or(0))
}
