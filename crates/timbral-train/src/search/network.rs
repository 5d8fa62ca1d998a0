use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use timbral_model::Architecture;

use super::{Evaluate, Measured, Objective, SearchConfig, Strategy, Trial};
use crate::TrainError;
use crate::training::{EpochMetrics, RunConfig, SpectrogramSet, Trainer};
use crate::training::{canonical, cross_validate};
use timbral_data::{Folds, TrackInfo};

/// First parts of the names of fields that a cross-validation depends on.
const SEARCHED: [&str; 5] = ["architecture", "copies", "members", "training", "trunk"];

type Observe<'a> = dyn Fn(&Trial, &str, &EpochMetrics) -> ControlFlow<()> + Sync + 'a;

/// Measures settings of a [`RunConfig`] by cross-validation over spectrograms, grouped by artist.
///
/// The budget is the number of passes, `training.epochs` of all networks. A promoted trial is trained anew with the larger
/// one: the learning-rate schedule spans all passes, so going on from a shorter training would end elsewhere than
/// the configuration that comes out says. This costs at most `eta / (eta - 1)` of what going on would.
pub struct NetworkSearch<'a> {
    base: &'a RunConfig,
    data: &'a SpectrogramSet,
    tracks: Vec<TrackInfo>,
    folds: Folds,
    objective: Objective,
    halves: bool,
    folder: Option<PathBuf>,
    observe: Option<Box<Observe<'a>>>,
}

impl fmt::Debug for NetworkSearch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkSearch")
            .field("base", &self.base)
            .field("folds", &self.folds.content_hash())
            .field("objective", &self.objective)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl<'a> NetworkSearch<'a> {
    /// A search around `base`; `tracks` describes each spectrogram of `data`, in the same order.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when there are not as many of both; as [`Folds::stratified_group`].
    pub fn new(
        config: &SearchConfig,
        base: &'a RunConfig,
        data: &'a SpectrogramSet,
        tracks: &[TrackInfo],
    ) -> Result<Self, TrainError> {
        data.check_told(tracks)?;
        let folds = Folds::stratified_group(tracks, config.folds, config.fold_seed)?;
        Ok(Self {
            base,
            data,
            tracks: tracks.to_vec(),
            folds,
            objective: config.objective,
            halves: matches!(config.strategy, Strategy::SuccessiveHalving { .. }),
            folder: None,
            observe: None,
        })
    }

    /// Keeps the checkpoints of trials in progress in `folder`, so that an interrupted trial goes on from its last passes.
    #[must_use]
    pub fn with_checkpoints(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Shows each pass: the trial, the network and fold, and what the pass came to. It may stop the search.
    #[must_use]
    pub fn observed_by(
        mut self,
        observe: impl Fn(&Trial, &str, &EpochMetrics) -> ControlFlow<()> + Sync + 'a,
    ) -> Self {
        self.observe = Some(Box::new(observe));
        self
    }

    /// The folds, the same for all trials.
    #[must_use]
    pub fn folds(&self) -> &Folds {
        &self.folds
    }

    /// The configuration of a trial, which `train` takes.
    ///
    /// # Errors
    /// [`TrainError::Config`] for a field that is not known, with the nearest one that is, or of no effect here.
    pub fn configuration(&self, trial: &Trial, budget: Option<usize>) -> Result<RunConfig, TrainError> {
        let mut config = self.base.clone();
        // The type of a network first: it puts the other fields back to their defaults.
        let mut names: Vec<&String> = trial.values.keys().collect();
        names.sort_by_key(|name| name.rsplit('.').next() != Some("type"));
        for name in names {
            config.set(&format!("{name}={}", trial.values[name]))?;
            let first = name.split('.').next().unwrap_or_default();
            if !SEARCHED.contains(&first) {
                let rule = format!(
                    "a field that a cross-validation over given features measures, whose name starts with one of {}",
                    SEARCHED.join(", ")
                );
                return Err(TrainError::config("parameters", name, rule));
            }
            if self.halves && name.rsplit('.').next() == Some("epochs") {
                let rule = "another field: epochs are the budget of successive halving";
                return Err(TrainError::config("parameters", name, rule));
            }
        }
        if let Some(epochs) = budget {
            config.set(&format!("training.epochs={epochs}"))?;
        }
        Ok(config)
    }

    fn folder_of(&self, trial: &Trial, budget: Option<usize>) -> Option<PathBuf> {
        let budget = budget.map_or("all".to_owned(), |b| b.to_string());
        let name = format!("{:05}-{budget}", trial.number);
        self.folder.as_deref().map(|folder: &Path| folder.join(name))
    }
}

impl Evaluate for NetworkSearch<'_> {
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // What cannot be put into JSON cannot be measured either, and the measure says so.
        hash.update(canonical(&(self.base, self.data.labels())).unwrap_or_default());
        hash.update(self.folds.content_hash());
        // Where a trunk cannot be read, the training says so.
        let trunks = self.base.members.iter().filter_map(|member| member.trunk.as_ref());
        trunks.filter_map(|path| std::fs::read(path).ok()).for_each(|bytes| hash.update(bytes));
        for (track, info) in self.tracks.iter().enumerate() {
            hash.update(format!("\n{}\n", info.group_key()));
            self.data.hash_track(track, &mut hash);
        }
        format!("{:x}", hash.finalize())
    }

    fn check(&self, trial: &Trial) -> Result<(), TrainError> {
        let config = self.configuration(trial, None)?;
        config.members.iter().try_for_each(|member| match &member.architecture {
            // Fitted, not trained.
            Architecture::Classic(_) => Ok(member.architecture.validate()?),
            network => Trainer::new(network, &member.training, self.data).map(|_| ()),
        })
    }

    fn evaluate(&self, trial: &Trial, budget: Option<usize>, threads: usize) -> Result<Measured, TrainError> {
        let config = self.configuration(trial, budget)?;
        let folder = self.folder_of(trial, budget);
        let observe = |name: &str, metrics: &EpochMetrics| match &self.observe {
            Some(observe) => observe(trial, name, metrics),
            None => ControlFlow::Continue(()),
        };
        let cv = cross_validate(
            &config.members,
            (self.data, &self.tracks),
            &self.folds,
            threads,
            folder.as_deref(),
            &observe,
        )?;
        let predictions = cv.predictions(cv.ensemble.view(), self.data)?;
        let groups: Vec<String> = cv.tracks.iter().map(|&track| self.tracks[track].group_key()).collect();
        Measured::new(&predictions, &groups, self.objective, true)
    }

    fn finished(&self, trial: &Trial, budget: Option<usize>) {
        if let Some(folder) = self.folder_of(trial, budget) {
            // Checkpoints that stay cost room on the disk and nothing else.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
