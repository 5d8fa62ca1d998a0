//! Predictions of any model, from CSV.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test stops at the first surprise")]

use std::path::Path;

use timbral_eval::{BootstrapConfig, EvalError, PredictionTable, Report};

fn parse(csv: &str) -> Result<PredictionTable, EvalError> {
    PredictionTable::parse(Path::new("model.csv"), csv.as_bytes())
}

#[test]
fn a_file_of_another_model_becomes_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.csv");
    let csv =
        "track_id,label,artist,\"a, b\",c\nx,c,King,0.25,0.75\n y , c ,Monk, 0.9,0.1\nx,c,King,0.75,0.25\n";
    std::fs::write(&path, csv).unwrap();
    let table = PredictionTable::open(&path).unwrap();
    assert_eq!(table.labels, ["a, b", "c"]);
    assert_eq!(table.track_ids, ["x", "y", "x"]);
    assert_eq!(table.groups, ["King", "Monk", "King"]);
    assert_eq!(table.predictions.truth(), [1, 1, 1]);
    let tracks = table.by_track().unwrap();
    assert_eq!(
        (tracks.track_ids.len(), &tracks.groups[..]),
        (2, &["King".to_owned(), "Monk".to_owned()][..])
    );
    assert_eq!(tracks.predictions.probabilities()[(0, 1)], 0.5);
    let report =
        Report::new(&table.predictions, &table.source("a model"), &BootstrapConfig::default()).unwrap();
    assert_eq!(report.n_rows, 3);
    assert!(report.group_interval.is_some() && report.protocol.is_none());
    // Without groups there is no interval over them.
    let table = parse("track_id,label,a,b\nx,a,0.5,0.5\n").unwrap();
    assert!(table.groups.is_empty());
    let report = Report::new(&table.predictions, &table.source(""), &BootstrapConfig::default()).unwrap();
    assert!(report.group_interval.is_none());
}

#[test]
fn faults_name_line_and_column() {
    let head = "track_id,label,group,a,b\n";
    for (csv, line, part) in [
        ("id,label,a,b\nx,a,1,0\n".to_owned(), Some(1), "column 1 is id; it must be track_id"),
        ("track_id\nx\n".to_owned(), Some(1), "column 2 is missing; it must be label"),
        ("track_id,label,a\nx,a,1\n".to_owned(), Some(1), "classes is 1; it must be at least 2"),
        ("track_id,label,a,a\nx,a,1,0\n".to_owned(), Some(1), "\"a\" stands twice"),
        (
            format!("{head}x,a,g,1,0\ny,c,g,1,0\n"),
            Some(3),
            "column 2 (label) is \"c\"; it must be one of a, b",
        ),
        (
            format!("{head}x,a,g,1,zero\n"),
            Some(2),
            "column 5 (b) is \"zero\"; it must be a number between 0 and 1",
        ),
        (format!("{head}x,a,g,NaN,0\n"), Some(2), "column 4 (a) is \"NaN\""),
        (format!("{head}x,a,g,1.5,0\n"), Some(2), "column 4 (a) is \"1.5\""),
        (format!("{head}x,a,g,0.5,0.4\n"), Some(2), "sum of the probabilities is 0.9; it must be 1"),
        (format!("{head}x,a,,1,0\n"), Some(2), "column 3 (group) is \"\"; it must be a name"),
        (format!("{head}x,a,g,1\n"), Some(2), "4 fields"),
        (head.to_owned(), None, "rows is 0; it must be at least 1"),
    ] {
        let error = parse(&csv).unwrap_err();
        assert!(matches!(&error, EvalError::Malformed { line: l, .. } if *l == line), "{csv}: {error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(matches!(PredictionTable::open("nowhere.csv"), Err(EvalError::Io { .. })));
    let two = parse(&format!("{head}x,a,g,1,0\nx,a,h,1,0\n")).unwrap();
    assert!(matches!(two.by_track(), Err(EvalError::Shape { .. })));
}
