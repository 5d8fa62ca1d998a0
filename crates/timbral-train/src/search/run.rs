use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::journal::SearchJournal;
use super::table::{SearchTable, better};
use super::{Measured, SearchConfig, Trial};
use timbral_data::DataError;
use timbral_eval::EvalError;

use crate::TrainError;
use crate::error::chain;
use crate::training::run_all;

/// What measures trials. A closure `Fn(&Trial, Option<usize>) -> Result<Measured, TrainError>` of a trial and its budget is
/// one.
pub trait Evaluate: Sync {
    /// Whatever the measure depends on beside the trial: a search only goes on from the journal of the same.
    fn fingerprint(&self) -> String {
        String::new()
    }

    /// Says before anything is measured whether the values of a trial can be set.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the field that cannot, with the nearest name where it is not known.
    fn check(&self, trial: &Trial) -> Result<(), TrainError> {
        let _ = trial;
        Ok(())
    }

    /// Measures a trial within a budget, on `threads` threads; the result must not depend on their number.
    ///
    /// # Errors
    /// What is wrong with these values ends the trial: [`TrainError::Config`], [`TrainError::Shape`] (a loss that is not
    /// finite), [`TrainError::Network`], [`TrainError::Classic`] and [`TrainError::Tensor`]. All else ends the search.
    fn evaluate(&self, trial: &Trial, budget: Option<usize>, threads: usize) -> Result<Measured, TrainError>;

    /// Called when the result of a trial is safe in the journal: what was kept to go on with it may go.
    fn finished(&self, trial: &Trial, budget: Option<usize>) {
        let _ = (trial, budget);
    }
}

impl<F: Fn(&Trial, Option<usize>) -> Result<Measured, TrainError> + Sync> Evaluate for F {
    fn evaluate(&self, trial: &Trial, budget: Option<usize>, _: usize) -> Result<Measured, TrainError> {
        self(trial, budget)
    }
}

/// What came of one trial within one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// Number of the trial.
    pub trial: usize,
    /// The rung, from 0.
    pub rung: usize,
    /// The budget; none where all trials get all.
    pub budget: Option<usize>,
    /// What was measured; none if it failed.
    pub measured: Option<Measured>,
    /// Why it failed.
    pub error: Option<String>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Where a search stands.
#[derive(Clone, Copy, Debug)]
pub struct SearchProgress<'a> {
    /// The result that has just come in.
    pub result: &'a TrialResult,
    /// Its trial.
    pub trial: &'a Trial,
    /// Results so far, with those of the journal.
    pub done: usize,
    /// Results of the whole search. Fewer come if trials fail.
    pub total: usize,
}

/// Measures the trials of a search and ranks them.
///
/// `threads` trials are measured at once; where there are fewer, each gets several threads. Trials, promotion and ranking do
/// not depend on their number. With `journal`, each result is on the disk before the next step, and an interrupted search
/// goes on from there to the same table. `observe` sees each result and may stop the search.
///
/// # Errors
/// [`TrainError::Config`] for settings that break a rule or a journal of another search; [`TrainError::Stopped`] when
/// `observe` stops; [`TrainError::Io`] for the journal; what [`Evaluate::evaluate`] says ends the search.
pub fn search(
    config: &SearchConfig,
    evaluator: &dyn Evaluate,
    threads: usize,
    journal: Option<&Path>,
    observe: &(dyn Fn(&SearchProgress<'_>) -> ControlFlow<()> + Sync),
) -> Result<SearchTable, TrainError> {
    let trials = config.trials()?;
    trials.iter().try_for_each(|trial| evaluator.check(trial))?;
    let budgets = config.budgets();
    let mut known: BTreeMap<(usize, usize), TrialResult> = BTreeMap::new();
    let mut file = None;
    if let Some(path) = journal {
        let (opened, results) = SearchJournal::open(path, &fingerprint(config, evaluator)?)?;
        known.extend(results.into_iter().map(|r| ((r.rung, r.trial), r)));
        file = Some(opened);
    }
    let total = config.evaluations(trials.len());
    let shared = Mutex::new((file, known.len()));
    let mut alive: Vec<usize> = (0..trials.len()).collect();
    for (rung, &budget) in budgets.iter().enumerate() {
        let missing: Vec<usize> =
            alive.iter().copied().filter(|&trial| !known.contains_key(&(rung, trial))).collect();
        let inner = (threads / missing.len().max(1)).max(1);
        let results = run_all(&missing, threads, |&number| {
            let trial = &trials[number];
            let start = Instant::now();
            let (measured, error) = outcome(evaluator.evaluate(trial, budget, inner))?;
            let result = TrialResult {
                trial: number,
                rung,
                budget,
                measured,
                error,
                seconds: start.elapsed().as_secs_f64(),
            };
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(journal) = &mut shared.0 {
                journal.append(&result)?;
            }
            shared.1 += 1;
            evaluator.finished(trial, budget);
            let progress = SearchProgress { result: &result, trial, done: shared.1, total };
            // After the last result there is nothing left to stop.
            if observe(&progress).is_break() && shared.1 < total {
                return Err(TrainError::Stopped);
            }
            Ok(result)
        })?;
        known.extend(results.into_iter().map(|r| ((rung, r.trial), r)));
        let mut good: Vec<&TrialResult> = alive
            .iter()
            .filter_map(|&trial| known.get(&(rung, trial)))
            .filter(|result| result.measured.is_some())
            .collect();
        good.sort_by(|a, b| better(config.objective, a, b));
        alive = good.iter().take(config.promoted(alive.len())).map(|r| r.trial).collect();
        // In the order of their numbers, so that what follows does not depend on that of the ranking.
        alive.sort_unstable();
    }
    Ok(SearchTable::new(config, trials, known.into_values()))
}

type Outcome = (Option<Measured>, Option<String>);

/// Parts what is wrong with a trial from what is wrong with the machine.
fn outcome(result: Result<Measured, TrainError>) -> Result<Outcome, TrainError> {
    match result {
        Ok(measured) if measured.score.is_finite() => Ok((Some(measured), None)),
        Ok(measured) => Ok((None, Some(format!("the objective is {}", measured.score)))),
        Err(
            error @ (TrainError::Config { .. }
            | TrainError::Shape { .. }
            | TrainError::Network(_)
            | TrainError::Classic(_)
            | TrainError::Tensor(_)
            | TrainError::Data(DataError::Config { .. } | DataError::Shape { .. })
            | TrainError::Eval(
                EvalError::Config { .. } | EvalError::Shape { .. } | EvalError::Classic(_),
            )),
        ) => Ok((None, Some(chain(&error)))),
        Err(error) => Err(error),
    }
}

fn fingerprint(config: &SearchConfig, evaluator: &dyn Evaluate) -> Result<String, TrainError> {
    let text = serde_json::to_string(config)
        .map_err(|e| TrainError::config("search", "a configuration", e.to_string()))?;
    let mut hash = Sha256::new();
    hash.update(text);
    hash.update(b"\n");
    hash.update(evaluator.fingerprint());
    Ok(format!("{:x}", hash.finalize()))
}
