//! Every container and codec decodes to its exact length and to the sound that went in.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says that this must hold")]

mod common;

use common::{au, bytes, caf, floats, fmt, fmt_extensible, riff, sweep, wav, whole};
use timbral_decode::{Audio, DecodeConfig, DecodeError, Decoder, decode_bytes, decode_reader, probe_bytes};

fn decode(file: &[u8]) -> Audio {
    let audio = decode_bytes(file, &DecodeConfig::default()).expect("it decodes");
    assert_eq!(audio.warnings, [], "a sound file gives no warnings");
    audio
}

/// The correlation of two sounds, and the lag in frames at which it is highest.
fn align(a: &[f32], b: &[f32]) -> (i64, f64) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let window = &b[4000..24_000];
    let best = (0..8000).max_by(|&x, &y| dot(window, &a[x..]).total_cmp(&dot(window, &a[y..]))).unwrap();
    (best as i64 - 4000, dot(a, b) / (dot(a, a) * dot(b, b)).sqrt())
}

fn mono_at(name: &str, rate: u32) -> Vec<f32> {
    decode_bytes(&bytes(name), &DecodeConfig::default().mono().sample_rate(rate)).expect(name).samples
}

#[test]
fn integer_and_float_wav_are_exact() {
    let source = sweep(3001, 2);
    let expected = floats(&source);
    let forms: [(u16, u16, Vec<u8>); 5] = [
        (1, 16, source.iter().flat_map(|s| s.to_le_bytes()).collect()),
        (1, 24, source.iter().flat_map(|s| (i32::from(*s) << 8).to_le_bytes()[..3].to_vec()).collect()),
        (1, 32, source.iter().flat_map(|s| (i32::from(*s) << 16).to_le_bytes()).collect()),
        (3, 32, expected.iter().flat_map(|s| s.to_le_bytes()).collect()),
        (3, 64, expected.iter().flat_map(|s| f64::from(*s).to_le_bytes()).collect()),
    ];
    for (tag, bits, data) in &forms {
        for format in [fmt(*tag, 2, 8000, *bits), fmt_extensible(*tag, 2, 8000, *bits, 3)] {
            let audio = decode(&riff(&[(b"fmt ", &format), (b"data", data)]));
            assert_eq!((audio.sample_rate, audio.channels), (8000, 2));
            assert_eq!(audio.samples, expected, "tag {tag}, {bits} bits");
        }
    }
    let eight: Vec<u8> = source.iter().map(|s| ((s >> 8) + 128) as u8).collect();
    let audio = decode(&riff(&[(b"fmt ", &fmt(1, 2, 8000, 8)), (b"data", &eight)]));
    let expected: Vec<f32> = source.iter().map(|s| f32::from(s >> 8) / 128.0).collect();
    assert_eq!(audio.samples, expected);
}

#[test]
fn all_au_encodings_are_exact() {
    let source = sweep(3001, 2);
    let expected = floats(&source);
    let forms: [(u32, Vec<u8>); 5] = [
        (3, source.iter().flat_map(|s| s.to_be_bytes()).collect()),
        (4, source.iter().flat_map(|s| (i32::from(*s) << 8).to_be_bytes()[1..].to_vec()).collect()),
        (5, source.iter().flat_map(|s| (i32::from(*s) << 16).to_be_bytes()).collect()),
        (6, expected.iter().flat_map(|s| s.to_be_bytes()).collect()),
        (7, expected.iter().flat_map(|s| f64::from(*s).to_be_bytes()).collect()),
    ];
    for (encoding, data) in &forms {
        for size in [data.len() as u32, u32::MAX] {
            let audio = decode(&au(*encoding, 22_050, 2, size, data));
            assert_eq!(audio.samples, expected, "encoding {encoding}, size {size}");
        }
    }
    let eight: Vec<u8> = source.iter().map(|s| (s >> 8) as u8).collect();
    let expected: Vec<f32> = source.iter().map(|s| f32::from(s >> 8) / 128.0).collect();
    assert_eq!(decode(&au(2, 22_050, 2, u32::MAX, &eight)).samples, expected);
}

#[test]
fn linear_caf_is_exact() {
    let source = sweep(3001, 2);
    let expected = floats(&source);
    let wide: Vec<i32> = source.iter().map(|&s| i32::from(s) << 16).collect();
    let (little, float) = (2, 1);
    let forms: [(u32, u32, Vec<u8>); 7] = [
        (0, 16, source.iter().flat_map(|s| s.to_be_bytes()).collect()),
        (little, 16, source.iter().flat_map(|s| s.to_le_bytes()).collect()),
        (little, 24, wide.iter().flat_map(|s| s.to_le_bytes()[1..].to_vec()).collect()),
        (0, 32, wide.iter().flat_map(|s| s.to_be_bytes()).collect()),
        (float, 32, expected.iter().flat_map(|s| s.to_be_bytes()).collect()),
        (float | little, 32, expected.iter().flat_map(|s| s.to_le_bytes()).collect()),
        (float, 64, expected.iter().flat_map(|s| f64::from(*s).to_be_bytes()).collect()),
    ];
    for (flags, bits, data) in &forms {
        for size in [data.len() as i64 + 4, -1] {
            let file = caf(b"lpcm", *flags, 22_050, 2, *bits, size, data);
            assert_eq!(decode(&file).samples, expected, "flags {flags}, {bits} bits");
            let piped = decode_reader(&file[..], &DecodeConfig::default()).unwrap();
            assert_eq!(piped.samples, expected, "flags {flags}, {bits} bits");
        }
    }
    let eight: Vec<u8> = source.iter().map(|s| (s >> 8) as u8).collect();
    let expected: Vec<f32> = source.iter().map(|s| f32::from(s >> 8) / 128.0).collect();
    assert_eq!(decode(&caf(b"lpcm", 0, 8000, 2, 8, -1, &eight)).samples, expected);
}

/// mu-law and A-law by their definition (ITU-T G.711), against the tables of the decoder.
#[test]
fn companded_samples_follow_g711() {
    let codes: Vec<u8> = (0..=255).collect();
    let mu_law = |code: u8| {
        let code = !code;
        let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
        let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
        if code & 0x80 == 0 { magnitude } else { -magnitude }
    };
    let a_law = |code: u8| {
        let code = code ^ 0x55;
        let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
        let magnitude =
            if exponent == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 0x108) << (exponent - 1) };
        if code & 0x80 == 0 { -magnitude } else { magnitude }
    };
    let expect =
        |law: &dyn Fn(u8) -> i32| codes.iter().map(|&c| law(c) as f32 / 32_768.0).collect::<Vec<_>>();
    for (au_encoding, wav_tag, expected) in [(1, 7, expect(&mu_law)), (27, 6, expect(&a_law))] {
        assert_eq!(decode(&au(au_encoding, 8000, 1, 256, &codes)).samples, expected);
        let file = riff(&[(b"fmt ", &fmt(wav_tag, 1, 8000, 8)), (b"data", &codes)]);
        assert_eq!(decode(&file).samples, expected);
        let name = if au_encoding == 1 { b"ulaw" } else { b"alaw" };
        assert_eq!(decode(&caf(name, 0, 8000, 1, 8, 260, &codes)).samples, expected);
    }
}

#[test]
fn rf64_reads_its_sizes_from_ds64() {
    let source = sweep(1000, 1);
    let data: Vec<u8> = source.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut sizes = vec![0; 8];
    sizes.extend((data.len() as u64).to_le_bytes());
    sizes.extend(1000_u64.to_le_bytes());
    sizes.extend([0; 4]);
    for magic in [b"RF64", b"BW64"] {
        let mut file =
            riff(&[(b"ds64", &sizes), (b"fmt ", &fmt(1, 1, 8000, 16)), (b"data", &data), (b"tail", b"tail")]);
        file[..4].copy_from_slice(magic);
        let size_at = file.windows(4).position(|window| window == b"data").unwrap() + 4;
        file[size_at..size_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&file).samples, floats(&source));
    }
}

#[test]
fn chunks_before_and_behind_the_data_are_passed_over() {
    let source = sweep(100, 1);
    let data: Vec<u8> = source.iter().flat_map(|s| s.to_le_bytes()).collect();
    let list = b"INFOINAM\x05\0\0\0Title\0IART\x06\0\0\0Artist";
    let chunks: [(&[u8; 4], &[u8]); 5] = [
        (b"junk", b"odd"),
        (b"fmt ", &fmt(1, 1, 8000, 16)),
        (b"LIST", list),
        (b"data", &data),
        (b"id3 ", b"x"),
    ];
    let file = riff(&chunks);
    assert_eq!(decode(&file).samples, floats(&source));
    let tags = probe_bytes(&file).unwrap().tags;
    assert_eq!((tags.title.as_deref(), tags.artist.as_deref()), (Some("Title"), Some("Artist")));
}

#[test]
fn surround_keeps_its_channels_and_mixes_to_their_mean() {
    let source = sweep(500, 6);
    let data: Vec<u8> = source.iter().flat_map(|s| s.to_le_bytes()).collect();
    let file = riff(&[(b"fmt ", &fmt_extensible(1, 6, 48_000, 16, 0x3f)), (b"data", &data)]);
    assert_eq!(decode(&file).samples, floats(&source));
    let mono = decode_bytes(&file, &DecodeConfig::default().mono()).unwrap();
    for (mixed, frame) in mono.samples.iter().zip(floats(&source).chunks(6)) {
        assert!((mixed - frame.iter().sum::<f32>() / 6.0).abs() < 1e-6);
    }
}

#[test]
fn lossless_containers_hold_the_same_samples() {
    let reference = whole("tone.flac");
    assert_eq!(reference.frames(), 88_200);
    // The checksum of the file is over the samples that went in.
    decode_bytes(&bytes("tone.flac"), &DecodeConfig::default().strict()).unwrap();
    for name in ["alac.m4a", "alac.caf", "tone.mka", "flac.oga", "second.caf", "second.aiff", "second.w64"] {
        let audio = whole(name);
        assert_eq!((audio.frames(), audio.channels, audio.sample_rate), (22_050, 2, 22_050), "{name}");
        assert_eq!(audio.samples, reference.samples[..44_100], "{name}");
    }
    assert_eq!(whole("short.aifc").samples, reference.samples[..2205 * 2]);
}

#[test]
fn lossy_containers_have_the_exact_length_and_no_lag() {
    let reference = mono_at("tone.flac", 22_050);
    let names = ["tone.mp3", "vbr.mp3", "tone.ogg", "tone.m4a", "faststart.m4a"];
    for name in names {
        assert_eq!(whole(name).frames(), 88_200, "{name}");
        let (lag, correlation) = align(&mono_at(name, 22_050), &reference);
        assert_eq!(lag, 0, "{name}");
        assert!(correlation > 0.99, "{name}: {correlation}");
    }
    // ADPCM blocks are filled up, ADTS knows no length: up to one block more.
    for (name, block) in [("ima.wav", 2041), ("ms.wav", 2036), ("tone.aac", 1024)] {
        let frames = whole(name).frames();
        assert!((88_200..88_200 + block).contains(&frames), "{name}: {frames}");
        let (lag, correlation) = align(&mono_at(name, 22_050), &reference);
        assert_eq!(lag, 0, "{name}");
        assert!(correlation > 0.99, "{name}: {correlation}");
    }
    // Layers 1 and 2 keep the delay of their filter banks, 481 frames from encoder to decoder.
    let (lag, correlation) = align(&mono_at("layer2.mp2", 22_050)[481..], &reference[..44_100 - 481]);
    assert_eq!(lag, 0);
    assert!(correlation > 0.99, "layer2.mp2: {correlation}");
    // Without a Xing header nothing says how much to remove: 156 MPEG-2 frames of 576, encoder delay included.
    assert_eq!(whole("no_xing.mp3").frames(), 156 * 576);
}

#[cfg(feature = "opus")]
#[test]
fn opus_has_the_exact_length_and_no_lag() {
    let reference = mono_at("tone.flac", 48_000);
    for name in ["tone.opus", "tone.webm"] {
        assert_eq!(whole(name).frames(), 192_000, "{name}");
        let (lag, correlation) = align(&mono_at(name, 48_000), &reference);
        assert_eq!(lag, 0, "{name}");
        assert!(correlation > 0.99, "{name}: {correlation}");
    }
}

#[cfg(feature = "opus")]
#[test]
fn surround_opus_comes_in_the_order_of_wave() {
    let audio = whole("surround.opus");
    assert_eq!((audio.channels, audio.frames()), (6, 24_000));
    // The strength of a tone in a channel, by one bin of a Fourier transform.
    let strength = |channel: usize, frequency: f64| {
        let turn = std::f64::consts::TAU * frequency / 48_000.0;
        let frames = audio.samples.chunks_exact(6).enumerate();
        let (re, im) = frames.fold((0.0, 0.0), |(re, im), (n, frame)| {
            let (sin, cos) = (turn * n as f64).sin_cos();
            let sample = f64::from(frame[channel]);
            (re + sample * cos, im + sample * sin)
        });
        re.hypot(im) / 12_000.0
    };
    let tones = [300.0, 500.0, 700.0, 60.0, 1100.0, 1300.0];
    for channel in 0..6 {
        for (place, tone) in tones.into_iter().enumerate() {
            let found = strength(channel, tone);
            match place == channel {
                true => assert!((0.25..0.35).contains(&found), "{tone} Hz in {channel}: {found}"),
                false => assert!(found < 0.03, "{tone} Hz in {channel}: {found}"),
            }
        }
    }
}

#[cfg(not(feature = "opus"))]
#[test]
fn a_codec_that_is_off_names_its_feature() {
    for name in ["tone.opus", "tone.webm"] {
        let error = decode_bytes(&bytes(name), &DecodeConfig::default()).unwrap_err();
        assert!(matches!(error, DecodeError::FeatureDisabled { feature: "opus", .. }), "{name}: {error}");
        assert!(error.to_string().contains("`opus`"));
    }
}

#[test]
fn a_codec_that_nobody_decodes_is_named() {
    let error = decode_bytes(&bytes("gsm.wav"), &DecodeConfig::default()).unwrap_err();
    assert!(error.to_string().contains("GSM 6.10"), "{error}");
}

#[test]
fn streams_give_what_files_give() {
    let names = [
        "tone.flac",
        "tone.mp3",
        "tone.ogg",
        "faststart.m4a",
        "tone.aac",
        "second.aiff",
        "second.w64",
        "short.aifc",
        "second.caf",
        "ima.wav",
        "ms.wav",
        "tone.mka",
        "aac.mka",
        "flac.oga",
        "vbr.mp3",
        "no_xing.mp3",
        "layer2.mp2",
        #[cfg(feature = "opus")]
        "tone.opus",
        #[cfg(feature = "opus")]
        "surround.opus",
    ];
    for name in names {
        let file = bytes(name);
        let audio = decode_reader(&file[..], &DecodeConfig::default()).expect(name);
        assert_eq!(audio, whole(name), "{name}");
    }
    for name in ["tone.m4a", "alac.m4a", "alac.caf"] {
        let error = decode_reader(&bytes(name)[..], &DecodeConfig::default()).unwrap_err();
        assert!(matches!(error, DecodeError::Unseekable { .. }), "{name}: {error}");
        let file = std::io::Cursor::new(bytes(name));
        let audio = Decoder::from_seekable(file, &DecodeConfig::default()).unwrap().into_audio().unwrap();
        assert_eq!(audio, whole(name), "{name}");
    }
}

#[test]
fn blocks_join_to_the_whole() {
    let file = bytes("tone.mp3");
    let options = DecodeConfig::default().mono().sample_rate(16_000);
    let expected = decode_bytes(&file, &options).unwrap();
    let decoder = Decoder::from_bytes(&file, &options).unwrap();
    assert_eq!((decoder.sample_rate(), decoder.channels()), (16_000, 1));
    assert_eq!(decoder.frames_hint(), Some(expected.frames() as u64));
    let joined: Vec<f32> = decoder.flat_map(Result::unwrap).collect();
    assert_eq!(joined, expected.samples);
}

#[test]
fn tags_of_every_kind_are_read() {
    let year = Some(2024);
    for (name, album, year, genre, picture) in [
        ("tone.flac", Some("Tests"), year, Some("Test"), true),
        ("tone.mp3", Some("Tests"), year, Some("Blues"), true),
        ("tone.ogg", Some("Tests"), year, Some("Test"), false),
        ("tone.m4a", None, None, None, false),
        ("vbr.mp3", None, None, None, false),
    ] {
        let tags = probe_bytes(&bytes(name)).unwrap().tags;
        assert_eq!(tags.title.as_deref(), Some("Sweep"), "{name}");
        assert_eq!(tags.artist.as_deref(), Some("Nobody"), "{name}");
        assert_eq!(tags.album.as_deref(), album, "{name}");
        assert_eq!(tags.year, year, "{name}");
        assert_eq!(tags.genre.as_deref(), genre, "{name}");
        assert_eq!(tags.track_number, (name != "vbr.mp3").then_some(7), "{name}");
        let found = tags.picture.map(|picture| (picture.mime_type, picture.data.starts_with(b"\x89PNG")));
        assert_eq!(found, picture.then(|| ("image/png".to_owned(), true)), "{name}");
    }
}

/// An APEv2 tag of text items.
fn ape_tag(items: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in items {
        body.extend((value.len() as u32).to_le_bytes());
        body.extend([0; 4]);
        body.extend(key.bytes());
        body.push(0);
        body.extend(value.bytes());
    }
    let end = |flags: u32| {
        let fields = [2000, body.len() as u32 + 32, items.len() as u32, flags];
        [b"APETAGEX", &fields.map(u32::to_le_bytes).concat()[..], &[0; 8]].concat()
    };
    [end(0xa000_0000), body.clone(), end(0x8000_0000)].concat()
}

#[test]
fn ape_tags_are_read_in_front_and_behind() {
    let ape = ape_tag(&[
        ("Title", "Sweep"),
        ("Artist", "Nobody"),
        ("Album", "Tests"),
        ("Year", "2024"),
        ("Genre", "Blues"),
        ("Track", "7/9"),
    ]);
    let sound = bytes("no_xing.mp3");
    for file in [[&ape[..], &sound].concat(), [&sound[..], &ape].concat()] {
        let tags = probe_bytes(&file).unwrap().tags;
        assert_eq!(tags.title.as_deref(), Some("Sweep"));
        assert_eq!(tags.artist.as_deref(), Some("Nobody"));
        assert_eq!(tags.album.as_deref(), Some("Tests"));
        assert_eq!(tags.year, Some(2024));
        assert_eq!(tags.genre.as_deref(), Some("Blues"));
        assert_eq!(tags.track_number, Some(7));
        assert_eq!(decode(&file).samples, whole("no_xing.mp3").samples);
    }
}

#[test]
fn a_large_picture_in_front_of_an_mp3_changes_nothing() {
    let picture: Vec<u8> = b"\x89PNG\r\n\x1a\n"
        .iter()
        .copied()
        // What looks like the start of MPEG frames must stay a picture.
        .chain([0xff, 0xfb, 0x90, 0x64].into_iter().cycle().take(400_000))
        .collect();
    let frame = [&b"\0image/png\0\x03\0"[..], &picture].concat();
    let mut body = b"APIC".to_vec();
    body.extend((frame.len() as u32).to_be_bytes());
    body.extend([0, 0]);
    body.extend(&frame);
    let size = [21, 14, 7, 0].map(|shift| (body.len() >> shift & 0x7f) as u8);
    let sound = bytes("no_xing.mp3");
    let file = [b"ID3\x03\0\0", &size[..], &body, &sound].concat();
    let audio = decode(&file);
    assert_eq!(audio.samples, whole("no_xing.mp3").samples);
    let piped = decode_reader(&file[..], &DecodeConfig::default()).unwrap();
    assert_eq!(piped.samples, audio.samples);
    let found = probe_bytes(&file).unwrap().tags.picture.unwrap();
    assert_eq!(found.mime_type, "image/png");
    assert!(found.data == picture);
}

#[test]
fn names_do_not_matter_and_junk_in_front_is_passed_over() {
    let junk: Vec<u8> = (0..3000).map(|index| (index * 7 % 251) as u8).collect();
    let audio = decode_bytes(&[junk, bytes("tone.mp3")].concat(), &DecodeConfig::default()).unwrap();
    assert_eq!(audio.samples, whole("tone.mp3").samples);
    let twice = [bytes("tone.ogg"), bytes("tone.ogg")].concat();
    let chained = decode_bytes(&twice, &DecodeConfig::default()).unwrap();
    assert_eq!(chained.frames(), 2 * 88_200);
}

#[test]
fn wav_written_is_wav_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let audio = Audio { samples: floats(&sweep(400, 2)), sample_rate: 8000, channels: 2, warnings: vec![] };
    for format in [
        timbral_decode::WavFormat::Int16,
        timbral_decode::WavFormat::Int24,
        timbral_decode::WavFormat::Float32,
    ] {
        timbral_decode::write_wav(&path, &audio, format).unwrap();
        assert_eq!(timbral_decode::decode_file(&path, &DecodeConfig::default()).unwrap(), audio);
    }
    // Nothing is left beside it, and nothing is written where it cannot be.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("missing/out.wav");
    let error = timbral_decode::write_wav(&nowhere, &audio, timbral_decode::WavFormat::Int16).unwrap_err();
    assert!(matches!(error, DecodeError::Write { .. }));
    assert_eq!(wav(&sweep(1, 1), 1, 8000).len(), 46);
}
