//! Mutates small files of every container and decodes them: whole, as an excerpt behind a seek, and as a stream.
//!
//! `cargo run --release -- INPUTS SEED` prints how inputs ended. A panic that reaches the caller, samples that are not
//! finite, or an input that takes longer than five seconds is written to `crash-SEED-NUMBER.bin` and ends with status
//! 1. Panics inside codec crates, which the decoder contains, are listed by place.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use timbral_decode::{Audio, DecodeError, DecodeOptions, decode_bytes, decode_reader, probe_bytes};

/// Where contained panics arose, with how often and the number of the first input.
static PLACES: Mutex<BTreeMap<String, (u64, u64)>> = Mutex::new(BTreeMap::new());
static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn main() -> ExitCode {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>().unwrap_or(1));
    let (inputs, seed) = (arguments.next().unwrap_or(100_000), arguments.next().unwrap_or(1));
    let only = arguments.next();
    let seeds = seeds();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or("nowhere".to_owned(), |place| {
            let file = place.file().rsplit("/src/index.").next().unwrap_or_default();
            format!("{file}:{}", place.line())
        });
        let number = NUMBER.load(std::sync::atomic::Ordering::Relaxed);
        if let Ok(mut places) = PLACES.lock() {
            places.entry(place).or_insert((0, number)).0 += 1;
        }
    }));
    let (mut ended, mut failed) = (BTreeMap::<&str, u64>::new(), 0);
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    for number in only.map_or(0..inputs, |only| only..only + 1) {
        NUMBER.store(number, std::sync::atomic::Ordering::Relaxed);
        let mut random = Random((seed << 32) ^ number ^ 0x9e37_79b9_7f4a_7c15);
        let input = mutate(&seeds, &mut random);
        let began = Instant::now();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(&input, &mut random)));
        let took = began.elapsed();
        slowest = slowest.max(took);
        let outcome = match outcome {
            Ok(outcome) if took < Duration::from_secs(5) => outcome,
            Ok(_) => "SLOW",
            Err(_) => "PANIC",
        };
        if outcome.chars().all(char::is_uppercase) || only.is_some() {
            failed += u64::from(outcome.chars().all(char::is_uppercase));
            let name = format!("crash-{seed}-{number}.bin");
            let written = std::fs::write(&name, &input).is_ok();
            println!("{outcome}: {name}{}", if written { "" } else { " (not written)" });
        }
        *ended.entry(outcome).or_default() += 1;
    }
    println!(
        "{inputs} inputs in {:.0} s, slowest {slowest:.2?}: {ended:?}",
        started.elapsed().as_secs_f64()
    );
    for (place, (count, first)) in PLACES.lock().map(|places| places.clone()).unwrap_or_default() {
        println!("contained panic at {place}: {count} times, first input {first}");
    }
    ExitCode::from(u8::from(failed > 0))
}

/// The first bytes of every fixture, short enough for thousands of decodes a second.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/timbral-decode/tests/fixtures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_none_or(|ending| ending != "sh"))
    {
        let Ok(bytes) = std::fs::read(file) else { continue };
        // An index at the end is kept whole; of all else the start is enough.
        let keep = if file.ends_with("tone.m4a") || file.ends_with("alac.m4a") {
            bytes.len()
        } else {
            5000
        };
        seeds.push(bytes[..bytes.len().min(keep)].to_vec());
    }
    for encoding in [1_u32, 2, 3, 4, 5, 6, 7, 27] {
        let mut au = b".snd".to_vec();
        au.extend([24, 400, encoding, 8000, 2].map(u32::to_be_bytes).concat());
        au.extend((0..400).map(|index| (index * 37 % 251) as u8));
        seeds.push(au);
    }
    for (tag, bits) in [(1_u16, 8_u16), (1, 16), (1, 24), (3, 32), (3, 64), (6, 8), (7, 8)] {
        let mut wav = b"RIFF\x00\x02\0\0WAVEfmt \x10\0\0\0".to_vec();
        wav.extend(
            [tag, 2, 8000, 0, 0, 0, 2 * bits / 8, bits]
                .map(u16::to_le_bytes)
                .concat(),
        );
        wav.extend(b"data\x90\x01\0\0");
        wav.extend((0..400).map(|index| (index * 41 % 253) as u8));
        seeds.push(wav);
    }
    assert!(seeds.len() > 25, "the fixtures are missing");
    seeds
}

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(8) {
        if input.is_empty() {
            break;
        }
        // Most mutations hit the headers.
        let reach = if random.below(3) > 0 {
            input.len().min(256)
        } else {
            input.len()
        };
        let at = random.below(reach);
        match random.below(9) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.next() as u8,
            2 => input[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random.below(6)],
            3 => {
                let value = [0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff][random.below(6)];
                let value = if random.below(2) == 0 {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                let end = (at + 4).min(input.len());
                input[at..end].copy_from_slice(&value[..end - at]);
            }
            4 => input.truncate(random.below(input.len()) + 1),
            5 => {
                let end = (at + 1 + random.below(64)).min(input.len());
                input.drain(at..end);
            }
            6 => {
                let extra: Vec<u8> = (0..1 + random.below(32)).map(|_| random.next() as u8).collect();
                input.splice(at..at, extra);
            }
            7 => {
                let end = (at + 1 + random.below(200)).min(input.len());
                let copy = input[at..end].to_vec();
                let to = random.below(input.len());
                input.splice(to..to, copy);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input
}

fn run(input: &[u8], random: &mut Random) -> &'static str {
    let options = DecodeOptions::default().max_duration(60.0);
    let result = match random.below(5) {
        0 => decode_bytes(input, &options.excerpt(random.below(4000) as f64 / 1000.0, 0.1)),
        1 => decode_bytes(input, &options.mono().sample_rate(16_000).middle(0.05)),
        2 => decode_reader(input, &options),
        3 => probe_bytes(input).map(|_| Audio::default()),
        _ => decode_bytes(input, &options),
    };
    match result {
        Ok(audio) if audio.samples.iter().any(|sample| !sample.is_finite()) => "NONFINITE",
        Ok(audio) if audio.warnings.is_empty() => "decoded",
        Ok(_) => "decoded with warnings",
        Err(DecodeError::Malformed { .. }) => "malformed",
        Err(DecodeError::Unsupported { .. }) => "unsupported",
        Err(DecodeError::NoAudio { .. }) => "no audio",
        Err(DecodeError::Limit { .. }) => "limit",
        Err(DecodeError::Unseekable { .. }) => "unseekable",
        Err(_) => "other error",
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
