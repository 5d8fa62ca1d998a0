use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::run::TrialResult;
use super::{Measured, Objective, SearchConfig, Trial};
use crate::TrainError;
use crate::atomic::write_atomically;

/// The trials of a search, the best first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchTable {
    /// What they are ranked by.
    pub objective: Objective,
    /// Names of the fields that were searched.
    pub parameters: Vec<String>,
    /// The trials: those with the largest budget first, in each budget the best first, of equals the earlier one;
    /// those that failed last.
    pub ranked: Vec<RankedTrial>,
    /// What must be kept in mind when the best is quoted.
    pub caution: String,
}

/// A trial and the last that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedTrial {
    /// Place in the table, from 1.
    pub rank: usize,
    /// The trial.
    #[serde(flatten)]
    pub trial: Trial,
    /// The largest budget that it got; none where all trials got all.
    pub budget: Option<usize>,
    /// What was measured with it; none if it failed.
    pub measured: Option<Measured>,
    /// Why it failed.
    pub error: Option<String>,
    /// Seconds that it took, all budgets together.
    pub seconds: f64,
}

/// Order of results of one rung: the better first, failures last, of equals the earlier trial.
pub(super) fn better(objective: Objective, a: &TrialResult, b: &TrialResult) -> Ordering {
    let score = |result: &TrialResult| match result.measured {
        Some(measured) if objective.larger_is_better() => -measured.score,
        Some(measured) => measured.score,
        None => f64::INFINITY,
    };
    score(a).total_cmp(&score(b)).then(a.trial.cmp(&b.trial))
}

impl SearchTable {
    pub(super) fn new(
        config: &SearchConfig,
        trials: Vec<Trial>,
        results: impl Iterator<Item = TrialResult>,
    ) -> Self {
        let mut seconds: BTreeMap<usize, f64> = BTreeMap::new();
        let mut last: BTreeMap<usize, TrialResult> = BTreeMap::new();
        for result in results {
            *seconds.entry(result.trial).or_default() += result.seconds;
            // They come rung by rung.
            last.insert(result.trial, result);
        }
        let mut results: Vec<TrialResult> = last.into_values().collect();
        let order = |a: &TrialResult, b: &TrialResult| {
            let failed = a.measured.is_none().cmp(&b.measured.is_none());
            failed.then(b.rung.cmp(&a.rung)).then(better(config.objective, a, b))
        };
        results.sort_by(order);
        let ranked: Vec<RankedTrial> = results
            .into_iter()
            .enumerate()
            .filter_map(|(place, result)| {
                Some(RankedTrial {
                    rank: place + 1,
                    trial: trials.get(result.trial)?.clone(),
                    budget: result.budget,
                    measured: result.measured,
                    error: result.error,
                    seconds: seconds.get(&result.trial).copied().unwrap_or_default(),
                })
            })
            .collect();
        Self {
            objective: config.objective,
            parameters: config.parameters.keys().cloned().collect(),
            caution: caution(&ranked),
            ranked,
        }
    }

    /// The best trial; none if all failed.
    #[must_use]
    pub fn best(&self) -> Option<&RankedTrial> {
        self.ranked.iter().find(|trial| trial.measured.is_some())
    }

    /// Writes the table as CSV, in one step: rank, trial, budget, score, low and high end of its interval, the figures,
    /// seconds, error, and a column for each field.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        let path = path.as_ref();
        let failed = |e: csv::Error| TrainError::malformed(path, e.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fixed = [
            "rank", "trial", "budget", "score", "low", "high", "accuracy", "macro_f1", "log_loss", "seconds",
            "error",
        ];
        let header = fixed.into_iter().chain(self.parameters.iter().map(String::as_str));
        writer.write_record(header).map_err(failed)?;
        for row in &self.ranked {
            let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.6}"));
            let m = row.measured.as_ref();
            let interval = m.and_then(|m| m.interval);
            let mut record = vec![
                row.rank.to_string(),
                row.trial.number.to_string(),
                row.budget.map_or(String::new(), |b| b.to_string()),
                number(m.map(|m| m.score)),
                number(interval.map(|i| i.low)),
                number(interval.map(|i| i.high)),
                number(m.and_then(|m| m.accuracy)),
                number(m.and_then(|m| m.macro_f1)),
                number(m.and_then(|m| m.log_loss)),
                format!("{:.3}", row.seconds),
                row.error.clone().unwrap_or_default(),
            ];
            record.extend(self.parameters.iter().map(|name| {
                let value = row.trial.values.get(name);
                value.map_or(String::new(), ToString::to_string)
            }));
            writer.write_record(record).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|e| TrainError::malformed(path, e.to_string()))?;
        write_atomically(path, &[&bytes])
    }
}

/// What the best of a table is not.
fn caution(ranked: &[RankedTrial]) -> String {
    let good: Vec<&Measured> = ranked.iter().filter_map(|t| t.measured.as_ref()).collect();
    let mut text = format!(
        "The best of {} trials, chosen by the folds that it is measured on, is optimistic: measure it on other folds or \
         on tracks that took no part before its figure is quoted.",
        ranked.len()
    );
    // Only those of the budget of the best were measured alike.
    if let Some(interval) = good.first().and_then(|best| best.interval) {
        let budget = ranked.first().and_then(|t| t.budget);
        let alike: Vec<&RankedTrial> =
            ranked.iter().filter(|t| t.budget == budget && t.measured.is_some()).collect();
        let within = alike
            .iter()
            .filter_map(|t| t.measured)
            .filter(|m| (interval.low..=interval.high).contains(&m.score))
            .count();
        text += &format!(" {within} of the {} trials of its budget lie within its interval.", alike.len());
    }
    text
}

impl fmt::Display for SearchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let with_budget = self.ranked.iter().any(|t| t.budget.is_some());
        write!(f, "{:>4} {:>5}", "rank", "trial")?;
        if with_budget {
            write!(f, " {:>6}", "budget")?;
        }
        writeln!(f, " {:>9} {:>16} {:>8}  settings", self.objective.name(), "95 % of artists", "seconds")?;
        for row in &self.ranked {
            write!(f, "{:>4} {:>5}", row.rank, row.trial.number)?;
            if with_budget {
                write!(f, " {:>6}", row.budget.map_or("-".to_owned(), |b| b.to_string()))?;
            }
            let interval = row.measured.and_then(|m| m.interval);
            let ends = interval.map_or("-".to_owned(), |i| format!("{:.4} to {:.4}", i.low, i.high));
            let score = shown(row.measured.map(|m| m.score));
            write!(f, " {score:>9} {ends:>16} {:>8.2}  {}", row.seconds, row.trial)?;
            match &row.error {
                Some(error) => writeln!(f, "  failed: {error}")?,
                None => writeln!(f)?,
            }
        }
        writeln!(f, "{}", self.caution)
    }
}
