use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;

use timbral::FrontEnd;

use super::cross_validation::{CrossValidation, Member, cross_validate};
use super::data::SpectrogramSet;
use super::history::EpochMetrics;
use crate::TrainError;
use timbral_data::split::{Amount, HoldoutConfig};
use timbral_data::{FeatureCache, Folds, Manifest, MelTable, Part, Split, TrackInfo};

/// Inputs of some tracks for training, and what is known of the tracks, in the same order.
#[derive(Debug, Clone)]
pub struct TrainingTracks {
    /// Spectrograms or waveforms.
    pub set: SpectrogramSet,
    /// Artists, groups and parts.
    pub tracks: Vec<TrackInfo>,
}

/// Which tracks a fit is validated on: after each pass, to choose the best one and to watch for overfitting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Validation {
    /// The validation tracks of the data set's own split: `official`.
    Official,
    /// About this fraction of each class, by whole artists: a number within (0, 1).
    Share(f64),
}

impl FromStr for Validation {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        if text == "official" {
            return Ok(Self::Official);
        }
        match text.parse() {
            Ok(share) if share > 0.0 && share < 1.0 => Ok(Self::Share(share)),
            _ => Err(TrainError::config(
                "validation",
                format!("{text:?}"),
                "`official` or a fraction above 0 and below 1",
            )),
        }
    }
}

impl TrainingTracks {
    /// The rows of a table of spectrograms that are `wanted`.
    ///
    /// # Errors
    /// As [`SpectrogramSet::from_table`].
    pub fn from_table(table: &MelTable, wanted: impl Fn(&TrackInfo) -> bool) -> Result<Self, TrainError> {
        let rows: Vec<usize> = (0..table.len()).filter(|&row| wanted(&table.rows()[row].track)).collect();
        Ok(Self {
            set: SpectrogramSet::from_table(table, &rows, &table.labels())?,
            tracks: rows.iter().map(|&row| table.rows()[row].track.clone()).collect(),
        })
    }

    /// The files of a manifest but those that fail; `done` is called with each. As [`SpectrogramSet::from_manifest`].
    ///
    /// # Errors
    /// As [`SpectrogramSet::from_manifest`].
    pub fn from_manifest(
        manifest: &Manifest,
        front_end: &FrontEnd,
        cache: Option<&FeatureCache>,
        done: impl Fn(&Path, Option<&TrainError>) + Sync,
    ) -> Result<Self, TrainError> {
        let labels = manifest.labels();
        let (set, places) = SpectrogramSet::from_manifest(manifest, front_end, &labels, cache, done)?;
        let track = |&place: &usize| manifest.entries()[place].track.clone();
        Ok(Self { set, tracks: places.iter().map(track).collect() })
    }

    /// Places of all tracks.
    #[must_use]
    pub fn all(&self) -> Vec<usize> {
        (0..self.tracks.len()).collect()
    }

    /// Places of the tracks to train on and of those to validate on. `seed` chooses the artists of a fraction.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when no track is in the official validation part, [`TrainError::Config`] and
    /// [`TrainError::Shape`] when the artists of a class are too large for the fraction.
    pub fn split(&self, validation: Validation, seed: u64) -> Result<(Vec<usize>, Vec<usize>), TrainError> {
        match validation {
            Validation::Official => {
                let is_valid = |&place: &usize| self.tracks[place].official_split == Some(Part::Validation);
                let (valid, train): (Vec<usize>, Vec<usize>) = self.all().into_iter().partition(is_valid);
                if valid.is_empty() {
                    let rule = "some must be of the official validation subset";
                    return Err(TrainError::shape("validation tracks", "none", rule));
                }
                Ok((train, valid))
            }
            Validation::Share(share) => {
                let config = HoldoutConfig { validation: Amount::Share(share), test: Amount::Count(0), seed };
                let split = Split::group_holdout(&self.tracks, &config)?;
                Ok((split.rows(&self.tracks, Part::Train), split.rows(&self.tracks, Part::Validation)))
            }
        }
    }

    /// [`cross_validate`] over `folds` of these tracks.
    ///
    /// # Errors
    /// As [`cross_validate`].
    pub fn cross_validate(
        &self,
        members: &[Member],
        folds: &Folds,
        threads: usize,
        folder: Option<&Path>,
        observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
    ) -> Result<CrossValidation, TrainError> {
        cross_validate(members, (&self.set, &self.tracks), folds, threads, folder, observe)
    }
}
