//! Mutates small files of every container and decodes them: whole, through the `.au` reader, as an excerpt behind a
//! seek, as a stream, block by block.
//!
//! `cargo run --release -- INPUTS SEED [NUMBER]` prints what the seeds cover and how inputs ended; NUMBER runs that
//! one input alone. An input fails, and is written to `crash-SEED-NUMBER.bin`, where a panic reaches the caller, where
//! samples are not finite, where it takes longer than two seconds, or where more than 200 MB are held at once; the
//! program then ends with status 1. Panics inside codec crates, which the decoder contains, are listed by place.

mod memory;
mod seeds;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use timbral_decode::{Audio, DecodeConfig, DecodeError, Decoder, decode_bytes, decode_reader, probe_bytes};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting::new();

const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_BYTES: usize = 200 << 20;

/// Where contained panics arose, with how often and the number of the first input.
static PLACES: Mutex<BTreeMap<String, (u64, u64)>> = Mutex::new(BTreeMap::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap_or(1));
    let (inputs, seed) = (arguments.next().unwrap_or(100_000), arguments.next().unwrap_or(1));
    let only = arguments.next();
    let seeds = seeds::all();
    if let Err(missing) = seeds::check(&seeds) {
        println!("{missing}");
        return ExitCode::FAILURE;
    }
    record_panics();

    let (mut ended, mut failed) = (BTreeMap::<&str, u64>::new(), 0);
    let (mut slowest, mut largest) = (Duration::ZERO, 0);
    let started = Instant::now();
    for number in only.map_or(0..inputs, |only| only..only + 1) {
        NUMBER.store(number, Ordering::Relaxed);
        let mut random = Random((seed << 32) ^ number ^ 0x9e37_79b9_7f4a_7c15);
        let input = mutate(&seeds, &mut random);
        let before = MEMORY.restart();
        let began = Instant::now();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(&input, &mut random)));
        let took = began.elapsed();
        let held = MEMORY.peak().saturating_sub(before);
        slowest = slowest.max(took);
        largest = largest.max(held);
        let (outcome, bad) = match outcome {
            Err(_) => ("PANIC", true),
            Ok(_) if took > MAX_TIME => ("SLOW", true),
            Ok(_) if held > MAX_BYTES => ("LARGE", true),
            Ok("not finite") => ("NOT FINITE", true),
            Ok(outcome) => (outcome, false),
        };
        if bad || only.is_some() {
            failed += u64::from(bad);
            let name = format!("crash-{seed}-{number}.bin");
            let written = std::fs::write(&name, &input).is_ok();
            println!("{outcome}: {name}{}", if written { "" } else { " (not written)" });
        }
        *ended.entry(outcome).or_default() += 1;
    }
    println!(
        "{inputs} inputs in {:.0} s, slowest {slowest:.2?}, largest {:.1} MB: {ended:?}",
        started.elapsed().as_secs_f64(),
        largest as f64 / 1e6
    );
    for (place, (count, first)) in PLACES.lock().map(|places| places.clone()).unwrap_or_default() {
        println!("contained panic at {place}: {count} times, first input {first}");
    }
    ExitCode::from(u8::from(failed > 0))
}

/// Counts panics by place. The decoder has set its own hook by now, which would keep contained panics from this one.
fn record_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or("nowhere".to_owned(), |place| {
            let file = place.file();
            let inside = file.split_once("/src/index.").map_or(file, |(_, inside)| inside);
            format!("{inside}:{}", place.line())
        });
        if let Ok(mut places) = PLACES.lock() {
            places.entry(place).or_insert((0, NUMBER.load(Ordering::Relaxed))).0 += 1;
        }
    }));
}

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(8) {
        if input.is_empty() {
            break;
        }
        // Most mutations hit the headers.
        let reach = match random.below(3) {
            0 => input.len(),
            _ => input.len().min(256),
        };
        let at = random.below(reach);
        match random.below(9) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.next() as u8,
            2 => input[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random.below(6)],
            3 => {
                let value = [0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff][random.below(6)];
                let value = match random.below(2) {
                    0 => value.to_be_bytes(),
                    _ => value.to_le_bytes(),
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
    let options = DecodeConfig::default().max_duration(60.0);
    let start = random.below(4000) as f64 / 1000.0;
    let result = match random.below(8) {
        0 => decode_bytes(input, &options.excerpt(start, 0.1)),
        1 => decode_bytes(input, &options.mono().sample_rate(16_000).middle(0.05)),
        2 => decode_reader(input, &options),
        3 => probe_bytes(input).map(|_| Audio::default()),
        4 => Decoder::from_seekable(Cursor::new(input), &options.start(start)).and_then(Decoder::into_audio),
        5 => decode_reader(input, &options.excerpt(start, 0.1).strict()),
        6 => {
            let blocks = Decoder::from_bytes(input, &options.mono());
            blocks.and_then(|blocks| {
                let samples = blocks.collect::<Result<Vec<_>, _>>()?.concat();
                Ok(Audio { samples, ..Audio::default() })
            })
        }
        _ => decode_bytes(input, &options),
    };
    match result {
        Ok(audio) if audio.samples.iter().any(|sample| !sample.is_finite()) => "not finite",
        Ok(audio) if audio.warnings.is_empty() => "decoded",
        Ok(_) => "decoded with warnings",
        Err(DecodeError::Malformed { .. }) => "malformed",
        Err(DecodeError::Unsupported { .. }) => "unsupported",
        Err(DecodeError::NoAudio { .. }) => "no audio",
        Err(DecodeError::Limit { .. }) => "limit",
        Err(DecodeError::Unseekable { .. }) => "unseekable",
        Err(DecodeError::Damaged { .. }) => "damaged",
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
