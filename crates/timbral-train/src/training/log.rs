use std::path::Path;

use super::history::{EpochMetrics, MetricsFolder};
#[cfg(feature = "tensorboard")]
use super::tensorboard::EventFolder;
use crate::TrainError;

/// What the folder of a run keeps of each pass of its networks: `metrics/NAME.csv`, and event files in `tensorboard/NAME`
/// where they are asked for. It may be shared between threads.
#[derive(Debug)]
pub struct RunLog {
    metrics: MetricsFolder,
    #[cfg(feature = "tensorboard")]
    events: Option<EventFolder>,
}

impl RunLog {
    /// Makes what is not there yet. `tensorboard` asks for event files.
    ///
    /// # Errors
    /// [`TrainError::Io`] when a folder cannot be made; [`TrainError::Config`] for event files where this crate is built
    /// without the feature `tensorboard`.
    pub fn create(folder: impl AsRef<Path>, tensorboard: bool) -> Result<Self, TrainError> {
        let folder = folder.as_ref();
        #[cfg(not(feature = "tensorboard"))]
        if tensorboard {
            let rule = "off: this program is built without the feature `tensorboard`";
            return Err(TrainError::config("tensorboard", tensorboard, rule));
        }
        Ok(Self {
            metrics: MetricsFolder::create(folder.join("metrics"))?,
            #[cfg(feature = "tensorboard")]
            events: tensorboard.then(|| EventFolder::new(folder.join("tensorboard"))),
        })
    }

    /// Keeps a pass of the network `name`.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written.
    pub fn push(&self, name: &str, metrics: &EpochMetrics) -> Result<(), TrainError> {
        #[cfg(feature = "tensorboard")]
        if let Some(events) = &self.events {
            events.push(name, metrics)?;
        }
        self.metrics.push(name, metrics)
    }
}
