//! Progress and metrics of training runs, and an interruption that loses nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use timbral_plot::TrainingCurves;
use timbral_train::training::{EpochMetrics, RunLog};
use timbral_train::{Member, TrainError};

use cli::Progress;

/// Set by Ctrl-C: every network finishes its epoch, saves its checkpoint and stops.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C stop all training under a [`Watch`]; a second one ends the program at once.
///
/// # Errors
/// When the handler of the signal cannot be set.
pub fn stop_on_interrupt() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!(
            "stopping after the next checkpoint (press Ctrl-C again to stop at once and lose the current epoch)"
        );
    })?)
}

/// Whether to continue.
pub fn flow() -> ControlFlow<()> {
    match INTERRUPTED.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// Whether to continue after an epoch; after the last one there is nothing left to stop.
pub fn flow_after(epoch: &EpochMetrics) -> ControlFlow<()> {
    if epoch.epoch < epoch.epochs { flow() } else { ControlFlow::Continue(()) }
}

/// Replaces the error of a training run that Ctrl-C stopped by how to resume it.
///
/// # Errors
/// As `outcome`, with what to do next.
pub fn with_way_on<T>(outcome: anyhow::Result<T>) -> anyhow::Result<T> {
    outcome.map_err(|error| match error.downcast_ref() {
        Some(TrainError::Stopped) if INTERRUPTED.load(Ordering::Relaxed) => {
            let command: Vec<String> = std::env::args().collect();
            anyhow::anyhow!("interrupted; the same command resumes the run: {}", command.join(" "))
        }
        _ => error,
    })
}

/// Shows the epochs of all networks and writes their metrics.
#[derive(Debug)]
pub struct Watch {
    /// The bar; its messages name the network.
    pub progress: Progress,
    log: RunLog,
}

impl Watch {
    /// A watch over `runs` runs of each network, whose metrics go to the folder `run`.
    ///
    /// # Errors
    /// When the folder of the run cannot be written.
    pub fn new(run: &Path, members: &[Member], runs: usize, tensorboard: bool) -> anyhow::Result<Self> {
        let passes: usize = members.iter().map(Member::passes).sum();
        Ok(Self {
            progress: cli::progress((runs * passes) as u64, "training"),
            log: RunLog::create(run, tensorboard)?,
        })
    }

    /// Must be called after each epoch of the network `name`.
    pub fn epoch(&self, name: &str, epoch: &EpochMetrics) -> ControlFlow<()> {
        self.progress.message(format!("{name} {epoch}"));
        self.progress.inc(1);
        match self.log.push(name, epoch) {
            Ok(()) => flow_after(epoch),
            Err(error) => {
                self.progress.line(format!("error: {error}"));
                ControlFlow::Break(())
            }
        }
    }
}

/// Draws loss and accuracy over the epochs of each validated network: `metrics/NAME.loss.svg` and
/// `metrics/NAME.accuracy.svg` beside the `metrics/NAME.csv` that they come from.
///
/// # Errors
/// When the metrics cannot be read or a picture cannot be written.
pub fn draw_curves(run: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(run.join("metrics"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        let mut columns: HashMap<String, Vec<f64>> = HashMap::new();
        for row in csv::Reader::from_path(&path)?.deserialize::<HashMap<String, Option<f64>>>() {
            for (name, value) in row? {
                columns.entry(name).or_default().extend(value);
            }
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        for (measure, axis) in [("loss", "Loss"), ("accuracy", "Accuracy")] {
            let column =
                |part: &str| columns.get(&format!("{part}_{measure}")).map_or(&[][..], Vec::as_slice);
            let (training, validation) = (column("train"), column("valid"));
            if !validation.is_empty() {
                let curves = TrainingCurves::new(axis).title(name.clone()).run("", training, validation);
                let picture = path.with_extension(format!("{measure}.svg"));
                curves.figure().save(&picture)?;
                eprintln!("wrote {}", picture.display());
            }
        }
    }
    Ok(())
}
