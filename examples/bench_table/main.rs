//! Measures every feature against the bare Fourier transforms of the same frames and prints a table.

#![allow(clippy::print_stdout, reason = "a program speaks on stdout")]

#[path = "../common/mod.rs"]
mod common;
mod workload;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;

/// Time the features of a 30 s clip in turns with their floor.
#[derive(Parser)]
#[command(after_help = "Example: bench_table --rounds 200 --write docs/BENCHMARKS.md")]
struct Arguments {
    /// Rounds; each times the feature once and the floor once.
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// Also write the table to this file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    common::run(|| measure(&Arguments::parse()))
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut table = String::from(
        "# Benchmarks\n\nOne thread, 30 s at 22 050 Hz, frames of 2048 every 512 samples. The floor is the bare real Fourier \
         transforms\nof the same frames, windowed beforehand. Feature and floor are timed in turns; medians, and the fastest\nround of each, which other programs disturb less. Written by\n\
         `cargo run --release --example bench_table -- --write docs/BENCHMARKS.md`.\n\n\
         | feature | timbral ms | floor ms | ratio | ratio of the fastest rounds | goal |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for mut work in workload::all() {
        let (mut features, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds.max(1) {
            features.push(milliseconds(&mut work.timbral));
            floors.push(milliseconds(&mut work.floor));
        }
        let (feature, floor) = (median(&mut features), median(&mut floors));
        let _ = writeln!(
            table,
            "| `{}` | {feature:.2} | {floor:.2} | {:.2} | {:.2} | {:.2} |",
            work.name,
            feature / floor,
            features[0] / floors[0],
            work.goal
        );
    }
    println!("{table}");
    if let Some(path) = &arguments.write {
        std::fs::write(path, table).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn milliseconds(run: &mut dyn FnMut() -> f32) -> f64 {
    let start = Instant::now();
    black_box(run());
    start.elapsed().as_secs_f64() * 1e3
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
