//! Where the sound of a track starts and ends on the clock, and how a decoder warms up behind a seek.

use symphonia_core::codecs::audio::AudioCodecParameters;
use symphonia_core::codecs::audio::well_known as codec;
use symphonia_core::formats::Track;

use crate::engine::Opening;
use crate::error::DecodeError;
use crate::source::Source;

/// Frames that AAC encoders put in front when the file does not say (Apple TN2258 has 2112 for its own encoder, but
/// files of that one always say; the others start with one frame of 1024).
const AAC_PRIMING: u64 = 1024;

/// What the bytes tell that the demuxer does not.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Whether the frame count of an MPEG stream stands in a Xing, Info or VBRI header.
    counted: bool,
}

impl Hints {
    pub(crate) fn gather(_source: &mut Source<'_>, opening: &Opening) -> Result<Self, DecodeError> {
        let first_frame = &opening.head[..opening.head.len().min(256)];
        let has = |mark: &[u8]| first_frame.windows(mark.len()).any(|window| window == mark);
        Ok(Self {
            counted: has(b"Xing") || has(b"Info") || has(b"VBRI"),
        })
    }
}

/// The time of a track, in frames.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Audible frames, where the file says so.
    pub(crate) frames: Option<u64>,
    /// Whether `frames` is a count and not an estimate.
    pub(crate) frames_are_exact: bool,
    /// Frames before the first audible one that the demuxer leaves in.
    pub(crate) priming: u64,
    /// Whether `priming` is the usual number and not a stated one.
    pub(crate) assumed_priming: bool,
    /// The frame at which sound that the demuxer leaves in is cut.
    pub(crate) cut_at: Option<u64>,
    /// Whether timestamps count frames, so that a jump in them is a loss.
    pub(crate) exact_timestamps: bool,
    /// Frames to decode before a sought one until the decoder's state equals that of a whole decode; `None` where
    /// only a decode from the start is exact.
    pub(crate) preroll: Option<u64>,
    before_zero: i64,
}

impl Timeline {
    pub(crate) fn of(
        track: &Track,
        parameters: &AudioCodecParameters,
        hints: &Hints,
        container: &'static str,
    ) -> Self {
        let own_reader = matches!(container, "WAVE" | "Wave64" | "AU");
        let stated_priming = 0;
        let assumed_priming = parameters.codec == codec::CODEC_ID_AAC;
        let priming = if assumed_priming {
            AAC_PRIMING
        } else {
            stated_priming
        };
        let frames = track.num_frames.map(|frames| frames.saturating_sub(priming));
        let preroll = match parameters.codec {
            // Overlap of one block, and the bit reservoir of up to 511 bytes: at the lowest rates about 24 frames.
            codec::CODEC_ID_MP1 | codec::CODEC_ID_MP2 | codec::CODEC_ID_MP3 => Some(32 * 1152),
            codec::CODEC_ID_VORBIS => Some(4 * 8192),
            codec::CODEC_ID_AAC => Some(8 * 1024),
            codec::CODEC_ID_OPUS => None,
            _ => Some(0),
        };
        Self {
            frames,
            frames_are_exact: container != "MPEG" || hints.counted,
            priming,
            assumed_priming,
            cut_at: frames.filter(|_| own_reader),
            exact_timestamps: matches!(container, "FLAC" | "Ogg"),
            preroll: preroll.filter(|_| container != "Matroska"),
            before_zero: -i64::try_from(priming).unwrap_or(0),
        }
    }

    /// The clock of the first decoded frame.
    pub(crate) fn first_clock(&self) -> i64 {
        self.before_zero
    }

    /// Frames that the header promised beyond `clock`.
    pub(crate) fn missing_at(&self, clock: i64) -> u64 {
        let reached = u64::try_from(clock).unwrap_or(0);
        self.frames
            .filter(|_| self.frames_are_exact)
            .map_or(0, |frames| frames.saturating_sub(reached))
    }

    /// Another stream follows in the chain: nothing the first one said of length or time holds for it.
    pub(crate) fn join_chain(&mut self) {
        self.frames = None;
        self.cut_at = None;
        self.exact_timestamps = false;
        self.preroll = None;
    }
}
