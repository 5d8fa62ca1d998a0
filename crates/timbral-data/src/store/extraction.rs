use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::{FeatureSet, FeatureSetConfig};
use timbral_segment::{SegmentConfig, Segmenter};

use super::journal::{FileOutcome, Journal};
use crate::{DataError, ManifestEntry};

/// What is computed of every file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractionConfig {
    /// The columns.
    pub features: FeatureSetConfig,
    /// How a file is cut into windows, each of which is a row. Default: not at all, one row a file.
    #[serde(default)]
    pub segments: Option<SegmentConfig>,
}

/// The features of one window of a file, or of all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// Where the window starts, in seconds.
    pub start: f64,
    /// Its length in seconds.
    pub duration: f64,
    /// One value for each column.
    pub values: Vec<f64>,
}

/// Computes the rows of audio files: decodes to mono at the set's rate, cuts, and computes the set of each window.
#[derive(Clone, Debug)]
pub struct Extraction {
    config: ExtractionConfig,
    set: FeatureSet,
    segmenter: Option<Segmenter>,
}

impl Extraction {
    /// Checks and plans the extraction.
    ///
    /// # Errors
    ///
    /// [`DataError::Features`] for an invalid set, [`DataError::Config`] for invalid windows.
    pub fn new(config: ExtractionConfig) -> Result<Self, DataError> {
        let set = FeatureSet::new(config.features.clone())?;
        let segmenter = config
            .segments
            .map(|segments| Segmenter::new(segments, config.features.sample_rate).map_err(DataError::from));
        Ok(Self { segmenter: segmenter.transpose()?, set, config })
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &ExtractionConfig {
        &self.config
    }

    /// The set that is computed.
    #[must_use]
    pub fn feature_set(&self) -> &FeatureSet {
        &self.set
    }

    /// The rows of a mono signal at the set's sample rate.
    ///
    /// # Errors
    ///
    /// [`DataError::Features`] if a feature cannot be computed, [`DataError::Shape`] if there is no window or a value is
    /// not finite.
    pub fn rows_of(&self, samples: &[f32]) -> Result<Vec<FeatureRow>, DataError> {
        let rate = f64::from(self.config.features.sample_rate);
        let row = |start: f64, window: &[f32]| {
            let values = self.set.compute(window)?.to_vec();
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                let given = format!("{} is {}", self.set.columns()[column], values[column]);
                return Err(DataError::shape("features", given, "every value must be finite"));
            }
            let duration = window.len() as f64 / rate;
            Ok(FeatureRow { start, duration, values })
        };
        let rows = match &self.segmenter {
            None => vec![row(0.0, samples)?],
            Some(segmenter) => segmenter
                .windows(samples)
                .map(|window| row(window.start as f64 / rate, &window.samples))
                .collect::<Result<Vec<_>, _>>()?,
        };
        if rows.is_empty() {
            let given = format!("{:.3} s of audio hold none", samples.len() as f64 / rate);
            return Err(DataError::shape("windows", given, "there must be at least one"));
        }
        Ok(rows)
    }

    /// The rows of an audio file.
    ///
    /// # Errors
    ///
    /// [`DataError::Decode`] if it cannot be decoded, else as [`rows_of`](Self::rows_of).
    pub fn rows_of_file(&self, path: &Path) -> Result<Vec<FeatureRow>, DataError> {
        let options = DecodeConfig::default().mono().sample_rate(self.config.features.sample_rate);
        self.rows_of(&decode_file(path, &options)?.samples)
    }

    /// Computes the rows of every file, in parallel on rayon's threads, and notes each file in a journal as it is done.
    ///
    /// If the journal exists already, a run that was stopped goes on: files that are in it and have not changed since are
    /// not computed again, those that failed are. A file that fails does not stop the run. `done` is called for each file as
    /// it is done, from any thread.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the journal cannot be read or written, [`DataError::Config`] if it belongs to another
    /// extraction.
    pub fn run(
        &self,
        entries: &[ManifestEntry],
        journal: &Path,
        done: impl Fn(&ManifestEntry, &FileOutcome) + Sync,
    ) -> Result<Journal, DataError> {
        let journal = Journal::open(journal, &self.config)?;
        let known = entries.iter().map(|entry| journal.finished(&entry.path));
        let open: Vec<&ManifestEntry> = entries
            .iter()
            .zip(known.collect::<Vec<_>>())
            .filter(|(entry, outcome)| outcome.as_ref().inspect(|outcome| done(entry, outcome)).is_none())
            .map(|(entry, _)| entry)
            .collect();
        let journal = Mutex::new(journal);
        open.par_iter().try_for_each(|entry| -> Result<(), DataError> {
            let rows = self.rows_of_file(&entry.path).map_err(|error| crate::error::chain(&error));
            let outcome = FileOutcome::of(&rows);
            let mut journal = journal.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            journal.append(&entry.path, &rows)?;
            drop(journal);
            done(entry, &outcome);
            Ok(())
        })?;
        Ok(journal.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
