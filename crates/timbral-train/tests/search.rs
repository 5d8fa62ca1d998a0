//! Searches: which trials are made, which go on, and that neither a kill nor the number of threads changes the table.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use timbral_train::search::{Evaluate, Measured, SearchProgress, SearchTable, Setting, Trial, TrialResult};
use timbral_train::{SearchConfig, TrainError, search};

fn config(text: &str) -> SearchConfig {
    let folder = tempfile::tempdir().unwrap();
    read(folder.path(), text).unwrap()
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn read(folder: &Path, text: &str) -> Result<SearchConfig, TrainError> {
    let path = folder.join("search.toml");
    std::fs::write(&path, text).unwrap();
    SearchConfig::read(path)
}

fn go_on(_: &SearchProgress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn number(trial: &Trial, name: &str) -> f64 {
    trial.values[name].as_number().unwrap()
}

/// The table without the seconds, which no two runs share.
fn timeless(mut table: SearchTable) -> SearchTable {
    table.ranked.iter_mut().for_each(|trial| trial.seconds = 0.0);
    table
}

const HALVING: &str = r#"
strategy = { type = "asha", trials = 27, eta = 3, minimum = 2, maximum = 18 }
seed = 3
[parameters]
x = { low = 0.0, high = 1.0 }
"#;

#[test]
fn a_grid_is_the_product_of_its_lists() {
    let config = config(
        r#"
strategy = { type = "grid" }
[parameters]
a = [1, 2, 3]
"b.c" = ["x", true]
d = [[1, 2], { e = 0.5 }]
"#,
    );
    let trials = config.trials().unwrap();
    assert_eq!(trials.len(), 12);
    let distinct: BTreeSet<String> = trials.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), 12);
    assert!(trials.iter().enumerate().all(|(i, trial)| trial.number == i));
    assert_eq!(trials[0].to_string(), "a=1 b.c=\"x\" d=[1, 2]");
    assert_eq!(trials[1].to_string(), "a=1 b.c=\"x\" d={ e = 0.5 }");
    assert_eq!(trials[11].values["b.c"], Setting::Switch(true));
}

#[test]
fn draws_keep_to_their_ranges() {
    let config = config(
        r#"
strategy = { type = "random", trials = 2000 }
[parameters]
even = { low = -2.0, high = 6.0 }
log = { low = 1e-4, high = 1.0, scale = "log" }
whole = { low = 1, high = 4, integer = true }
kind = ["a", "b"]
"#,
    );
    let trials = config.trials().unwrap();
    assert_eq!(trials.len(), 2000);
    let share = |test: &dyn Fn(&Trial) -> bool| trials.iter().filter(|t| test(t)).count() as f64 / 2000.0;
    for trial in &trials {
        assert!((-2.0..=6.0).contains(&number(trial, "even")));
        assert!((1e-4..=1.0).contains(&number(trial, "log")));
        assert!(matches!(trial.values["whole"], Setting::Integer(1..=4)));
    }
    // A quarter each, with a standard error of about .01.
    for (low, high) in [(-2.0, 0.0), (0.0, 2.0), (2.0, 4.0), (4.0, 6.0)] {
        assert!((share(&|t| (low..high).contains(&number(t, "even"))) - 0.25).abs() < 0.05);
    }
    for power in -4..0 {
        let (low, high) = (10_f64.powi(power), 10_f64.powi(power + 1));
        assert!((share(&|t| (low..high).contains(&number(t, "log"))) - 0.25).abs() < 0.05);
    }
    for whole in 1..=4 {
        assert!((share(&|t| t.values["whole"] == Setting::Integer(whole)) - 0.25).abs() < 0.05);
    }
    assert!((share(&|t| t.values["kind"] == Setting::Text("a".into())) - 0.5).abs() < 0.05);
    // The same seed draws the same, another one does not, and more trials begin with the same.
    assert_eq!(trials, config.trials().unwrap());
    let other = SearchConfig { seed: 1, ..config.clone() };
    assert_ne!(trials, other.trials().unwrap());
    let text = toml::to_string(&config).unwrap().replace("2000", "10");
    assert_eq!(trials[..10], self::config(&text).trials().unwrap());
}

#[test]
fn repeated_draws_are_drawn_again() {
    let config =
        config("strategy = { type = \"random\", trials = 50 }\nparameters = { a = [1, 2], b = [1, 2, 3] }");
    assert_eq!(config.trials().unwrap().len(), 6, "there are six combinations");
}

#[test]
fn halving_keeps_the_best_of_each_rung() {
    let config = config(HALVING);
    assert_eq!(config.budgets(), [Some(2), Some(6), Some(18)]);
    let calls = Mutex::new(Vec::new());
    let evaluator = |trial: &Trial, budget: Option<usize>| {
        calls.lock().unwrap().push((budget.unwrap(), trial.number));
        Ok(Measured::of(number(trial, "x")))
    };
    let table = search(&config, &evaluator, 2, None, &go_on).unwrap();
    let mut order: Vec<(f64, usize)> =
        config.trials().unwrap().iter().map(|trial| (number(trial, "x"), trial.number)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let calls = calls.into_inner().unwrap();
    for (budget, count) in [(2, 27), (6, 9), (18, 3)] {
        let got: BTreeSet<usize> = calls.iter().filter(|c| c.0 == budget).map(|c| c.1).collect();
        let best: BTreeSet<usize> = order[..count].iter().map(|(_, trial)| *trial).collect();
        assert_eq!(got, best, "budget {budget}");
    }
    assert_eq!(config.evaluations(27), 39);
    assert_eq!(calls.len(), 39, "nothing is measured twice");
    let ranked: Vec<usize> = table.ranked.iter().map(|row| row.trial.number).collect();
    let expected: Vec<usize> = order.iter().map(|(_, trial)| *trial).collect();
    assert_eq!(ranked, expected, "here a larger budget goes with a better score");
    assert_eq!(table.ranked[3].budget, Some(6));
    assert!(table.caution.contains("optimistic") && table.caution.contains("27 trials"));
}

#[test]
fn a_larger_budget_ranks_before_a_better_score_of_a_smaller_one() {
    let config = config(&HALVING.replace("[parameters]", "objective = \"log_loss\"\n[parameters]"));
    // The best after two passes are the worst after six.
    let evaluator = |trial: &Trial, budget: Option<usize>| {
        let sign = if budget == Some(2) { 1.0 } else { -1.0 };
        Ok(Measured::of(5.0 + sign * number(trial, "x")))
    };
    let table = search(&config, &evaluator, 1, None, &go_on).unwrap();
    let budgets: Vec<usize> = table.ranked.iter().map(|row| row.budget.unwrap()).collect();
    assert!(budgets.is_sorted_by(|a, b| a >= b), "{budgets:?}");
    let best = table.best().unwrap();
    assert_eq!((best.rank, best.budget), (1, Some(18)));
    // The smallest loss is best: of nine the three whose x is largest.
    let first = number(&best.trial, "x");
    let nine = table.ranked.iter().filter(|row| row.budget > Some(2));
    assert!(nine.into_iter().all(|row| number(&row.trial, "x") <= first));
}

#[test]
fn the_table_does_not_depend_on_threads() {
    let config = config(HALVING);
    let evaluator = |trial: &Trial, budget: Option<usize>| {
        // The later a trial, the sooner it ends.
        std::thread::sleep(std::time::Duration::from_millis(27 - trial.number as u64));
        // Many ties, so that their order counts.
        Ok(Measured::of((number(trial, "x") * 4.0).round() + budget.unwrap() as f64))
    };
    let one = timeless(search(&config, &evaluator, 1, None, &go_on).unwrap());
    for threads in [2, 5, 40] {
        assert_eq!(one, timeless(search(&config, &evaluator, threads, None, &go_on).unwrap()));
    }
}

#[test]
fn a_stopped_search_goes_on_to_the_same_table() {
    let config = config(HALVING);
    let calls = AtomicUsize::new(0);
    let evaluator = |trial: &Trial, budget: Option<usize>| {
        calls.fetch_add(1, Ordering::Relaxed);
        Ok(Measured::of((number(trial, "x") * 37.0 * budget.unwrap() as f64).sin()))
    };
    let whole = timeless(search(&config, &evaluator, 1, None, &go_on).unwrap());
    for stop in [1, 5, 26, 27, 30, 38] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        calls.store(0, Ordering::Relaxed);
        let until = |progress: &SearchProgress<'_>| {
            if progress.done >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = search(&config, &evaluator, 1, Some(&path), &until).unwrap_err();
        assert!(matches!(error, TrainError::Stopped), "{error}");
        // A kill while a line is written.
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"sha256\":\"12");
        std::fs::write(&path, text).unwrap();
        let seen = Mutex::new(Vec::new());
        let watch = |progress: &SearchProgress<'_>| {
            seen.lock().unwrap().push((progress.done, progress.total));
            ControlFlow::Continue(())
        };
        let table = search(&config, &evaluator, 2, Some(&path), &watch).unwrap();
        assert_eq!(timeless(table), whole, "stopped after {stop}");
        assert_eq!(calls.load(Ordering::Relaxed), 39, "nothing is measured twice");
        assert_eq!(seen.into_inner().unwrap().first(), Some(&(stop + 1, 39)));
        // All is there: nothing is measured again, and the seconds are the same as well.
        let again = search(&config, &evaluator, 2, Some(&path), &go_on).unwrap();
        assert_eq!(again, search(&config, &evaluator, 2, Some(&path), &go_on).unwrap());
        assert_eq!(calls.load(Ordering::Relaxed), 39);
    }
}

#[test]
fn a_damaged_result_is_measured_again_and_a_journal_of_another_search_is_refused() {
    let config = config(HALVING);
    let evaluator = |trial: &Trial, _: Option<usize>| Ok(Measured::of(number(trial, "x")));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let whole = timeless(search(&config, &evaluator, 1, Some(&path), &go_on).unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    // A digit of a score of the tenth result is another.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines[10].find("\"score\":0.").unwrap() + "\"score\":0.".len();
    let digit = if lines[10].as_bytes()[at] == b'9' { "8" } else { "9" };
    lines[10].replace_range(at..=at, digit);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let measured = AtomicUsize::new(0);
    let count = |_: &SearchProgress<'_>| {
        measured.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    assert_eq!(timeless(search(&config, &evaluator, 1, Some(&path), &count).unwrap()), whole);
    assert_eq!(measured.into_inner(), 39 - 9, "the results before it stay");

    let other = SearchConfig { seed: 4, ..config };
    let error = search(&other, &evaluator, 1, Some(&path), &go_on).unwrap_err().to_string();
    assert!(error.contains("of the same search"), "{error}");
    std::fs::write(&path, "not a journal\n").unwrap();
    let error = search(&other, &evaluator, 1, Some(&path), &go_on).unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn a_trial_that_fails_is_told_and_ranks_last() {
    let config = config(HALVING);
    let failing = |trial: &Trial| trial.number % 2 == 1;
    let evaluator = |trial: &Trial, _: Option<usize>| match trial.number {
        1 => Ok(Measured::of(f64::NAN)),
        _ if failing(trial) => {
            Err(TrainError::Shape { what: "loss", given: "inf".into(), rule: "it must be finite".into() })
        }
        _ => Ok(Measured::of(number(trial, "x"))),
    };
    let table = search(&config, &evaluator, 2, None, &go_on).unwrap();
    assert_eq!(table.ranked.len(), 27);
    let failed: Vec<bool> = table.ranked.iter().map(|row| row.measured.is_none()).collect();
    assert!(failed.is_sorted() && failed.iter().filter(|f| **f).count() == 13);
    assert!(table.ranked.iter().all(|row| failing(&row.trial) == row.error.is_some()));
    assert!(table.to_string().contains("failed: "));
    // What is wrong with the machine ends the search.
    let broken = |_: &Trial, _: Option<usize>| -> Result<Measured, TrainError> {
        Err(TrainError::Io { path: "disk".into(), source: std::io::Error::other("full") })
    };
    assert!(matches!(search(&config, &broken, 2, None, &go_on), Err(TrainError::Io { .. })));
    // When all fail there is a table and no best.
    let all = |_: &Trial, _: Option<usize>| Ok(Measured::of(f64::INFINITY));
    let table = search(&config, &all, 2, None, &go_on).unwrap();
    assert!(table.best().is_none() && table.ranked.len() == 27);
}

#[test]
fn nothing_is_measured_when_a_value_cannot_be_set() {
    struct Refuses(AtomicUsize);
    impl Evaluate for Refuses {
        fn check(&self, trial: &Trial) -> Result<(), TrainError> {
            // The last of all.
            if trial.number < 26 { Ok(()) } else { Err(TrainError::Stopped) }
        }
        fn evaluate(&self, _: &Trial, _: Option<usize>, _: usize) -> Result<Measured, TrainError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Measured::of(0.0))
        }
    }
    let refuses = Refuses(AtomicUsize::new(0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    assert!(search(&config(HALVING), &refuses, 2, Some(&path), &go_on).is_err());
    assert_eq!(refuses.0.into_inner(), 0);
    assert!(!path.exists());
}

#[test]
fn faults_of_a_search_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let random = "strategy = { type = \"random\", trials = 5 }\n";
    for (text, part) in [
        (
            "strategy = { type = \"grid\" }\nparameters = { a = { low = 0, high = 1 } }".to_owned(),
            "a list of values in a grid",
        ),
        (format!("{random}parameters = {{}}"), "at least one"),
        (format!("{random}parameters = {{ a = [] }}"), "at least one value"),
        (format!("{random}parameters = {{ a = {{ low = 2, high = 1 }} }}"), "below its high"),
        (format!("{random}parameters = {{ a = {{ low = 0, high = 1, scale = \"log\" }} }}"), "above 0"),
        (format!("{random}parameters = {{ a = {{ low = 0.5, high = 4, integer = true }} }}"), "whole ends"),
        (format!("{random}parameters = {{ a = {{ low = 0, high = 1, scal = \"log\" }} }}"), "`scale`"),
        (format!("{random}parameters = {{ a = {{ low = 0 }} }}"), "`high`"),
        (format!("{random}parameters = {{ a = 3 }}"), "neither a list"),
        (format!("{random}sede = 3\nparameters = {{ a = [1] }}"), "`seed`"),
        (format!("{random}folds = 1\nparameters = {{ a = [1] }}"), "at least 2"),
        (random.replace('5', "0") + "parameters = { a = [1] }", "between 1 and"),
        (random.replace("random", "randm") + "parameters = { a = [1] }", "`random`"),
        (HALVING.replace("eta = 3", "eta = 1"), "at least 2"),
        (HALVING.replace("maximum = 18", "maximum = 1"), "at most the maximum"),
    ] {
        let error = chain(&read(folder.path(), &text).unwrap_err());
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(matches!(SearchConfig::read("nowhere.toml"), Err(TrainError::Io { .. })));
}

#[test]
fn the_table_is_written_as_csv() {
    let config = config("strategy = { type = \"grid\" }\nparameters = { a = [1, 2], b = [\"x,y\"] }");
    let evaluator = |trial: &Trial, _: Option<usize>| Ok(Measured::of(number(trial, "a")));
    let table = search(&config, &evaluator, 1, None, &|progress: &SearchProgress<'_>| {
        let TrialResult { rung, budget, .. } = progress.result;
        assert_eq!((*rung, *budget, progress.total), (0, None, 2));
        ControlFlow::Continue(())
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials.csv");
    timeless(table).save_csv(&path).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "rank,trial,budget,score,low,high,accuracy,macro_f1,log_loss,seconds,error,a,b");
    assert_eq!(lines[1], "1,1,,2.000000,,,,,,0.000,,2,\"\"\"x,y\"\"\"");
}
