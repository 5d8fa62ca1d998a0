//! The features against the compact golden set, through the code of the parity example.

#![allow(dead_code, reason = "the parity example uses more of the shared code")]

#[path = "../examples/parity/case.rs"]
mod case;
#[path = "../examples/parity/compare.rs"]
mod compare;
#[path = "../examples/parity/mel.rs"]
mod mel;
#[path = "../examples/parity/report.rs"]
mod report;
#[path = "../examples/parity/spectral.rs"]
mod spectral;
#[path = "../examples/parity/stft.rs"]
mod stft;
#[path = "../examples/parity/store.rs"]
mod store;
#[path = "../examples/parity/tables.rs"]
mod tables;

use std::path::Path;

type Theme = fn(&case::Case<'_>) -> Option<anyhow::Result<case::Answers>>;

#[test]
fn every_case_of_the_compact_set_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let store = store::Store::open(&folder).expect("the golden set is part of the repository");
    let themes: [Theme; 4] = [mel::run, spectral::run, stft::run, tables::run];
    let outcomes: Vec<report::Outcome> = store
        .index()
        .cases
        .iter()
        .map(|description| report::Outcome::of(&case::Case::new(description, &store), &themes))
        .collect();
    let (passed, failed, missing) = report::count(&outcomes);
    let lines: Vec<String> = outcomes.iter().map(ToString::to_string).collect();
    assert_eq!((failed, missing), (0, 0), "{}", lines.join("\n"));
    assert!(passed >= 21, "{passed} cases");
}
