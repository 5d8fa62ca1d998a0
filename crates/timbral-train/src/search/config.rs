use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use timbral_classic::PipelineConfig;

use super::space::{Setting, Space, Trial};
use crate::TrainError;
use crate::rng::SeededRng;

use crate::training::with_nearest;

/// The most trials of a search.
const MOST_TRIALS: usize = 100_000;
/// How often a draw that repeats an earlier trial is drawn again.
const REDRAWS: usize = 100;

/// What is searched, and how, as it stands in a TOML file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// How trials are chosen.
    pub strategy: Strategy,
    /// What trials are ranked by. Default: accuracy.
    #[serde(default)]
    pub objective: Objective,
    /// Fixes the trials that are drawn. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// Folds of the cross-validation, grouped by artist and the same for all trials. Default: 5.
    #[serde(default = "five")]
    pub folds: usize,
    /// Seed of the folds. Default: 0.
    #[serde(default)]
    pub fold_seed: u64,
    /// The values that each field may take, by its dotted name.
    pub parameters: BTreeMap<String, Space>,
    /// The pipeline whose fields are searched, for classic learners. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineConfig>,
}

fn five() -> usize {
    5
}

/// How trials are chosen and how much is spent on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Strategy {
    /// Every combination of the values; takes lists only.
    Grid {},
    /// Draws from the values and ranges, which find good settings in fewer trials than a grid where few of the fields
    /// matter (Bergstra and Bengio 2012). Trials that repeat an earlier one are drawn again.
    Random {
        /// Number of trials.
        trials: usize,
    },
    /// One bracket of synchronous successive halving (Jamieson and Talwalkar 2016) over random trials: all get the
    /// smallest budget, the best of each `eta` go on with a budget `eta` times as large, and so on.
    ///
    /// A rung ends before the next begins. Asynchronous promotion, ASHA (Li et al. 2020), does not wait, so that what it
    /// promotes depends on which trial ends first; here the same seed gives the same ranking on any number of threads.
    /// `asha` is another name for it in the file.
    #[serde(alias = "asha")]
    SuccessiveHalving {
        /// Trials of the first rung.
        trials: usize,
        /// One of so many is promoted, and gets so many times the budget. At least 2.
        eta: usize,
        /// Budget of the first rung: passes over the tracks for networks, folds tested on for classic learners.
        minimum: usize,
        /// Budget of the last rung, in the same unit.
        maximum: usize,
    },
}

/// What trials are ranked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Objective {
    /// Fraction of tracks that are right; the largest is best.
    #[default]
    Accuracy,
    /// Mean F1 of the classes; the largest is best.
    MacroF1,
    /// Mean negative logarithm of the probability of the true class; the smallest is best.
    LogLoss,
}

impl Objective {
    /// Its name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::LogLoss => "log_loss",
        }
    }

    /// Whether a larger value is a better one.
    #[must_use]
    pub fn larger_is_better(self) -> bool {
        !matches!(self, Self::LogLoss)
    }
}

impl SearchConfig {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read; [`TrainError::Malformed`] when it is no search, a field that is not known
    /// with the nearest one that is; as [`validate`](Self::validate).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let config: Self =
            toml::from_str(&text).map_err(|e| TrainError::malformed(path, with_nearest(&e.to_string())))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks every field that can be checked without data.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the field, its value and the rule that it breaks.
    pub fn validate(&self) -> Result<(), TrainError> {
        if self.parameters.is_empty() {
            return Err(TrainError::config("parameters", "none", "at least one"));
        }
        for (name, space) in &self.parameters {
            if let Some(rule) = space.fault() {
                return Err(TrainError::config("parameters", name, rule));
            }
        }
        if self.folds < 2 {
            return Err(TrainError::config("folds", self.folds, "at least 2"));
        }
        match self.strategy {
            Strategy::Grid {} => self.grid_size().map(|_| ()),
            Strategy::Random { trials } => check_trials(trials),
            Strategy::SuccessiveHalving { trials, eta, minimum, maximum } => {
                if eta < 2 {
                    return Err(TrainError::config("eta", eta, "at least 2"));
                }
                if minimum < 1 || maximum < minimum {
                    let given = format!("{minimum} to {maximum}");
                    return Err(TrainError::config(
                        "budget",
                        given,
                        "a minimum of at least 1 and at most the maximum",
                    ));
                }
                check_trials(trials)
            }
        }
    }

    fn grid_size(&self) -> Result<usize, TrainError> {
        let mut size = 1_usize;
        for (name, space) in &self.parameters {
            let Space::Values(values) = space else {
                let rule = "a list of values in a grid; ranges are for random and successive_halving";
                return Err(TrainError::config("parameters", name, rule));
            };
            size = size.saturating_mul(values.len());
        }
        check_trials(size)?;
        Ok(size)
    }

    /// The trials, in order. The last field of a grid changes fastest. Random trials are fewer than asked for where the
    /// values have no more combinations.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn trials(&self) -> Result<Vec<Trial>, TrainError> {
        self.validate()?;
        match self.strategy {
            Strategy::Grid {} => self.grid(),
            Strategy::Random { trials } | Strategy::SuccessiveHalving { trials, .. } => Ok(self.draw(trials)),
        }
    }

    fn grid(&self) -> Result<Vec<Trial>, TrainError> {
        let trial = |number: usize| {
            let mut rest = number;
            let mut values = BTreeMap::new();
            for (name, space) in self.parameters.iter().rev() {
                if let Space::Values(list) = space {
                    values.insert(name.clone(), list[rest % list.len()].clone());
                    rest /= list.len();
                }
            }
            Trial { number, values }
        };
        Ok((0..self.grid_size()?).map(trial).collect())
    }

    fn draw(&self, trials: usize) -> Vec<Trial> {
        let mut drawn: Vec<Trial> = Vec::with_capacity(trials);
        let mut known = std::collections::HashSet::new();
        for number in 0..trials {
            // A generator for each trial: more trials do not change the first ones.
            let mut rng = SeededRng::with_stream(self.seed, number as u64);
            let fresh = (0..REDRAWS).find_map(|_| {
                let values: BTreeMap<String, Setting> = self
                    .parameters
                    .iter()
                    .map(|(name, space)| (name.clone(), space.draw(&mut rng)))
                    .collect();
                let trial = Trial { number: drawn.len(), values };
                known.insert(trial.to_string()).then_some(trial)
            });
            drawn.extend(fresh);
        }
        drawn
    }

    /// The budgets of the rungs, ascending; one of `None`, all there is, for strategies without.
    #[must_use]
    pub fn budgets(&self) -> Vec<Option<usize>> {
        let Strategy::SuccessiveHalving { eta, minimum, maximum, .. } = self.strategy else {
            return vec![None];
        };
        let mut budgets = Vec::new();
        let mut budget = minimum.max(1);
        while budget < maximum {
            budgets.push(Some(budget));
            budget = budget.saturating_mul(eta.max(2));
        }
        budgets.push(Some(maximum));
        budgets
    }

    /// How often a search of `trials` trials measures, all rungs together.
    #[must_use]
    pub fn evaluations(&self, trials: usize) -> usize {
        let rungs = std::iter::successors(Some(trials), |&n| Some(self.promoted(n)));
        rungs.take(self.budgets().len()).sum()
    }

    /// How many of `n` trials of a rung go on to the next.
    pub(super) fn promoted(&self, n: usize) -> usize {
        match self.strategy {
            Strategy::SuccessiveHalving { eta, .. } => (n / eta.max(2)).max(1),
            _ => n,
        }
    }
}

fn check_trials(trials: usize) -> Result<(), TrainError> {
    if (1..=MOST_TRIALS).contains(&trials) {
        return Ok(());
    }
    let rule = format!("between 1 and {MOST_TRIALS}");
    Err(TrainError::config("trials", trials, rule))
}
