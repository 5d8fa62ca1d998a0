//! Searches hyperparameters of networks or of a classic learner by artist-grouped cross-validation.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

mod picture;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use picture::picture;
use timbral_data::{FeatureTable, MelTable, Part, TrackInfo};
use timbral_train::search::{ClassicSearch, Evaluate, NetworkSearch, SearchProgress, SearchTable};
use timbral_train::{RunConfig, SearchConfig, TrainingTracks, search};
use training::watch::{flow, flow_after, stop_on_interrupt, with_way_on};

/// Search hyperparameters by artist-grouped cross-validation: grid, random or successive halving.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    search examples/configs/search.toml --config examples/configs/gtzan.toml --table gtzan_tables\n  \
    search examples/configs/search_classic.toml --features songs.csv"
)]
struct Arguments {
    /// Search configuration.
    #[arg(value_name = "TOML")]
    search: PathBuf,
    /// Run configuration with the networks to tune.
    #[arg(long, value_name = "TOML", requires = "table", required_unless_present = "features")]
    config: Option<PathBuf>,
    /// Feature table for the pipeline of the search configuration.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    features: Option<PathBuf>,
    /// Folder with `mel_index.csv`: the spectrograms or, for a feature table, artist and subset of the tracks.
    #[arg(long, value_name = "DIR")]
    table: Option<PathBuf>,
    /// Columns of the feature table to drop.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    without: Vec<String>,
    /// Official subsets to use; tracks without one are used as well.
    #[arg(long, value_delimiter = ',', default_value = "train,valid")]
    split: Vec<Part>,
    /// Folder of the search: `journal.jsonl`, `trials.csv`, `best.toml`, `search.svg`, `search.png`, `folds.csv`. An
    /// interrupted search resumes there.
    #[arg(long, value_name = "DIR", default_value = "runs/search")]
    run: PathBuf,
    /// Number of trials to run in parallel; the result does not depend on it.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Print the ranking as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let config = SearchConfig::read(&arguments.search)?;
        std::fs::create_dir_all(&arguments.run).with_context(|| arguments.run.display().to_string())?;
        stop_on_interrupt()?;
        let wanted = |track: &TrackInfo| training::takes_part(track, &arguments.split);
        let best = arguments.run.join("best.toml");
        let folds = arguments.run.join("folds.csv");
        if let Some(path) = &arguments.features {
            let base = config.pipeline.as_ref().context("the search has no [pipeline]")?;
            let without: Vec<&str> = arguments.without.iter().map(String::as_str).collect();
            let mut table = FeatureTable::read(path)?.without_columns(&without)?;
            if let Some(folder) = &arguments.table {
                table.apply_tracks(&MelTable::read(folder)?.tracks());
            }
            let table = table.retain_tracks(wanted);
            let classic = ClassicSearch::new(&config, base, &table)?;
            classic.folds().save(folds)?;
            let found = run(&arguments, &config, &classic)?;
            let row = found.best().context("every trial failed")?;
            let text = toml::to_string(&classic.parameters(&row.trial)?)?;
            return Ok(timbral_atomic::write(&best, [text])?);
        }
        let (Some(path), Some(folder)) = (&arguments.config, &arguments.table) else {
            bail!("nothing to search: give --config with --table, or --features");
        };
        let base = RunConfig::read(path)?;
        let data = TrainingTracks::from_table(&MelTable::read(folder)?, wanted)?;
        let networks = NetworkSearch::new(&config, &base, &data.set, &data.tracks)?
            .with_checkpoints(arguments.run.join("trials"))
            .observed_by(|_, _, epoch| flow_after(epoch));
        networks.folds().save(folds)?;
        let found = run(&arguments, &config, &networks)?;
        let row = found.best().context("every trial failed")?;
        Ok(networks.configuration(&row.trial, row.budget)?.save(best)?)
    })
}

/// Runs the search with progress, and writes the table and the pictures.
fn run(arguments: &Arguments, config: &SearchConfig, evaluator: &impl Evaluate) -> Result<SearchTable> {
    let total = config.evaluations(config.trials()?.len());
    let progress = cli::progress(total as u64, "searching");
    let (start, seen, first) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
    let observe = |now: &SearchProgress<'_>| {
        let before = seen.swap(now.done, Ordering::Relaxed);
        if before == 0 {
            first.store(now.done - 1, Ordering::Relaxed);
        }
        progress.inc((now.done - before) as u64);
        let made = (now.done - first.load(Ordering::Relaxed)).max(1) as f64;
        let left = start.elapsed().as_secs_f64() / made * (now.total - now.done) as f64;
        let outcome = match (&now.result.measured, &now.result.error) {
            (Some(measured), _) => format!("{} {:.4}", config.objective.name(), measured.score),
            (None, error) => format!("failed: {}", error.as_deref().unwrap_or_default()),
        };
        let budget = now.result.budget.map_or(String::new(), |b| format!(" with {b}"));
        let (done, number) = (now.done, now.trial.number);
        progress.line(format!("{done}/{total}, {left:.0} s left: trial {number}{budget}: {outcome}"));
        flow()
    };
    let journal = arguments.run.join("journal.jsonl");
    let found = search(config, evaluator, arguments.threads, Some(&journal), &observe).map_err(Into::into);
    let found = with_way_on(found)?;
    drop(progress);
    found.save_csv(arguments.run.join("trials.csv"))?;
    for name in ["search.svg", "search.png"] {
        picture(config, &found).save(arguments.run.join(name))?;
    }
    match arguments.json {
        true => cli::json_line(&found)?,
        false => print!("{found}"),
    }
    eprintln!("wrote trials.csv, best.toml and pictures to {}", Path::display(&arguments.run));
    Ok(found)
}
