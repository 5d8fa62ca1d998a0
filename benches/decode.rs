//! Decoding to f32 beside its floor: the bare loop over the codec library with the same file.
//!
//! `decode/{wav,flac,mp3,ogg,opus,m4a,au}/{timbral,bare}`, and `resample/mp3/{timbral,bare}` for mono at 16 000 Hz.
//! The bare loop of `au` reads the same samples from a WAV file, since the library knows no `.au`.

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
use timbral_decode::{DecodeOptions, decode_bytes};

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
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, options.0, options.1)
        .unwrap();
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

#[cfg(feature = "opus")]
fn bare_opus(file: &[u8]) -> Vec<f32> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(file)), Default::default());
    let options = (FormatOptions::default(), MetadataOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, options.0, options.1)
        .unwrap();
    let mut decoder = ropus::Decoder::new(48_000, ropus::Channels::Stereo).unwrap();
    let (mut samples, mut block) = (Vec::new(), vec![0.0; 2 * 5760]);
    while let Ok(Some(packet)) = format.next_packet() {
        let frames = decoder
            .decode_float(&packet.data, &mut block, ropus::DecodeMode::Normal)
            .unwrap();
        samples.extend_from_slice(&block[..2 * frames]);
    }
    samples
}

fn decode(criterion: &mut Criterion) {
    let (wav, au) = made();
    let mut group = criterion.benchmark_group("decode");
    let files = [
        ("wav", wav.clone()),
        ("flac", fixture!("tone.flac")),
        ("mp3", fixture!("tone.mp3")),
        ("ogg", fixture!("tone.ogg")),
        ("m4a", fixture!("tone.m4a")),
    ];
    let options = DecodeOptions::default();
    for (name, file) in &files {
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function(format!("{name}/timbral"), |b| {
            b.iter(|| decode_bytes(black_box(file), &options).unwrap())
        });
        group.bench_function(format!("{name}/bare"), |b| b.iter(|| bare(black_box(file))));
    }
    group.throughput(Throughput::Bytes(au.len() as u64));
    group.bench_function("au/timbral", |b| {
        b.iter(|| decode_bytes(black_box(&au), &options).unwrap())
    });
    group.bench_function("au/bare", |b| b.iter(|| bare(black_box(&wav))));
    #[cfg(feature = "opus")]
    {
        let opus = fixture!("tone.opus");
        group.throughput(Throughput::Bytes(opus.len() as u64));
        group.bench_function("opus/timbral", |b| {
            b.iter(|| decode_bytes(black_box(&opus), &options).unwrap())
        });
        group.bench_function("opus/bare", |b| b.iter(|| bare_opus(black_box(&opus))));
    }
    group.finish();
}

fn resample(criterion: &mut Criterion) {
    let file = fixture!("tone.mp3");
    let options = DecodeOptions::default().mono().sample_rate(16_000);
    let mut group = criterion.benchmark_group("resample");
    group.bench_function("mp3/timbral", |b| {
        b.iter(|| decode_bytes(black_box(&file), &options).unwrap())
    });
    group.bench_function("mp3/bare", |b| {
        b.iter(|| {
            let (samples, rate) = bare(black_box(&file));
            let mono: Vec<f32> = samples
                .chunks_exact(2)
                .map(|frame| 0.5 * (frame[0] + frame[1]))
                .collect();
            let mut fft = Fft::<f32>::new(rate as usize, 16_000, 1024, 1, FixedSync::Both).unwrap();
            let input = InterleavedSlice::new(&mono, 1, mono.len()).unwrap();
            fft.process_all(&input, mono.len(), None).unwrap().take_data()
        });
    });
    group.finish();
}

criterion_group!(benches, decode, resample);
criterion_main!(benches);
