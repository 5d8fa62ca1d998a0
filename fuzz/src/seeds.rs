//! The files that are mutated: the start of every fixture of the tests, and containers made here.

use std::collections::BTreeSet;
use std::path::Path;

use timbral_decode::{DecodeConfig, decode_bytes, probe_bytes};

/// Bytes kept of a fixture: enough for its headers and some packets, few enough for thousands of decodes a second.
const KEPT: usize = 6000;

/// Every seed.
pub fn all() -> Vec<Vec<u8>> {
    let mut seeds = fixtures();
    let body: Vec<u8> = (0..400).map(|index| (index * 41 % 253) as u8).collect();
    for encoding in [1_u32, 2, 3, 4, 5, 6, 7, 27] {
        for size in [400, u32::MAX] {
            seeds.push(au(encoding, size, &body));
        }
    }
    for (tag, bits) in [(1_u16, 8_u16), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8)] {
        let plain = chunk(b"fmt ", &format(tag, bits));
        let extended = chunk(b"fmt ", &extensible(tag, bits));
        let tags = chunk(b"LIST", b"INFOINAM\x06\0\0\0Title\0IART\x05\0\0\0Name\0\0");
        let data = chunk(b"data", &body);
        seeds.push(riff(b"RIFF", &[&plain, &data]));
        seeds.push(riff(b"RIFF", &[&tags, &extended, &data]));
        let mut sizes = [0; 28];
        sizes[8..10].copy_from_slice(&400_u16.to_le_bytes());
        let mut open = data.clone();
        open[4..8].fill(0xff);
        seeds.push(riff(b"RF64", &[&chunk(b"ds64", &sizes), &plain, &open]));
    }
    let mp3 = seeds.iter().find(|seed| seed.starts_with(b"ID3")).cloned();
    if let Some(mp3) = mp3 {
        let header = 10 + mp3[6..10].iter().fold(0, |size, &byte| (size << 7) | usize::from(byte));
        let sound = mp3.get(header..).unwrap_or_default();
        seeds.push([sound, &ape(), &id3v1()].concat());
        seeds.push([&ape(), sound].concat());
    }
    seeds
}

/// Whether the seeds reach every container and codec; prints what they cover.
pub fn check(seeds: &[Vec<u8>]) -> Result<(), String> {
    let (mut found, mut with_picture, mut with_title, mut silent) = (BTreeSet::new(), 0, 0, 0);
    for seed in seeds {
        let Ok(probe) = probe_bytes(seed) else {
            silent += 1;
            continue;
        };
        with_picture += u32::from(probe.tags.picture.is_some());
        with_title += u32::from(probe.tags.title.is_some());
        if decode_bytes(seed, &DecodeConfig::default()).is_ok() {
            found.insert(format!("{} {}", probe.container, probe.codec));
        } else {
            silent += 1;
        }
    }
    println!(
        "{} seeds, {with_title} with a title, {with_picture} with a picture, {silent} that do not decode as they are",
        seeds.len()
    );
    println!("{}", found.iter().cloned().collect::<Vec<_>>().join(", "));
    let wanted = [
        "WAVE PCM 16 bit",
        "WAVE IMA ADPCM",
        "WAVE MS ADPCM",
        "WAVE A-law",
        "Wave64 PCM 16 bit",
        "AU mu-law",
        "AIFF PCM 24 bit",
        "AIFF PCM 32-bit float",
        "CAF PCM 16 bit",
        "CAF ALAC",
        "FLAC FLAC",
        "Ogg FLAC",
        "Ogg Vorbis",
        "Ogg Opus",
        "Matroska Opus",
        "Matroska FLAC",
        "Matroska AAC",
        "MP4 AAC",
        "MP4 ALAC",
        "ADTS AAC",
        "MPEG MP3",
        "MPEG MPEG layer 2",
    ];
    let missing: Vec<_> = wanted.iter().filter(|name| !found.contains(**name)).collect();
    match missing.is_empty() && with_picture > 0 && with_title > 0 {
        true => Ok(()),
        false => Err(format!("no seed decodes as {missing:?}")),
    }
}

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/timbral-decode/tests/fixtures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    let of_sound = |path: &&std::path::PathBuf| path.extension().is_none_or(|ending| ending != "sh");
    let read = |path: &std::path::PathBuf| {
        let mut bytes = std::fs::read(path).ok()?;
        // Whole where an index stands at the end, where one page of an Ogg is long, and for seeks into the middle.
        let whole = ["tone.m4a", "alac.m4a", "alac.caf", "tone.ogg", "flac.oga", "long.mka", "long.opus"];
        if !whole.iter().any(|name| path.ends_with(name)) {
            bytes.truncate(KEPT);
        }
        Some(bytes)
    };
    files.iter().filter(of_sound).filter_map(read).collect()
}

fn au(encoding: u32, size: u32, body: &[u8]) -> Vec<u8> {
    let fields = [24, size, encoding, 8000, 2].map(u32::to_be_bytes).concat();
    [b".snd", &fields[..], body].concat()
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [name, &(body.len() as u32).to_le_bytes()[..], body].concat()
}

fn riff(magic: &[u8; 4], chunks: &[&[u8]]) -> Vec<u8> {
    let body = [b"WAVE", &chunks.concat()[..]].concat();
    chunk(magic, &body)
}

fn format(tag: u16, bits: u16) -> Vec<u8> {
    [tag, 2, 8000, 0, 0, 0, 2 * bits / 8, bits].map(u16::to_le_bytes).concat()
}

fn extensible(tag: u16, bits: u16) -> Vec<u8> {
    let mut chunk = format(0xfffe, bits);
    chunk.extend([22, bits, 3, 0, tag].map(u16::to_le_bytes).concat());
    chunk.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    chunk
}

/// An APEv2 tag with its header and footer.
fn ape() -> Vec<u8> {
    let item = |key: &[u8], value: &[u8]| {
        let size = (value.len() as u32).to_le_bytes();
        [&size, &[0; 4][..], key, &[0], value].concat()
    };
    let items = [item(b"Title", b"Sweep"), item(b"Track", b"7/9"), item(b"Year", b"2024")].concat();
    let ends = |flags: u32| {
        let fields = [2000, items.len() as u32 + 32, 3, flags].map(u32::to_le_bytes).concat();
        [b"APETAGEX", &fields[..], &[0; 8]].concat()
    };
    [ends(0xa000_0000), items.clone(), ends(0x8000_0000)].concat()
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAGSweep".to_vec();
    tag.resize(127, 0);
    tag.push(8);
    tag
}
