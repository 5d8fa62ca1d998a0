use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::TrainError;
use crate::atomic::write_atomically;

/// What a pass over the tracks came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochMetrics {
    /// The pass, counted from 1.
    pub epoch: usize,
    /// All passes.
    pub epochs: usize,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean loss of the training steps: over crops, with all that the configuration adds to it (mixing, smoothing).
    pub train_loss: f64,
    /// Fraction of training crops whose strongest class is that of the (stronger) label.
    pub train_accuracy: f64,
    /// Mean cross-entropy (natural logarithm) of whole validation tracks, where there are any.
    pub valid_loss: Option<f64>,
    /// Accuracy over validation tracks, where there are any.
    pub valid_accuracy: Option<f64>,
    /// Seconds that the pass took.
    pub seconds: f64,
}

/// On one line: `pass 3/60: loss 1.234, rate 2.0e-3, valid 0.650 (loss 1.100)`.
impl fmt::Display for EpochMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pass {}/{}: loss {:.3}, rate {:.1e}",
            self.epoch, self.epochs, self.train_loss, self.learning_rate
        )?;
        match (self.valid_accuracy, self.valid_loss) {
            (Some(accuracy), Some(loss)) => write!(f, ", valid {accuracy:.3} (loss {loss:.3})"),
            _ => Ok(()),
        }
    }
}

/// `metrics.csv` of a run: one row a pass, written as it ends.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Starts the file anew, or goes on with it after `kept` passes where a run is resumed.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be read or written.
    pub fn create(path: impl AsRef<Path>, kept: usize) -> Result<Self, TrainError> {
        let path = path.as_ref().to_owned();
        // Passes after the checkpoint are trained again, so their rows go.
        let old = if kept > 0 {
            std::fs::read_to_string(&path).map_err(TrainError::io(&path))?
        } else {
            String::new()
        };
        let mut text =
            String::from("epoch,learning_rate,train_loss,train_accuracy,valid_loss,valid_accuracy,seconds\n");
        for line in old.lines().skip(1).take(kept) {
            text.push_str(line);
            text.push('\n');
        }
        write_atomically(&path, &[text.as_bytes()])?;
        let file = OpenOptions::new().append(true).open(&path).map_err(TrainError::io(&path))?;
        Ok(Self { path, file })
    }

    /// Adds the row of a pass.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written.
    pub fn push(&mut self, m: &EpochMetrics) -> Result<(), TrainError> {
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.6}"));
        let (valid_loss, valid) = (cell(m.valid_loss), cell(m.valid_accuracy));
        let (epoch, rate, loss, accuracy, seconds) =
            (m.epoch, m.learning_rate, m.train_loss, m.train_accuracy, m.seconds);
        writeln!(self.file, "{epoch},{rate:.8},{loss:.6},{accuracy:.6},{valid_loss},{valid},{seconds:.3}")
            .map_err(TrainError::io(&self.path))
    }
}

/// `NAME.csv` for each of several networks that are trained at once; shared between their threads.
#[derive(Debug)]
pub struct MetricsFolder {
    folder: PathBuf,
    files: Mutex<BTreeMap<String, MetricsFile>>,
}

impl MetricsFolder {
    /// Makes the folder where there is none.
    ///
    /// # Errors
    /// [`TrainError::Io`] when that fails.
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self, TrainError> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        Ok(Self { folder, files: Mutex::default() })
    }

    /// Adds the row of a pass of the network `name`; the first one of a resumed run goes on after the passes before it.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written.
    pub fn push(&self, name: &str, metrics: &EpochMetrics) -> Result<(), TrainError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get_mut(name) {
            return file.push(metrics);
        }
        let mut file = MetricsFile::create(self.folder.join(format!("{name}.csv")), metrics.epoch - 1)?;
        file.push(metrics)?;
        files.insert(name.to_owned(), file);
        Ok(())
    }
}
