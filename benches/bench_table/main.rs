//! Measures every feature against the bare Fourier transforms of the same frames, as a table.

#![allow(clippy::print_stdout, reason = "a program prints")]

mod workload;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

/// Time the features of a 30 s clip, alternating with their floor.
#[derive(Parser)]
#[command(version, after_help = "Example: bench_table --rounds 200 --write docs/BENCHMARKS.md")]
struct Arguments {
    /// Number of rounds; each times the feature once and the floor once.
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// Only time features whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also list the times of other libraries, from benches/peers.py.
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Also write the table to this file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| measure(&Arguments::parse()))
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut table = format!(
        "# Benchmarks\n\n\
         One thread, 30 s at 22 050 Hz, frames of 2048 every 512 samples (Kaldi: 16 kHz, 512 every 160). The floor is the \
         bare real\nFourier transforms of the same frames by `realfft`, windowed beforehand, in one buffer. Feature and \
         floor are timed in turns\nby the processor time of the thread; medians of {} rounds. Elsewhere is the best \
         ratio found before this project.\nOn {}. Written by\n\
         `cargo run --release -p benches --example bench_table -- --write docs/BENCHMARKS.md`.\n\n\
         | feature | timbral ms | floor ms | ratio | bar | elsewhere |\n|---|---:|---:|---:|---:|---|\n",
        arguments.rounds,
        machine(),
    );
    let peers = arguments.peers.as_deref().map(read_peers).transpose()?.unwrap_or_default();
    let mut beside = String::new();
    for mut work in workload::all() {
        if arguments.only.as_ref().is_some_and(|only| !work.name.contains(only)) {
            continue;
        }
        let (mut features, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..arguments.rounds.max(1) {
            let feature = milliseconds(&mut work.timbral);
            let floor = milliseconds(&mut work.floor);
            features.push(feature);
            floors.push(floor);
            ratios.push(feature / floor);
        }
        let (feature, floor, ratio) = (median(&mut features), median(&mut floors), median(&mut ratios));
        let _ = writeln!(
            table,
            "| `{}` | {feature:.2} | {floor:.2} | {ratio:.2} | {} | {} |",
            work.name, work.bar, work.elsewhere,
        );
        if peers.values().any(|times| times.contains_key(work.name)) {
            let _ = write!(beside, "| `{}` | {ratio:.2} |", work.name);
            for times in peers.values() {
                let _ = match times.get(work.name) {
                    Some(time) => write!(beside, " {:.1} |", time / floor),
                    None => write!(beside, " – |"),
                };
            }
            beside.push('\n');
        }
    }
    if !beside.is_empty() {
        let names = peers.keys().map(String::as_str).collect::<Vec<_>>().join(" | ");
        let _ = write!(
            table,
            "\n## Beside other libraries\n\nRatios to the same floor on the same machine, one thread; theirs were timed by \
             `python3 benches/peers.py peers.json`\nand given to the command as `--peers peers.json`.\n\n\
             | feature | timbral | {names} |\n|---|---:|{}\n{beside}",
            "---:|".repeat(peers.len()),
        );
    }
    if arguments.only.is_none() {
        table.push_str(
            "\n## Cost over length\n\nDecibels of 128 mel bands, milliseconds for each second of sound.\n\n\
             | length | ms / s |\n|---:|---:|\n",
        );
        for (seconds, mut work) in workload::lengths() {
            let mut times: Vec<f64> = (0..9).map(|_| milliseconds(&mut work)).collect();
            let _ = writeln!(table, "| {seconds} s | {:.4} |", median(&mut times) / seconds as f64);
        }
    }
    println!("{table}");
    if let Some(path) = &arguments.write {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(path, table).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Milliseconds of each feature, for each library.
type Peers = BTreeMap<String, BTreeMap<String, f64>>;

fn read_peers(path: &Path) -> anyhow::Result<Peers> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} must be output of benches/peers.py", path.display()))
}

/// The name of the processor, where the system reports it.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(": ").nth(1)).unwrap_or("an unnamed processor");
    format!("{name}, {}", std::env::consts::ARCH)
}

fn milliseconds(run: &mut dyn FnMut() -> f32) -> f64 {
    let start = now();
    black_box(run());
    now().saturating_sub(start).as_secs_f64() * 1e3
}

/// Processor time of this thread, which other programs disturb less than the time on the wall.
#[cfg(unix)]
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Time on the wall, where that of a thread is not to be had.
#[cfg(not(unix))]
fn now() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
