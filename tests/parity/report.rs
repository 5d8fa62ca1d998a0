//! Outcomes: the line of a case, the counts, and the table by function.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::Theme;
use crate::case::{Answers, Case};
use crate::compare::{Distance, compare};
use crate::store::Index;

/// The outcome of one case.
pub(crate) struct Outcome {
    id: String,
    function: String,
    result: Option<Result<Distance>>,
}

impl Outcome {
    pub(crate) fn of(case: &Case<'_>, themes: &[Theme]) -> Self {
        let answers = themes.iter().find_map(|theme| theme(case));
        Self {
            id: case.description.id.clone(),
            function: case.function().to_owned(),
            result: answers.map(|answers| judge(case, answers)),
        }
    }

    fn passed(&self) -> bool {
        matches!(&self.result, Some(Ok(distance)) if distance.passed)
    }
}

fn judge(case: &Case<'_>, answers: Result<Answers>) -> Result<Distance> {
    let answers = answers?;
    let untaken = case.untaken();
    ensure!(untaken.is_empty(), "unused parameters: {}", untaken.join(", "));
    compare(case, &answers)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            None => write!(f, "missing  {}  -  -", self.id),
            Some(Ok(d)) => {
                let word = if d.passed { "ok     " } else { "FAIL   " };
                write!(f, "{word}  {}  {:.3e}  {:.3e}", self.id, d.error, d.tolerance)
            }
            Some(Err(e)) => write!(f, "FAIL     {}  {e:#}  -", self.id),
        }
    }
}

/// Passed, failed, missing.
pub(crate) fn count(outcomes: &[Outcome]) -> (usize, usize, usize) {
    let passed = outcomes.iter().filter(|o| o.passed()).count();
    let missing = outcomes.iter().filter(|o| o.result.is_none()).count();
    (passed, outcomes.len() - passed - missing, missing)
}

/// One row per function: cases, passed, and the case nearest to its tolerance.
pub(crate) fn markdown(outcomes: &[Outcome], index: &Index) -> String {
    let mut functions: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        functions.entry(&outcome.function).or_default().push(outcome);
    }
    let (passed, failed, missing) = count(outcomes);
    let mut text = String::from("# Parity with the references\n\n");
    let versions: Vec<String> = index.references.iter().map(|(name, v)| format!("{name} {v}")).collect();
    let _ = write!(
        text,
        "Written by `cargo run --release -p checks --example parity -- FOLDER --write docs/PARITY.md`.\n\n\
         References: {}.\n\n{passed} cases passed, {failed} failed, {missing} not implemented. Error and tolerance \
         are those of the case nearest to its tolerance: relative to the peak, absolute for decibels, a fraction of \
         elements for decisions, a count for exact answers.\n\n\
         | function | cases | passed | error | tolerance |\n|---|---:|---:|---:|---:|\n",
        versions.join(", ")
    );
    for (function, cases) in functions {
        let ok = cases.iter().filter(|o| o.passed()).count();
        let strain = |d: &Distance| {
            if d.tolerance > 0.0 { d.error / d.tolerance } else { d.error }
        };
        let worst = cases
            .iter()
            .filter_map(|o| o.result.as_ref()?.as_ref().ok())
            .max_by(|a, b| strain(a).total_cmp(&strain(b)));
        let numbers = worst.map_or("- | -".to_owned(), |d| format!("{:.1e} | {:.1e}", d.error, d.tolerance));
        let _ = writeln!(text, "| `{function}` | {} | {ok} | {numbers} |", cases.len());
    }
    text
}
