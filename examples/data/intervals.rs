//! Reports the predictions of any model with confidence intervals. The CSV has the columns `track_id`, `artist`, `label` and one
//! probability per class, headed by its label: `intervals predictions.csv`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use anyhow::Context as _;
use ndarray::Array2;
use timbral_eval::{BootstrapConfig, Predictions, Report, ReportSource};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "predictions.csv".to_owned());
    let mut reader = csv::Reader::from_path(&path).with_context(|| format!("cannot read {path}"))?;
    let labels: Vec<String> = reader.headers()?.iter().skip(3).map(str::to_owned).collect();

    let (mut truth, mut artists, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for row in reader.records() {
        let row = row?;
        let label = labels.iter().position(|label| *label == row[2]);
        truth.push(label.with_context(|| format!("label {} has no column", &row[2]))?);
        artists.push(row[1].to_owned());
        for value in row.iter().skip(3) {
            values.push(value.parse::<f64>().with_context(|| format!("{value} must be a number"))?);
        }
    }
    let probabilities = Array2::from_shape_vec((truth.len(), labels.len()), values)?;
    let predictions = Predictions::new(truth, probabilities)?;

    // Tracks of one artist are alike, so a second interval draws whole artists: it is the wider and the honest one.
    let source = ReportSource {
        title: &path,
        unit: "track",
        labels: &labels,
        groups: &artists,
        protocol: None,
        leaky: false,
        split_hash: None,
    };
    let report = Report::new(&predictions, &source, &BootstrapConfig::default())?;
    println!("{report}");
    println!("expected calibration error {:.3}", predictions.expected_calibration_error(15));
    Ok(())
}
