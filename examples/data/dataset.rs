//! Inspects a data set: classes, durations, unreadable files, duplicates, leaks across its split.
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use timbral_data::manifest::{FMA_ARCHIVES, FmaSubset, verify_archive};
use timbral_data::{Inventory, LabelMap, Manifest};

/// Inspect a data set and write its manifest: classes, durations, unreadable files, duplicates, leaks.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  dataset gtzan/genres --lists lists/ --manifest gtzan.csv\n  \
    dataset fma_metadata/tracks.csv --fma fma_small\n  dataset --verify fma_small.zip fma_metadata.zip"
)]
struct Arguments {
    /// A folder with one folder per class, or a manifest (CSV); with --fma, tracks.csv; with --verify, archives.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Read FMA, whose clips are in this folder.
    #[arg(long, value_name = "DIR")]
    fma: Option<PathBuf>,
    /// Subset of FMA.
    #[arg(long, value_enum, default_value = "small")]
    subset: Subset,
    /// Folder with the fault-filtered lists train_filtered.txt, valid_filtered.txt and test_filtered.txt.
    #[arg(long, value_name = "DIR")]
    lists: Option<PathBuf>,
    /// TOML file with labels to rename, merge or drop.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Write the manifest to this file.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// Verify the SHA-1 checksums of FMA archives instead.
    #[arg(long)]
    verify: bool,
    /// Print the inventory as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subset {
    Small,
    Medium,
    Large,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        if arguments.verify {
            return arguments.paths.iter().try_for_each(verify);
        }
        let manifest = read(&arguments)?;
        if let Some(path) = &arguments.manifest {
            manifest.write_csv(path)?;
        }
        let progress = cli::progress(manifest.len() as u64, "inspecting");
        let inventory = Inventory::read(&manifest, |_| progress.inc(1))?;
        drop(progress);
        if arguments.json {
            return cli::json_line(&inventory);
        }
        print(&inventory);
        Ok(())
    })
}

fn verify(path: &PathBuf) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let known = FMA_ARCHIVES.iter().find(|(archive, _)| name == *archive);
    let (_, sum) = known.with_context(|| format!("no checksum is published for {}", path.display()))?;
    verify_archive(path, sum)?;
    println!("{}: checksum matches", path.display());
    Ok(())
}

fn read(arguments: &Arguments) -> Result<Manifest> {
    ensure!(arguments.paths.len() == 1, "more than one data set given; it must be exactly one");
    let path = &arguments.paths[0];
    let mut manifest = match &arguments.fma {
        None => Manifest::read(path)?,
        Some(audio) => {
            let subset = match arguments.subset {
                Subset::Small => FmaSubset::Small,
                Subset::Medium => FmaSubset::Medium,
                Subset::Large => FmaSubset::Large,
            };
            Manifest::read_fma(path, audio, subset)?
        }
    };
    if let Some(folder) = &arguments.lists {
        let list = |name: &str| folder.join(format!("{name}_filtered.txt"));
        manifest.apply_lists(list("train"), list("valid"), list("test"))?;
    }
    if let Some(path) = &arguments.labels {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let map: LabelMap = toml::from_str(&text).with_context(|| path.display().to_string())?;
        manifest = manifest.relabelled(&map)?;
    }
    Ok(manifest)
}

fn print(inventory: &Inventory) {
    println!("{:<20} {:>7} {:>10} {:>7}", "class", "files", "minutes", "broken");
    let (mut files, mut seconds, mut broken) = (0, 0.0, 0);
    for (label, class) in inventory.classes() {
        println!("{label:<20} {:>7} {:>10.1} {:>7}", class.files, class.seconds / 60.0, class.broken);
        files += class.files;
        seconds += class.seconds;
        broken += class.broken;
    }
    println!("{:<20} {files:>7} {:>10.1} {broken:>7}", "all", seconds / 60.0);
    for file in inventory.files.iter().filter(|file| file.error.is_some()) {
        println!("unreadable: {}", file.error.as_deref().unwrap_or_default());
    }
    for file in &inventory.files {
        file.warnings.iter().for_each(|warning| println!("warning: {}: {warning}", file.path));
    }
    for pair in &inventory.duplicates {
        let [first, second] = [pair.first, pair.second].map(|file| &inventory.files[file].path);
        let kind = if pair.exact { "same samples" } else { "same recording" };
        println!(
            "{kind}: {first} and {second}, {:.1} s, offset {:.1} s, {:.0} % of bits{}",
            pair.overlap,
            pair.offset,
            100.0 * pair.agreement,
            if pair.leaks { "; LEAK across the split" } else { "" }
        );
    }
    inventory.notes.iter().for_each(|note| println!("note: {note}"));
}
