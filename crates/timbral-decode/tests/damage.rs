//! Damage is told, never swallowed, and hostile headers are harmless.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says that this must hold")]

mod common;

use std::time::Instant;

use common::{au, bytes, caf, fixture, fmt, riff, sweep, wav, whole};
use timbral_decode::{
    Audio, DecodeConfig, DecodeError, Decoder, WarningKind, decode_bytes, decode_file, decode_reader,
};

fn decode(file: &[u8]) -> Result<Audio, DecodeError> {
    decode_bytes(file, &DecodeConfig::default())
}

fn malformed(file: &[u8]) {
    let error = decode(file).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    assert!(error.to_string().starts_with("audio bytes is corrupt: "), "{error}");
}

#[test]
fn half_a_file_gives_half_the_sound_and_a_warning() {
    for name in [
        "tone.flac",
        "tone.mp3",
        "tone.ogg",
        "faststart.m4a",
        "second.aiff",
        "second.w64",
        "second.caf",
        "tone.mka",
        "aac.mka",
        "ima.wav",
    ] {
        let file = bytes(name);
        let half = &file[..file.len() * 6 / 10];
        let audio = decode(half).expect(name);
        let share = audio.frames() as f64 / whole(name).frames() as f64;
        assert!((0.2..0.8).contains(&share), "{name}: {share}");
        let last = audio.warnings.last().expect(name);
        assert_eq!(last.kind, WarningKind::Truncated, "{name}");
        assert!((last.position_seconds - audio.duration_seconds()).abs() < 0.2, "{name}: {last}");
        let error = decode_bytes(half, &DecodeConfig::default().strict()).unwrap_err();
        assert!(matches!(error, DecodeError::Damaged { .. }), "{name}: {error}");
    }
}

#[test]
fn without_their_index_packets_are_refused() {
    // The index of MP4, and of CAF with compressed packets, comes behind the sound.
    for name in ["tone.m4a", "alac.caf"] {
        let file = bytes(name);
        let error = decode(&file[..file.len() / 2]).unwrap_err();
        let is_told = matches!(error, DecodeError::Malformed { .. } | DecodeError::Unsupported { .. });
        assert!(is_told, "{name}: {error}");
    }
}

#[test]
fn whole_files_pass_strictly() {
    for name in [
        "tone.flac",
        "tone.mp3",
        "vbr.mp3",
        "tone.ogg",
        "tone.m4a",
        "tone.aac",
        "alac.m4a",
        "alac.caf",
        "flac.oga",
        "layer2.mp2",
        "tone.mka",
        "aac.mka",
        "short.aifc",
        "ima.wav",
        "ms.wav",
    ] {
        decode_bytes(&bytes(name), &DecodeConfig::default().strict()).expect(name);
    }
}

#[test]
fn damage_in_the_middle_keeps_the_rest_in_its_place() {
    let reference = whole("tone.flac");
    let mut file = bytes("tone.flac");
    let middle = file.len() / 2;
    file[middle..middle + 40].fill(0x55);
    let audio = decode(&file).unwrap();
    assert!(!audio.warnings.is_empty());
    assert_eq!(audio.frames(), reference.frames());
    let equal = audio.samples.iter().zip(&reference.samples).filter(|(a, b)| a == b).count();
    assert!(equal > reference.samples.len() * 8 / 10, "{equal} of {}", reference.samples.len());
    assert_eq!(audio.samples[170_000..], reference.samples[170_000..]);
    assert!(decode_bytes(&file, &DecodeConfig::default().strict()).is_err());
}

#[test]
fn a_lying_checksum_is_told_strictly() {
    let mut file = bytes("tone.flac");
    // STREAMINFO is the first block: 4 bytes of magic, 4 of header, 18 of fields, then the MD5.
    file[26] ^= 0xff;
    assert_eq!(decode(&file).unwrap().samples, whole("tone.flac").samples);
    let error = decode_bytes(&file, &DecodeConfig::default().strict()).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn samples_that_are_not_numbers_become_silence_and_are_told() {
    let samples = [0.5, f32::NAN, f32::INFINITY, -0.25, f32::NEG_INFINITY, 3e38, 1e-40];
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let audio = decode(&riff(&[(b"fmt ", &fmt(3, 1, 8000, 32)), (b"data", &data)])).unwrap();
    assert_eq!(audio.samples, [0.5, 0.0, 0.0, -0.25, 0.0, 3e38, 1e-40]);
    assert_eq!(audio.warnings.len(), 1);
    assert_eq!(audio.warnings[0].kind, WarningKind::NonFinite);
}

#[test]
fn the_largest_floats_overflow_neither_the_mix_nor_the_resampler() {
    let data: Vec<u8> =
        [f32::MAX, f32::MAX, f32::MIN, f32::MAX].repeat(3000).iter().flat_map(|s| s.to_le_bytes()).collect();
    for channels in [2, 4] {
        let file = riff(&[(b"fmt ", &fmt(3, channels, 8000, 32)), (b"data", &data)]);
        for options in [DecodeConfig::default().mono(), DecodeConfig::default().mono().sample_rate(16_000)] {
            let audio = decode_bytes(&file, &options).unwrap();
            assert!(audio.samples.iter().all(|sample| sample.is_finite()));
        }
    }
}

#[test]
fn headers_that_promise_too_much_are_not_believed() {
    let mut file = wav(&sweep(1000, 1), 1, 8000);
    for claim in [u32::MAX, u32::MAX - 3, 3000] {
        file[40..44].copy_from_slice(&claim.to_le_bytes());
        let audio = decode(&file).unwrap();
        assert_eq!(audio.frames(), 1000);
        assert_eq!(audio.warnings.len(), 1, "a claim of {claim} bytes");
    }
    // A writer that never filled in its lengths.
    file[40..44].fill(0);
    assert_eq!(decode(&file).unwrap().warnings[0].kind, WarningKind::Header);
}

#[test]
fn headers_without_sense_are_refused() {
    let data = [0; 64];
    let with = |format: &[u8]| riff(&[(b"fmt ", format), (b"data", &data)]);
    malformed(&with(&fmt(1, 0, 8000, 16)));
    malformed(&with(&fmt(1, 1, 0, 16)));
    malformed(&with(&fmt(1, 1, 1, 16)));
    malformed(&with(&fmt(1, 1, 8000, 0)));
    malformed(&with(&fmt(1, 1, 8000, 64)));
    malformed(&with(&fmt(3, 1, 8000, 16)));
    malformed(&with(&fmt(1, 1, 8000, 16)[..14]));
    malformed(&riff(&[(b"data", &data)]));
    malformed(&riff(&[(b"fmt ", &fmt(1, 1, 8000, 16))]));
    malformed(&au(3, 8000, 0, 64, &data));
    malformed(&au(3, 0, 1, 64, &data));
    let mut misplaced = au(3, 8000, 1, 64, &data);
    for offset in [0_u32, 23, 1000, u32::MAX] {
        misplaced[4..8].copy_from_slice(&offset.to_be_bytes());
        malformed(&misplaced);
    }
    let mut rate = fmt(1, 1, 8000, 16);
    rate[4..8].fill(0xff);
    malformed(&with(&rate));
    let unknown = decode(&au(99, 8000, 1, 64, &data)).unwrap_err();
    assert!(matches!(unknown, DecodeError::Unsupported { .. }), "{unknown}");
}

#[test]
fn what_is_no_audio_says_so() {
    assert!(matches!(decode(b"").unwrap_err(), DecodeError::Empty { .. }));
    for (file, word) in [
        (&b"x"[..], "unrecognised or unsupported audio format"),
        (b"Dear diary, today nothing rang.", "unrecognised or unsupported audio format"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"\x89PNG\r\n\x1a\n.................", "PNG"),
        (b"ID3\x03\0\0\0\0\0\x02xx", "tag"),
    ] {
        let error = decode(file).unwrap_err();
        assert!(matches!(error, DecodeError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let empty = decode(&wav(&[], 1, 8000)).unwrap_err();
    assert!(matches!(empty, DecodeError::NoAudio { .. }), "{empty}");
    let folder = decode_file(fixture(""), &DecodeConfig::default()).unwrap_err();
    assert!(matches!(folder, DecodeError::Io { .. }), "{folder}");
    let missing = decode_file("no/such.wav", &DecodeConfig::default()).unwrap_err();
    assert!(missing.to_string().contains("no/such.wav"), "{missing}");
}

#[test]
fn limits_name_what_they_limit() {
    let file = wav(&sweep(16_000, 2), 2, 8000);
    let limit = |options: &DecodeConfig| decode_bytes(&file, options).unwrap_err();
    let base = DecodeConfig::default;
    for (options, option, value) in [
        (base().max_duration(1.5), "max_duration_seconds", "1.5 s"),
        (DecodeConfig { max_channels: 1, ..base() }, "max_channels", "1 channels"),
        (DecodeConfig { max_bytes: 1000, ..base() }, "max_bytes", "1000 bytes"),
        (DecodeConfig { max_input_bytes: 2000, ..base() }, "max_input_bytes", "2000 bytes"),
    ] {
        let error = limit(&options);
        assert!(
            matches!(error, DecodeError::Limit { option: found, .. } if found == option),
            "{option}: {error}"
        );
        assert!(error.to_string().contains(value), "{error}");
    }
    // By default one hour, 32 channels and 2 GiB of samples.
    let header = |rate, channels, size| au(1, rate, channels, size, &[0; 100]);
    for (file, option, given, allowed) in [
        (header(1000, 1, 7_200_000), "max_duration_seconds", "7200.0 s", "3600 s"),
        (header(8000, 33, 100), "max_channels", "33 channels", "32 channels"),
        (header(700_000, 32, 600 << 20), "max_bytes", "2516582400 bytes", "2147483648 bytes"),
    ] {
        // The file itself is short, so that only a reader without an end believes the header.
        let error = decode_reader(&file[..], &base()).unwrap_err();
        assert!(
            matches!(error, DecodeError::Limit { option: found, .. } if found == option),
            "{option}: {error}"
        );
        let message = error.to_string();
        assert!(message.contains(given) && message.contains(allowed), "{message}");
    }
    // An excerpt of a long source is allowed, and a stream of unknown length is stopped.
    decode_bytes(&file, &base().max_duration(1.5).excerpt(0.5, 1.0)).unwrap();
    let endless = au(3, 8000, 1, u32::MAX, &[0; 64_000]);
    let error = decode_reader(&endless[..], &base().max_duration(1.5)).unwrap_err();
    assert!(matches!(error, DecodeError::Limit { .. }), "{error}");
}

#[test]
fn nothing_decoded_is_always_an_error() {
    let empty: [Vec<u8>; 5] = [
        wav(&[], 2, 8000),
        au(3, 8000, 2, u32::MAX, &[]),
        au(3, 8000, 2, 0, &[]),
        caf(b"lpcm", 0, 8000, 2, 16, 4, &[]),
        caf(b"lpcm", 0, 8000, 2, 16, -1, &[1]),
    ];
    for file in &empty {
        let error = decode(file).unwrap_err();
        assert!(matches!(error, DecodeError::NoAudio { .. }), "{error}");
    }
    // Headers alone: some decode to nothing, some are too short to be anything.
    for (name, header) in [
        ("tone.flac", 42),
        ("flac.oga", 900),
        ("tone.ogg", 3000),
        ("tone.mp3", 300),
        ("faststart.m4a", 1500),
        ("tone.mka", 400),
        ("second.aiff", 54),
        ("second.w64", 104),
    ] {
        for length in [header / 2, header] {
            let error = decode(&bytes(name)[..length]).map(|audio| audio.frames()).unwrap_err();
            let is_told = matches!(
                error,
                DecodeError::NoAudio { .. } | DecodeError::Malformed { .. } | DecodeError::Unsupported { .. }
            );
            assert!(is_told, "{name} of {length} bytes: {error}");
        }
    }
    for options in [
        DecodeConfig::default().excerpt(0.5, 0.0),
        DecodeConfig::default().middle(0.0),
        DecodeConfig::default().start(100.0),
    ] {
        let error = decode_bytes(&wav(&sweep(8000, 1), 1, 8000), &options).unwrap_err();
        assert!(matches!(error, DecodeError::NoAudio { .. }), "{error}");
    }
}

#[test]
fn adpcm_blocks_that_no_encoder_writes_are_refused() {
    // One sample in a block, although two stand in its header.
    for (channels, stated) in [(1, 1), (2, 1), (1, 7)] {
        let mut format = fmt(2, channels, 8000, 4);
        format[12..14].copy_from_slice(&(22 * channels).to_le_bytes());
        format.extend([2_u16, stated].map(u16::to_le_bytes).concat());
        malformed(&riff(&[(b"fmt ", &format), (b"data", &[0; 440])]));
    }
}

#[test]
fn options_without_sense_are_refused() {
    let file = wav(&sweep(10, 1), 1, 8000);
    for options in [
        DecodeConfig::default().sample_rate(0),
        DecodeConfig::default().sample_rate(u32::MAX),
        DecodeConfig::default().excerpt(f64::NAN, 1.0),
        DecodeConfig::default().excerpt(0.0, -1.0),
        DecodeConfig::default().middle(f64::INFINITY),
        DecodeConfig::default().max_duration(f64::NAN),
    ] {
        let error = decode_bytes(&file, &options).unwrap_err();
        assert!(matches!(error, DecodeError::Config { .. }), "{error}");
    }
}

#[test]
fn noise_is_no_music() {
    let mut state = 7_u64;
    for _ in 0..20 {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let mut noise: Vec<u8> = (0..30_000).map(|_| next()).collect();
        if let Ok(audio) = decode(&noise) {
            panic!("noise decoded to {} s", audio.duration_seconds());
        }
        // The same behind what looks like the start of a frame.
        noise[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x64]);
        if let Ok(audio) = decode(&noise) {
            assert!(audio.duration_seconds() < 0.1, "noise decoded to {} s", audio.duration_seconds());
        }
    }
}

#[test]
fn ten_hours_pass_through_a_decoder_block_by_block() {
    // Ten hours of stereo silence as a stream of .au: nothing but the blocks is held.
    struct Silence(Vec<u8>, u64);
    impl std::io::Read for Silence {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if !self.0.is_empty() {
                let count = self.0.len().min(buffer.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0.drain(..count);
                return Ok(count);
            }
            let count = (buffer.len() as u64).min(self.1) as usize;
            buffer[..count].fill(0xff);
            self.1 -= count as u64;
            Ok(count)
        }
    }
    let frames = 10 * 3600 * 1000_u64;
    let source = Silence(au(1, 1000, 1, u32::MAX, &[]), frames);
    let started = Instant::now();
    let mut decoder =
        Decoder::from_reader(source, &DecodeConfig::default().max_duration(f64::INFINITY)).unwrap();
    let (mut counted, mut longest) = (0, 0);
    while let Some(block) = decoder.next_block().unwrap() {
        counted += block.len() as u64;
        longest = longest.max(block.len());
    }
    assert_eq!(counted, frames);
    assert!(longest <= 8192, "a block of {longest} samples after {:?}", started.elapsed());
}
