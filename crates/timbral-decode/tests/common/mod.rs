//! What the tests share: fixtures by name, a synthesised sound, and headers written by hand.
#![allow(dead_code, reason = "each test compiles its own copy and uses only a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says that this must hold")]

use std::path::PathBuf;

use timbral_decode::{Audio, DecodeConfig, decode_bytes};

/// The path of a fixture; `fixtures/make.sh` made them.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The bytes of a fixture.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect(name)
}

/// All of a fixture.
pub(crate) fn whole(name: &str) -> Audio {
    decode_bytes(&bytes(name), &DecodeConfig::default()).expect(name)
}

/// A sweep of 16-bit integers, `frames` frames of `channels` channels.
pub(crate) fn sweep(frames: usize, channels: usize) -> Vec<i16> {
    let sample = |index: usize| {
        let (t, channel) = ((index / channels) as f64 / 8000.0, (index % channels) as f64);
        (12_000.0 * (std::f64::consts::TAU * (200.0 + 70.0 * channel + 90.0 * t) * t).sin()) as i16
    };
    (0..frames * channels).map(sample).collect()
}

/// A RIFF file of chunks.
pub(crate) fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, data) in chunks {
        body.extend_from_slice(*name);
        body.extend_from_slice(&(data.len() as u32).to_le_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// A `fmt ` chunk of 16 bytes.
pub(crate) fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels * bits.div_ceil(8);
    let mut chunk = Vec::new();
    chunk.extend(tag.to_le_bytes());
    chunk.extend(channels.to_le_bytes());
    chunk.extend(rate.to_le_bytes());
    chunk.extend((rate * u32::from(align)).to_le_bytes());
    chunk.extend(align.to_le_bytes());
    chunk.extend(bits.to_le_bytes());
    chunk
}

/// An extensible `fmt ` chunk of 40 bytes.
pub(crate) fn fmt_extensible(sub_format: u16, channels: u16, rate: u32, bits: u16, mask: u32) -> Vec<u8> {
    let mut chunk = fmt(0xfffe, channels, rate, bits);
    chunk.extend(22_u16.to_le_bytes());
    chunk.extend(bits.to_le_bytes());
    chunk.extend(mask.to_le_bytes());
    chunk.extend(sub_format.to_le_bytes());
    chunk.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    chunk
}

/// A 16-bit WAV file.
pub(crate) fn wav(samples: &[i16], channels: u16, rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    riff(&[(b"fmt ", &fmt(1, channels, rate, 16)), (b"data", &data)])
}

/// A Sun .au file.
pub(crate) fn au(encoding: u32, rate: u32, channels: u32, size: u32, data: &[u8]) -> Vec<u8> {
    let mut file = b".snd".to_vec();
    file.extend([24, size, encoding, rate, channels].map(u32::to_be_bytes).concat());
    file.extend_from_slice(data);
    file
}

/// A Core Audio file of one sample after another; a `size` of -1 leaves it open.
pub(crate) fn caf(
    codec: &[u8; 4],
    flags: u32,
    rate: u32,
    channels: u32,
    bits: u32,
    size: i64,
    data: &[u8],
) -> Vec<u8> {
    let mut file = b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20".to_vec();
    file.extend(f64::from(rate).to_be_bytes());
    file.extend(codec);
    file.extend([flags, channels * bits / 8, 1, channels, bits].map(u32::to_be_bytes).concat());
    file.extend(b"free\0\0\0\0\0\0\0\x03...data");
    file.extend(size.to_be_bytes());
    file.extend([0; 4]);
    file.extend_from_slice(data);
    file
}

/// Integers as the decoder gives them.
pub(crate) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}
