use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ndarray::Array2;
use sha2::{Digest as _, Sha256};
use timbral_classic::{Config as _, LearnerConfig, PipelineConfig};
use toml::{Table, Value};

use super::{Evaluate, Measured, Objective, SearchConfig, Setting, Strategy, Trial};
use crate::TrainError;
use crate::classic::{answer_rows, classes};
use crate::training::{canonical, nearest, run_all, set_in, with_nearest};
use timbral_data::{FeatureTable, Folds, Part, Split, TrackInfo};
use timbral_eval::Predictions;

/// Measures settings of a [`PipelineConfig`] by cross-validation over a feature table, grouped by artist.
///
/// Fields are named as they stand in the file: `learner.svc.c`, `transformers.pca.components`, a transformer by its kind or
/// its place. A whole `learner` can be searched too, as a list of tables. The budget is the number of folds that a trial
/// is tested on, always the first ones; a promoted trial keeps those it has and adds the others. A support vector
/// classifier without `probability` is ranked by the classes it chooses, which takes a fifth of the time.
#[derive(Debug)]
pub struct ClassicSearch<'a> {
    base: &'a PipelineConfig,
    table: &'a FeatureTable,
    labels: Vec<String>,
    classes: Vec<usize>,
    folds: Folds,
    splits: Vec<Split>,
    objective: Objective,
    halves: bool,
    /// Answers of trials that may be promoted.
    answers: Mutex<BTreeMap<(usize, usize), Answers>>,
}

/// The test rows of a fold, and a row of class probabilities for each.
type Answers = (Vec<usize>, Array2<f64>);

impl<'a> ClassicSearch<'a> {
    /// A search around `base` over the rows of a table.
    ///
    /// # Errors
    /// [`TrainError::Config`] for a budget of more folds than there are; as [`Folds::stratified_group`].
    pub fn new(
        config: &SearchConfig,
        base: &'a PipelineConfig,
        table: &'a FeatureTable,
    ) -> Result<Self, TrainError> {
        let folds = Folds::stratified_group(table.tracks(), config.folds, config.fold_seed)?;
        let halves = match config.strategy {
            Strategy::SuccessiveHalving { maximum, .. } if maximum > config.folds => {
                let rule = format!(
                    "at most {}, the number of folds, which are the budget of a classic learner",
                    config.folds
                );
                return Err(TrainError::config("maximum", maximum, rule));
            }
            Strategy::SuccessiveHalving { .. } => true,
            _ => false,
        };
        let labels = table.labels();
        Ok(Self {
            base,
            table,
            classes: classes(table, &labels)?,
            labels,
            splits: folds.splits().collect(),
            folds,
            objective: config.objective,
            halves,
            answers: Mutex::default(),
        })
    }

    /// The folds, the same for all trials.
    #[must_use]
    pub fn folds(&self) -> &Folds {
        &self.folds
    }

    /// The pipeline of a trial.
    ///
    /// # Errors
    /// [`TrainError::Config`] for a field that is not known, with the nearest one that is; [`TrainError::Classic`] for a
    /// value that breaks its rule.
    pub fn parameters(&self, trial: &Trial) -> Result<PipelineConfig, TrainError> {
        let mut parameters = self.base.clone();
        for (name, value) in &trial.values {
            parameters = with_field(&parameters, name, value).map_err(|why| {
                let rule = format!("one that the pipeline takes: {why}");
                TrainError::config("parameters", format!("{name}={value}"), rule)
            })?;
        }
        parameters.validate()?;
        if self.objective == Objective::LogLoss && !gives_probabilities(&parameters) {
            let rule = "one with probabilities for the objective log_loss: set `probability = true`";
            return Err(TrainError::config("learner", "svc without probabilities", rule));
        }
        Ok(parameters)
    }

    /// What a pipeline says of the test rows of each of the first `n` folds.
    fn answers(
        &self,
        trial: &Trial,
        parameters: PipelineConfig,
        n: usize,
        threads: usize,
    ) -> Result<Vec<Answers>, TrainError> {
        let kept = |fold: usize| {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.get(&(trial.number, fold)).cloned()
        };
        let folds: Vec<usize> = (0..n).collect();
        let answers = run_all(&folds, threads, |&fold| match kept(fold) {
            Some(answers) => Ok(answers),
            None => self.answers_of(fold, &parameters),
        })?;
        if self.halves {
            let mut kept = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(
                answers.iter().enumerate().map(|(fold, answers)| ((trial.number, fold), answers.clone())),
            );
        }
        Ok(answers)
    }
}

impl ClassicSearch<'_> {
    /// The test rows of a fold and what a pipeline that was fitted to the others says of them: of a learner without
    /// probabilities the class that it names gets all.
    fn answers_of(&self, fold: usize, parameters: &PipelineConfig) -> Result<Answers, TrainError> {
        let rows = |part| self.splits[fold].rows(self.table.tracks(), part);
        let split = [(rows(Part::Train), rows(Part::Test))];
        let answers = answer_rows(self.table, parameters, &split)?;
        let certain = || {
            let mut certain = Array2::zeros((answers.rows.len(), self.labels.len()));
            for (row, &class) in answers.predicted.iter().enumerate() {
                certain[(row, class)] = 1.0;
            }
            certain
        };
        let probabilities = answers.probabilities.clone().unwrap_or_else(certain);
        Ok((answers.rows, probabilities))
    }
}

impl Evaluate for ClassicSearch<'_> {
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // What cannot be put into JSON cannot be measured either, and the measure says so.
        hash.update(canonical(&(self.base, self.table.columns())).unwrap_or_default());
        hash.update(self.folds.content_hash());
        for track in self.table.tracks() {
            let TrackInfo { track_id, label, .. } = track;
            hash.update(format!("\n{track_id}\n{label}\n{}", track.group_key()));
        }
        for value in self.table.values() {
            hash.update(value.to_le_bytes());
        }
        format!("{:x}", hash.finalize())
    }

    fn check(&self, trial: &Trial) -> Result<(), TrainError> {
        self.parameters(trial).map(|_| ())
    }

    fn evaluate(&self, trial: &Trial, budget: Option<usize>, threads: usize) -> Result<Measured, TrainError> {
        let parameters = self.parameters(trial)?;
        let has_probabilities = gives_probabilities(&parameters);
        let n = budget.unwrap_or(self.splits.len()).clamp(1, self.splits.len());
        let (mut truth, mut ids) = (Vec::new(), Vec::new());
        let mut values = Vec::new();
        for (rows, probabilities) in self.answers(trial, parameters, n, threads)? {
            truth.extend(rows.iter().map(|&row| self.classes[row]));
            ids.extend(rows.iter().map(|&row| self.table.tracks()[row].track_id.as_str()));
            values.extend(probabilities);
        }
        let shape = (truth.len(), self.labels.len());
        let probabilities = Array2::from_shape_vec(shape, values).map_err(|e| {
            TrainError::shape("probabilities", e.to_string(), "all folds must have the same classes")
        })?;
        let tracks = Predictions::new(truth, probabilities)?.by_track(&ids)?;
        let of_id: BTreeMap<&str, &TrackInfo> =
            self.table.tracks().iter().map(|track| (track.track_id.as_str(), track)).collect();
        let group = |id: &String| of_id.get(id.as_str()).map_or_else(|| id.clone(), |t| t.group_key());
        let groups: Vec<String> = tracks.track_ids.iter().map(group).collect();
        Measured::new(&tracks.predictions, &groups, self.objective, has_probabilities)
    }
}

fn gives_probabilities(parameters: &PipelineConfig) -> bool {
    !matches!(&parameters.learner, LearnerConfig::Svc(svc) if !svc.probability)
}

/// The pipeline with one field set.
fn with_field(parameters: &PipelineConfig, name: &str, value: &Setting) -> Result<PipelineConfig, String> {
    let mut table = Table::try_from(parameters).map_err(|e| e.to_string())?;
    let mut path: Vec<String> = name.split('.').map(str::to_owned).collect();
    if let ["transformers", kind, ..] = parts(&path).as_slice()
        && let Some(place) = transformer(&table, kind)?
    {
        path.insert(1, place.to_string());
    }
    if let ["learner", kind, ..] = parts(&path).as_slice()
        && let Some(Value::Table(learner)) = table.get_mut("learner")
        && !learner.contains_key(*kind)
    {
        let given = learner.keys().next().cloned().unwrap_or_default();
        learner.clear();
        learner.insert((*kind).to_owned(), Value::Table(Table::new()));
        // Either there is no such learner, which is told with the nearest one, or it is another.
        read(table)?;
        return Err(format!("the learner of the pipeline is {given}"));
    }
    let mut root = Value::Table(table);
    set_in(&mut root, &parts(&path), &value.to_toml())?;
    match root {
        Value::Table(table) => read(table),
        _ => Err("a pipeline is a table".into()),
    }
}

fn parts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn read(table: Table) -> Result<PipelineConfig, String> {
    table.try_into().map_err(|e: toml::de::Error| with_nearest(&e.to_string()))
}

/// The place of the transformer that is named by its kind; none if it is named by its place.
fn transformer(table: &Table, kind: &str) -> Result<Option<usize>, String> {
    let Some(Value::Array(items)) = table.get("transformers") else {
        return Err("the pipeline has no transformers".into());
    };
    if kind.parse::<usize>().is_ok_and(|place| place < items.len()) {
        return Ok(None);
    }
    let kinds: Vec<&str> =
        items.iter().filter_map(|item| item.as_table()?.keys().next().map(String::as_str)).collect();
    match kinds.iter().position(|k| *k == kind) {
        Some(place) => Ok(Some(place)),
        None => Err(match nearest(kind, kinds.iter().copied()) {
            Some(name) => format!("{kind:?} names no transformer: the nearest name is {name:?}"),
            None => "the pipeline has no transformers".into(),
        }),
    }
}
