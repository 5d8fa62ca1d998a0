//! Decoding beside its floor: the bare loop over the codec library with the same file.
//!
//! `decode/{wav,flac,mp3,ogg,opus,m4a,au}/{timbral,bare}` decodes to f32; `resample/…` mixes to mono and goes to
//! 22 050 Hz, or to 16 000 Hz where the file has 22 050. The bare loop of `au` reads the same samples from a WAV file,
//! since the library knows no `.au`; that of `opus` takes packets from the library and decodes them by `ropus`.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench stops where something is wrong; criterion makes the functions"
)]

use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use timbral_decode::{DecodeConfig, decode_bytes};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../crates/timbral-decode/tests/fixtures/", $name)).to_vec()
    };
}

/// Ten seconds of a 16-bit stereo sweep, as WAV and as `.au`.
fn made() -> (Vec<u8>, Vec<u8>) {
    let sample = |index: u32| {
        let t = f64::from(index / 2) / 44_100.0;
        (12_000.0 * (std::f64::consts::TAU * (200.0 + 90.0 * t) * t).sin()) as i16
    };
    let samples: Vec<i16> = (0..882_000).map(sample).collect();
    let bytes = samples.len() as u32 * 2;
    let mut wav = b"RIFF".to_vec();
    wav.extend((bytes + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    wav.extend([44_100_u32, 176_400].map(u32::to_le_bytes).concat());
    wav.extend(b"\x04\0\x10\0data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    let mut au = b".snd".to_vec();
    au.extend([24, bytes, 3, 44_100, 2].map(u32::to_be_bytes).concat());
    au.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
    (wav, au)
}

fn bare(file: &[u8]) -> (Vec<f32>, u32) {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(file)), Default::default());
    let options = (FormatOptions::default(), MetadataOptions::default());
    let mut format =
        symphonia::default::get_probe().probe(&Hint::new(), stream, options.0, options.1).unwrap();
    let track = format.default_track(TrackType::Audio).unwrap();
    let id = track.id;
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .unwrap();
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != id {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(buffer) => {
                buffer.copy_to_vec_interleaved::<f32>(&mut block);
                samples.extend_from_slice(&block);
            }
            Err(Error::DecodeError(_)) => {}
            Err(_) => break,
        }
    }
    (samples, parameters.sample_rate.unwrap())
}

/// The library has no decoder of Opus.
fn bare_opus(file: &[u8]) -> (Vec<f32>, u32) {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(file)), Default::default());
    let options = (FormatOptions::default(), MetadataOptions::default());
    let mut format =
        symphonia::default::get_probe().probe(&Hint::new(), stream, options.0, options.1).unwrap();
    let mut decoder = ropus::Decoder::new(48_000, ropus::Channels::Stereo).unwrap();
    let (mut samples, mut block) = (Vec::new(), vec![0.0; 2 * 5760]);
    while let Ok(Some(packet)) = format.next_packet() {
        let frames = decoder.decode_float(&packet.data, &mut block, ropus::DecodeMode::Normal).unwrap();
        samples.extend_from_slice(&block[..2 * frames]);
    }
    (samples, 48_000)
}

type Bare = fn(&[u8]) -> (Vec<f32>, u32);

/// A name, a file, and what the bare loop makes of the same sound.
struct Case {
    name: &'static str,
    file: Vec<u8>,
    bare_file: Vec<u8>,
    bare: Bare,
}

fn cases() -> Vec<Case> {
    let (wav, au) = made();
    let same = |name, file: Vec<u8>| Case { name, bare_file: file.clone(), file, bare };
    vec![
        same("wav", wav.clone()),
        same("flac", fixture!("tone.flac")),
        same("mp3", fixture!("tone.mp3")),
        same("ogg", fixture!("tone.ogg")),
        Case { bare: bare_opus, ..same("opus", fixture!("tone.opus")) },
        same("m4a", fixture!("tone.m4a")),
        Case { bare_file: wav, ..same("au", au) },
    ]
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for case in cases() {
        group.throughput(Throughput::Bytes(case.file.len() as u64));
        group.bench_function(format!("{}/timbral", case.name), |b| {
            b.iter(|| decode_bytes(black_box(&case.file), &DecodeConfig::default()).unwrap());
        });
        group.bench_function(format!("{}/bare", case.name), |b| {
            b.iter(|| (case.bare)(black_box(&case.bare_file)));
        });
    }
    group.finish();
}

fn resample(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resample");
    for case in cases() {
        let (_, from) = (case.bare)(&case.bare_file);
        let to = if from == 22_050 { 16_000 } else { 22_050 };
        let options = DecodeConfig::default().mono().sample_rate(to);
        group.bench_function(format!("{}/timbral", case.name), |b| {
            b.iter(|| decode_bytes(black_box(&case.file), &options).unwrap());
        });
        group.bench_function(format!("{}/bare", case.name), |b| {
            b.iter(|| {
                let (samples, _) = (case.bare)(black_box(&case.bare_file));
                let mono: Vec<f32> =
                    samples.chunks_exact(2).map(|frame| 0.5 * (frame[0] + frame[1])).collect();
                let mut fft = Fft::<f32>::new(from as usize, to as usize, 1024, 1, FixedSync::Both).unwrap();
                let input = InterleavedSlice::new(&mono, 1, mono.len()).unwrap();
                fft.process_all(&input, mono.len(), None).unwrap().take_data()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, resample);
criterion_main!(benches);
