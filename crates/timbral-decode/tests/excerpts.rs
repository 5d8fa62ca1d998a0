//! An excerpt equals the same range of a whole decode, sample by sample, in every format.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says that this must hold")]

mod common;

use common::{au, bytes, caf, fmt, riff, sweep, wav, whole};
use timbral_decode::{DecodeConfig, DecodeError, Decoder, decode_bytes, decode_reader};

/// Every fixture that decodes in this build, and two files made here.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut names = vec![
        "tone.flac",
        "tone.mp3",
        "vbr.mp3",
        "no_xing.mp3",
        "tone.ogg",
        "tone.m4a",
        "faststart.m4a",
        "tone.aac",
        "alac.m4a",
        "tone.mka",
        "long.mka",
        "aac.mka",
        "layer2.mp2",
        "second.caf",
        "alac.caf",
        "flac.oga",
        "short.aifc",
        "second.aiff",
        "second.w64",
        "ima.wav",
        "ms.wav",
    ];
    if cfg!(feature = "opus") {
        names.extend(["tone.opus", "tone.webm", "long.opus", "long.webm", "speech.opus", "surround.opus"]);
    }
    let mut files: Vec<_> = names.iter().map(|name| ((*name).to_owned(), bytes(name))).collect();
    let samples = sweep(32_000, 2);
    files.push(("made.wav".to_owned(), wav(&samples, 2, 8000)));
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    files.push(("made.au".to_owned(), au(3, 8000, 2, u32::MAX, &data)));
    let codes: Vec<u8> = samples.iter().map(|sample| (sample >> 8) as u8).collect();
    files.push(("mu-law.au".to_owned(), au(1, 8000, 2, codes.len() as u32, &codes)));
    files.push(("A-law.wav".to_owned(), riff(&[(b"fmt ", &fmt(6, 2, 8000, 8)), (b"data", &codes)])));
    files.push(("made.caf".to_owned(), caf(b"lpcm", 0, 8000, 2, 16, -1, &data)));
    files
}

#[test]
fn an_excerpt_is_a_range_of_the_whole() {
    for (name, file) in files() {
        let whole = decode_bytes(&file, &DecodeConfig::default()).expect(&name);
        let rate = f64::from(whole.sample_rate);
        for start in [0.0, 0.013, 0.05, 0.4, 0.99, 1.7, 2.0, 2.5, 3.1, 3.9, 5.3, 7.77, 9.8] {
            if start >= whole.duration_seconds() {
                continue;
            }
            let excerpt = decode_bytes(&file, &DecodeConfig::default().excerpt(start, 0.3)).expect(&name);
            let from = (start * rate).round() as usize * whole.channels;
            let to = (from + (0.3 * rate).round() as usize * whole.channels).min(whole.samples.len());
            assert_eq!(excerpt.samples.len(), to - from, "{name} at {start} s");
            let differs = excerpt.samples.iter().zip(&whole.samples[from..to]).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{name} at {start} s: the first sample that differs");
        }
    }
}

#[test]
fn an_excerpt_of_a_stream_equals_that_of_a_file() {
    let options = DecodeConfig::default().excerpt(2.5, 0.25);
    for name in
        ["tone.flac", "tone.mp3", "tone.ogg", "faststart.m4a", "tone.aac", "aac.mka", "long.mka", "ima.wav"]
    {
        let file = bytes(name);
        let expected = decode_bytes(&file, &options).unwrap();
        assert_eq!(decode_reader(&file[..], &options).unwrap().samples, expected.samples, "{name}");
    }
}

#[test]
fn the_middle_lies_in_the_middle() {
    for (name, file) in files() {
        let whole = decode_bytes(&file, &DecodeConfig::default()).expect(&name);
        let middle = decode_bytes(&file, &DecodeConfig::default().middle(0.05)).expect(&name);
        let frames = (0.05 * f64::from(whole.sample_rate)).round() as usize;
        let from = (whole.frames() - frames) / 2 * whole.channels;
        assert_eq!(middle.samples, whole.samples[from..from + frames * whole.channels], "{name}");
        let longer = decode_bytes(&file, &DecodeConfig::default().middle(100.0)).expect(&name);
        assert_eq!(longer.samples, whole.samples, "{name}");
    }
}

#[test]
fn an_excerpt_behind_the_end_is_an_error_and_one_over_it_is_short() {
    for (name, file) in files() {
        let error = decode_bytes(&file, &DecodeConfig::default().excerpt(1000.0, 1.0)).unwrap_err();
        assert!(matches!(error, DecodeError::NoAudio { .. }), "{name}: {error}");
    }
    let audio = decode_bytes(&bytes("tone.mp3"), &DecodeConfig::default().excerpt(3.5, 10.0)).unwrap();
    assert_eq!(audio.frames(), 11_025);
    let rest = decode_bytes(&bytes("tone.mp3"), &DecodeConfig::default().start(3.5)).unwrap();
    assert_eq!(rest, audio);
}

#[test]
fn excerpts_are_cut_before_they_are_resampled() {
    let options = DecodeConfig::default().mono().sample_rate(16_000).excerpt(1.0, 1.0);
    let audio = decode_bytes(&bytes("tone.flac"), &options).unwrap();
    assert_eq!((audio.frames(), audio.channels, audio.sample_rate), (16_000, 1, 16_000));
    let hint = Decoder::from_bytes(&bytes("tone.flac"), &options).unwrap().frames_hint();
    assert_eq!(hint, Some(16_000));
    assert_eq!(whole("tone.flac").sample_rate, 22_050);
}
